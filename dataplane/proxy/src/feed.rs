//! The thread that follows control.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use sluice_dns::{Catalog, Zones};
use sluice_feed::{Kinds, Subscriber};
use sluice_model::{Change, DnsSettings};
use sluice_observe::Stop;
use tokio::sync::watch::Sender;

/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);

/// Follows the feed and puts what it says into effect.
pub(crate) struct Follower {
    subscriber: Subscriber,
    catalog: Catalog,
    zones: Arc<ArcSwap<Zones>>,
    settings: Sender<Option<DnsSettings>>,
    connected: Arc<AtomicBool>,
    start: Instant,
}

impl Follower {
    pub(crate) fn new(
        socket: &Path,
        zones: Arc<ArcSwap<Zones>>,
        settings: Sender<Option<DnsSettings>>,
    ) -> Self {
        let kinds = Kinds::SETTINGS.and(Kinds::NAMES);
        Self {
            subscriber: Subscriber::new(socket, "proxy", kinds),
            catalog: Catalog::default(),
            zones,
            settings,
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
                self.zones.store(Arc::new(self.catalog.zones()));
                for change in transaction.changes {
                    if let Change::Settings(settings) = change {
                        self.settings.send_if_modified(|now| {
                            let other = *now != settings.dns;
                            if other {
                                now.clone_from(&settings.dns);
                            }
                            other
                        });
                    }
                }
                self.subscriber.ack(transaction.generation);
            }
            self.connected.store(self.subscriber.is_connected(), Ordering::Relaxed);
        }
    }
}
