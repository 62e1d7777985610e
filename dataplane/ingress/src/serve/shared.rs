//! What all workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_model::http::HttpSettings;
use tokio::sync::{Notify, watch};

use super::listen::Problems;
use crate::limit::Limits;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::table::Tables;
use crate::tls::Store;

/// Tables, limits and counters.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tables: Arc<Tables>,
    pub(super) limits: Arc<Limits>,
    pub(super) tls: Store,
    pub(super) metrics: Arc<Metrics>,
    pub(super) log: Log,
    pub(super) problems: Problems,
    pub(super) connections: Arc<Connections>,
    /// How HTTP is served; none before the first full state.
    pub(super) settings: watch::Sender<Option<Arc<HttpSettings>>>,
    /// No new connections or requests, from now on.
    pub(super) ending: watch::Sender<bool>,
}

/// Open connections of all workers.
#[derive(Debug, Default)]
pub(super) struct Connections {
    count: AtomicUsize,
    fewer: Notify,
}

/// An open connection; it counts as long as it lives.
#[derive(Debug)]
pub(super) struct Open(Arc<Connections>);

impl Connections {
    /// Counts one more, unless there are `limit`.
    pub(super) fn open(self: &Arc<Self>, limit: usize) -> Option<Arc<Open>> {
        if self.count.fetch_add(1, Ordering::AcqRel) < limit {
            return Some(Arc::new(Open(Arc::clone(self))));
        }
        self.count.fetch_sub(1, Ordering::AcqRel);
        None
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Returns when none is open.
    pub(super) async fn none(&self) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            // Before the look, lest the last one go in between.
            fewer.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            fewer.await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.fewer.notify_waiters();
        }
    }
}
