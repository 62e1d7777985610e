//! One flag that ends all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a waiting thread looks at the flag.
const LOOK: Duration = Duration::from_millis(20);

/// Set once, by a signal handler or a thread that failed; shared by clones.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that is also set by whoever else holds `flag`, such as a signal handler.
    pub fn from_flag(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Asks all threads to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether they should.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits that long, less where the flag is set meanwhile.
    pub fn wait(&self, time: Duration) {
        let deadline = Instant::now() + time;
        while !self.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}
