//! Addresses for Services of type LoadBalancer: given out by the gateway that leads, forwarded by it, then shown in the
//! Service's status, from where the other gateways have them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use sluice_config::{AddressPool, Kubernetes};
use sluice_feed::Server;
use sluice_model::{Generation, ServiceName};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::general;
use crate::Problem;
use crate::desired::Desired;
use crate::lease::{ApiLeases, Durations, Elector, Leadership, NotLeading, identity};
use crate::object::ServiceObject;
use crate::pools::{Allocator, Refusal};
use crate::status::{FIELD_MANAGER, patch};

/// The Lease of who gives out addresses and writes statuses.
const LEASE: &str = "sluice-status";
/// How long one write may take, and the pause before a failed one is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);
/// Writes under way at once.
const AT_ONCE: usize = 16;
/// How long the elector may take to give up its Lease in the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// A status to be written once the data plane forwards by `generation`.
#[derive(Clone, Debug)]
struct Write {
    addresses: Vec<IpAddr>,
    generation: Generation,
    not_before: Instant,
    /// In which time of leading it was decided.
    term: u64,
}

/// What a write came to.
enum Outcome {
    Done,
    Failed(String),
    /// This gateway ceased to lead before it was answered.
    BrokenOff,
}

type Written = (ServiceName, Write, Outcome);

/// The addresses that are given out.
pub(super) struct Addresses {
    pools: Vec<AddressPool>,
    client: kube::Client,
    recorder: Recorder,
    leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    elector: JoinHandle<()>,
    /// While this gateway leads.
    allocator: Option<Allocator>,
    /// How many times it has ceased to lead.
    term: u64,
    /// It has ceased to lead, if only for a moment: others may have given out addresses since.
    interrupted: bool,
    /// Services that have changed since they were last looked at.
    changed: BTreeSet<ServiceName>,
    /// What is to be written once what is decided now is published.
    decided: BTreeMap<ServiceName, Vec<IpAddr>>,
    writes: BTreeMap<ServiceName, Write>,
    under_way: JoinSet<Written>,
    refusals: BTreeMap<ServiceName, Vec<Refusal>>,
    failures: BTreeMap<ServiceName, String>,
}

impl Addresses {
    /// Takes part in the election from now on.
    pub(super) fn new(client: &kube::Client, api: &Kubernetes, node: &str, pools: &[AddressPool]) -> Self {
        let leases = ApiLeases::new(client.clone(), &api.namespace, LEASE);
        let (elector, leadership) = Elector::new(leases, identity(node), Durations::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let reporter = Reporter { controller: "sluice.dev/gateway".into(), instance: Some(node.into()) };
        Self {
            pools: pools.to_vec(),
            recorder: Recorder::new(client.clone(), reporter),
            client: client.clone(),
            leadership,
            stop: Some(stop),
            elector: tokio::spawn(elector.run(async {
                let _ = stopped.await;
            })),
            allocator: None,
            term: 0,
            interrupted: false,
            changed: BTreeSet::new(),
            decided: BTreeMap::new(),
            writes: BTreeMap::new(),
            under_way: JoinSet::new(),
            refusals: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// This Service has changed, or is gone.
    pub(super) fn changed(&mut self, name: ServiceName) {
        self.changed.insert(name);
    }

    /// Whether this gateway leads.
    pub(super) fn leads(&self) -> bool {
        self.leadership.is_leader()
    }

    /// Gives out what there is to give out. True where something may have to be published.
    pub(super) fn decide(&mut self, desired: &mut Desired) -> bool {
        if std::mem::take(&mut self.interrupted) || !self.leadership.is_leader() {
            let led = self.allocator.take().is_some();
            if led {
                // From here on statuses say who has what, for whoever leads now.
                desired.unassign();
                self.writes.clear();
                self.decided.clear();
                self.refusals.clear();
                self.failures.clear();
                self.term += 1;
            }
            return led;
        }
        let allocator = match &mut self.allocator {
            Some(_) if self.changed.is_empty() => return false,
            Some(allocator) => allocator,
            none => {
                tracing::info!("this gateway leads: it gives out addresses and writes statuses");
                self.changed = desired.objects().map(|object| object.name.clone()).collect();
                none.insert(Allocator::new(&self.pools))
            }
        };
        for name in std::mem::take(&mut self.changed) {
            let wish = desired.object(&name).and_then(|object| object.asks.as_ref()?.wish.clone());
            allocator.update(&name, wish);
        }
        let mut news = false;
        for (name, allocation) in allocator.settle() {
            news = true;
            let Some(allocation) = allocation else {
                desired.assign(&name, None);
                self.refusals.remove(&name);
                // Only where the Service lives on as something else.
                self.decided.insert(name, Vec::new());
                continue;
            };
            if self.refusals.get(&name) != Some(&allocation.refusals) {
                if allocation.refusals.is_empty() {
                    self.refusals.remove(&name);
                } else {
                    self.tell(desired.object(&name), &allocation.refusals);
                    self.refusals.insert(name.clone(), allocation.refusals);
                }
            }
            desired.assign(&name, Some(allocation.addresses.clone()));
            self.decided.insert(name, allocation.addresses);
        }
        news
    }

    /// What was decided is published as of this generation.
    pub(super) fn published(&mut self, generation: Generation) {
        for (name, addresses) in std::mem::take(&mut self.decided) {
            let (not_before, term) = (Instant::now(), self.term);
            self.writes.insert(name, Write { addresses, generation, not_before, term });
        }
    }

    /// Writes statuses that are due, of what the data plane forwards.
    pub(super) fn write(&mut self, desired: &Desired, server: &Server) {
        while let Some(done) = self.under_way.try_join_next() {
            let Ok((name, mut write, outcome)) = done else { continue };
            match outcome {
                Outcome::Done => drop(self.failures.remove(&name)),
                // Whoever leads now decides anew.
                _ if write.term != self.term => {}
                Outcome::BrokenOff => self.interrupted = true,
                Outcome::Failed(message) => {
                    self.failures.insert(name.clone(), message);
                    write.not_before = Instant::now() + PAUSE;
                    self.writes.entry(name).or_insert(write);
                }
            }
        }
        let may_write = self.leadership.is_leader() && !self.interrupted;
        if !may_write || self.writes.is_empty() || server.subscribers().is_empty() {
            return;
        }
        let now = Instant::now();
        let room = AT_ONCE.saturating_sub(self.under_way.len());
        let due: Vec<ServiceName> = self
            .writes
            .iter()
            .filter(|(_, write)| {
                write.not_before <= now && server.wait_acked(write.generation, Duration::ZERO)
            })
            .map(|(name, _)| name.clone())
            .take(room)
            .collect();
        for name in due {
            let Some(write) = self.writes.remove(&name) else { continue };
            let shown = desired.object(&name).and_then(|object| object.asks.as_ref().map(|asks| &asks.shown));
            // Gone, or it says so already.
            let Some(body) = shown.and_then(|shown| patch(&name, shown, &write.addresses)) else {
                self.failures.remove(&name);
                continue;
            };
            let api: Api<Service> = Api::namespaced(self.client.clone(), &name.namespace);
            let leadership = self.leadership.clone();
            self.under_way.spawn(async move {
                let parameters = PatchParams::apply(FIELD_MANAGER).force();
                let body = Patch::Apply(body);
                let call = api.patch_status(&name.name, &parameters, &body);
                let outcome = match leadership.while_leading(tokio::time::timeout(PATIENCE, call)).await {
                    // Deleted, or made anew under the same name: the watch brings what is there now.
                    Ok(Ok(Err(kube::Error::Api(status)))) if matches!(status.code, 404 | 422) => {
                        Outcome::Done
                    }
                    Ok(Ok(Ok(_))) => Outcome::Done,
                    Ok(Ok(Err(error))) => Outcome::Failed(error.to_string()),
                    Ok(Err(_)) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
                    Err(NotLeading) => Outcome::BrokenOff,
                };
                (name, write, outcome)
            });
        }
    }

    /// What is wrong: Services without an address, statuses that could not be written.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let refused = self.refusals.iter().flat_map(|(name, refusals)| {
            refusals.iter().map(move |refusal| general(&format!("Service {name}"), refusal.to_string()))
        });
        let failed = self.failures.iter().map(|(name, message)| {
            general(&format!("Service {name}"), format!("its status cannot be written: {message}"))
        });
        refused.chain(failed).collect()
    }

    /// Gives up the Lease, so that another gateway need not wait for its end.
    pub(super) async fn end(mut self) {
        self.under_way.abort_all();
        drop(self.stop.take());
        let _ = tokio::time::timeout(FAREWELL, self.elector).await;
    }

    /// Says in an Event why a Service has no address, or not the one it asks for.
    fn tell(&self, object: Option<&ServiceObject>, refusals: &[Refusal]) {
        let (Some(object), Some(refusal)) = (object, refusals.first()) else { return };
        let reference = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Service".into()),
            name: Some(object.name.name.to_string()),
            namespace: Some(object.name.namespace.to_string()),
            uid: object.asks.as_ref().and_then(|asks| asks.shown.uid.as_deref()).map(ToOwned::to_owned),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Warning,
            reason: refusal.reason().to_owned(),
            note: Some(refusal.to_string()),
            action: "AllocateAddress".to_owned(),
            secondary: None,
        };
        let recorder = self.recorder.clone();
        tokio::spawn(async move {
            let sent = tokio::time::timeout(PATIENCE, recorder.publish(&event, &reference)).await;
            if let Ok(Err(error)) = sent {
                tracing::warn!(%error, "an Event could not be written");
            }
        });
    }
}
