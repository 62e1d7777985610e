//! Histograms with the bounds that CoreDNS has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::read;

/// Upper bounds of times, in seconds: from 0.25 ms, doubling.
pub(crate) const TIMES: [f64; 16] = [
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048,
    4.096, 8.192,
];
/// Upper bounds of sizes, in octets.
pub(crate) const SIZES: [f64; 13] =
    [0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16000.0, 32000.0, 64000.0];

/// Times.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    counts: [AtomicU64; TIMES.len() + 1],
    nanoseconds: AtomicU64,
}

/// Sizes.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    counts: [AtomicU64; SIZES.len() + 1],
    octets: AtomicU64,
}

impl Durations {
    pub(crate) fn add(&self, time: Duration) {
        add(&self.counts, &TIMES, time.as_secs_f64());
        self.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts by bucket, and the sum in seconds.
    pub(crate) fn read(&self) -> (Vec<u64>, f64) {
        (self.counts.iter().map(read).collect(), Duration::from_nanos(read(&self.nanoseconds)).as_secs_f64())
    }
}

impl Sizes {
    pub(crate) fn add(&self, octets: usize) {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        add(&self.counts, &SIZES, octets.into());
        self.octets.fetch_add(octets.into(), Ordering::Relaxed);
    }

    /// Counts by bucket, and the sum in octets.
    pub(crate) fn read(&self) -> (Vec<u64>, u64) {
        (self.counts.iter().map(read).collect(), read(&self.octets))
    }
}

fn add(counts: &[AtomicU64], bounds: &[f64], value: f64) {
    let bucket = bounds.partition_point(|bound| *bound < value);
    if let Some(count) = counts.get(bucket) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
