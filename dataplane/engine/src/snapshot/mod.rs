//! Immutable tables of one generation, and the publisher that makes them.
//!
//! A [`Snapshot`] never changes. The [`Publisher`] keeps its own working copy, changes that, and hands out a clone that
//! shares everything but what the changes touched.

mod ahead;
mod claims;
mod fib;
mod ingress;
mod maglev;
mod paged;
mod publisher;
mod ranges;
mod service;
mod trie;

use std::net::IpAddr;
use std::sync::Arc;

use sluice_dns::Zones;
use sluice_model::{Generation, Settings, SnatAddresses};

use crate::PortId;
use crate::flow::hash::balance;

pub use claims::Conflict;
pub use fib::{Adjacency, Fib, FibChange, FibError, NextHop, PortInfo, Route};
pub use ingress::Ingress;
pub use publisher::Publisher;
pub use service::{Backend, BackendSet, Hit, ServicePortEntry};

use paged::Paged;
use ranges::Ranges;
use trie::{Key, Trie};

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// A port's own: Linux's, but for the frontends on it.
    Own(PortId),
    /// A frontend's.
    Vip,
    /// In the service ranges, and no Service has it.
    ServiceRange,
    /// Someone else's.
    Other,
}

/// An address, port and protocol, as frontends are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FrontendKey {
    address: u128,
    port: u16,
    protocol: u8,
    v6: bool,
}

impl Key for FrontendKey {
    #[inline]
    fn hash(&self) -> u64 {
        balance(self.address, u128::from(self.v6), u32::from(self.port), self.protocol)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AddressKey(IpAddr);

impl Key for AddressKey {
    #[inline]
    fn hash(&self) -> u64 {
        balance(bits(self.0), u128::from(self.0.is_ipv6()), 0, 3)
    }
}

/// What settings and port addresses come to.
#[derive(Debug, Default)]
struct Derived {
    settings: Settings,
    cluster: Ranges,
    services: Ranges,
    ingress: Ingress,
    own: Vec<(IpAddr, PortId)>,
    /// Source addresses of full NAT, by family and egress port.
    snat: [Vec<Vec<IpAddr>>; 2],
    snat_all: Vec<IpAddr>,
}

/// One generation of everything the packet path looks up. Cloning shares all tables.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    generation: Generation,
    derived: Arc<Derived>,
    frontends: Trie<FrontendKey, Hit>,
    vips: Trie<AddressKey, ()>,
    epochs: Paged<u32, 1024>,
    ports: Paged<Option<Arc<ServicePortEntry>>, 64>,
    fib: Fib,
    dns: Zones,
    /// Service ports that preserve clients' addresses.
    preserving: u32,
}

impl Snapshot {
    /// Its number.
    #[inline]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The settings it was made under.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.derived.settings
    }

    /// The frontend at an IPv4 address.
    #[inline]
    pub fn frontend4(&self, protocol: u8, address: u32, port: u16) -> Option<Hit> {
        self.frontends.get(&FrontendKey { address: u128::from(address), port, protocol, v6: false }).copied()
    }

    /// The frontend at an IPv6 address.
    #[inline]
    pub fn frontend6(&self, protocol: u8, address: u128, port: u16) -> Option<Hit> {
        self.frontends.get(&FrontendKey { address, port, protocol, v6: true }).copied()
    }

    /// How many frontends there are.
    pub fn frontend_count(&self) -> usize {
        self.frontends.len()
    }

    /// Whose an address is.
    pub fn address(&self, ip: IpAddr) -> AddressClass {
        if let Some((_, port)) = self.derived.own.iter().find(|(own, _)| *own == ip) {
            AddressClass::Own(*port)
        } else if self.vips.get(&AddressKey(ip)).is_some() {
            AddressClass::Vip
        } else if self.derived.services.contains(ip) {
            AddressClass::ServiceRange
        } else {
            AddressClass::Other
        }
    }

    /// Changes whenever anything about the slot's service changes; never 0 or `u32::MAX` for a slot in use.
    #[inline(always)]
    pub fn epoch(&self, slot: u32) -> u32 {
        self.epochs.get(slot as usize).copied().unwrap_or(0)
    }

    /// The service port in a slot.
    #[inline]
    pub fn service_port(&self, slot: u32) -> Option<&ServicePortEntry> {
        self.ports.get(slot as usize)?.as_deref()
    }

    /// Whether an IPv4 client is inside the cluster.
    #[inline]
    pub fn is_cluster_source4(&self, address: u32) -> bool {
        self.derived.cluster.contains4(address)
    }

    /// Whether an IPv6 client is inside the cluster.
    #[inline]
    pub fn is_cluster_source6(&self, address: u128) -> bool {
        self.derived.cluster.contains6(address)
    }

    /// Routes, neighbours and ports.
    #[inline(always)]
    pub fn fib(&self) -> &Fib {
        &self.fib
    }

    /// Names.
    #[inline(always)]
    pub fn dns(&self) -> &Zones {
        &self.dns
    }

    /// Where the proxy serves HTTP.
    #[inline(always)]
    pub fn ingress(&self) -> &Ingress {
        &self.derived.ingress
    }

    /// Source addresses for full NAT of a family out of a port.
    #[inline]
    pub fn snat_addresses(&self, v6: bool, egress: PortId) -> &[IpAddr] {
        self.derived.snat[usize::from(v6)].get(usize::from(egress)).map_or(&[], |addresses| addresses)
    }

    /// Whether full NAT uses this source address on any port.
    #[inline]
    pub fn is_snat_address(&self, ip: IpAddr) -> bool {
        self.derived.snat_all.contains(&ip)
    }

    /// Whether some service preserves its clients' addresses, so that replies to anyone may belong to a flow.
    #[inline]
    pub fn preserves_clients(&self) -> bool {
        self.preserving > 0
    }
}

impl Derived {
    fn new(settings: Settings, fib: &Fib) -> Self {
        let own: Vec<(IpAddr, PortId)> =
            fib.ports().flat_map(|port| port.addresses.iter().map(|net| (net.addr(), port.id))).collect();
        let last = fib.ports().map(|port| usize::from(port.id) + 1).max().unwrap_or(0);
        let snat = [false, true].map(|v6| {
            let of = |port: usize| match &settings.snat_addresses {
                SnatAddresses::List(list) => list.iter().copied().filter(|ip| ip.is_ipv6() == v6).collect(),
                SnatAddresses::Auto => own
                    .iter()
                    .filter(|(ip, id)| usize::from(*id) == port && ip.is_ipv6() == v6 && !is_link_local(*ip))
                    .map(|(ip, _)| *ip)
                    .take(1)
                    .collect(),
            };
            (0..last).map(of).collect::<Vec<Vec<IpAddr>>>()
        });
        let snat_all = snat.iter().flatten().flatten().copied().collect();
        let cluster = Ranges::new(&settings.cluster_cidrs);
        let services = Ranges::new(&settings.service_cidrs);
        let ingress = settings.ingress.as_ref().map(Ingress::new).unwrap_or_default();
        Self { settings, cluster, services, ingress, own, snat, snat_all }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
