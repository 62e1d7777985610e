//! Routes, next hops and ports: what the runtime mirrors from Linux.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::paged::Paged;
use super::trie::{Key, Trie};
use crate::PortId;
use crate::flow::hash::balance;

/// A port, as far as routing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// Its number.
    pub id: PortId,
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Largest IP packet it sends, in bytes.
    pub mtu: u16,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
}

/// A route. Of several to one prefix the one with the least metric counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Destinations.
    pub to: IpNet,
    /// The router, or `None` where destinations are on the link.
    pub via: Option<IpAddr>,
    /// The port.
    pub port: PortId,
    /// Less is better.
    pub metric: u32,
}

/// A change that Linux reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibChange {
    /// A port, new or changed.
    Port(PortInfo),
    /// A route, new.
    Route(Route),
    /// A route that is no more.
    RouteGone(Route),
    /// A neighbour's MAC address.
    Neighbor {
        /// The port it is reached by.
        port: PortId,
        /// Its address.
        ip: IpAddr,
        /// Its MAC address.
        mac: [u8; 6],
    },
    /// A neighbour whose MAC address is no longer known.
    NeighborGone {
        /// The port it was reached by.
        port: PortId,
        /// Its address.
        ip: IpAddr,
    },
}

/// Where packets go next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// To the adjacency of this number.
    Adjacency(u16),
    /// To a neighbour that has never been resolved.
    Unresolved {
        /// The port it is reached by.
        port: PortId,
        /// Its address.
        ip: IpAddr,
    },
    /// Nowhere.
    NoRoute,
}

/// A neighbour that packets can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjacency {
    /// Destination and source MAC address.
    pub header: [u8; 12],
    /// The port it is reached by.
    pub port: PortId,
    /// Whether its MAC address is known at present.
    pub resolved: bool,
    /// Largest IP packet it takes, in bytes.
    pub mtu: u16,
    /// Its address.
    pub next_hop: IpAddr,
}

impl Default for Adjacency {
    fn default() -> Self {
        Self {
            header: [0; 12],
            port: 0,
            resolved: false,
            mtu: 0,
            next_hop: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

/// The adjacency of a number that none has.
const NOWHERE: Adjacency = Adjacency {
    header: [0; 12],
    port: 0,
    resolved: false,
    mtu: 0,
    next_hop: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
};

/// Most adjacencies; the number above means "none" in flow entries.
const MOST_ADJACENCIES: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    bits: u128,
    len: u8,
    v6: bool,
}

impl Key for Prefix {
    fn hash(&self) -> u64 {
        balance(self.bits, u128::from(self.len) << 1 | u128::from(self.v6), 0, 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hop {
    port: PortId,
    ip: IpAddr,
}

impl Key for Hop {
    fn hash(&self) -> u64 {
        balance(bits(self.ip), u128::from(self.port), u32::from(self.ip.is_ipv6()), 2)
    }
}

/// Routes and neighbours of one generation. Cloning shares everything.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    epoch: u32,
    ports: Vec<Option<Arc<PortInfo>>>,
    /// All routes to each prefix, best first.
    routes: Trie<Prefix, Arc<[Route]>>,
    /// Prefix lengths in use with the number of prefixes, by family; longest first.
    lengths: [Vec<(u8, u32)>; 2],
    hops: Trie<Hop, u16>,
    adjacencies: Paged<Adjacency, 256>,
    count: u16,
}

impl Fib {
    /// Changes whenever an address may lead to another adjacency than before; not for a neighbour's new MAC address.
    #[inline(always)]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Where packets to an IPv4 address go.
    pub fn lookup4(&self, address: u32) -> NextHop {
        self.lookup(false, u128::from(address), 32, || IpAddr::V4(Ipv4Addr::from_bits(address)))
    }

    /// Where packets to an IPv6 address go.
    pub fn lookup6(&self, address: u128) -> NextHop {
        self.lookup(true, address, 128, || IpAddr::V6(Ipv6Addr::from_bits(address)))
    }

    /// The route that packets to `ip` follow.
    pub fn route(&self, ip: IpAddr) -> Option<&Route> {
        self.longest_match(ip.is_ipv6(), bits(ip), if ip.is_ipv6() { 128 } else { 32 })
    }

    fn lookup(&self, v6: bool, address: u128, width: u8, ip: impl Fn() -> IpAddr) -> NextHop {
        let Some(route) = self.longest_match(v6, address, width) else { return NextHop::NoRoute };
        let hop = Hop { port: route.port, ip: route.via.unwrap_or_else(ip) };
        match self.hops.get(&hop) {
            Some(&n) => NextHop::Adjacency(n),
            None => NextHop::Unresolved { port: hop.port, ip: hop.ip },
        }
    }

    fn longest_match(&self, v6: bool, address: u128, width: u8) -> Option<&Route> {
        self.lengths[usize::from(v6)].iter().find_map(|&(len, _)| {
            let bits = masked(address, len, width);
            self.routes.get(&Prefix { bits, len, v6 })?.first()
        })
    }

    /// The adjacency of this number; an unresolved one where there is none.
    #[inline(always)]
    pub fn adjacency(&self, n: u16) -> &Adjacency {
        self.adjacencies.get(usize::from(n)).unwrap_or(&NOWHERE)
    }

    /// A port.
    #[inline(always)]
    pub fn port(&self, id: PortId) -> Option<&PortInfo> {
        self.ports.get(usize::from(id))?.as_deref()
    }

    /// All ports.
    pub fn ports(&self) -> impl Iterator<Item = &PortInfo> {
        self.ports.iter().flatten().map(|port| &**port)
    }

    /// All adjacencies, for showing.
    pub fn adjacencies(&self) -> impl Iterator<Item = &Adjacency> {
        (0..self.count).map(|n| self.adjacency(n))
    }

    pub(super) fn apply(&mut self, change: FibChange) -> Result<(), FibError> {
        match change {
            FibChange::Port(port) => self.set_port(port),
            FibChange::Route(route) => self.set_route(route, true),
            FibChange::RouteGone(route) => self.set_route(route, false),
            FibChange::Neighbor { port, ip, mac } => return self.set_neighbor(Hop { port, ip }, Some(mac)),
            FibChange::NeighborGone { port, ip } => return self.set_neighbor(Hop { port, ip }, None),
        }
        Ok(())
    }

    fn set_port(&mut self, port: PortInfo) {
        let at = usize::from(port.id);
        if self.ports.len() <= at {
            self.ports.resize(at + 1, None);
        }
        for n in 0..self.count {
            let mut adjacency = *self.adjacency(n);
            if adjacency.port == port.id {
                adjacency.mtu = port.mtu;
                adjacency.header[6..].copy_from_slice(&port.mac);
                self.adjacencies.set(usize::from(n), adjacency);
            }
        }
        self.ports[at] = Some(Arc::new(port));
    }

    fn set_route(&mut self, route: Route, present: bool) {
        let v6 = route.to.addr().is_ipv6();
        let len = route.to.prefix_len();
        let key = Prefix { bits: masked(bits(route.to.addr()), len, if v6 { 128 } else { 32 }), len, v6 };
        let mut routes: Vec<Route> = self.routes.get(&key).map(|routes| routes.to_vec()).unwrap_or_default();
        let before = routes.len();
        routes.retain(|other| *other != route);
        if present {
            routes.push(route);
            routes.sort_by(|a, b| (a.metric, a).cmp(&(b.metric, b)));
        }
        let lengths = &mut self.lengths[usize::from(v6)];
        if routes.is_empty() {
            if self.routes.remove(&key)
                && let Some(at) = lengths.iter().position(|(other, _)| *other == len)
            {
                lengths[at].1 -= 1;
                if lengths[at].1 == 0 {
                    lengths.remove(at);
                }
            }
        } else {
            if before == 0 {
                // Longest first: those behind are shorter.
                let at = lengths.partition_point(|(other, _)| *other > len);
                match lengths.get_mut(at) {
                    Some((other, count)) if *other == len => *count += 1,
                    _ => lengths.insert(at, (len, 1)),
                }
            }
            self.routes.insert(key, routes.into());
        }
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn set_neighbor(&mut self, hop: Hop, mac: Option<[u8; 6]>) -> Result<(), FibError> {
        let n = match (self.hops.get(&hop), mac) {
            (Some(&n), _) => n,
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                let n = self.free_number().ok_or(FibError::Full { ip: hop.ip })?;
                self.hops.insert(hop, n);
                n
            }
        };
        let port = self.port(hop.port);
        let (own, mtu) = port.map_or(([0; 6], 1500), |port| (port.mac, port.mtu));
        let mut header = [0; 12];
        header[..6].copy_from_slice(&mac.unwrap_or_default());
        header[6..].copy_from_slice(&own);
        let adjacency = Adjacency { header, port: hop.port, resolved: mac.is_some(), mtu, next_hop: hop.ip };
        self.adjacencies.set(usize::from(n), adjacency);
        Ok(())
    }

    /// A number for a new adjacency: the next one, or that of a neighbour that is gone.
    fn free_number(&mut self) -> Option<u16> {
        if self.count < MOST_ADJACENCIES {
            self.count += 1;
            return Some(self.count - 1);
        }
        let gone = (0..self.count).find(|&n| !self.adjacency(n).resolved)?;
        let Adjacency { port, next_hop, .. } = *self.adjacency(gone);
        self.hops.remove(&Hop { port, ip: next_hop });
        // Flows may still name it.
        self.epoch = self.epoch.wrapping_add(1);
        Some(gone)
    }
}

/// Why a change of the routes was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FibError {
    /// All adjacency numbers are in use.
    #[error("no room for neighbour {ip}: {MOST_ADJACENCIES} neighbours are known")]
    Full {
        /// The neighbour.
        ip: IpAddr,
    },
}

fn masked(address: u128, len: u8, width: u8) -> u128 {
    let host = u32::from(width.saturating_sub(len));
    match host {
        0 => address,
        128.. => 0,
        host => address >> host << host,
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0_u32..16, 24_u8..=32)
                .prop_map(|(ip, len)| IpNet::new(Ipv4Addr::from_bits(0x0A00_0000 | ip << 4).into(), len)),
            (0_u128..16, 0_u8..=128)
                .prop_map(|(ip, len)| IpNet::new(Ipv6Addr::from_bits(0xfd << 120 | ip << 4).into(), len)),
        ]
        .prop_map(|net| net.unwrap().trunc())
    }

    proptest! {
        #[test]
        fn longest_match_agrees_with_a_scan(ops in proptest::collection::vec((any::<bool>(), net(), 0_u8..3, 0_u32..3), 0..60)) {
            let mut fib = Fib::default();
            let mut all: Vec<Route> = Vec::new();
            for (add, to, port, metric) in ops {
                let route = Route { to, via: None, port, metric };
                all.retain(|other| *other != route);
                if add {
                    all.push(route.clone());
                    fib.apply(FibChange::Route(route)).unwrap();
                } else {
                    fib.apply(FibChange::RouteGone(route)).unwrap();
                }
            }
            for n in 0..260_u32 {
                let probes = [
                    IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 | n)),
                    IpAddr::V6(Ipv6Addr::from_bits(0xfd << 120 | u128::from(n))),
                ];
                for ip in probes {
                    let best = all
                        .iter()
                        .filter(|r| r.to.contains(&ip))
                        .max_by(|a, b| {
                            a.to.prefix_len().cmp(&b.to.prefix_len()).then_with(|| (b.metric, b).cmp(&(a.metric, a)))
                        });
                    prop_assert_eq!(fib.route(ip), best);
                }
            }
        }
    }

    #[test]
    fn a_neighbour_that_goes_keeps_its_number_and_comes_back_under_it() {
        let mut fib = Fib::default();
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        fib.apply(FibChange::Route(Route {
            to: "10.0.0.0/24".parse().unwrap(),
            via: None,
            port: 0,
            metric: 0,
        }))
        .unwrap();
        assert_eq!(fib.lookup4(0x0A00_0001), NextHop::Unresolved { port: 0, ip });
        fib.apply(FibChange::Neighbor { port: 0, ip, mac: [1; 6] }).unwrap();
        let NextHop::Adjacency(n) = fib.lookup4(0x0A00_0001) else { panic!() };
        let epoch = fib.epoch();
        fib.apply(FibChange::NeighborGone { port: 0, ip }).unwrap();
        assert!(!fib.adjacency(n).resolved);
        fib.apply(FibChange::Neighbor { port: 0, ip, mac: [2; 6] }).unwrap();
        assert_eq!((fib.lookup4(0x0A00_0001), fib.epoch()), (NextHop::Adjacency(n), epoch));
        assert_eq!(fib.adjacency(n).header[..6], [2; 6]);
    }
}
