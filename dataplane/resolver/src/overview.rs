//! Caches and upstreams as they are now, for people to look at.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::counters::{Durations, TIMES, read};
use crate::service::Service;

/// The cache of a zone. What is counted is counted since the zone was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRow {
    /// The domain; `.` is everything else.
    pub zone: String,
    /// Answers with records.
    pub positive: u64,
    /// Answers without.
    pub negative: u64,
    /// About how many bytes they take.
    pub bytes: u64,
    /// Queries answered from it.
    pub hits: u64,
    /// Queries that it had no answer for.
    pub misses: u64,
    /// Answers fetched again before they ran out.
    pub prefetches: u64,
    /// Queries answered with what had run out.
    pub stale: u64,
    /// Answers that made room for others.
    pub evictions: u64,
}

/// An upstream of a zone. What is counted is counted since the zone was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRow {
    /// The domain whose names it is asked for; `.` is everything else.
    pub zone: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is asked over TLS.
    pub tls: bool,
    /// How it is.
    pub health: Health,
    /// Questions it was asked.
    pub queries: u64,
    /// Questions without a reply.
    pub failures: u64,
    /// Messages that were not the reply.
    pub mismatches: u64,
    /// The mean time until a reply, in microseconds; none before the first.
    pub mean_us: Option<u64>,
    /// 99 of 100 replies came within so many microseconds; none before the first, or where the time is beyond 8 s.
    pub p99_within_us: Option<u64>,
}

/// How an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It is asked.
    Up,
    /// It has failed too often, and is probed.
    Down,
    /// It asks this server what it is asked.
    Looping,
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Looping => "looping",
        })
    }
}

pub(crate) fn caches(service: &Service) -> Vec<CacheRow> {
    let state = service.state.load();
    let caches = state.zones().iter().filter_map(|zone| Some((&zone.label, zone.cache.as_ref()?)));
    let row = |(zone, cache): (&std::sync::Arc<str>, &crate::cache::Cache)| {
        let [positive, negative] = cache.entries().map(|count| count as u64);
        CacheRow {
            zone: zone.to_string(),
            positive,
            negative,
            bytes: cache.bytes() as u64,
            hits: cache.counters.hits.iter().map(read).sum(),
            misses: read(&cache.counters.misses),
            prefetches: read(&cache.counters.prefetches),
            stale: read(&cache.counters.stale),
            evictions: cache.evictions().iter().sum(),
        }
    };
    caches.map(row).collect()
}

pub(crate) fn upstreams(service: &Service) -> Vec<UpstreamRow> {
    let state = service.state.load();
    let forwards = state.zones().iter().flat_map(|zone| zone.forwards.iter().map(move |it| (zone, it)));
    let all = forwards.flat_map(|(zone, forward)| {
        let name = match zone.checked.settings.namespaces.is_empty() {
            true => forward.from().to_ascii(),
            false => zone.label.to_string(),
        };
        forward.upstreams().iter().map(move |it| (name.clone(), it))
    });
    let row = |(zone, upstream): (String, &std::sync::Arc<crate::upstream::Upstream>)| {
        let (mean_us, p99_within_us) = times(upstream.counters.times.iter().map(|(_, times)| times));
        UpstreamRow {
            zone,
            address: upstream.address(),
            tls: upstream.is_over_tls(),
            health: match (upstream.is_looping(), upstream.is_down()) {
                (true, _) => Health::Looping,
                (false, true) => Health::Down,
                (false, false) => Health::Up,
            },
            queries: read(&upstream.counters.questions),
            failures: read(&upstream.counters.failures),
            mismatches: read(&upstream.counters.mismatches),
            mean_us,
            p99_within_us,
        }
    };
    all.map(row).collect()
}

/// The mean, and the bound that 99 of 100 are within, in microseconds.
fn times<'t>(all: impl Iterator<Item = &'t Durations>) -> (Option<u64>, Option<u64>) {
    let (mut counts, mut sum) = ([0; TIMES.len() + 1], 0.0);
    for times in all {
        let (more, seconds) = times.read();
        counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        sum += seconds;
    }
    let count: u64 = counts.iter().sum();
    if count == 0 {
        return (None, None);
    }
    let microseconds = |seconds: f64| (seconds * 1e6) as u64;
    let mut within = 0;
    let bound = counts.iter().zip(TIMES).find_map(|(bucket, bound)| {
        within += bucket;
        (within * 100 >= count * 99).then(|| microseconds(bound))
    });
    (Some(microseconds(sum / count as f64)), bound)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_a_mean_and_a_bound() {
        let durations = Durations::default();
        assert_eq!(times([&durations].into_iter()), (None, None));
        (0..99).for_each(|_| durations.add(Duration::from_millis(3)));
        durations.add(Duration::from_millis(103));
        assert_eq!(times([&durations].into_iter()), (Some(4000), Some(4000)));
        (0..10).for_each(|_| durations.add(Duration::from_secs(60)));
        assert_eq!(times([&durations].into_iter()).1, None);
    }
}
