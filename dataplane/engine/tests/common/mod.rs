//! A gateway in memory: two ports, a few Services, packets in and packets out.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arrayvec::ArrayVec;
use sluice_engine::flow::{FlowStorage, HashKeys};
use sluice_engine::snapshot::{FibChange, PortInfo, Publisher, Route, Snapshot};
use sluice_engine::{BURST, DropReason, Event, Now, PortId, Sink, Worker, WorkerConfig};
use sluice_model::{
    Affinity, Change, Endpoint, Generation, Protocol, Service, ServiceName, ServicePort, Settings,
};
use sluice_wire::build::Packet;
use sluice_wire::ethernet::MacAddr;
use sluice_wire::parse::{Parsed, parse};
use sluice_wire::{PacketBuf, TestBuf};

pub const UPLINK: PortId = 0;
pub const CLUSTER: PortId = 1;
pub const UPLINK_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 0]);
pub const CLUSTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 2, 0]);
pub const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 9]);
pub const NODE_MAC: MacAddr = MacAddr([2, 0, 0, 0, 2, 9]);
/// A client outside the cluster, on the uplink's link.
pub const CLIENT: &str = "192.0.2.100";
pub const CLIENT6: &str = "2001:db8:1::100";
pub const VIP: &str = "203.0.113.10";
pub const VIP6: &str = "2001:db8:ff::10";
pub const CLUSTER_IP: &str = "10.96.0.20";
pub const CLUSTER_IP6: &str = "fd00:10:96::20";
pub const NODE: &str = "192.0.2.1";
pub const NODE6: &str = "2001:db8:1::1";
pub const SNAT: &str = "198.51.100.10";
pub const SNAT6: &str = "2001:db8:2::10";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the engine did with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    Sent(PortId, Vec<u8>),
    Punted(PortId, Vec<u8>),
    HandedOver(u16, PortId, Vec<u8>),
}

#[derive(Default)]
pub struct Outs(pub Vec<Out>);

impl Sink<TestBuf> for Outs {
    fn transmit(&mut self, port: PortId, packet: TestBuf) {
        self.0.push(Out::Sent(port, packet.data().to_vec()));
    }
    fn punt(&mut self, port: PortId, packet: TestBuf) {
        self.0.push(Out::Punted(port, packet.data().to_vec()));
    }
    fn hand_over(&mut self, lcore: u16, port: PortId, packet: TestBuf) {
        self.0.push(Out::HandedOver(lcore, port, packet.data().to_vec()));
    }
}

pub fn settings() -> Settings {
    Settings {
        node: "edge-1".into(),
        node_port_addresses: vec![ip(NODE), ip(NODE6)],
        cluster_cidrs: vec!["10.244.0.0/16".parse().unwrap(), "fd00:10:244::/56".parse().unwrap()],
        service_cidrs: vec!["10.96.0.0/12".parse().unwrap(), "fd00:10:96::/112".parse().unwrap()],
        ..Settings::default()
    }
}

/// An endpoint that is ready.
pub fn endpoint(address: &str) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node: None,
        zone: None,
        hint_zones: vec![],
        hint_nodes: vec![],
        pod: None,
        weight: 1,
    }
}

/// A dual-stack LoadBalancer Service with one port, 80, node port 30080, and these endpoints.
pub fn service(name: &str, protocol: Protocol, endpoints: &[&str]) -> Service {
    Service {
        name: ServiceName::new("default", name),
        created: 1,
        cluster_ips: vec![ip(CLUSTER_IP), ip(CLUSTER_IP6)],
        external_ips: vec![],
        load_balancer_ips: vec![ip(VIP), ip(VIP6)],
        external_policy: Default::default(),
        internal_policy: Default::default(),
        affinity: None,
        source_ranges: vec![],
        health_check_node_port: None,
        ports: vec![ServicePort {
            name: "web".into(),
            protocol,
            port: 80,
            node_port: Some(30080),
            endpoints: endpoints.iter().map(|e| endpoint(e)).collect(),
        }],
    }
}

pub fn affine(mut service: Service, seconds: u32) -> Service {
    service.affinity = Some(Affinity { timeout_seconds: seconds, across_ports: false });
    service
}

pub struct World {
    pub publisher: Publisher,
    pub snapshot: Arc<Snapshot>,
    pub workers: Vec<Worker<TestBuf>>,
    pub now: Now,
    generation: u64,
}

pub fn keys() -> HashKeys {
    HashKeys::new([0x5A; 32])
}

impl World {
    pub fn new() -> Self {
        Self::with(1, 4096)
    }

    pub fn with(lcores: u16, flows: u32) -> Self {
        let mut publisher = Publisher::new();
        publisher.apply(&Change::Settings(settings()));
        for (id, name, mac, addresses) in [
            (UPLINK, "uplink", UPLINK_MAC, ["192.0.2.1/24", "2001:db8:1::1/64"]),
            (CLUSTER, "cluster", CLUSTER_MAC, ["198.51.100.10/24", "2001:db8:2::10/64"]),
        ] {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            publisher
                .apply_fib(FibChange::Port(PortInfo {
                    id,
                    name: name.into(),
                    mac: mac.0,
                    mtu: 1500,
                    addresses,
                }))
                .unwrap();
        }
        for (to, via) in [("10.244.0.0/16", "198.51.100.1"), ("fd00:10:244::/56", "2001:db8:2::1")] {
            publisher
                .apply_fib(FibChange::Route(Route {
                    to: to.parse().unwrap(),
                    via: Some(ip(via)),
                    port: CLUSTER,
                    metric: 0,
                }))
                .unwrap();
        }
        for (to, port) in [
            ("192.0.2.0/24", UPLINK),
            ("2001:db8:1::/64", UPLINK),
            ("198.51.100.0/24", CLUSTER),
            ("2001:db8:2::/64", CLUSTER),
        ] {
            publisher
                .apply_fib(FibChange::Route(Route { to: to.parse().unwrap(), via: None, port, metric: 0 }))
                .unwrap();
        }
        for (port, neighbor, mac) in [
            (UPLINK, CLIENT, CLIENT_MAC),
            (UPLINK, CLIENT6, CLIENT_MAC),
            (CLUSTER, "198.51.100.1", NODE_MAC),
            (CLUSTER, "2001:db8:2::1", NODE_MAC),
        ] {
            publisher.apply_fib(FibChange::Neighbor { port, ip: ip(neighbor), mac: mac.0 }).unwrap();
        }
        let snapshot = publisher.publish(Generation(1));
        let now = Now(1_000_000);
        let workers = (0..lcores)
            .map(|lcore| {
                let config = WorkerConfig { lcore, lcores, keys: keys(), fragments: 256, affinity: 1024 };
                Worker::new(config, FlowStorage::anonymous(flows).unwrap(), now).unwrap()
            })
            .collect();
        Self { publisher, snapshot, workers, now, generation: 1 }
    }

    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.publisher.apply(&change);
        }
        self.publish();
    }

    /// As the runtime does: news from Linux make a snapshot of the same generation.
    pub fn apply_fib(&mut self, change: FibChange) {
        self.publisher.apply_fib(change).unwrap();
        self.snapshot = self.publisher.publish(Generation(self.generation));
        for worker in &mut self.workers {
            worker.adopt(&self.snapshot);
        }
    }

    pub fn publish(&mut self) {
        self.generation += 1;
        self.snapshot = self.publisher.publish(Generation(self.generation));
        for worker in &mut self.workers {
            worker.adopt(&self.snapshot);
        }
    }

    pub fn serve(&mut self, service: Service) {
        self.apply([Change::Service(service)]);
    }

    pub fn advance(&mut self, ms: u64) -> Vec<Out> {
        let mut outs = Outs::default();
        let end = self.now.0 + ms;
        while self.now.0 < end {
            self.now = Now((self.now.0 + 250).min(end));
            for worker in &mut self.workers {
                for _ in 0..64 {
                    worker.tick(&self.snapshot, self.now, &mut outs);
                }
            }
        }
        outs.0
    }

    /// Sends frames into worker 0 and follows hand-overs until nothing is left of them.
    pub fn send(&mut self, port: PortId, frames: &[Vec<u8>]) -> Vec<Out> {
        self.send_to(0, port, frames)
    }

    pub fn send_to(&mut self, lcore: usize, port: PortId, frames: &[Vec<u8>]) -> Vec<Out> {
        let mut outs = Outs::default();
        for chunk in frames.chunks(BURST) {
            let mut burst: ArrayVec<TestBuf, BURST> = chunk.iter().map(|f| TestBuf::new(f)).collect();
            self.workers[lcore].process(port, &mut burst, &self.snapshot, self.now, &mut outs);
            assert!(burst.is_empty());
        }
        for _ in 0..4 {
            let (over, done): (Vec<_>, Vec<_>) =
                outs.0.into_iter().partition(|o| matches!(o, Out::HandedOver(..)));
            outs = Outs(done);
            for out in over {
                let Out::HandedOver(to, port, frame) = out else { continue };
                let mut burst: ArrayVec<TestBuf, BURST> = ArrayVec::new();
                burst.push(TestBuf::new(&frame));
                self.workers[usize::from(to)].process_handed_over(
                    port,
                    &mut burst,
                    &self.snapshot,
                    self.now,
                    &mut outs,
                );
            }
        }
        assert!(!outs.0.iter().any(|o| matches!(o, Out::HandedOver(..))), "packets go round between lcores");
        outs.0
    }

    /// Sends one frame and expects one packet out of `port`.
    pub fn one(&mut self, from: PortId, frame: Vec<u8>, to: PortId) -> Seen {
        let mut outs = self.send(from, &[frame]);
        assert_eq!(outs.len(), 1, "{outs:?} {}", self.report());
        match outs.remove(0) {
            Out::Sent(port, frame) if port == to => Seen::new(frame),
            other => panic!("expected a packet out of port {to}: {other:?} {}", self.report()),
        }
    }

    /// Sends one frame and expects nothing but this counter to move.
    pub fn dropped(&mut self, from: PortId, frame: Vec<u8>, reason: DropReason) {
        let before = self.drops(reason);
        let outs = self.send(from, &[frame]);
        assert_eq!(outs, [], "{}", self.report());
        assert_eq!(self.drops(reason), before + 1, "{reason}: {}", self.report());
    }

    pub fn drops(&self, reason: DropReason) -> u64 {
        self.workers.iter().map(|w| w.counters().drops[reason as usize]).sum()
    }

    pub fn events(&self, event: Event) -> u64 {
        self.workers.iter().map(|w| w.counters().events[event as usize]).sum()
    }

    pub fn report(&self) -> String {
        let drops =
            DropReason::ALL.iter().filter(|r| self.drops(**r) > 0).map(|r| format!("{r}={}", self.drops(*r)));
        let events =
            Event::ALL.iter().filter(|r| self.events(**r) > 0).map(|r| format!("{r}={}", self.events(*r)));
        drops.chain(events).collect::<Vec<_>>().join(" ")
    }
}

/// A packet that left, checked for sound checksums.
#[derive(Clone, Debug)]
pub struct Seen {
    pub frame: Vec<u8>,
    pub parsed: Parsed,
    pub src: SocketAddr,
    pub dst: SocketAddr,
}

impl Seen {
    pub fn new(frame: Vec<u8>) -> Self {
        let parsed = parse(&frame).unwrap_or_else(|e| panic!("{e}: {frame:02x?}"));
        if !parsed.is_fragment() {
            assert!(sluice_wire::transport::checksum_ok(&frame, &parsed), "wrong checksum: {parsed:?}");
        }
        let (src, dst) = if parsed.kind == sluice_wire::parse::Kind::V6 {
            let (s, d) = sluice_wire::parse::v6_addrs(&frame, &parsed);
            (IpAddr::V6(s.into()), IpAddr::V6(d.into()))
        } else {
            (IpAddr::V4(parsed.src.into()), IpAddr::V4(parsed.dst.into()))
        };
        let (src, dst) = (SocketAddr::new(src, parsed.sport), SocketAddr::new(dst, parsed.dport));
        Self { frame, parsed, src, dst }
    }

    pub fn macs(&self) -> (MacAddr, MacAddr) {
        let mac = |at: usize| MacAddr(self.frame[at..at + 6].try_into().unwrap());
        (mac(0), mac(6))
    }
}

/// A packet from the client on the uplink.
pub fn from_client(packet: Packet) -> Vec<u8> {
    packet.macs(UPLINK_MAC, CLIENT_MAC).frame()
}

/// A packet from the nodes' side.
pub fn from_node(packet: Packet) -> Vec<u8> {
    packet.macs(CLUSTER_MAC, NODE_MAC).frame()
}

/// A packet from `src` to `dst`.
pub fn packet(src: &str, dst: &str) -> Packet {
    Packet::new(ip(src), ip(dst))
}
