//! From the API server's event to the lcores that work by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use sluice_feed::Server;
use sluice_model::Generation;

/// Upper bounds of the histogram's buckets, in microseconds.
pub const BOUNDS: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000];
/// A subscriber that takes longer is away: that is no latency.
const PATIENCE: Duration = Duration::from_secs(5);
/// Generations waited for at once; those beyond are not measured.
const QUEUE: usize = 1024;

/// A histogram that only grows.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Counts by bucket, the last one for everything above [`BOUNDS`].
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS.len());
        if let Some(counter) = self.buckets.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The bound of the bucket in which the time lies that so many hundredths of all do not exceed; none where that is
    /// beyond the last bound, or nothing was counted.
    pub fn bound_us(&self, hundredths: u64) -> Option<u64> {
        let (counts, _) = self.read();
        let all: u64 = counts.iter().sum();
        let mut below = 0;
        let bucket = counts.iter().position(|count| {
            below += count;
            all > 0 && below * 100 >= all * hundredths
        });
        BOUNDS.get(bucket?).copied()
    }

    /// Counts by bucket, not cumulative, and the sum in microseconds.
    pub fn read(&self) -> ([u64; BOUNDS.len() + 1], u64) {
        let counts = std::array::from_fn(|n| self.buckets.get(n).map_or(0, |c| c.load(Ordering::Relaxed)));
        (counts, self.sum_us.load(Ordering::Relaxed))
    }
}

/// Measures: told of each generation, it waits until the data plane says that its lcores use it.
#[derive(Clone, Debug)]
pub struct Meter {
    sender: SyncSender<(Generation, Instant)>,
}

impl Meter {
    /// A meter, with its thread, which ends with it.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(server: Arc<Server>, histogram: Arc<Histogram>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("latency".into())
            .spawn(move || measure(&receiver, &server, &histogram))?;
        Ok(Self { sender })
    }

    /// A generation whose first event came in at `at` is published.
    pub fn published(&self, generation: Generation, at: Instant) {
        let _ = self.sender.try_send((generation, at));
    }
}

fn measure(receiver: &Receiver<(Generation, Instant)>, server: &Server, histogram: &Histogram) {
    while let Ok((generation, at)) = receiver.recv() {
        if server.wait_acked(generation, PATIENCE) {
            histogram.record(at.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for us in [1, 500, 501, 10_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[BOUNDS.len()], sum), (2, 1, 1, 10_001_002));
        assert_eq!([50, 75, 99].map(|n| histogram.bound_us(n)), [Some(500), Some(1_000), None]);
        assert_eq!(Histogram::default().bound_us(50), None);
    }
}
