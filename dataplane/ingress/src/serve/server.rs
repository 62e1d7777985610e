//! All workers, and what they are told.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sluice_model::http::{Certificate, HttpChange};
use tokio::sync::watch;

use super::shared::Shared;
use super::worker;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::table::Tables;
use crate::tls::{CertificateError, Store};

/// Serves HTTP until it is stopped.
#[derive(Debug)]
pub struct Server {
    pub(super) shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The gateway's own certificate, or the keys for session tickets.
    #[error("TLS: {0}")]
    Tls(#[from] CertificateError),
    /// A worker's thread or event loop.
    #[error("a worker of HTTP: {0}")]
    Worker(#[from] io::Error),
}

impl Server {
    /// Starts workers, as many as the process has CPUs where it is not said. They serve nothing before the first
    /// [`apply`](Self::apply).
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(workers: Option<NonZeroUsize>) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::default());
        let shared = Arc::new(Shared {
            tables: Arc::new(Tables::default()),
            limits: Arc::default(),
            tls: Store::new()?,
            log: Log::new(&metrics),
            metrics,
            problems: Default::default(),
            connections: Default::default(),
            settings: watch::Sender::new(None),
            ending: watch::Sender::new(false),
        });
        let count = workers.map_or_else(std::thread::available_parallelism, Ok)?;
        let server = Self { shared, workers: Mutex::default() };
        for index in 0..count.get() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let shared = Arc::clone(&server.shared);
            let work = move || {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, worker::run(shared, index));
            };
            let thread = std::thread::Builder::new().name(format!("http-{index}")).spawn(work)?;
            server.workers.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(server)
    }

    /// Takes changes over, all that there is with the first call. When this returns, requests and handshakes that begin are
    /// served by them; listeners follow at once where their addresses are there. One caller at a time.
    pub fn apply(&self, changes: &[&HttpChange]) {
        for change in changes {
            if let Err(error) = self.shared.tls.apply(change) {
                let name = match change {
                    HttpChange::Certificate(Certificate { name, .. }) => name.to_string(),
                    other => other.key().to_string(),
                };
                tracing::warn!(certificate = name, %error, "not taken over; the one before it stays");
                self.shared.metrics.bad_certificate();
            }
        }
        self.shared.tables.apply(changes.iter().copied());
        let settings = Arc::clone(self.shared.tables.load().settings());
        self.shared.log.set(settings.access_log.as_ref());
        self.shared.settings.send_if_modified(|now| {
            let other = now.as_ref() != Some(&settings);
            if other {
                *now = Some(settings);
            }
            other
        });
    }

    /// What requests are answered by.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.shared.tables
    }

    /// Why requests are not served as they should be, if they are not.
    pub fn problem(&self) -> Option<String> {
        if self.shared.settings.borrow().is_none() {
            return Some("what HTTP to serve is not known yet".into());
        }
        self.shared.problems.first()
    }

    /// Whether there is any address to serve at.
    pub fn is_wanted(&self) -> bool {
        let settings = self.shared.settings.borrow();
        settings.as_ref().is_some_and(|settings| !settings.http.is_empty() || !settings.https.is_empty())
    }

    /// Metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        let (names, certificates) = self.shared.tls.counts();
        self.shared.metrics.render(self.shared.connections.count(), names, certificates)
    }

    /// Takes no new connections from now on, and closes those that are idle.
    pub fn end(&self) {
        self.shared.ending.send_replace(true);
    }

    /// Ends, once requests in flight have ended or had as long as the settings allow.
    pub fn stop(&self) {
        self.end();
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
