//! The gateway under measurement: two ports, routes, Services, one worker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use sluice_engine::flow::{FlowStorage, HashKeys};
use sluice_engine::snapshot::{FibChange, PortInfo, Publisher, Route, Snapshot};
use sluice_engine::{Now, PortId, Worker, WorkerConfig};
use sluice_model::{
    Change, Endpoint, Generation, Protocol, Service, ServiceName, ServicePort, Settings, TrafficPolicy,
};
use sluice_wire::{MacAddr, PacketBuf};

/// The port towards clients.
pub const UPLINK: PortId = 0;
/// The port towards pods.
pub const CLUSTER: PortId = 1;
/// MAC addresses of the two ports.
pub const MACS: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 0]), MacAddr([2, 0, 0, 0, 2, 0])];
/// MAC addresses of the routers beyond them.
pub const PEERS: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 9]), MacAddr([2, 0, 0, 0, 2, 9])];
/// The Service under load: its address.
pub const VIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The Service under load: its IPv6 address.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 0x10);
/// Its port.
pub const PORT: u16 = 80;
/// A port of the same Service that has no endpoints.
pub const REFUSED: u16 = 81;

/// Tables as they are in a cluster with `services` Services besides the one under load, which has 100 endpoints.
///
/// # Panics
/// Where the publisher refuses what it is given.
pub fn publisher(services: u32) -> Publisher {
    let mut publisher = Publisher::new();
    publisher.apply(&Change::Settings(Settings {
        node: "edge-1".into(),
        cluster_cidrs: vec!["10.244.0.0/16".parse().unwrap(), "fd00:10:244::/56".parse().unwrap()],
        service_cidrs: vec!["10.96.0.0/12".parse().unwrap(), "fd00:10:96::/112".parse().unwrap()],
        ..Settings::default()
    }));
    let links = [
        (UPLINK, "uplink", ["192.0.2.1/24", "2001:db8:1::1/64"]),
        (CLUSTER, "cluster", ["198.51.100.10/24", "2001:db8:2::10/64"]),
    ];
    for (id, name, addresses) in links {
        let port = PortInfo {
            id,
            name: name.into(),
            mac: MACS[usize::from(id)].0,
            mtu: 1500,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        };
        publisher.apply_fib(FibChange::Port(port)).unwrap();
    }
    for (to, via, port) in [
        ("198.18.0.0/15", "192.0.2.100", UPLINK),
        ("2001:db8:9::/48", "2001:db8:1::100", UPLINK),
        ("10.244.0.0/16", "198.51.100.1", CLUSTER),
        ("10.245.0.0/16", "198.51.100.1", CLUSTER),
        ("fd00:10:244::/56", "2001:db8:2::1", CLUSTER),
    ] {
        let via: IpAddr = via.parse().unwrap();
        let neighbor = FibChange::Neighbor { port, ip: via, mac: PEERS[usize::from(port)].0 };
        publisher.apply_fib(neighbor).unwrap();
        let on_link = via.to_string() + if via.is_ipv4() { "/24" } else { "/64" };
        let on_link = on_link.parse::<ipnet::IpNet>().unwrap().trunc();
        publisher.apply_fib(FibChange::Route(Route { to: on_link, via: None, port, metric: 0 })).unwrap();
        let route = Route { to: to.parse().unwrap(), via: Some(via), port, metric: 0 };
        publisher.apply_fib(FibChange::Route(route)).unwrap();
    }
    publisher.apply(&Change::Service(loaded()));
    for number in 0..services {
        publisher.apply(&Change::Service(service(number, 10)));
    }
    publisher
}

/// A worker with room for `flows` flows.
///
/// # Panics
/// Where there is no memory for them.
pub fn worker<B: PacketBuf>(flows: u32, now: Now) -> Worker<B> {
    worker_of(flows, now, 0, 1)
}

/// Worker `lcore` of `lcores`, with room for `flows` flows.
///
/// # Panics
/// Where there is no memory for them.
pub fn worker_of<B: PacketBuf>(flows: u32, now: Now, lcore: u16, lcores: u16) -> Worker<B> {
    let config =
        WorkerConfig { lcore, lcores, keys: HashKeys::new([0x5A; 32]), fragments: 1024, affinity: 1024 };
    Worker::new(config, FlowStorage::anonymous(flows).unwrap(), now).unwrap()
}

/// The tables with one generation in effect.
pub fn snapshot(publisher: &mut Publisher) -> Arc<Snapshot> {
    publisher.publish(Generation(1))
}

/// The Service under load.
fn loaded() -> Service {
    let backends = |first: u8| {
        (0..100_u8).flat_map(move |n| {
            let v4 = Ipv4Addr::new(10, 244, first, n + 1);
            let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, u16::from(first), u16::from(n) + 1);
            [endpoint(v4.into()), endpoint(v6.into())]
        })
    };
    let port = |name: &str, protocol, port, endpoints| ServicePort {
        name: name.into(),
        protocol,
        port,
        node_port: None,
        endpoints,
    };
    Service {
        load_balancer_ips: vec![VIP.into(), VIP6.into()],
        ports: vec![
            port("tcp", Protocol::Tcp, PORT, backends(1).collect()),
            port("udp", Protocol::Udp, PORT, backends(1).collect()),
            port("none", Protocol::Tcp, REFUSED, Vec::new()),
        ],
        ..service(u32::MAX, 0)
    }
}

/// The cluster address of Service `number`.
pub fn cluster_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 0).to_bits() + (number & 0xF_FFFF))
}

/// Service `number` with so many endpoints.
pub fn service(number: u32, endpoints: u32) -> Service {
    Service {
        name: ServiceName::new("default", &format!("service-{number}")),
        created: 1,
        cluster_ips: vec![cluster_ip(number).into()],
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity: None,
        source_ranges: Vec::new(),
        health_check_node_port: None,
        ports: vec![ServicePort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: PORT,
            node_port: None,
            endpoints: (0..endpoints)
                .map(|n| endpoint(Ipv4Addr::from_bits(0x0AF5_0000 + ((number * 10 + n) & 0xFFFF)).into()))
                .collect(),
        }],
    }
}

/// A ready endpoint.
pub fn endpoint(ip: IpAddr) -> Endpoint {
    Endpoint {
        address: SocketAddr::new(ip, 8080),
        ready: true,
        serving: true,
        terminating: false,
        node: None,
        zone: None,
        hint_zones: Vec::new(),
        hint_nodes: Vec::new(),
        pod: None,
        weight: 1,
    }
}
