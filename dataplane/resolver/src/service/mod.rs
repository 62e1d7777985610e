//! A query's way: authority, rules, tables, cache, upstreams.
//!
//! What can be answered without waiting is answered on the task that received the query. The rest waits in a task of its own,
//! of which there are only so many.

mod authoritative;
mod fetch;
mod hint;
mod notify;
mod pending;
mod state;
mod step;
mod translate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

pub(crate) use state::{State, Zone};
pub(crate) use step::Step;

use crate::authority::Authority;
use crate::config::Config;
use crate::counters::{Process, Registry};
use crate::forward::Loops;
use crate::listen::Endpoint;

/// What all listeners share.
pub(crate) struct Service {
    pub(crate) state: ArcSwap<State>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) process: Arc<Process>,
    pub(crate) registry: Registry,
    pub(crate) loops: Arc<Loops>,
    /// Queries that wait.
    pub(crate) pending: Arc<Semaphore>,
    /// Questions to upstreams.
    pub(crate) fetches: Arc<Semaphore>,
    /// Hints whose questions are out.
    hints: Arc<AtomicUsize>,
    stopping: AtomicBool,
}

impl Service {
    pub(crate) fn new(config: &Config, authority: Arc<dyn Authority>) -> Self {
        let process = Arc::default();
        let pending = config.settings().limits.pending;
        Self {
            state: ArcSwap::from_pointee(State::new(config, None, &process)),
            authority,
            process,
            registry: Registry::default(),
            loops: Arc::default(),
            pending: Arc::new(Semaphore::new(pending)),
            fetches: Arc::new(Semaphore::new(pending)),
            hints: Arc::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Is not ready any more. Queries are answered as before, until the listeners close.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Where a query came from, and where it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) client: SocketAddr,
    pub(crate) endpoint: &'a Arc<Endpoint>,
}

impl Origin<'_> {
    /// The address that was asked.
    pub(crate) fn server(&self) -> IpAddr {
        self.endpoint.address.ip()
    }
}
