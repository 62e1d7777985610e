//! What the resolver does: plain settings, checked once, whole.
//!
//! [`Settings`] is what a file or an importer fills in. [`Config::new`] checks it and names the key of what is wrong. Nothing
//! else in this crate meets an unchecked setting.

mod check;
mod error;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hickory_proto::rr::Name;
use ipnet::IpNet;
use sluice_model::{DnsSettings, ResolverSettings};

pub use error::{ConfigError, Problem};
pub use sluice_model::resolver::{
    Acl, AclAction, AclPolicy, AnswerRewrite, Cache, CacheSide, Dns64, Forward, HeaderBits, HealthCheck,
    Hosts, Local, NameMatch, Policy, Prefetch, Rewrite, Secondary, ServeStale, Template, Upstream,
    UpstreamTls, Zone, ZoneFile,
};
pub use sluice_model::serving::{LogClass, QueryLog};

/// All that can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where queries are taken.
    pub listeners: Vec<Listener>,
    /// What is done with them; the longest suffix of the queried name counts.
    pub zones: Vec<Zone>,
    /// Names that only the authority may answer: nothing under them is asked of an upstream, nor believed from one.
    pub protected: Vec<String>,
    /// Which queries are logged; none without.
    pub log: Option<QueryLog>,
    /// What this server calls itself to who asks by NSID (RFC 5001): 1 to 128 octets; nothing without.
    pub nsid: Option<String>,
    /// What bounds the work.
    pub limits: Limits,
}

impl Settings {
    /// What control says, in the resolver's own words: it takes queries over UDP and TCP at each address.
    pub fn of(dns: &DnsSettings, resolver: &ResolverSettings) -> Self {
        let ResolverSettings { zones, protected, times, serving } = resolver;
        let mut limits = Limits { udp_payload: dns.max_udp, ..Limits::default() };
        let given = [
            (&mut limits.query, times.query),
            (&mut limits.message, times.message),
            (&mut limits.idle, times.idle),
            (&mut limits.lameduck, times.lameduck),
        ];
        for (limit, time) in given {
            *limit = time.unwrap_or(*limit);
        }
        let both = |address: &SocketAddr| {
            [Protocol::Udp, Protocol::Tcp].map(|protocol| Listener {
                address: *address,
                protocol,
                clients: dns.clients_at(address.ip()).to_vec(),
                recursion: dns.recursion_at(address.ip()).map(<[_]>::to_vec),
            })
        };
        let listeners = dns.listen.iter().flat_map(both).collect();
        Self {
            listeners,
            zones: zones.clone(),
            protected: protected.clone(),
            limits,
            log: serving.log.clone(),
            nsid: serving.nsid.clone(),
        }
    }
}

/// An address that takes queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address and port. The address is one of this host, not a wildcard: a reply must leave from where it was asked.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Who may ask. Nobody else gets an answer; there is no default.
    pub clients: Vec<IpNet>,
    /// For whom upstreams are asked, and what they said is told; none: for all who may ask. What is answered here is for them all.
    pub recursion: Option<Vec<IpNet>>,
}

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Plain TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls(Identity),
    /// DNS over HTTPS (RFC 8484).
    Https {
        /// The certificate and its key.
        identity: Identity,
        /// The path of requests, as `/dns-query`.
        path: String,
    },
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the certificate, then those that vouch for it.
    pub certificates: Vec<u8>,
    /// PEM: the private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

/// What bounds the resolver's work and memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest datagram that is sent, in octets: 512 to 4096.
    pub udp_payload: u16,
    /// Queries that wait for an upstream, over all clients; further ones are refused at once.
    pub pending: usize,
    /// Questions to upstreams for hints at a time. A hint is a query from port 0, by which a packet path that sees what will
    /// be asked next has it fetched; it gets no reply. With 0 there are none, as where port 0 may come from the network.
    pub hints: usize,
    /// TCP and TLS connections, over all clients.
    pub connections: usize,
    /// The same, of one client: an IPv4 address or an IPv6 /64.
    pub connections_per_client: usize,
    /// Queries of one connection that are worked on at a time.
    pub pipeline: usize,
    /// The time that is spent in each second on the queries of one client's connections; more of them wait. A client is an IPv4
    /// address or an IPv6 /64.
    pub work: Duration,
    /// The time a connection's first octet, a TLS handshake, the rest of a begun message, or the writing of a reply may take.
    pub message: Duration,
    /// The time a connection may be idle between messages.
    pub idle: Duration,
    /// The time after which a query is answered with SERVFAIL.
    pub query: Duration,
    /// The time that [`stop`](crate::Handle::stop) goes on answering before it closes.
    pub lameduck: Duration,
    /// The source ports of queries to upstreams.
    pub source_ports: RangeInclusive<u16>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            udp_payload: 1232,
            pending: 4096,
            hints: 0,
            connections: 1024,
            connections_per_client: 64,
            pipeline: 64,
            work: Duration::from_millis(100),
            message: Duration::from_secs(2),
            idle: Duration::from_secs(10),
            query: Duration::from_secs(4),
            lameduck: Duration::ZERO,
            source_ports: 32768..=65535,
        }
    }
}

/// Settings that have been checked.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    zones: Vec<check::CheckedZone>,
    protected: Vec<Name>,
    logged: Vec<Name>,
}

pub(crate) use check::{
    CheckedAcl, CheckedAnswer, CheckedForward, CheckedHosts, CheckedMatch, CheckedRewrite, CheckedTemplate,
    CheckedUpstream, CheckedZone,
};

impl Config {
    /// Checks settings.
    ///
    /// # Errors
    /// The first key whose value cannot be used, and why.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let zones = check::settings(&settings)?;
        let protected = check::names("protected", &settings.protected)?;
        let log = settings.log.as_ref();
        let logged = check::names("log.zones", log.map_or(&[], |log| log.zones.as_slice()))?;
        Ok(Self { settings, zones, protected, logged })
    }

    /// The settings it was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn zones(&self) -> &[CheckedZone] {
        &self.zones
    }

    /// Zones whose queries are logged.
    pub(crate) fn logged(&self) -> &[Name] {
        &self.logged
    }

    pub(crate) fn protected(&self) -> &[Name] {
        &self.protected
    }
}

#[cfg(test)]
mod tests;
