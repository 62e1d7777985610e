//! Token buckets in integer arithmetic.

use crate::Now;

/// Lets so many events a second through, and so many at once. Time is an argument.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Tokens a second: each millisecond brings as many thousandths.
    rate: u64,
    /// Thousandths of a token that there is room for.
    room: u64,
    /// Thousandths of a token there are.
    tokens: u64,
    last: Now,
}

impl TokenBucket {
    /// `rate` events a second, up to `burst` at once; full at `now`.
    pub fn new(rate: u64, burst: u64, now: Now) -> Self {
        let room = burst.saturating_mul(1000);
        Self { rate, room, tokens: room, last: now }
    }

    /// Takes a token; false where there is none.
    #[inline]
    pub fn take(&mut self, now: Now) -> bool {
        let passed = now.0.saturating_sub(self.last.0);
        if passed > 0 {
            self.tokens = self.tokens.saturating_add(passed.saturating_mul(self.rate)).min(self.room);
            self.last = now;
        }
        let left = self.tokens.checked_sub(1000);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let mut bucket = TokenBucket::new(100, 10, Now(5));
        assert_eq!((0..50).filter(|_| bucket.take(Now(5))).count(), 10);
        let passed = (5..1005).map(Now).filter(|&now| bucket.take(now)).count();
        assert!((99..=100).contains(&passed), "{passed}");
        // A long silence saves no more than the burst.
        assert_eq!((0..50).filter(|_| bucket.take(Now(1_000_000))).count(), 10);
    }

    #[test]
    fn time_that_stands_still_or_goes_back_brings_nothing() {
        let mut bucket = TokenBucket::new(1_000_000, 1, Now(100));
        assert!(bucket.take(Now(100)));
        assert!(!bucket.take(Now(50)));
        assert!(!bucket.take(Now(100)));
        assert!(bucket.take(Now(101)));
    }
}
