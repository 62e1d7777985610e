//! Losses so large that they may be mistakes are held back for a while.

use std::time::{Duration, Instant};

use sluice_model::Change;

use super::general;
use crate::Problem;
use crate::admin::{Board, Held};
use crate::desired::Desired;

/// How often a loss that is held back is looked at again: to see it, everything that has changed is joined.
const AGAIN: Duration = Duration::from_secs(2);

/// Takes changes out of the desired state, but for a loss of most endpoints: that one only once an operator has released
/// it, or after `patience`.
#[derive(Debug)]
pub(super) struct Guard {
    patience: Duration,
    /// What is held back, and when it is looked at again.
    held: Option<(Held, Instant)>,
    released: bool,
}

impl Guard {
    /// A guard that lets everything through after `patience`; where that is zero, at once.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, held: None, released: false }
    }

    /// What is held back.
    pub(super) fn held(&self) -> Option<Held> {
        self.held.map(|(held, _)| held)
    }

    /// What is held back, as a problem.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.held().map(|held| general("endpoints", held.shrink.to_string()))
    }

    /// Takes an operator's word, if there is one.
    pub(super) fn listen(&mut self, board: &Board) {
        self.released |= self.held.is_some() && board.take_release();
    }

    /// Whether [`take`](Self::take) may give something, now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.released || self.held.is_none_or(|(_, again)| now >= again)
    }

    /// What has changed; none where it is held back.
    pub(super) fn take(&mut self, desired: &mut Desired, now: Instant) -> Option<Vec<Change>> {
        let is_over = self.held().is_some_and(|held| now.duration_since(held.since) >= self.patience);
        let changes = if self.released || is_over || self.patience.is_zero() {
            Ok(desired.take_changes())
        } else {
            desired.take_guarded_changes()
        };
        match changes {
            Ok(changes) => {
                (self.held, self.released) = (None, false);
                Some(changes)
            }
            Err(shrink) => {
                let since = self.held().map_or(now, |held| held.since);
                self.held = Some((Held { shrink, since }, now + AGAIN));
                None
            }
        }
    }
}
