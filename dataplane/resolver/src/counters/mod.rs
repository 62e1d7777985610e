//! What is counted, and how it is told.

mod dns;
mod histogram;
mod render;

use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::ResponseCode;

pub(crate) use dns::{Asked, Registry};
pub(crate) use histogram::{Durations, Sizes, TIMES};
pub(crate) use render::render;

/// Codes that are counted apart; the last is for all others.
pub(crate) const RCODES: [&str; 12] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
    "NOTAUTH", "BADVERS", "other",
];

/// Counts by code.
#[derive(Debug, Default)]
pub(crate) struct Rcodes([AtomicU64; RCODES.len()]);

impl Rcodes {
    pub(crate) fn add(&self, code: ResponseCode) {
        if let Some(count) = self.0.get(slot(code)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Codes that have occurred, and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RCODES.iter().zip(&self.0).map(|(name, count)| (*name, read(count))).filter(|(_, count)| *count > 0)
    }
}

/// Times by code.
#[derive(Debug, Default)]
pub(crate) struct RcodeTimes([Durations; RCODES.len()]);

impl RcodeTimes {
    pub(crate) fn add(&self, code: ResponseCode, time: std::time::Duration) {
        if let Some(times) = self.0.get(slot(code)) {
            times.add(time);
        }
    }

    /// Codes and their times.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Durations)> {
        RCODES.iter().copied().zip(&self.0)
    }
}

/// Where a code stands in [`RCODES`].
fn slot(code: ResponseCode) -> usize {
    match u16::from(code) {
        code @ 0..=9 => usize::from(code),
        16 => 10,
        _ => 11,
    }
}

/// Statuses of HTTP that are answered.
pub(crate) const STATUSES: [u16; 8] = [200, 400, 404, 405, 408, 413, 415, 0];

impl Process {
    /// Counts a response over HTTPS.
    pub(crate) fn https(&self, status: u16) {
        let slot = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        self.https.get(slot).into_iter().for_each(one);
    }
}

/// Counters of the whole resolver.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// Queries refused because too many waited.
    pub(crate) shed: AtomicU64,
    /// Queries that joined one that was under way.
    pub(crate) coalesced: AtomicU64,
    /// Queries from clients that may not ask.
    pub(crate) prohibited: AtomicU64,
    /// Hints: that were asked of an upstream, whose answer was known or under way, for which there was no room, and that
    /// may not be asked or are none.
    pub(crate) hints: [AtomicU64; 4],
    /// Responses over HTTPS, by [`STATUSES`]; the last is for all others.
    pub(crate) https: [AtomicU64; STATUSES.len()],
    /// Lines of the query log that were too many, or could not be written.
    pub(crate) log_lost: AtomicU64,
    /// Messages that get no reply: too short, responses, or from ports that nobody asks from.
    pub(crate) silent: AtomicU64,
    /// Requests that were not queries, or malformed.
    pub(crate) malformed: AtomicU64,
    /// Datagrams that could not be sent.
    pub(crate) unsent: AtomicU64,
    /// Connections taken.
    pub(crate) connections: AtomicU64,
    /// Connections refused because there were too many: of all clients, and of one.
    pub(crate) connections_refused: [AtomicU64; 2],
    /// Connections ended because the client took too long.
    pub(crate) connections_slow: AtomicU64,
    /// Waits of connections whose client had taken its share of the time.
    pub(crate) connections_held: AtomicU64,
    /// TLS handshakes that failed.
    pub(crate) handshakes_failed: AtomicU64,
    /// Forwarding loops seen.
    pub(crate) loops: AtomicU64,
    /// Answers of upstreams that were not believed.
    pub(crate) disbelieved: AtomicU64,
    /// Zone transfers.
    pub(crate) transfers: AtomicU64,
    /// Queries answered from local tables.
    pub(crate) local: AtomicU64,
    /// Queries that rules of templates answered.
    pub(crate) template_matches: AtomicU64,
    /// Configurations taken over, and refused.
    pub(crate) reloads: [AtomicU64; 2],
}

/// Adds one.
pub(crate) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The count.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
