//! Rates of very many clients in a table of fixed size: the generic cell rate algorithm (ITU-T I.371, annex A), which keeps one
//! time for each.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Exceeded;

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Places of a part, in sets that a key may be in any place of: 65,536 in all, 1 MiB.
const SETS: usize = 128;
const WAYS: usize = 8;

/// The table, made when it is first used.
#[derive(Debug, Default)]
pub(super) struct Rates(OnceLock<Vec<Mutex<Vec<[Entry; WAYS]>>>>);

/// A client.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: u64,
    /// When it will have used up what it asked, in microseconds.
    due: u64,
}

impl Rates {
    /// Takes one of what a key has, one for each `interval`, and `burst` ahead of its time. Where there are more clients than
    /// places, one is forgotten that asked least.
    pub(super) fn take(
        &self,
        key: u64,
        interval: Duration,
        burst: Duration,
        now: Duration,
    ) -> Result<(), Exceeded> {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let shards = self
            .0
            .get_or_init(|| (0..SHARDS).map(|_| Mutex::new(vec![[Entry::default(); WAYS]; SETS])).collect());
        let (shard, set) = ((key >> 58) as usize, key as usize % SETS);
        let Some(shard) = shards.get(shard) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(set) = shard.get_mut(set) else { return Ok(()) };
        let now = us(now);
        let at = set.iter().position(|entry| entry.key == key);
        let entry = match at.and_then(|at| set.get_mut(at)) {
            Some(entry) => entry,
            None => {
                let Some(entry) = set.iter_mut().min_by_key(|entry| entry.due) else { return Ok(()) };
                *entry = Entry { key, due: 0 };
                entry
            }
        };
        let (interval, burst) = (us(interval).max(1), us(burst));
        // The rule may have become narrower: nobody waits for longer than by the one that is.
        let due = entry.due.clamp(now, now.saturating_add(burst).saturating_add(interval));
        if due - now > burst {
            return Err(Exceeded);
        }
        entry.due = due.saturating_add(interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_beyond_the_table_forget_those_that_asked_least() {
        let rates = Rates::default();
        let second = Duration::from_secs(1);
        let take = |key, now| rates.take(key, second, 10 * second, now);
        // All in one set.
        let key = |n: u64| n * SETS as u64;
        let busy = |now| (0..100).filter(|_| take(key(1), now).is_ok()).count();
        assert_eq!(busy(second), 11);
        for n in 2..1000 {
            assert!(take(key(n), second).is_ok());
        }
        assert_eq!(busy(second), 0, "who asks most is not forgotten");
    }

    proptest::proptest! {
        #[test]
        fn it_is_a_bucket_that_leaks(
            steps in proptest::collection::vec(0..3000_u64, 1..200),
            interval in 1..2000_u64,
            burst in 0..20_u64,
        ) {
            let (rates, ms) = (Rates::default(), Duration::from_millis);
            // The bucket: what is in it leaks one each interval; one more fits where at most `burst` are in it.
            let (mut now, mut level, mut at) = (0_u64, 0_u64, 0_u64);
            for step in steps {
                now += step;
                level = level.saturating_sub(now - at);
                at = now;
                let fits = level <= burst * interval;
                let taken = rates.take(7, ms(interval), ms(burst * interval), ms(now + 1)).is_ok();
                proptest::prop_assert_eq!(taken, fits);
                level += if fits { interval } else { 0 };
            }
        }
    }
}
