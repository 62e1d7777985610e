//! The query log. What is logged never holds up an answer: lines wait in a bounded queue for a thread that writes them, and
//! are lost where that is full.

mod line;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::rr::Name;

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
    /// The second it is, in the upper half, and the lines that were let through in it.
    window: AtomicU64,
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
            settings,
            zones,
            seen: AtomicU64::new(0),
            started: Instant::now(),
            window: AtomicU64::new(0),
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

    /// Whether this second has room for one more line.
    fn has_room(&self) -> bool {
        let second = self.started.elapsed().as_secs();
        let most = u64::from(self.settings.rate);
        let next = |now: u64| match (now >> 32 == second & 0xffff_ffff, now & 0xffff_ffff) {
            (true, lines) => (lines < most).then_some(now + 1),
            (false, _) => Some(second << 32 | 1),
        };
        self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
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
        if !classes.is_empty() && !classes.contains(&class(reply)) {
            return;
        }
        let line = || line::line(request, self.client, self.size, stream, reply, time);
        if !self.log.has_room() || !self.log.writer.write(line()) {
            one(&self.log.process.log_lost);
        }
    }
}

/// What a reply is. Without records in the answer section it denies, as long as it is no referral.
fn class(reply: &[u8]) -> LogClass {
    let count = |at: usize| reply.get(at..at + 2).is_some_and(|count| count != [0, 0]);
    match reply.get(3).map(|flags| flags & 15) {
        Some(0) if count(6) || !count(8) => LogClass::Success,
        Some(0 | 3) => LogClass::Denial,
        _ => LogClass::Error,
    }
}

#[cfg(test)]
mod tests;
