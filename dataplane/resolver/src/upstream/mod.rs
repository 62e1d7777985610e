//! One upstream: how it is asked, and what is known of it.

mod counters;
mod health;
mod manner;
mod pool;
mod question;
mod sift;
mod stream;
mod udp;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use thiserror::Error;
use tokio::time::Instant;

pub(crate) use counters::Counters;
#[cfg(feature = "fuzz")]
pub(crate) use manner::Manner;
pub(crate) use question::Question;
#[cfg(feature = "fuzz")]
pub(crate) use question::{Check, check};
pub(crate) use sift::{Policy, sift};

use crate::cache::Key;
use crate::config::{CheckedForward, CheckedUpstream};
use crate::tls::ClientTls;
use manner::Manners;
use pool::Pool;

/// A server that is asked.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    tls: Option<ClientTls>,
    ports: RangeInclusive<u16>,
    probe: Name,
    recursion: bool,
    interval: Duration,
    max_fails: u32,
    fails: AtomicU32,
    probing: AtomicBool,
    /// Whether it asks this server what it is asked.
    looping: AtomicBool,
    manners: Manners,
    pool: Pool,
    pub(crate) counters: Counters,
}

/// An upstream's reply, and how long it was.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) message: Message,
    pub(crate) size: usize,
    /// The name as it was sent.
    pub(crate) sent: Name,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// A socket.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The question cannot be written.
    #[error("the question cannot be encoded")]
    Encode,
    /// A connection brought something else.
    #[error("the reply is not to the question")]
    Mismatch,
    /// Nothing in time.
    #[error("no reply in time")]
    Deadline,
}

impl AskError {
    /// Whether nobody has been reached at all; a certificate that is not believed is one of somebody.
    pub(crate) fn is_of_the_network(&self) -> bool {
        matches!(self, Self::Io(why) if why.kind() != std::io::ErrorKind::InvalidData)
    }
}

impl Upstream {
    pub(crate) fn new(
        upstream: &CheckedUpstream,
        forward: &CheckedForward,
        ports: RangeInclusive<u16>,
    ) -> Self {
        Self {
            address: upstream.address,
            tls: upstream.tls.clone(),
            ports,
            probe: forward.probe.clone(),
            recursion: forward.settings.health.recursion,
            interval: forward.settings.health.interval,
            max_fails: forward.settings.max_fails,
            fails: AtomicU32::new(0),
            probing: AtomicBool::new(false),
            looping: AtomicBool::new(false),
            manners: Manners::new(),
            pool: Pool::new(forward.settings.expire),
            counters: Counters::default(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has failed too often to be asked before others.
    pub(crate) fn is_down(&self) -> bool {
        self.max_fails > 0 && self.fails.load(Ordering::Relaxed) >= self.max_fails
    }

    pub(crate) fn is_over_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn is_looping(&self) -> bool {
        self.looping.load(Ordering::Relaxed)
    }

    pub(crate) fn set_looping(&self, looping: bool) {
        if self.looping.swap(looping, Ordering::Relaxed) != looping {
            tracing::warn!(upstream = %self.address, looping, "forwarding loop");
        }
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn prune(&self) {
        self.pool.prune();
    }

    /// Asks a question until the deadline. What comes back is a reply to the question, and is believed no further than that.
    pub(crate) async fn ask(&self, key: &Key, stream: bool, deadline: Instant) -> Result<Reply, AskError> {
        let asked = Instant::now();
        let reply = match tokio::time::timeout_at(deadline, self.exchange(key, stream, true)).await {
            Ok(reply) => reply,
            Err(_) => Err(AskError::Deadline),
        };
        self.counters
            .asked(reply.as_ref().ok().map(|reply| reply.message.metadata.response_code), asked.elapsed());
        reply
    }

    async fn exchange(&self, key: &Key, stream: bool, recursion: bool) -> Result<Reply, AskError> {
        let reply = self.exchange_once(key, stream, recursion).await?;
        let code = reply.message.metadata.response_code;
        let refuses_edns = reply.message.edns.is_none()
            && matches!(code, ResponseCode::FormErr | ResponseCode::NotImp)
            && self.manners.now().edns;
        if !refuses_edns {
            return Ok(reply);
        }
        // From before EDNS (RFC 6891, 7).
        self.manners.has_no_edns();
        self.exchange_once(key, stream, recursion).await
    }

    async fn exchange_once(&self, key: &Key, stream: bool, recursion: bool) -> Result<Reply, AskError> {
        if !stream && self.tls.is_none() {
            let question = Question::new(key, self.manners.now(), recursion).ok_or(AskError::Encode)?;
            match udp::ask(&question, self.address, &self.ports, &self.counters).await? {
                udp::Heard::Reply(message, size) => {
                    self.manners.learn(&message);
                    if message.metadata.response_code != ResponseCode::BADCOOKIE {
                        return Ok(Reply { message: *message, size, sent: question.name });
                    }
                }
                udp::Heard::Truncated => self.counters.truncated(),
                udp::Heard::Doubtful => self.counters.doubted(),
            }
        }
        // Another identifier: the first may be known to whoever sent mismatches.
        let manner = self.manners.now();
        let mixed = manner.mixed;
        let question = Question::new(key, manner, recursion).ok_or(AskError::Encode)?;
        let (message, size, kept) = self.over_stream(&question).await?;
        self.manners.learn(&message);
        if !kept && mixed {
            // Nobody off the path can speak on a connection, so it is the upstream itself that changes the case.
            self.manners.loses_case();
            self.counters.blinded();
        }
        Ok(Reply { message, size, sent: question.name })
    }

    async fn over_stream(&self, question: &Question) -> Result<(Message, usize, bool), AskError> {
        // A connection that was idle may have been closed meanwhile: that is no failure of the upstream.
        if let Some(mut connection) = self.pool.take() {
            self.counters.reused();
            if let Ok(reply) = connection.ask(question).await {
                self.pool.put(connection);
                return Ok(reply);
            }
        }
        self.counters.connected();
        let mut connection = stream::Connection::open(self.address, self.tls.as_ref()).await?;
        let reply = connection.ask(question).await?;
        self.pool.put(connection);
        Ok(reply)
    }

    /// It has answered.
    pub(crate) fn succeeded(&self) {
        self.fails.store(0, Ordering::Relaxed);
    }

    /// It has not: it is probed until it does.
    pub(crate) fn failed(self: &Arc<Self>) {
        self.counters.failed();
        if self.max_fails == 0 {
            return;
        }
        let fails = self.fails.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if fails == self.max_fails {
            tracing::warn!(upstream = %self.address, fails, "upstream is down");
        }
        if !self.probing.swap(true, Ordering::AcqRel) {
            tokio::spawn(health::probe(Arc::downgrade(self), self.interval));
        }
    }
}

#[cfg(test)]
mod tests;
