//! The query log. What is logged never holds up an answer: lines wait in a bounded queue for a thread that writes them, and
//! are lost where that is full.

mod line;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::rr::Name;
use sluice_observe::log::Rate;

use crate::config::{LogClass, QueryLog};
use crate::counters::{Process, one};
use crate::message::Request;
use crate::zones::under_any;
pub(crate) use writer::Writer;

/// A query log at work.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) settings: QueryLog,
    zones: Vec<Name>,
    /// Queries seen, of which one in so many is logged.
    seen: AtomicU64,
    started: Instant,
    rate: Rate,
    writer: Writer,
    process: Arc<Process>,
}

/// A query whose reply is to be logged.
#[derive(Debug)]
pub(crate) struct Noted {
    log: Arc<Log>,
    client: SocketAddr,
    size: usize,
}

impl Log {
    /// Starts the thread that writes. Without one, as without a file, lines are lost.
    pub(crate) fn new(settings: QueryLog, zones: Vec<Name>, process: &Arc<Process>) -> Self {
        Self {
            writer: Writer::start(settings.file.clone(), process),
            rate: Rate::new(settings.rate),
            settings,
            zones,
            seen: AtomicU64::new(0),
            started: Instant::now(),
            process: process.clone(),
        }
    }

    /// Notes a query of `size` octets, if it is one whose reply may be logged.
    pub(crate) fn note(self: &Arc<Self>, name: &Name, client: SocketAddr, size: usize) -> Option<Noted> {
        if !self.zones.is_empty() && !under_any(name, &self.zones) {
            return None;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let sampled = seen.is_multiple_of(u64::from(self.settings.sample.max(1)));
        sampled.then(|| Noted { log: self.clone(), client, size })
    }

    /// Waits until what has been logged is written, as far as that goes within `most`.
    pub(crate) async fn settle(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.writer.waiting() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Noted {
    /// Logs the reply.
    pub(crate) fn replied(&self, request: &Request, stream: bool, reply: &[u8], time: Duration) {
        let classes = &self.log.settings.classes;
        if !classes.is_empty() && !classes.contains(&LogClass::of(reply)) {
            return;
        }
        let line = || line::line(request, self.client, self.size, stream, reply, time);
        let second = self.log.started.elapsed().as_secs();
        if !self.log.rate.admit(second) || !self.log.writer.write(line()) {
            one(&self.log.process.log_lost);
        }
    }
}

#[cfg(test)]
mod tests;
