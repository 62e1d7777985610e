//! Time as health is kept in.

use std::time::Duration;

use coarsetime::Instant;

/// Milliseconds since the machine was started, never 0. Linux moves this clock on with its ticks, every 1 to 10 ms: reading it
/// costs a quarter of what the exact one does. (rustix has it too, but its own search of the vDSO faults under valgrind, by which
/// the proxy is profiled.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// Now.
    pub fn now() -> Self {
        Self(1 + coarsetime::Duration::from_ticks(Instant::now().as_ticks()).as_millis())
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
