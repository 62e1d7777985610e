//! The thread that follows control.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use sluice_dns::{Catalog, Zones};
use sluice_feed::{Kinds, Subscriber};
use sluice_ingress::Server;
use sluice_model::{Change, DnsSettings, ResolverSettings};
use sluice_observe::Stop;
use tokio::sync::watch::Sender;

/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);

/// What control wants the resolver to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// Where it answers, and for whom.
    pub(crate) dns: Option<DnsSettings>,
    /// What it does with names.
    pub(crate) resolver: ResolverSettings,
}

/// Follows the feed and puts what it says into effect.
pub(crate) struct Follower {
    subscriber: Subscriber,
    catalog: Catalog,
    zones: Arc<ArcSwap<Zones>>,
    settings: Sender<Option<Wanted>>,
    http: Arc<Server>,
    connected: Arc<AtomicBool>,
    start: Instant,
}

impl Follower {
    pub(crate) fn new(
        socket: &Path,
        zones: Arc<ArcSwap<Zones>>,
        settings: Sender<Option<Wanted>>,
        http: Arc<Server>,
    ) -> Self {
        let names = Kinds::SETTINGS.and(Kinds::NAMES).and(Kinds::RESOLVER);
        let kinds = names.and(Kinds::HTTP).and(Kinds::CERTIFICATES);
        Self {
            subscriber: Subscriber::new(socket, "proxy", kinds),
            catalog: Catalog::default(),
            zones,
            settings,
            http,
            connected: Arc::default(),
            start: Instant::now(),
        }
    }

    /// Whether control is connected, as it will be.
    pub(crate) fn connected(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.connected)
    }

    /// Follows until told to stop.
    pub(crate) fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            if let Some(transaction) = self.subscriber.next(TICK) {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                self.catalog.set_clock(since.as_secs(), self.start.elapsed().as_millis() as u64);
                for change in &transaction.changes {
                    self.catalog.apply(change);
                }
                // Names first: whoever asks at a new address gets an answer there.
                self.zones.store(Arc::new(self.catalog.zones().of(transaction.generation)));
                let http = transaction.changes.iter().filter_map(|change| match change {
                    Change::Http(change) => Some(change),
                    _ => None,
                });
                // Before the acknowledgement: who waits for that, such as a test or a status, finds it served.
                self.http.apply(&http.collect::<Vec<_>>());
                let mut wanted = self.settings.borrow().clone().unwrap_or_default();
                for change in transaction.changes {
                    match change {
                        Change::Settings(settings) => wanted.dns = settings.dns,
                        Change::Resolver(settings) => wanted.resolver = *settings,
                        _ => {}
                    }
                }
                self.settings.send_if_modified(|now| {
                    let other = now.as_ref() != Some(&wanted);
                    if other {
                        *now = Some(wanted);
                    }
                    other
                });
                self.subscriber.ack(transaction.generation);
            }
            self.connected.store(self.subscriber.is_connected(), Ordering::Relaxed);
        }
    }
}
