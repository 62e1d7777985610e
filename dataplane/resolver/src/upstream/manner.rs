//! What an upstream is known to keep to, and its cookie.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use tokio::time::Instant;

/// The time an upstream that does not keep the case of questions, or has no EDNS, is asked without.
const REMEMBERED: Duration = Duration::from_secs(600);
/// The length of a client's cookie (RFC 7873, 4).
const CLIENT: usize = 8;
/// The lengths of a server's.
const SERVER: std::ops::RangeInclusive<usize> = 8..=32;

/// What is known of an upstream's ways.
#[derive(Debug)]
pub(super) struct Manners {
    /// Known to the upstream alone.
    client: [u8; CLIENT],
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    case_blind: Option<Instant>,
    plain: Option<Instant>,
    server: Option<Vec<u8>>,
}

/// How a question is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// Whether the name is sent in mixed case, and its reply has to have the same.
    pub(crate) mixed: bool,
    /// Whether it has an OPT.
    pub(crate) edns: bool,
    /// The cookie that is sent.
    pub(crate) cookie: Option<Cookie>,
}

/// A cookie that is sent.
#[derive(Clone, Debug)]
pub(crate) struct Cookie {
    client: [u8; CLIENT],
    server: Option<Vec<u8>>,
}

/// What a reply's cookie is to the one that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// The same, or none was to be expected.
    Good,
    /// None, though the upstream has had one before.
    Missing,
    /// Another's.
    Wrong,
}

impl Manners {
    pub(super) fn new() -> Self {
        Self { client: rand::random(), known: Mutex::default() }
    }

    /// How to ask now.
    pub(super) fn now(&self) -> Manner {
        let mut known = self.known();
        let now = Instant::now();
        known.case_blind = known.case_blind.filter(|until| *until > now);
        known.plain = known.plain.filter(|until| *until > now);
        let edns = known.plain.is_none();
        let cookie = edns.then(|| Cookie { client: self.client, server: known.server.clone() });
        Manner { mixed: known.case_blind.is_none(), edns, cookie }
    }

    /// It does not keep case.
    pub(super) fn loses_case(&self) {
        self.known().case_blind = Some(Instant::now() + REMEMBERED);
    }

    /// It has no EDNS.
    pub(super) fn has_no_edns(&self) {
        self.known().plain = Some(Instant::now() + REMEMBERED);
    }

    /// Takes over the server's cookie of a reply that has been checked; without one there is none.
    pub(super) fn learn(&self, reply: &Message) {
        let server =
            cookie(reply).and_then(|cookie| cookie.get(CLIENT..)).filter(|it| SERVER.contains(&it.len()));
        self.known().server = server.map(<[u8]>::to_vec);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cookie {
    /// As an option.
    pub(super) fn option(&self) -> EdnsOption {
        let server = self.server.iter().flatten();
        EdnsOption::Unknown(EdnsCode::Cookie.into(), self.client.iter().chain(server).copied().collect())
    }

    /// What a reply's cookie is to this.
    pub(super) fn returned(&self, reply: &Message) -> Returned {
        match cookie(reply) {
            Some(cookie) if cookie.starts_with(&self.client) => Returned::Good,
            Some(_) => Returned::Wrong,
            None if self.server.is_some() => Returned::Missing,
            None => Returned::Good,
        }
    }
}

fn cookie(reply: &Message) -> Option<&[u8]> {
    match reply.edns.as_ref()?.option(EdnsCode::Cookie)? {
        EdnsOption::Unknown(_, data) => Some(data),
        _ => None,
    }
}
