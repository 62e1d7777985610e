//! What the data plane does with the feed, but for the packets.

use std::time::{Duration, Instant};

use sluice_engine::snapshot::Publisher;
use sluice_feed::{Kinds, Subscriber};
use sluice_model::Change;
use sluice_testbed::Testbed;

/// A subscriber that makes snapshots.
pub(crate) struct Plane {
    subscriber: Subscriber,
    publisher: Publisher,
    /// Services of the benchmark that have come.
    pub(crate) services: usize,
    /// Times that one of them came.
    pub(crate) changes: usize,
    /// When the first transaction with any of them was there.
    pub(crate) first: Option<Instant>,
}

impl Plane {
    pub(crate) fn new(bed: &Testbed) -> Self {
        let socket = bed.folder().join("run/feed.sock");
        // Whoever finds nobody tries again later and later; that is not to be measured here.
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let subscriber = Subscriber::new(&socket, "bench", Kinds::SERVICES.and(Kinds::SETTINGS));
        Self { subscriber, publisher: Publisher::new(), services: 0, changes: 0, first: None }
    }

    /// Follows until `done`.
    pub(crate) fn until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + patience;
        while !done(self) {
            assert!(Instant::now() < end, "not within {patience:?}: {} Services", self.services);
            let Some(transaction) = self.subscriber.next(Duration::from_millis(100)) else { continue };
            for change in &transaction.changes {
                match change {
                    Change::Service(service) if &*service.name.namespace == "default" => {
                        self.services += usize::from(service.name.name.starts_with('s'));
                        self.changes += 1;
                        self.first.get_or_insert_with(Instant::now);
                    }
                    _ => {}
                }
                self.publisher.apply(change);
            }
            self.publisher.publish(transaction.generation);
            self.subscriber.ack(transaction.generation);
        }
    }
}
