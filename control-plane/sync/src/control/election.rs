//! Who writes statuses and Events.

use std::time::Duration;

use kube::runtime::events::{Recorder, Reporter};
use sluice_config::Kubernetes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::lease::{ApiLeases, Durations, Elector, Leadership, identity};

/// The Lease of who gives out addresses and writes statuses.
const LEASE: &str = "sluice-status";
/// How long the elector may take to give up its Lease in the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// This gateway's part in the election.
pub(super) struct Election {
    /// Whether it leads.
    pub leadership: Leadership,
    /// With which it writes Events.
    pub recorder: Recorder,
    stop: oneshot::Sender<()>,
    elector: JoinHandle<()>,
}

impl Election {
    /// Takes part from now on.
    pub(super) fn new(client: &kube::Client, api: &Kubernetes, node: &str) -> Self {
        let leases = ApiLeases::new(client.clone(), &api.namespace, LEASE);
        let (elector, leadership) = Elector::new(leases, identity(node), Durations::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let reporter = Reporter { controller: "sluice.dev/gateway".into(), instance: Some(node.into()) };
        Self {
            leadership,
            recorder: Recorder::new(client.clone(), reporter),
            stop,
            elector: tokio::spawn(elector.run(async {
                let _ = stopped.await;
            })),
        }
    }

    /// Gives up the Lease, so that another gateway need not wait for its end.
    pub(super) async fn end(self) {
        drop(self.stop);
        let _ = tokio::time::timeout(FAREWELL, self.elector).await;
    }
}
