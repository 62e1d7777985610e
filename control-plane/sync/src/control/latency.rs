//! From the API server's event, and from what brought that about, to the lcores that work by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use sluice_feed::Server;
use sluice_model::Generation;

/// Upper bounds of buckets from an event on, in microseconds.
const BOUNDS: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000];
/// The same from a change in the cluster on, CoreDNS's: 1 ms to 524 s, each twice the one before.
const PROGRAMMING: [u64; 20] = {
    let mut bounds = [1_000; 20];
    let mut n = 1;
    while n < bounds.len() {
        bounds[n] = bounds[n - 1] * 2;
        n += 1;
    }
    bounds
};
/// A subscriber that takes longer is away: that is no latency.
const PATIENCE: Duration = Duration::from_secs(5);
/// Generations waited for at once; those beyond are not measured.
const QUEUE: usize = 1024;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From an event's arrival.
    pub event: Arc<Histogram>,
    /// From the change of a Pod or Service that had the endpoints of a headless Service change, as the controller that wrote its
    /// slices says.
    pub headless: Arc<Histogram>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { event: Arc::new(Histogram::new(&BOUNDS)), headless: Arc::new(Histogram::new(&PROGRAMMING)) }
    }
}

/// A histogram that only grows.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// Counts by bucket, the last one for everything above the bounds.
    buckets: Vec<AtomicU64>,
    sum_us: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum_us: AtomicU64::new(0) }
    }

    /// Upper bounds of the buckets, in microseconds.
    pub fn bounds(&self) -> &'static [u64] {
        self.bounds
    }

    /// Counts one.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.iter().position(|bound| us <= *bound).unwrap_or(self.bounds.len());
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
        self.bounds.get(bucket?).copied()
    }

    /// Counts by bucket, not cumulative, and the sum in microseconds.
    pub fn read(&self) -> (Vec<u64>, u64) {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        (counts, self.sum_us.load(Ordering::Relaxed))
    }
}

/// Measures: told of each generation, it waits until the data plane says that its lcores use it.
#[derive(Clone, Debug)]
pub struct Meter {
    sender: SyncSender<Measured>,
}

/// A generation that is on its way.
#[derive(Debug)]
struct Measured {
    generation: Generation,
    /// When the first event that it has came in.
    at: Instant,
    /// When headless Services' endpoints that it has changed.
    headless: Vec<SystemTime>,
}

impl Meter {
    /// A meter, with its thread, which ends with it.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(server: Arc<Server>, latencies: Latencies) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("latency".into())
            .spawn(move || measure(&receiver, &server, &latencies))?;
        Ok(Self { sender })
    }

    /// A generation whose first event came in at `at`, and which has headless Services' endpoints that changed at these times, is
    /// published.
    pub fn published(&self, generation: Generation, at: Instant, headless: Vec<SystemTime>) {
        let _ = self.sender.try_send(Measured { generation, at, headless });
    }
}

fn measure(receiver: &Receiver<Measured>, server: &Server, latencies: &Latencies) {
    while let Ok(Measured { generation, at, headless }) = receiver.recv() {
        if server.wait_acked(generation, PATIENCE) {
            latencies.event.record(at.elapsed());
            // By two machines' clocks, neither of which may be right.
            let took = headless.iter().filter_map(|at| at.elapsed().ok());
            took.for_each(|took| latencies.headless.record(took));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_programming_are_those_of_coredns() {
        assert_eq!((PROGRAMMING[0], PROGRAMMING[1], PROGRAMMING[19]), (1_000, 2_000, 524_288_000));
    }

    #[test]
    fn each_duration_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&BOUNDS);
        for us in [1, 500, 501, 10_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[BOUNDS.len()], sum), (2, 1, 1, 10_001_002));
        assert_eq!([50, 75, 99].map(|n| histogram.bound_us(n)), [Some(500), Some(1_000), None]);
        assert_eq!(Histogram::new(&BOUNDS).bound_us(50), None);
    }
}
