//! Connections to an upstream that wait for the next question.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::stream::Connection;

/// The most that wait.
const MOST: usize = 16;

/// Idle connections, the one used last at the end.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<(Instant, Connection)>>,
    expire: Duration,
}

impl Pool {
    pub(super) fn new(expire: Duration) -> Self {
        Self { idle: Mutex::new(Vec::new()), expire }
    }

    /// One that has not been idle for too long.
    pub(super) fn take(&self) -> Option<Connection> {
        self.prune();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|(_, connection)| connection)
    }

    /// Keeps one, unless there are enough.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST && !self.expire.is_zero() {
            idle.push((Instant::now(), connection));
        }
    }

    /// Closes those that have been idle for too long.
    pub(super) fn prune(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < self.expire);
    }
}
