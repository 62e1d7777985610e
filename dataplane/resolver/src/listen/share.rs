//! How much of a CPU each client's connections take: over TCP no rate limit stands before a query, and one client that pipelines
//! queries for local names, or asks for zones over and over, would leave nothing for the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What may be taken at once, after a time of rest.
const BURST: Duration = Duration::from_secs(1);

/// The time that was spent on a client's queries, as the time until which it is paid for (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Share {
    start: Instant,
    /// Nanoseconds since the start.
    paid: AtomicU64,
}

impl Default for Share {
    fn default() -> Self {
        Self { start: Instant::now(), paid: AtomicU64::new(0) }
    }
}

impl Share {
    /// Notes that so much was spent, of `each` in a second; how long to wait before more is.
    pub(crate) fn spend(&self, spent: Duration, each: Duration) -> Option<Duration> {
        self.spend_at(self.start.elapsed(), spent, each)
    }

    /// Whether all is paid for: who is forgotten then has lost nothing, nor won.
    pub(crate) fn is_paid(&self) -> bool {
        self.paid.load(Ordering::Relaxed) <= nanoseconds(self.start.elapsed())
    }

    fn spend_at(&self, now: Duration, spent: Duration, each: Duration) -> Option<Duration> {
        let now = nanoseconds(now);
        let times = Duration::from_secs(1).as_nanos() / each.as_nanos().max(1);
        let cost = u128::from(nanoseconds(spent)).saturating_mul(times);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let paid = |before: u64| before.max(now).saturating_add(cost);
        let before =
            self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| Some(paid(before)));
        let paid = paid(before.unwrap_or_else(|before| before));
        let wait = paid.saturating_sub(now).saturating_sub(nanoseconds(BURST));
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_of_each_second_and_a_burst() {
        let (share, each) = (Share::default(), Duration::from_millis(100));
        let ms = Duration::from_millis;
        // A second's worth at once.
        assert_eq!(share.spend_at(ms(0), ms(60), each), None);
        assert_eq!(share.spend_at(ms(0), ms(40), each), None);
        // Each millisecond more is paid for by ten.
        assert_eq!(share.spend_at(ms(0), ms(1), each), Some(ms(10)));
        assert_eq!(share.spend_at(ms(10), ms(1), each), Some(ms(10)));
        // Rest is worth no more than the burst.
        assert_eq!(share.spend_at(ms(60_000), ms(100), each), None);
        assert_eq!(share.spend_at(ms(60_000), ms(5), each), Some(ms(50)));
        let idle = Share::default();
        assert!(idle.is_paid());
        idle.spend(ms(50), each);
        assert!(!idle.is_paid());
    }
}
