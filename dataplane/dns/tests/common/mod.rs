//! A cluster to ask about, and hickory-proto to read what is answered.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::{Asked, Candidate, Catalog, Usual, Verdict, Zones, answer, parse};
use sluice_model::{
    Change, DnsSettings, EndpointGroup, ExternalZone, NameKind, NamedEndpoint, NamedPort, NamedService,
    Protocol, ServiceName, Settings,
};
use sluice_wire::checksum::{finish_udp, fold, replaced_udp, sum};

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn port(name: &str, protocol: Protocol, port: u16) -> NamedPort {
    NamedPort { name: name.into(), protocol, port }
}

pub fn endpoint(address: &str, hostname: Option<&str>, pod: Option<&str>) -> NamedEndpoint {
    NamedEndpoint {
        address: ip(address),
        hostname: hostname.map(Box::from),
        pod: pod.map(Box::from),
        zone: None,
    }
}

pub fn service(namespace: &str, name: &str, kind: NameKind) -> NamedService {
    NamedService {
        name: ServiceName::new(namespace, name),
        kind,
        ports: vec![],
        endpoints: vec![],
        external: vec![],
    }
}

/// What most tests ask about.
pub fn cluster() -> Vec<NamedService> {
    let http = || port("http", Protocol::Tcp, 80);
    let mut web = service("default", "web", NameKind::Cluster(vec![ip("10.96.0.10"), ip("fd00:96::a")]));
    web.ports = vec![http(), port("metrics", Protocol::Udp, 9100)];
    web.endpoints = vec![EndpointGroup {
        ports: vec![port("http", Protocol::Tcp, 8080)],
        endpoints: vec![endpoint("10.244.1.5", None, Some("web-0"))],
    }];
    let mut db = service("default", "db", NameKind::Headless);
    db.ports = vec![port("sql", Protocol::Tcp, 5432)];
    db.endpoints = vec![
        EndpointGroup {
            ports: db.ports.clone(),
            endpoints: vec![
                endpoint("10.244.1.7", Some("db-0"), None),
                endpoint("10.244.2.7", Some("db-1"), None),
                endpoint("10.244.3.7", None, Some("db-x")),
            ],
        },
        EndpointGroup {
            ports: db.ports.clone(),
            endpoints: vec![endpoint("fd00:244::7", Some("db-0"), None)],
        },
    ];
    let mut empty = service("default", "empty", NameKind::Headless);
    empty.ports = vec![http()];
    let mut four = service("default", "four", NameKind::Headless);
    four.endpoints =
        vec![EndpointGroup { ports: vec![], endpoints: vec![endpoint("10.244.9.9", None, None)] }];
    let external = |name: &str, to: &str| service("shop", name, NameKind::External(to.into()));
    vec![
        web,
        db,
        empty,
        four,
        external("out", "www.Example.com"),
        external("in", "web.default.svc.cluster.local"),
        external("twice", "in.shop.svc.cluster.local."),
        external("nowhere", "nope.default.svc.cluster.local"),
        external("circle", "circle2.shop.svc.cluster.local"),
        external("circle2", "circle.shop.svc.cluster.local"),
        external("address", "192.0.2.1"),
    ]
}

pub fn settings() -> DnsSettings {
    DnsSettings { listen: vec!["10.96.0.2:53".parse().unwrap()], ttl: 30, ..DnsSettings::default() }
}

/// Two domains of external addresses, one with endpoints.
pub fn external_zones() -> Vec<ExternalZone> {
    let zone = |zone: &str, apex: &str, headless| ExternalZone {
        zone: zone.into(),
        ttl: 60,
        apex: apex.into(),
        headless,
        hosts: false,
        secondary: None,
    };
    vec![zone("example.org", "dns", false), zone("b.example", "s0.a", true)]
}

pub fn zones_of(settings: DnsSettings, services: &[NamedService], namespaces: &[&str]) -> Zones {
    catalog_of(settings, services, namespaces).zones()
}

pub fn catalog_of(settings: DnsSettings, services: &[NamedService], namespaces: &[&str]) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.set_clock(7, 0);
    catalog.apply(&Change::Settings(Settings { dns: Some(settings), ..Settings::default() }));
    for namespace in namespaces {
        catalog.apply(&Change::Namespace((*namespace).into()));
    }
    for service in services {
        catalog.apply(&Change::Named(service.clone()));
    }
    catalog
}

/// A query message.
pub fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Question::query(Name::from_ascii(name).unwrap(), kind));
    message
}

pub const ASKED: Asked = Asked {
    client: IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 0, 9)),
    server: IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 2)),
    stream: false,
    resolver: false,
    turn: 0,
    now: 0,
};

/// What these bytes are answered with.
pub fn raw(zones: &Zones, bytes: &[u8], asked: Asked) -> Result<Vec<u8>, Verdict> {
    let mut buffer = vec![0xaa; bytes.len().max(65_535)];
    buffer[..bytes.len()].copy_from_slice(bytes);
    let reply = match answer(zones, parse(bytes), &mut buffer, &asked) {
        Verdict::Reply { length, .. } => {
            buffer.truncate(length);
            Ok(buffer)
        }
        other => Err(other),
    };
    if !asked.stream && !asked.resolver {
        the_short_way_says_the_same(zones, bytes, asked, reply.as_deref().ok());
    }
    reply
}

/// Where the query is a usual one, the reply comes out the same byte for byte, and its checksum follows; where there is none,
/// the short way has none.
fn the_short_way_says_the_same(zones: &Zones, bytes: &[u8], asked: Asked, reply: Option<&[u8]>) {
    let may = match (asked.client, asked.server) {
        (IpAddr::V4(client), IpAddr::V4(server)) => zones.may_ask_v4(client.to_bits(), server.to_bits()),
        (IpAddr::V6(client), IpAddr::V6(server)) => zones.may_ask_v6(client.to_bits(), server.to_bits()),
        _ => false,
    };
    let Some(usual) = Usual::of(bytes).filter(|_| may) else { return };
    let hash = zones.hash(usual.name(bytes));
    for candidate in [zones.candidate(hash), Candidate::NONE] {
        let Some(found) = usual.find(zones, candidate, hash, bytes) else { return };
        let reply = reply.expect("the general way has a reply too");
        let mut message = bytes[..usual.length()].to_vec();
        message.resize(usual.length() + found.length(), 0xa5);
        // Words with the lowest byte first, of a datagram that is not all zeroes, so that a sum has but one form.
        let rest = 0x1234;
        let summed = |bytes: &[u8]| rest + u32::from(fold(sum(bytes) + 2 * bytes.len() as u32).swap_bytes());
        let stored = finish_udp(summed(bytes));
        let header = u64::from(rest + u32::from(stored) + 2 * u32::from((bytes.len() as u16).swap_bytes()));
        assert_ne!(usual.checks(&found, bytes, header), Some(false));
        assert_ne!(usual.checks(&found, bytes, header + 1), Some(true));
        let (gone, come) = usual.answer(zones, &found, &mut message, asked.turn).expect("a reply");
        assert_eq!(message, reply);
        assert_eq!(replaced_udp(stored, gone, come), finish_udp(summed(reply)));
    }
}

pub fn ask_message(zones: &Zones, message: &Message) -> Message {
    let bytes = raw(zones, &message.to_vec().unwrap(), ASKED).unwrap();
    let reply = Message::from_bytes(&bytes).unwrap();
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.metadata.id, message.metadata.id);
    reply
}

/// `code | answers | authority types | additional`, each record as `owner ttl type data`.
pub fn ask(zones: &Zones, name: &str, kind: RecordType) -> String {
    shown(&ask_message(zones, &query(name, kind)))
}

pub fn shown(reply: &Message) -> String {
    let records = |records: &[hickory_proto::rr::Record]| {
        records
            .iter()
            .map(|r| format!("{} {} {} {}", r.name, r.ttl, r.record_type(), r.data))
            .collect::<Vec<_>>()
    };
    let soa: Vec<String> =
        reply.authorities.iter().map(|r| format!("{}({})", r.record_type(), r.name)).collect();
    let code = match reply.metadata.response_code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    let mut text = code;
    for (label, part) in
        [("", records(&reply.answers)), ("auth ", soa), ("add ", records(&reply.additionals))]
    {
        if !part.is_empty() {
            text += &format!(" | {label}{}", part.join(", "));
        }
    }
    text
}

/// Asks for each name and type.
pub fn table(settings: DnsSettings, rows: &[(&str, RecordType, &str)]) {
    let zones = zones_of(settings, &cluster(), &["default", "shop", "lonely"]);
    for (name, kind, expected) in rows {
        assert_eq!(ask(&zones, name, *kind), *expected, "{name} {kind}");
    }
}

pub const NODATA: &str = "NOERROR | auth SOA(cluster.local.)";
pub const NXDOMAIN: &str = "NXDOMAIN | auth SOA(cluster.local.)";
