//! Whatever order changes come in, what they lead to is what the final state alone would have given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use proptest::prelude::*;
use sluice_dns::name::{Name, Seed};
use sluice_dns::node::Node;
use sluice_dns::{Catalog, Zones};
use sluice_model::{
    Change, DnsSettings, EndpointGroup, ExternalAddress, NameKind, NamedPod, NamedService, PodNames,
    Protocol, ServiceName, Settings,
};

const SEED: Seed = Seed([1, 2]);

#[derive(Clone, Debug)]
enum Op {
    Set(NamedService),
    Gone(ServiceName),
    Namespace(u8, bool),
    Pod(u8, Option<u8>),
    Settings(Box<DnsSettings>),
}

fn named(n: u8) -> ServiceName {
    ServiceName::new(if n.is_multiple_of(2) { "a" } else { "b" }, &format!("s{}", n / 2))
}

fn a_service() -> impl Strategy<Value = NamedService> {
    let endpoints = proptest::collection::vec((0..12_u8, proptest::option::of(0..3_u8)), 0..5);
    (0..8_u8, 0..4_u8, 0..3_usize, endpoints, 0..4_u8, 0..4_u8).prop_map(
        |(name, kind, ports, endpoints, address, outside)| {
            let kind = match kind {
                0 => NameKind::Headless,
                1 => NameKind::External("web.a.svc.cluster.local".into()),
                _ => NameKind::Cluster(vec![
                    ip(&format!("10.96.0.{address}")),
                    ip(&format!("fd00::{address}")),
                ]),
            };
            let mut service =
                NamedService { name: named(name), kind, ports: vec![], endpoints: vec![], external: vec![] };
            service.ports = vec![port("x", Protocol::Tcp, 1), port("", Protocol::Udp, 2)];
            service.ports.truncate(ports);
            let endpoints = endpoints.into_iter().map(|(n, host)| {
                endpoint(&format!("10.96.0.{n}"), host.map(|h| ["h0", "h1", "h2"][usize::from(h)]), None)
            });
            service.external = match outside {
                0 => vec![ExternalAddress::Ip(ip(&format!("192.0.2.{address}")))],
                1 => vec![ExternalAddress::Host("lb.example.net".into())],
                _ => vec![],
            };
            service.endpoints =
                vec![EndpointGroup { ports: service.ports.clone(), endpoints: endpoints.collect() }];
            service
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => a_service().prop_map(Op::Set),
        3 => (0..8_u8).prop_map(|n| Op::Gone(named(n))),
        2 => (0..3_u8, any::<bool>()).prop_map(|(n, there)| Op::Namespace(n, there)),
        2 => (0..4_u8, proptest::option::of(0..3_u8)).prop_map(|(n, ip)| Op::Pod(n, ip)),
        1 => (any::<bool>(), 0..3_u8).prop_map(|(hide_empty, pods)| Op::Settings(Box::new(DnsSettings {
            hide_empty,
            pods: [PodNames::Disabled, PodNames::Insecure, PodNames::Verified][usize::from(pods)],
            zones: vec!["cluster.local".into(), "second.zone".into()],
            reverse_zones: vec!["96.10.in-addr.arpa".into(), "ip6.arpa".into()],
            external_zones: external_zones(),
            service: Some(named(0)),
            ..settings()
        }))),
    ]
}

fn nodes(zones: &Zones) -> Vec<Node> {
    let mut nodes: Vec<Node> = zones.nodes().cloned().collect();
    nodes.sort_by(|a, b| a.name().cmp(b.name()));
    nodes
}

fn pod(n: u8, address: u8) -> NamedPod {
    NamedPod {
        name: ServiceName::new("a", &format!("p{n}")),
        addresses: vec![ip(&format!("10.1.1.{address}"))],
        named: true,
        client: address.is_multiple_of(2),
    }
}

fn namespace(n: u8) -> Box<str> {
    ["a", "b", "c"][usize::from(n)].into()
}

proptest! {
    #[test]
    fn the_way_does_not_matter(ops in proptest::collection::vec(op(), 1..40)) {
        let mut catalog = Catalog::new(SEED);
        let (mut services, mut namespaces, mut pods) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let mut dns = None;
        for op in ops {
            catalog.apply(&match op {
                Op::Set(service) => {
                    services.insert(service.name.clone(), service.clone());
                    Change::Named(service)
                }
                Op::Gone(name) => {
                    services.remove(&name);
                    Change::NamedGone(name)
                }
                Op::Namespace(n, true) => {
                    namespaces.insert(n);
                    Change::Namespace(namespace(n))
                }
                Op::Namespace(n, false) => {
                    namespaces.remove(&n);
                    Change::NamespaceGone(namespace(n))
                }
                Op::Pod(n, Some(address)) => {
                    pods.insert(n, address);
                    Change::Pod(pod(n, address))
                }
                Op::Pod(n, None) => {
                    pods.remove(&n);
                    Change::PodGone(pod(n, 0).name)
                }
                Op::Settings(settings) => {
                    dns = Some(*settings);
                    Change::Settings(Settings { dns: dns.clone(), ..Settings::default() })
                }
            });
        }
        let mut fresh = Catalog::new(SEED);
        fresh.apply(&Change::Settings(Settings { dns, ..Settings::default() }));
        for service in services.into_values() {
            fresh.apply(&Change::Named(service));
        }
        for n in namespaces {
            fresh.apply(&Change::Namespace(namespace(n)));
        }
        for (n, address) in pods {
            fresh.apply(&Change::Pod(pod(n, address)));
        }
        prop_assert_eq!(nodes(&catalog.zones()), nodes(&fresh.zones()));
    }

    #[test]
    fn no_bytes_make_it_panic_or_answer_an_answer(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), stream: bool, turn: u32
    ) {
        let zones = zones_of(DnsSettings { pods: PodNames::Insecure, ..settings() }, &cluster(), &["default"]);
        if let Ok(reply) = raw(&zones, &bytes, sluice_dns::Asked { stream, turn, ..ASKED }) {
            prop_assert!(reply.len() >= 12 && reply[2] & 0x80 != 0 && bytes[2] & 0x80 == 0);
        }
    }

    #[test]
    fn no_damage_to_a_query_makes_it_panic(at in 0_usize..80, value: u8, cut in 0_usize..80, name in 0_usize..6, kind in 0_u16..40) {
        let zones = zones_of(DnsSettings { pods: PodNames::Insecure, ..settings() }, &cluster(), &["default"]);
        let name = ["web.default.svc.cluster.local.", "twice.shop.svc.cluster.local.", "1-2-3-4.default.pod.cluster.local.",
            "http.tcp.web.default.svc.Cluster.local.", "_sql._tcp.db.default.svc.CLUSTER.local.", "5.1.244.10.in-addr.arpa."][name];
        let mut bytes = query(name, kind.into()).to_vec().unwrap();
        let length = bytes.len();
        bytes[at % length] = value;
        bytes.truncate(length - cut % length);
        let _ = raw(&zones, &bytes, ASKED);
    }
}

/// Records of an SRV question's answer.
fn ports_of(zones: &Zones, name: &str) -> u16 {
    let name = Name::parse(name).unwrap();
    zones.find(name.wire()).and_then(|node| Some(node.set(33)?.answers())).unwrap_or(0)
}

#[test]
fn a_service_of_many_ports_and_endpoints_has_bounded_records() {
    let address = |n: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
    let ports =
        |count: u16| (1..=count).map(|n| port(&format!("p{n}"), Protocol::Tcp, n)).collect::<Vec<_>>();
    let many = |count: u16, endpoints: u32| {
        let mut service = service("a", "s", NameKind::Headless);
        let endpoints = (0..endpoints).map(|n| endpoint(&address(n).to_string(), None, None)).collect();
        service.endpoints = vec![EndpointGroup { ports: ports(count), endpoints }];
        zones_of(settings(), &[service], &["a"])
    };
    // Within the bound nothing is left out.
    let zones = many(100, 50);
    assert_eq!(ports_of(&zones, "_p100._tcp.s.a.svc.cluster.local"), 50);
    assert_eq!(ports_of(&zones, "10-0-0-49.s.a.svc.cluster.local"), 100);
    // 10 million pairs: there is room for 52 ports of 5,000 endpoints.
    let zones = many(2000, 5000);
    assert!(ports_of(&zones, "_p52._tcp.s.a.svc.cluster.local") > 0);
    assert_eq!(ports_of(&zones, "_p53._tcp.s.a.svc.cluster.local"), 0);
    assert_eq!(ports_of(&zones, "10-0-19-135.s.a.svc.cluster.local"), 52);
    let sets = zones.nodes().flat_map(|node| node.kinds().filter_map(|kind| node.set(kind)));
    let bytes: usize = sets.map(|set| set.answer().len() + set.glue().len()).sum();
    assert!(bytes < 64 << 20, "{bytes}");
    // So with addresses of the Service itself.
    let addresses = (0..4096).map(|n| address(n).into()).collect();
    let mut service = service("a", "s", NameKind::Cluster(addresses));
    service.ports = ports(4096);
    let zones = zones_of(settings(), &[service], &["a"]);
    assert!(ports_of(&zones, "_p64._tcp.s.a.svc.cluster.local") > 0);
    assert_eq!(ports_of(&zones, "_p65._tcp.s.a.svc.cluster.local"), 0);
}
