//! The query log: what an lcore notes of the queries that it answers, for a thread that writes it down.
//!
//! A query is a record of fixed size in a ring that is one lcore's own. Where the ring is full, or a second has had as many as
//! are written in one, the record is lost, and counted. No query waits for the log.

use std::net::{IpAddr, SocketAddr};

use rtrb::{Consumer, Producer, RingBuffer};
use sluice_dns::name::MAX_NAME;
use sluice_dns::query::HEADER;
use sluice_dns::{Log, Query};
use sluice_model::serving::LogClass;

use crate::Now;

/// Records that wait in an lcore's ring at most.
pub const RING: usize = 4096;
/// What a client without EDNS takes, and any other at least (RFC 6891, section 6.2.3).
const PLAIN: u16 = 512;

/// A query that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryRecord {
    /// Who asked.
    pub client: SocketAddr,
    /// The message's number.
    pub id: u16,
    /// Type and class; none of a message that could not be read so far.
    pub question: Option<(u16, u16)>,
    /// Octets of the query.
    pub size: u16,
    /// DNSSEC OK.
    pub dnssec: bool,
    /// Octets that the client says a reply may have, 512 at least.
    pub buffer: u16,
    /// The reply's code.
    pub code: u8,
    /// The third and fourth octet of the reply's header.
    pub flags: [u8; 2],
    /// Octets of the reply.
    pub reply: u16,
    /// How many of the octets are the name.
    pub name_len: u8,
    /// The name in wire form.
    pub octets: [u8; MAX_NAME],
}

impl QueryRecord {
    /// The name that was asked for, in wire form.
    pub fn name(&self) -> &[u8] {
        self.octets.get(..usize::from(self.name_len)).unwrap_or_default()
    }
}

/// A reply that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replied<'a> {
    pub(crate) client: IpAddr,
    pub(crate) port: u16,
    /// The query, where it could be understood, and its octets.
    pub(crate) query: Option<&'a Query>,
    pub(crate) size: usize,
    pub(crate) code: u8,
    /// The reply.
    pub(crate) message: &'a [u8],
}

impl Replied<'_> {
    /// The name in wire form; the root where there is none.
    fn name(&self) -> &[u8] {
        self.query.map_or(&[0], |query| query.name(self.message))
    }

    fn class(&self) -> LogClass {
        // Of such a code the header has the lower half.
        if self.code > 15 { LogClass::Error } else { LogClass::of(self.message) }
    }

    fn record(&self) -> QueryRecord {
        let header = self.message.first_chunk().copied().unwrap_or([0; HEADER]);
        let edns = self.query.and_then(|query| query.edns);
        let mut record = QueryRecord {
            client: SocketAddr::new(self.client, self.port),
            id: u16::from_be_bytes([header[0], header[1]]),
            question: self.query.map(|query| (query.kind, query.class)),
            size: self.size as u16,
            dnssec: edns.is_some_and(|edns| edns.dnssec),
            buffer: edns.map_or(PLAIN, |edns| edns.size.max(PLAIN)),
            code: self.code,
            flags: [header[2], header[3]],
            reply: self.message.len() as u16,
            name_len: 0,
            octets: [0; MAX_NAME],
        };
        let name = self.name();
        if let Some(place) = record.octets.get_mut(..name.len()) {
            place.copy_from_slice(name);
            record.name_len = name.len() as u8;
        }
        record
    }
}

/// A ring for one lcore: the end for [`Worker::set_query_log`](crate::Worker::set_query_log), and the other one. Neither end ever
/// waits for the other, whatever that is in the middle of.
pub fn ring() -> (Producer<QueryRecord>, Consumer<QueryRecord>) {
    RingBuffer::new(RING)
}

/// The log of one lcore.
#[derive(Debug, Default)]
pub(crate) struct QueryLog {
    ring: Option<Producer<QueryRecord>>,
    /// Queries that might have been logged, of which one in so many is.
    seen: u64,
    /// The second it is, and how many were logged in it.
    second: u64,
    lines: u32,
}

impl QueryLog {
    pub(crate) fn set(&mut self, ring: Producer<QueryRecord>) {
        self.ring = Some(ring);
    }

    /// Notes a reply, if it is one of those that are logged; false where it is lost.
    pub(crate) fn note(&mut self, log: &Log, replied: &Replied<'_>, now: Now) -> bool {
        if !log.takes(replied.name()) {
            return true;
        }
        let seen = self.seen;
        self.seen = seen.wrapping_add(1);
        if !seen.is_multiple_of(log.settings().sample.max(1).into()) || !log.wants(replied.class()) {
            return true;
        }
        let second = now.0 / 1000;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        // What one lcore has beyond the rate of all is not even carried to where it would be lost.
        if self.lines >= log.settings().rate {
            return false;
        }
        self.lines += 1;
        self.ring.as_mut().is_some_and(|ring| !ring.is_abandoned() && ring.push(replied.record()).is_ok())
    }
}
