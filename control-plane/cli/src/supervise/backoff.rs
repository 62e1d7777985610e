//! How long to wait before a role that died is started again.

use std::time::Duration;

/// The first pause that is one.
const LEAST: Duration = Duration::from_millis(100);
/// The longest.
const MOST: Duration = Duration::from_secs(5);
/// A role that lived so long was well; its next death is a first one.
const HEALTHY: Duration = Duration::from_secs(10);

/// The pauses of one role: none, 100 ms, twice as much each time up to 5 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The pause before the next start of a role that lived for `life`.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= HEALTHY {
            self.next = Duration::ZERO;
        }
        let pause = self.next;
        self.next = (pause * 2).clamp(LEAST, MOST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_then_longer_and_anew_after_health() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.after(HEALTHY - Duration::from_millis(1)), MOST);
        assert_eq!(backoff.after(HEALTHY), Duration::ZERO);
        assert_eq!(backoff.after(Duration::ZERO), LEAST);
    }
}
