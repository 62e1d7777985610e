//! How many lines a second has room for.

use std::sync::atomic::{AtomicU64, Ordering};

/// So many lines a second, for all threads together.
#[derive(Debug)]
pub struct Rate {
    most: u64,
    /// The second it is, in the upper half, and the lines that were let through in it.
    window: AtomicU64,
}

impl Rate {
    /// At most so many.
    pub fn new(most: u32) -> Self {
        Self { most: most.into(), window: AtomicU64::new(0) }
    }

    /// Whether this second, of any clock, has room for one more line.
    pub fn admit(&self, second: u64) -> bool {
        let next = |now: u64| match (now >> 32 == second & 0xffff_ffff, now & 0xffff_ffff) {
            (true, lines) => (lines < self.most).then_some(now + 1),
            (false, _) => Some(second << 32 | 1),
        };
        self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_room() {
        let rate = Rate::new(3);
        let admitted = |second, tries: usize| (0..tries).filter(|_| rate.admit(second)).count();
        assert_eq!(
            [admitted(0, 5), admitted(0, 5), admitted(1, 2), admitted(1, 2), admitted(7, 9)],
            [3, 0, 2, 1, 3]
        );
    }
}
