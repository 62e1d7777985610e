//! How much may be tried again: a service that is down must not get its requests several times.

use std::sync::{Mutex, PoisonError};

use super::Millis;

/// How long a window is, in milliseconds.
const WINDOW: u64 = 10_000;
/// Retries of a window whatever its requests.
const RETRIES: usize = 100;
/// Beyond them, one for so many requests.
const REQUESTS: usize = 5;

/// Counts an upstream's retries against its requests. Locked by retries alone.
#[derive(Debug, Default)]
pub struct Budget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Millis,
    /// The upstream's count of requests at that time.
    requests: usize,
    retries: usize,
}

impl Budget {
    /// Takes a retry, where there is one. `requests` is the upstream's count of all requests so far; it may wrap.
    pub fn take(&self, now: Millis, requests: usize) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 >= window.since.0.saturating_add(WINDOW) {
            *window = Window { since: now, requests, retries: 0 };
        }
        let allowed = RETRIES + requests.wrapping_sub(window.requests) / REQUESTS;
        let free = window.retries < allowed;
        window.retries += usize::from(free);
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_and_a_few_are_tried_again() {
        let budget = Budget::default();
        let start = usize::MAX - 10;
        budget.take(Millis(WINDOW), start);
        // Every request wants two retries.
        let taken = (1..=10_000).flat_map(|count| [count, count]);
        let taken = taken.filter(|&count| budget.take(Millis(WINDOW + 1), start.wrapping_add(count))).count();
        assert_eq!(taken, 2000 + RETRIES - 1);
        assert!(!budget.take(Millis(WINDOW + 2), start.wrapping_add(10_000)));
        assert!(budget.take(Millis(2 * WINDOW), start.wrapping_add(10_000)), "a new window");
    }
}
