//! Immutable tables of one generation, as whoever answers sees them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use sluice_model::PodNames;

use crate::catalog::zone_of;
use crate::compile::Rules;
use crate::name::{self, Name, Seed};
use crate::node::Node;
use crate::table::Table;

/// All names of one generation. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zones {
    pub(crate) table: Table,
    pub(crate) seed: Seed,
    pub(crate) serial: u32,
    /// Seconds since 1970 when the monotonic clock was 0.
    pub(crate) start: u32,
    pub(crate) fixed: Arc<Fixed>,
}

/// What only settings change.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    pub listen: Vec<SocketAddr>,
    pub port: u16,
    pub clients: Vec<IpNet>,
    /// All zones, of Services and of reverse names.
    pub all: Vec<Name>,
    /// Zones whose unknown names others may know.
    pub fallthrough: Vec<Name>,
    /// Pods have names that need not be in the table.
    pub pods: bool,
    pub ttl: u32,
    pub max_udp: u16,
    pub forward: bool,
    pub cookie_key: Option<[u8; 16]>,
}

impl Default for Zones {
    fn default() -> Self {
        Self::new(Seed([0, 1]))
    }
}

impl Zones {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { table: Table::default(), seed, serial: 0, start: 0, fixed: Arc::default() }
    }

    pub(crate) fn configure(&mut self, rules: &Rules) {
        let settings = &rules.settings;
        self.fixed = Arc::new(Fixed {
            listen: settings.listen.clone(),
            port: settings.listen.first().map_or(0, SocketAddr::port),
            clients: settings.clients.clone(),
            all: rules.forward_zones().chain(&rules.reverse_zones).cloned().collect(),
            fallthrough: settings
                .fallthrough
                .iter()
                .filter_map(|zone| Name::parse(zone).ok())
                .map(Name::lowered)
                .collect(),
            pods: settings.pods == PodNames::Insecure,
            ttl: settings.ttl,
            max_udp: settings.max_udp,
            forward: settings.forward,
            cookie_key: settings.cookie_key,
        });
    }

    /// Where queries are answered.
    #[inline]
    pub fn listen(&self) -> &[SocketAddr] {
        &self.fixed.listen
    }

    /// Whether this client may ask.
    #[inline]
    pub fn may_ask(&self, client: IpAddr) -> bool {
        self.fixed.clients.is_empty() || self.fixed.clients.iter().any(|net| net.contains(&client))
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
        self.fixed.listen.iter().any(|listen| listen.ip() == address && listen.port() == port)
    }

    /// The longest reply over UDP.
    #[inline]
    pub fn max_udp(&self) -> usize {
        usize::from(self.fixed.max_udp)
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

    /// Begins to load what a lookup of this hash reads second.
    #[inline(always)]
    pub fn prefetch_node(&self, hash: u64) {
        self.table.prefetch_node(hash);
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

    /// Whether a name that is not known here may be known elsewhere.
    pub(crate) fn falls_through(&self, name: &[u8]) -> bool {
        self.fixed.forward && zone_of(&self.fixed.fallthrough, name).is_some()
    }
}
