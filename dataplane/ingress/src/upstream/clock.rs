//! Time as health is kept in.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds since the process first asked, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// Now.
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let since = START.get_or_init(Instant::now).elapsed();
        Self(1 + u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1))
    }

    /// So much later.
    pub fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// How long since an earlier time.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
