//! An answer and its time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::message::Answer;

/// An answer that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) answer: Arc<Answer>,
    pub(crate) stored: Instant,
    /// In seconds.
    pub(crate) ttl: u32,
}

impl Entry {
    pub(crate) fn new(answer: Arc<Answer>, stored: Instant, ttl: u32) -> Self {
        Self { answer, stored, ttl }
    }

    /// The TTL that is left, at least 1, if it has not run out.
    pub(crate) fn left(&self, now: Instant) -> Option<u32> {
        let life = Duration::from_secs(self.ttl.into());
        let left =
            life.checked_sub(now.saturating_duration_since(self.stored)).filter(|left| !left.is_zero())?;
        Some(u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1))
    }

    /// The time since it ran out, if it has.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Duration> {
        now.saturating_duration_since(self.stored).checked_sub(Duration::from_secs(self.ttl.into()))
    }
}
