//! Counters of queries and replies, by listener and zone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{Durations, Rcodes, Sizes, one, read};
use crate::authority::Transport;

/// Types that are counted apart; the last is for all others.
const TYPES: [(RecordType, &str); 13] = [
    (RecordType::A, "A"),
    (RecordType::AAAA, "AAAA"),
    (RecordType::CNAME, "CNAME"),
    (RecordType::DNSKEY, "DNSKEY"),
    (RecordType::DS, "DS"),
    (RecordType::HTTPS, "HTTPS"),
    (RecordType::MX, "MX"),
    (RecordType::NS, "NS"),
    (RecordType::PTR, "PTR"),
    (RecordType::SOA, "SOA"),
    (RecordType::SRV, "SRV"),
    (RecordType::TXT, "TXT"),
    (RecordType::ZERO, "other"),
];
const PROTOCOLS: [&str; 2] = ["udp", "tcp"];
const FAMILIES: [&str; 2] = ["1", "2"];

/// Counters of a zone at a listener.
#[derive(Debug)]
pub(crate) struct Dns {
    pub(crate) server: Arc<str>,
    pub(crate) zone: Arc<str>,
    requests: [[[AtomicU64; TYPES.len()]; 2]; 2],
    dnssec: AtomicU64,
    pub(crate) responses: Rcodes,
    pub(crate) times: Durations,
    pub(crate) request_sizes: [Sizes; 2],
    pub(crate) response_sizes: [Sizes; 2],
}

/// A query that is being answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) dns: Arc<Dns>,
    protocol: usize,
}

impl Dns {
    fn new(server: Arc<str>, zone: Arc<str>) -> Self {
        Self {
            server,
            zone,
            requests: Default::default(),
            dnssec: AtomicU64::new(0),
            responses: Rcodes::default(),
            times: Durations::default(),
            request_sizes: Default::default(),
            response_sizes: Default::default(),
        }
    }

    /// Counts a query.
    pub(crate) fn asked(
        self: &Arc<Self>,
        client: SocketAddr,
        transport: Transport,
        rtype: RecordType,
        dnssec: bool,
        size: usize,
    ) -> Asked {
        let protocol = usize::from(transport.is_stream());
        let family = usize::from(client.is_ipv6());
        let rtype = TYPES.iter().position(|(known, _)| *known == rtype).unwrap_or(TYPES.len() - 1);
        if let Some(count) =
            self.requests.get(protocol).and_then(|it| it.get(family)).and_then(|it| it.get(rtype))
        {
            one(count);
        }
        if dnssec {
            one(&self.dnssec);
        }
        if let Some(sizes) = self.request_sizes.get(protocol) {
            sizes.add(size);
        }
        Asked { dns: self.clone(), protocol }
    }

    /// Counts by protocol, family and type, where there are any.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, u64)> {
        PROTOCOLS.iter().zip(&self.requests).flat_map(|(protocol, by_family)| {
            FAMILIES.iter().zip(by_family).flat_map(move |(family, by_type)| {
                let counts = TYPES.iter().zip(by_type).map(|((_, rtype), count)| (*rtype, read(count)));
                counts
                    .filter(|(_, count)| *count > 0)
                    .map(move |(rtype, count)| (*protocol, *family, rtype, count))
            })
        })
    }

    /// Queries with the DO bit.
    pub(crate) fn dnssec(&self) -> u64 {
        read(&self.dnssec)
    }

    /// The protocols' names, in the order of the sizes.
    pub(crate) fn protocols() -> [&'static str; 2] {
        PROTOCOLS
    }
}

impl Asked {
    /// Counts the reply.
    pub(crate) fn replied(&self, code: ResponseCode, size: usize, time: Duration) {
        self.dns.responses.add(code);
        self.dns.times.add(time);
        if let Some(sizes) = self.dns.response_sizes.get(self.protocol) {
            sizes.add(size);
        }
    }
}

/// A listener and a zone.
type Place = (Arc<str>, Arc<str>);

/// Counters by listener and zone, which outlive a reload.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<Place, Arc<Dns>>>);

impl Registry {
    /// The counters of a pair.
    pub(crate) fn of(&self, server: &Arc<str>, zone: &Arc<str>) -> Arc<Dns> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Dns::new(server.clone(), zone.clone()));
        all.entry((server.clone(), zone.clone())).or_insert_with(new).clone()
    }

    /// Forgets the counters of listeners and zones that are no more.
    pub(crate) fn retain(&self, servers: &[Arc<str>], zones: &[Arc<str>]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(server, zone), _| servers.contains(server) && zones.contains(zone));
    }

    /// All counters, in order.
    pub(crate) fn all(&self) -> Vec<Arc<Dns>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.values().cloned().collect();
        all.sort_by(|a, b| (&a.server, &a.zone).cmp(&(&b.server, &b.zone)));
        all
    }
}
