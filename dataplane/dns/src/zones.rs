//! Immutable tables of one generation, as whoever answers sees them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sluice_model::PodNames;

use crate::catalog::zone_of;
use crate::clients::Clients;
use crate::compat::Compat;
use crate::compile::{Rules, fixed};
use crate::elsewhere::Elsewhere;
use crate::limit::Limit;
use crate::name::{self, Name, Seed};
use crate::node::Node;
use crate::soa::Soa;
use crate::table::{Candidate, Table};

/// All names of one generation. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zones {
    pub(crate) table: Table,
    pub(crate) seed: Seed,
    pub(crate) serial: u32,
    pub(crate) soa: Soa,
    /// Grows with each change of the settings.
    pub(crate) era: u64,
    /// Seconds since 1970 when the monotonic clock was 0.
    pub(crate) start: u32,
    pub(crate) fixed: Arc<Fixed>,
}

/// What only settings change.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    pub listen: Vec<SocketAddr>,
    pub port: u16,
    pub clients: Clients,
    /// All zones, of Services and of reverse names.
    pub all: Vec<Name>,
    /// Zones whose unknown names others may know.
    pub fallthrough: Vec<Name>,
    /// Names that are a resolver's before all.
    pub elsewhere: Elsewhere,
    /// Addresses of ours that the resolver serves over TLS and HTTPS.
    pub secure: Vec<SocketAddr>,
    /// The resolver completes pods' search lists.
    pub autopath: bool,
    /// Pods have names that need not be in the table.
    pub pods: bool,
    pub ttl: u32,
    pub max_udp: u16,
    pub forward: bool,
    /// The resolver's answers may be kept.
    pub keep: bool,
    pub cookie_key: Option<[u8; 16]>,
    pub limit: Option<Limit>,
    /// CoreDNS's answers are given.
    pub compat: Option<Compat>,
}

impl Default for Zones {
    fn default() -> Self {
        Self::new(Seed([0, 1]))
    }
}

impl Zones {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            table: Table::default(),
            seed,
            serial: 0,
            soa: Soa::default(),
            era: 0,
            start: 0,
            fixed: Arc::default(),
        }
    }

    pub(crate) fn configure(&mut self, rules: &Rules) {
        let settings = &rules.settings;
        self.fixed = Arc::new(Fixed {
            listen: settings.listen.clone(),
            port: settings.listen.first().map_or(0, SocketAddr::port),
            clients: Clients::new(&settings.clients),
            all: rules.forward_zones().chain(&rules.reverse_zones).cloned().collect(),
            fallthrough: settings
                .fallthrough
                .iter()
                .filter_map(|zone| Name::parse(zone).ok())
                .map(Name::lowered)
                .collect(),
            elsewhere: Elsewhere::new(&settings.elsewhere),
            secure: settings.secure.clone(),
            autopath: settings.autopath,
            pods: settings.pods == PodNames::Insecure,
            ttl: settings.ttl,
            max_udp: settings.max_udp,
            forward: settings.forward,
            keep: settings.forward && settings.keep,
            cookie_key: settings.cookie_key,
            limit: settings.rate_limit.as_ref().map(Limit::new),
            compat: rules.compat().then(|| fixed::compat(rules)),
        });
    }

    /// Where queries are answered.
    #[inline]
    pub fn listen(&self) -> &[SocketAddr] {
        &self.fixed.listen
    }

    /// Whether this client may ask.
    pub fn may_ask(&self, client: IpAddr) -> bool {
        self.fixed.clients.contain(client)
    }

    /// As [`Zones::may_ask`], of an IPv4 address as a number.
    #[inline(always)]
    pub fn may_ask_v4(&self, client: u32) -> bool {
        self.fixed.clients.contain_v4(client)
    }

    /// As [`Zones::may_ask`], of an IPv6 address as a number.
    #[inline(always)]
    pub fn may_ask_v6(&self, client: u128) -> bool {
        self.fixed.clients.contain_v6(client)
    }

    /// Seconds since 1970 when the monotonic clock shows `milliseconds`.
    #[inline]
    pub fn time(&self, milliseconds: u64) -> u32 {
        self.start.wrapping_add((milliseconds / 1000) as u32)
    }

    /// The port of UDP on which queries are answered, where it is but one; 0 where there is none.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        self.fixed.port
    }

    /// Whether queries are answered at this address and port.
    #[inline]
    pub fn listens(&self, address: IpAddr, port: u16) -> bool {
        port == self.fixed.port && self.fixed.listen.iter().any(|listen| listen.ip() == address)
    }

    /// Whether CoreDNS's answers are given where those of the RFCs are others.
    #[inline]
    pub fn compat(&self) -> bool {
        self.fixed.compat.is_some()
    }

    /// The longest reply over UDP.
    #[inline]
    pub fn max_udp(&self) -> usize {
        usize::from(self.fixed.max_udp)
    }

    /// Whether the resolver's answers may be kept.
    #[inline]
    pub fn keeps(&self) -> bool {
        self.fixed.keep
    }

    /// How many queries a client is answered; none: any number.
    #[inline(always)]
    pub fn limit(&self) -> Option<&Limit> {
        self.fixed.limit.as_ref()
    }

    /// A number that no other settings had.
    pub(crate) fn era(&self) -> u64 {
        self.era
    }

    /// Where `namespace.svc.zone` begins in a name that is longer, if that namespace has names: the first step of a pod's search
    /// list leads there (resolv.conf(5)).
    pub fn searched(&self, name: &[u8]) -> Option<usize> {
        let zone = self.zone(name)?;
        let end = name.len() - zone.len();
        let (mut namespace, mut svc, mut at) = (0, 0, 0);
        while at < end {
            (namespace, svc) = (svc, at);
            at += usize::from(*name.get(at)?) + 1;
        }
        let label = name.get(svc + 1..end)?;
        let found = namespace > 0 && label.eq_ignore_ascii_case(b"svc");
        (found && self.find(name.get(namespace..)?).is_some()).then_some(namespace)
    }

    /// Whether the resolver completes search lists.
    pub(crate) fn completes(&self, name: &[u8]) -> bool {
        self.fixed.autopath && self.searched(name).is_some()
    }

    /// Whether TCP to this address and port is DNS over TLS or HTTPS.
    pub fn secure(&self, address: IpAddr, port: u16) -> bool {
        self.fixed.secure.iter().any(|at| at.ip() == address && at.port() == port)
    }

    /// The hash under which a name, in whatever case, is looked up.
    #[inline(always)]
    pub fn hash(&self, name: &[u8]) -> u64 {
        name::hash(name, self.seed)
    }

    /// Begins to load what a lookup of this hash reads first.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Where a name with this hash most likely is; begins to load what a lookup of it reads second.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<Candidate> {
        self.table.candidate(hash)
    }

    /// The node of a name in wire form, in whatever case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Node> {
        self.table.get(self.hash(name), name)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All names, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.table.iter()
    }

    /// Each zone as text without the last dot, and how many names it has, the zone's own included.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        for node in self.table.iter() {
            let name = node.name();
            let zone = name.len().checked_sub(node.zone_len()).and_then(|at| name.get(at..));
            *counts.entry(zone.unwrap_or_default()).or_default() += 1;
        }
        let count = |zone: &Name| {
            let text = name::text(zone.wire());
            (text.trim_end_matches('.').to_owned(), counts.get(zone.wire()).copied().unwrap_or(0))
        };
        self.fixed.all.iter().map(count).collect()
    }

    /// The serial of all SOA records.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The zone that a name is in, as bytes in wire form.
    pub fn zone(&self, name: &[u8]) -> Option<&[u8]> {
        zone_of(&self.fixed.all, name).map(Name::wire)
    }

    /// Whether a name that is not known here is asked of others, whatever the type.
    pub(crate) fn is_for_others(&self, name: &[u8]) -> bool {
        // No record has type 0.
        self.falls_through(name) || self.fixed.elsewhere.takes(name, 0)
    }

    /// Whether a name that is not known here may be known elsewhere.
    pub(crate) fn falls_through(&self, name: &[u8]) -> bool {
        self.fixed.forward && zone_of(&self.fixed.fallthrough, name).is_some()
    }
}
