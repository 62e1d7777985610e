//! Cluster DNS under load: names of many Services, and queries for them.

use std::net::{IpAddr, Ipv4Addr};

use sluice_engine::snapshot::Publisher;
use sluice_model::{
    Change, DnsSettings, EndpointGroup, NameKind, NamedEndpoint, NamedPort, NamedService, Protocol,
    ServiceName, Settings,
};
use sluice_wire::build::Packet;

use crate::gateway::{CLUSTER, MACS, PEERS};

/// Where queries are answered.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 111, 0, 2);
/// What is asked for, by the names of the report's rows.
pub const KINDS: [&str; 6] = ["a", "nodata", "nxdomain", "srv", "headless10", "ptr"];

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// Adds the names of so many Services with ten endpoints each, every tenth of them headless.
pub fn names(publisher: &mut Publisher, services: u32) {
    names_beside(publisher, services, false);
}

/// As [`names`], beside a resolver for names of others, or without.
pub fn names_beside(publisher: &mut Publisher, services: u32, forward: bool) {
    let listen = vec![(IpAddr::from(SERVER), 53).into()];
    let dns = DnsSettings { listen, forward, ..DnsSettings::default() };
    publisher.apply(&Change::Settings(Settings {
        node: "edge-1".into(),
        cluster_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        service_cidrs: vec!["10.96.0.0/12".parse().unwrap()],
        dns: Some(dns),
        ..Settings::default()
    }));
    (0..services).for_each(|number| publisher.apply(&Change::Named(service(number))));
}

/// Service `number` as DNS sees it.
pub fn service(number: u32) -> NamedService {
    let port = || NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 80 };
    let endpoints = (0..10).map(|n| NamedEndpoint {
        address: Ipv4Addr::from_bits(0x0AF5_0000 + number * 10 + n).into(),
        hostname: None,
        pod: None,
        zone: None,
    });
    NamedService {
        name: ServiceName::new("default", &format!("service-{number}")),
        kind: match number % 10 {
            9 => NameKind::Headless,
            _ => NameKind::Cluster(vec![address(number).into()]),
        },
        ports: vec![port()],
        endpoints: vec![EndpointGroup { ports: vec![port()], endpoints: endpoints.collect() }],
        external: vec![],
    }
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 0).to_bits() + number)
}

/// Frame `n` of a load of this kind, from a pod, about one of so many Services.
pub fn query(kind: &str, n: u32, services: u32) -> Vec<u8> {
    // Far apart, so that not all of a burst lie side by side.
    let pick = n.wrapping_mul(40_503) % services;
    let (clustered, headless) = (pick - u32::from(pick % 10 == 9), pick / 10 * 10 + 9);
    let of = |number: u32| format!("service-{number}.default.svc.cluster.local");
    let (name, kind) = match kind {
        "a" => (of(clustered), A),
        "nodata" => (of(clustered), AAAA),
        // What a pod's search list makes of a name that is not the cluster's.
        "nxdomain" => (format!("www-{pick}.example.com.default.svc.cluster.local"), A),
        "srv" => (format!("_http._tcp.{}", of(clustered)), SRV),
        "headless10" => (of(headless % services), A),
        "ptr" => {
            let [a, b, c, d] = address(clustered).octets();
            (format!("{d}.{c}.{b}.{a}.in-addr.arpa"), PTR)
        }
        "foreign" => ("xxxx.example.org".into(), A),
        other => panic!("no queries of this kind: {other}"),
    };
    let mut message = vec![(n >> 8) as u8, n as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    // Class IN, and what stub resolvers say by EDNS: 1,232 bytes.
    message.extend([0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let pod = Ipv4Addr::from_bits(0x0AF4_0000 + (n & 0x3FFF) + 1);
    Packet::v4(pod, SERVER)
        .udp(20_000 + (n & 0x7FFF) as u16, 53)
        .payload(message)
        .macs(MACS[usize::from(CLUSTER)], PEERS[usize::from(CLUSTER)])
        .frame()
}
