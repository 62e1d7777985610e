//! What would happen to the first packet of a flow, by the tables in effect.

use std::net::IpAddr;

use sluice_engine::DropReason;
use sluice_engine::flow::hash::{balance, balance_client};
use sluice_engine::snapshot::{AddressClass, Backend, BackendSet, Hit, NextHop, ServicePortEntry, Snapshot};
use sluice_model::{Empty, FrontendKind, Scope, Step as Decided};

use super::{Show, service_port};
use crate::admin::protocol::{Explanation, Outcome, Packet, Step};
use crate::run::mac_text;

/// Endpoints named in full; of more only the number is given.
const NAMED: usize = 8;

impl Show {
    /// Follows the packet through the snapshot in effect, as the engine's slow path does.
    pub(super) fn explain(&self, packet: &Packet) -> Explanation {
        let snapshot = self.tables.load();
        let mut told =
            Explaining { show: self, snapshot: &snapshot, packet, steps: Vec::new(), service: None };
        let (outcome, drop, backend) = told.follow();
        Explanation {
            outcome,
            drop: drop.map(|reason| reason.name().to_owned()),
            service: told.service,
            endpoint: backend.map(|backend| backend.addr),
            pod: backend.and_then(|backend| backend.pod.as_deref()).map(ToOwned::to_owned),
            steps: told.steps,
        }
    }
}

/// The end, the counter it is dropped under, the endpoint.
type End<'a> = (Outcome, Option<DropReason>, Option<&'a Backend>);

struct Explaining<'a> {
    show: &'a Show,
    snapshot: &'a Snapshot,
    packet: &'a Packet,
    steps: Vec<Step>,
    service: Option<String>,
}

impl<'a> Explaining<'a> {
    fn step(&mut self, what: &str, found: impl Into<String>) {
        self.steps.push(Step { what: what.to_owned(), found: found.into() });
    }

    fn dropped(&mut self, reason: DropReason) -> End<'a> {
        self.step("result", format!("dropped, counted as {}: {}", reason.name(), reason.help().trim()));
        (Outcome::Dropped, Some(reason), None)
    }

    fn refused(&mut self) -> End<'a> {
        let how = match self.packet.protocol {
            sluice_model::Protocol::Tcp => "a TCP reset",
            _ => "ICMP port unreachable",
        };
        self.step("result", format!("refused at once with {how}"));
        (Outcome::Refused, None, None)
    }

    fn linux(&mut self, why: &str) -> End<'a> {
        self.step("destination", why);
        self.step("result", "given to Linux through the kernel interface of the port that receives it");
        (Outcome::Linux, None, None)
    }

    fn follow(&mut self) -> End<'a> {
        let Packet { source, destination, protocol, .. } = *self.packet;
        if source.is_ipv6() != destination.is_ipv6() {
            self.step("packet", "source and destination are of different families: there is no such packet");
            return (Outcome::Dropped, None, None);
        }
        let (number, port) = (protocol.number(), destination.port());
        let hit = match destination.ip() {
            IpAddr::V4(ip) => self.snapshot.frontend4(number, ip.to_bits(), port),
            IpAddr::V6(ip) => self.snapshot.frontend6(number, ip.to_bits(), port),
        };
        let entry = hit.and_then(|hit| Some((hit, self.snapshot.service_port(hit.slot)?)));
        match entry {
            Some((hit, entry)) => self.frontend(hit, entry),
            None => match self.snapshot.address(destination.ip()) {
                AddressClass::Own(id) => {
                    let name = self.show.port_name(id);
                    self.linux(&format!("an address of port {name}, and no Service's at this port"))
                }
                AddressClass::Vip => {
                    self.step(
                        "destination",
                        "an address of Services, but none serves this port and protocol",
                    );
                    self.refused()
                }
                AddressClass::ServiceRange => {
                    self.step("destination", "inside services.service_cidrs, and no Service has it");
                    self.dropped(DropReason::UnallocatedService)
                }
                AddressClass::Other => self.linux("no Service's address"),
            },
        }
    }

    fn frontend(&mut self, hit: Hit, entry: &'a ServicePortEntry) -> End<'a> {
        let Packet { source, destination, .. } = *self.packet;
        self.service = Some(entry.name.to_string());
        self.step(
            "frontend",
            format!("{} {destination} of {}", hit.kind, service_port(&entry.name, &entry.port_name)),
        );
        if !matches!(self.snapshot.address(source), AddressClass::Other | AddressClass::ServiceRange) {
            self.step("source", "an address of the gateway's own, or a Service's: no client can have it");
            return self.dropped(DropReason::SpoofedSource);
        }
        let scope = self.scope(hit);
        // As in the engine: on a load balancer's address for everyone, elsewhere for clients from outside.
        let ranges = entry.source_ranges();
        if !ranges.is_empty() && (hit.kind == FrontendKind::LoadBalancer || scope == Scope::External) {
            let allowed = match source {
                IpAddr::V4(ip) => entry.source_allowed4(ip.to_bits()),
                IpAddr::V6(ip) => entry.source_allowed6(ip.to_bits()),
            };
            let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            let verdict = if allowed { "inside" } else { "outside" };
            self.step("loadBalancerSourceRanges", format!("the source is {verdict} {}", ranges.join(", ")));
            if !allowed {
                return self.dropped(DropReason::SourceRange);
            }
        }
        let set = entry.set(source.is_ipv6(), scope);
        self.step("endpoints", endpoints(set));
        match set.empty() {
            Some(Empty::Refuse) => return self.refused(),
            Some(Empty::Drop) => return self.dropped(DropReason::NoLocalEndpoint),
            None => {}
        }
        let Some(backend) = self.choose(entry, set) else {
            self.step("result", "sent to one of them");
            return (Outcome::Forwarded, None, None);
        };
        self.send(entry, scope, backend)
    }

    fn scope(&mut self, hit: Hit) -> Scope {
        let inside = match self.packet.source {
            IpAddr::V4(ip) => self.snapshot.is_cluster_source4(ip.to_bits()),
            IpAddr::V6(ip) => self.snapshot.is_cluster_source6(ip.to_bits()),
        };
        let (scope, found) = match (hit.kind.is_external(), inside) {
            (false, _) => (Scope::Internal, "a ClusterIP: internalTrafficPolicy decides"),
            (true, true) => {
                (Scope::ExternalFromCluster, "the client is inside services.cluster_cidrs: all endpoints")
            }
            (true, false) => {
                (Scope::External, "the client is outside the cluster: externalTrafficPolicy decides")
            }
        };
        self.step("policy", found);
        scope
    }

    /// The endpoint, where it can be told.
    fn choose(&mut self, entry: &ServicePortEntry, set: &'a BackendSet) -> Option<&'a Backend> {
        let Packet { source, source_port, destination, protocol } = *self.packet;
        if let [only] = &*set.backends {
            return Some(only);
        }
        if let Some(affinity) = entry.affinity {
            let backend = set.pick(balance_client(bits(source)));
            let found = format!(
                "by the client's address, for {} s; a client that is known already keeps its endpoint",
                affinity.timeout_seconds
            );
            self.step("sessionAffinity", found);
            return backend;
        }
        let Some(source_port) = source_port else {
            self.step("choice", "by a hash of addresses and ports; give the source port to see which");
            return None;
        };
        let ports = u32::from(source_port) << 16 | u32::from(destination.port());
        set.pick(balance(bits(source), bits(destination.ip()), ports, protocol.number()))
    }

    fn send(&mut self, entry: &ServicePortEntry, scope: Scope, backend: &'a Backend) -> End<'a> {
        let pod = backend.pod.as_deref().map_or_else(String::new, |pod| format!(", Pod {pod}"));
        let node = backend.node.as_deref().map_or_else(String::new, |node| format!(" on node {node}"));
        self.step("endpoint", format!("{}{pod}{node}", backend.addr));
        let Some(egress) = self.route("route", backend.addr.ip()) else {
            return self.dropped(DropReason::NoRoute);
        };
        if self.route("route back", self.packet.source).is_none() {
            return self.dropped(DropReason::NoRoute);
        }
        let preserve =
            scope == Scope::External && entry.preserve_client && backend.addr.ip() != self.packet.source;
        if preserve {
            self.step("source", "kept, by externalTrafficPolicy: Local");
        } else {
            let addresses = self.snapshot.snat_addresses(self.packet.source.is_ipv6(), egress);
            if addresses.is_empty() {
                return self.dropped(DropReason::NoSnatAddress);
            }
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let ports = self.snapshot.settings().snat_ports;
            let found = format!(
                "translated to {}, port {} to {}",
                addresses.join(" or "),
                ports.first(),
                ports.last()
            );
            self.step("source", found);
        }
        self.step("result", format!("sent to {} out of {}", backend.addr, self.show.port_name(egress)));
        (Outcome::Forwarded, None, Some(backend))
    }

    /// The port that leads to an address.
    fn route(&mut self, what: &str, to: IpAddr) -> Option<u8> {
        let fib = self.snapshot.fib();
        let hop = match to {
            IpAddr::V4(ip) => fib.lookup4(ip.to_bits()),
            IpAddr::V6(ip) => fib.lookup6(ip.to_bits()),
        };
        let (port, found) = match hop {
            NextHop::NoRoute => {
                self.step(what, format!("there is none to {to}"));
                return None;
            }
            NextHop::Unresolved { port, ip } => (
                port,
                format!("via {ip}, which does not answer {} yet", if ip.is_ipv6() { "ND" } else { "ARP" }),
            ),
            NextHop::Adjacency(number) => {
                let adjacency = fib.adjacency(number);
                let mac = adjacency.header.first_chunk::<6>().copied().unwrap_or_default();
                let state =
                    if adjacency.resolved { mac_text(mac) } else { "not resolved at present".to_owned() };
                (adjacency.port, format!("via {} ({state})", adjacency.next_hop))
            }
        };
        let prefix = fib.route(to).map_or_else(|| "on the link".to_owned(), |route| route.to.to_string());
        self.step(what, format!("{to}: {prefix}, {found}, port {}", self.show.port_name(port)));
        Some(port)
    }
}

fn endpoints(set: &BackendSet) -> String {
    let decided = match set.step {
        Decided::Ready => "all ready ones",
        Decided::HintNode => "ready ones that are hinted for this node",
        Decided::HintZone => "ready ones that are hinted for this zone",
        Decided::Local => "ready ones of this node or its set, by policy Local",
        Decided::Terminating => "none is ready: those that terminate and still serve",
        Decided::LocalTerminating => "no local one is ready: local ones that terminate and still serve",
        Decided::Nothing(Empty::Refuse) => "none anywhere",
        Decided::Nothing(Empty::Drop) => "none here, some elsewhere, and the policy is Local",
    };
    if set.backends.is_empty() {
        return decided.to_owned();
    }
    let named: Vec<String> =
        set.backends.iter().take(NAMED).map(|backend| backend.addr.to_string()).collect();
    let more = set.backends.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{decided}: {}{more}", named.join(", "))
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
