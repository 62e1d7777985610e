//! What Linux has on the kernel interfaces of our ports, as changes for the engine's tables.
//!
//! Pure: messages in, changes out. [`super::monitor`] feeds it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::RouteMessage;
use sluice_engine::PortId;
use sluice_engine::snapshot::{FibChange, PortInfo, Route};

use super::link::Interface;
use super::nexthop::KernelRoute;

/// A port and the number of its kernel interface.
#[derive(Clone, Debug)]
pub struct MirroredPort {
    /// The port. Its addresses say which of those found on the interface come first; its MTU is an upper limit.
    pub info: PortInfo,
    /// `ifindex` of its kernel interface.
    pub index: u32,
}

/// What a message led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Changes to the engine's tables, in order.
    pub changes: Vec<FibChange>,
    /// Neighbours that Linux no longer vouches for, because it does not see the traffic that we forward to them.
    pub stale: Vec<(PortId, IpAddr)>,
    /// The message does not tell the whole effect: everything should be read again.
    pub resync: bool,
}

/// The state mirrored so far.
#[derive(Debug)]
pub struct Mirror {
    ports: Vec<Port>,
    by_index: HashMap<u32, usize>,
    routes: HashMap<(IpNet, u32), Known>,
    neighbors: HashMap<(PortId, IpAddr), [u8; 6]>,
}

#[derive(Debug)]
struct Port {
    /// As configured.
    wanted: PortInfo,
    /// As last told to the engine.
    told: PortInfo,
    found: BTreeSet<IpNet>,
    mtu: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    route: Route,
    /// It had more next hops than the first, which alone is used.
    more: bool,
}

impl Mirror {
    /// A mirror of these ports with nothing on them yet. [`Mirror::ports`] has what the engine must be told first.
    pub fn new(ports: Vec<MirroredPort>) -> Self {
        let by_index = ports.iter().enumerate().map(|(at, port)| (port.index, at)).collect();
        let ports = ports
            .into_iter()
            .map(|MirroredPort { info: wanted, .. }| {
                let told = PortInfo { addresses: Vec::new(), ..wanted.clone() };
                Port { wanted, told, found: BTreeSet::new(), mtu: None }
            })
            .collect();
        Self { ports, by_index, routes: HashMap::new(), neighbors: HashMap::new() }
    }

    /// The ports as they are now.
    pub fn ports(&self) -> Vec<FibChange> {
        self.ports.iter().map(|port| FibChange::Port(port.told.clone())).collect()
    }

    /// All gateways of routes: the next hops to keep resolved.
    pub fn gateways(&self) -> HashSet<(PortId, IpAddr)> {
        self.routes.values().filter_map(|known| Some((known.route.port, known.route.via?))).collect()
    }

    /// Takes in one notification.
    pub fn apply(&mut self, message: &RouteNetlinkMessage) -> Outcome {
        let mut outcome = Outcome::default();
        match message {
            RouteNetlinkMessage::NewLink(link) => self.link(link, &mut outcome),
            RouteNetlinkMessage::NewAddress(address) => self.address(address, true, &mut outcome),
            RouteNetlinkMessage::DelAddress(address) => self.address(address, false, &mut outcome),
            RouteNetlinkMessage::NewRoute(route) => self.new_route(route, &mut outcome),
            RouteNetlinkMessage::DelRoute(route) => self.old_route(route, &mut outcome),
            RouteNetlinkMessage::NewNeighbour(neighbor) => self.neighbor(neighbor, true, &mut outcome),
            RouteNetlinkMessage::DelNeighbour(neighbor) => self.neighbor(neighbor, false, &mut outcome),
            _ => {}
        }
        outcome
    }

    /// Makes the state that of a complete dump.
    pub fn reconcile(&mut self, dump: &[RouteNetlinkMessage]) -> Outcome {
        let mut outcome = Outcome::default();
        for port in &mut self.ports {
            port.found.clear();
        }
        let mut routes = HashMap::new();
        let mut neighbors = HashSet::new();
        for message in dump {
            match message {
                RouteNetlinkMessage::NewLink(link) => {
                    if let Some((at, mtu)) = self.read_link(link) {
                        self.set_mtu(at, mtu);
                    }
                }
                RouteNetlinkMessage::NewAddress(address) => {
                    if let Some((at, net)) = self.read_address(address) {
                        self.found(at, net, true);
                    }
                }
                RouteNetlinkMessage::NewRoute(route) => {
                    if let Some((key, Some(known))) = self.read_route(route) {
                        // Of several with one prefix and metric the kernel uses, and lists, the oldest first.
                        routes.entry(key).or_insert(known);
                    }
                }
                RouteNetlinkMessage::NewNeighbour(neighbor) => {
                    if let Some((key, Some(_), _)) = self.read_neighbor(neighbor) {
                        neighbors.insert(key);
                        self.neighbor(neighbor, true, &mut outcome);
                    }
                }
                _ => {}
            }
        }
        for at in 0..self.ports.len() {
            self.tell(at, &mut outcome.changes);
        }
        let gone: Vec<_> = self.routes.keys().filter(|key| !routes.contains_key(key)).copied().collect();
        for key in gone {
            self.forget_route(key, &mut outcome.changes);
        }
        for (key, known) in routes {
            self.keep_route(key, known, &mut outcome.changes);
        }
        let gone: Vec<_> = self.neighbors.keys().filter(|key| !neighbors.contains(key)).copied().collect();
        for (port, ip) in gone {
            self.neighbors.remove(&(port, ip));
            outcome.changes.push(FibChange::NeighborGone { port, ip });
        }
        outcome
    }

    fn link(&mut self, message: &LinkMessage, outcome: &mut Outcome) {
        let Some((at, mtu)) = self.read_link(message) else {
            return;
        };
        self.set_mtu(at, mtu);
        self.tell(at, &mut outcome.changes);
        // The kernel flushes the IPv4 routes of an interface that goes down, and brings back some of them when it comes
        // up again, without a word about each.
        outcome.resync = true;
    }

    fn address(&mut self, message: &AddressMessage, present: bool, outcome: &mut Outcome) {
        let Some((at, net)) = self.read_address(message) else {
            return;
        };
        self.found(at, net, present);
        self.tell(at, &mut outcome.changes);
        // Routes with this address as preferred source go with it in silence.
        outcome.resync = !present;
    }

    fn new_route(&mut self, message: &RouteMessage, outcome: &mut Outcome) {
        match self.read_route(message) {
            Some((key, Some(known))) => self.keep_route(key, known, &mut outcome.changes),
            // The prefix now leads elsewhere than through a port of ours.
            Some((key, None)) => self.forget_route(key, &mut outcome.changes),
            None => {}
        }
    }

    fn old_route(&mut self, message: &RouteMessage, outcome: &mut Outcome) {
        let Some((key, gone)) = self.read_route(message) else {
            return;
        };
        let Some(known) = self.routes.get(&key) else {
            return;
        };
        // One hop of several may be meant, or one of several routes with the same prefix and metric.
        outcome.resync = true;
        if !known.more && gone.is_some_and(|gone| gone.route == known.route) {
            self.forget_route(key, &mut outcome.changes);
        }
    }

    fn neighbor(&mut self, message: &NeighbourMessage, present: bool, outcome: &mut Outcome) {
        let Some(((port, ip), mac, stale)) = self.read_neighbor(message) else {
            return;
        };
        match mac.filter(|_| present) {
            Some(mac) => {
                if self.neighbors.insert((port, ip), mac) != Some(mac) {
                    outcome.changes.push(FibChange::Neighbor { port, ip, mac });
                }
                if stale {
                    outcome.stale.push((port, ip));
                }
            }
            None => {
                if self.neighbors.remove(&(port, ip)).is_some() {
                    outcome.changes.push(FibChange::NeighborGone { port, ip });
                }
            }
        }
    }

    fn read_link(&self, message: &LinkMessage) -> Option<(usize, u16)> {
        let at = *self.by_index.get(&message.header.index)?;
        let interface = Interface::from_message(message)?;
        Some((at, u16::try_from(interface.mtu).unwrap_or(u16::MAX)))
    }

    /// The port and address of a message, `None` for addresses that traffic is not sent from or to (link-local), or not
    /// yet (tentative).
    fn read_address(&self, message: &AddressMessage) -> Option<(usize, IpNet)> {
        let at = *self.by_index.get(&message.header.index)?;
        // IFA_LOCAL is the interface's own address; IFA_ADDRESS is the peer's on point-to-point links and the only one
        // of the two that IPv6 has otherwise.
        let find = |local: bool| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(ip) if local => Some(*ip),
                AddressAttribute::Address(ip) if !local => Some(*ip),
                _ => None,
            })
        };
        let ip = find(true).or_else(|| find(false))?;
        let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let unusable = AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed;
        if link_local || message.header.flags.intersects(unusable) {
            return None;
        }
        Some((at, IpNet::new(ip, message.header.prefix_len).ok()?))
    }

    /// The key of a forwarding route, and the route where one of our ports takes it.
    fn read_route(&self, message: &RouteMessage) -> Option<((IpNet, u32), Option<Known>)> {
        let KernelRoute { to, metric, hops } = KernelRoute::from_message(message)?;
        let mut ours = hops.iter().filter_map(|hop| Some((hop.via, self.port(hop.index)?)));
        let known = ours
            .next()
            .map(|(via, port)| Known { route: Route { to, via, port, metric }, more: hops.len() > 1 });
        Some(((to, metric), known))
    }

    /// The neighbour, its hardware address where it is usable, and whether it is stale.
    #[expect(clippy::type_complexity, reason = "one private use, named in the line above")]
    fn read_neighbor(&self, message: &NeighbourMessage) -> Option<((PortId, IpAddr), Option<[u8; 6]>, bool)> {
        let port = self.port(message.header.ifindex)?;
        if message.header.flags.contains(NeighbourFlags::Proxy) {
            return None;
        }
        let mut found = None;
        let mut mac = None;
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                    found = Some(IpAddr::from(*ip))
                }
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                    found = Some(IpAddr::from(*ip))
                }
                NeighbourAttribute::LinkLayerAddress(bytes) => {
                    mac = <[u8; 6]>::try_from(bytes.as_slice()).ok()
                }
                _ => {}
            }
        }
        let ip = found.filter(|ip| !ip.is_multicast())?;
        let state = message.header.state;
        let usable = matches!(
            state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
                | NeighbourState::Noarp
        );
        let mac = mac.filter(|mac| usable && *mac != [0; 6] && mac.first().is_some_and(|byte| byte & 1 == 0));
        Some(((port, ip), mac, state == NeighbourState::Stale))
    }

    fn port(&self, index: u32) -> Option<PortId> {
        let at = *self.by_index.get(&index)?;
        self.ports.get(at).map(|port| port.wanted.id)
    }

    fn set_mtu(&mut self, at: usize, mtu: u16) {
        if let Some(port) = self.ports.get_mut(at) {
            port.mtu = Some(mtu);
        }
    }

    fn found(&mut self, at: usize, net: IpNet, present: bool) {
        if let Some(port) = self.ports.get_mut(at) {
            if present {
                port.found.insert(net);
            } else {
                port.found.remove(&net);
            }
        }
    }

    /// Tells the engine about a port where what it knows has changed.
    fn tell(&mut self, at: usize, changes: &mut Vec<FibChange>) {
        let Some(port) = self.ports.get_mut(at) else {
            return;
        };
        // The configuration's order first: full NAT without a list of addresses takes the first of each family.
        let mut addresses: Vec<IpNet> =
            port.wanted.addresses.iter().filter(|net| port.found.contains(net)).copied().collect();
        let others: Vec<IpNet> = port.found.iter().filter(|net| !addresses.contains(net)).copied().collect();
        addresses.extend(others);
        let mtu = port.mtu.map_or(port.wanted.mtu, |mtu| mtu.min(port.wanted.mtu));
        let info = PortInfo { addresses, mtu, ..port.wanted.clone() };
        if info != port.told {
            port.told = info.clone();
            changes.push(FibChange::Port(info));
        }
    }

    fn keep_route(&mut self, key: (IpNet, u32), known: Known, changes: &mut Vec<FibChange>) {
        match self.routes.insert(key, known.clone()) {
            Some(before) if before.route == known.route => {}
            before => {
                changes.extend(before.map(|before| FibChange::RouteGone(before.route)));
                changes.push(FibChange::Route(known.route));
            }
        }
    }

    fn forget_route(&mut self, key: (IpNet, u32), changes: &mut Vec<FibChange>) {
        changes.extend(self.routes.remove(&key).map(|known| FibChange::RouteGone(known.route)));
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
