//! Names of a headless Service's endpoints by the topology zone that they are in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::*;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType as T;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::BinDecodable;
use proptest::prelude::*;
use sluice_dns::explain::{Question, Rule, Subject, explain};
use sluice_dns::{Asked, Catalog, parse, transfer};
use sluice_model::{Change, DnsMode, DnsSettings, EndpointGroup, NameKind, NamedEndpoint, NamedService};

const DB: &str = "db.default.svc.cluster.local.";

fn zonal() -> DnsSettings {
    DnsSettings { zonal: true, ..settings() }
}

fn compat() -> DnsSettings {
    DnsSettings { mode: DnsMode::Compat, ..zonal() }
}

fn within(mut endpoint: NamedEndpoint, zone: &str) -> NamedEndpoint {
    endpoint.zone = Some(zone.into());
    endpoint
}

/// `db` has endpoints in `us-a`, `us-b` and `corp.example.com`, and one in none; all Services have zones, whether or not they
/// are headless.
fn zoned() -> Vec<NamedService> {
    let mut services = cluster();
    for service in &mut services {
        for group in &mut service.endpoints {
            for endpoint in &mut group.endpoints {
                endpoint.zone = match endpoint.address.to_string().as_str() {
                    "10.244.1.7" => Some("us-a".into()),
                    "10.244.2.7" | "fd00:244::7" => Some("US-b".into()),
                    "10.244.3.7" => None,
                    "10.244.9.9" => Some("corp.example.com".into()),
                    _ => Some("us-a".into()),
                };
            }
        }
    }
    let external = |name: &str, to: &str| service("shop", name, NameKind::External(to.into()));
    services.extend([
        external("there", "us-a.pin._zone.db.default.svc.cluster.local"),
        external("nobody", "us-c.pin._zone.db.default.svc.cluster.local"),
        external("somebody", "us-c.prefer._zone.db.default.svc.cluster.local"),
    ]);
    services
}

fn rows(settings: DnsSettings, rows: &[(&str, T, &str)]) {
    let zones = zones_of(settings, &zoned(), &["default", "shop"]);
    for (name, kind, expected) in rows {
        assert_eq!(ask(&zones, name, *kind), *expected, "{name} {kind}");
    }
}

#[test]
fn endpoints_in_a_zone() {
    for directive in ["pin", "prefer"] {
        let name = |zone: &str| format!("{zone}.{directive}._zone.{DB}");
        let (a, b) = (&name("us-a"), &name("us-b"));
        let other = &format!("corp.example.com.{directive}._zone.four.default.svc.cluster.local.");
        rows(
            zonal(),
            &[
                (a, T::A, &format!("NOERROR | {a} 30 A 10.244.1.7")),
                // Not all, where there are some of another family.
                (a, T::AAAA, NODATA),
                (a, T::TXT, NODATA),
                (a, T::SOA, NODATA),
                (b, T::A, &format!("NOERROR | {b} 30 A 10.244.2.7")),
                (b, T::AAAA, &format!("NOERROR | {b} 30 AAAA fd00:244::7")),
                // Shares are of what is told.
                (
                    b,
                    T::SRV,
                    &format!(
                        "NOERROR | {b} 30 SRV 0 50 5432 db-1.{DB}, {b} 30 SRV 0 50 5432 db-0.{DB} | add db-1.{DB} 30 A \
                         10.244.2.7, db-0.{DB} 30 AAAA fd00:244::7"
                    ),
                ),
                (
                    &format!("US-A.{directive}._Zone.db.default.SVC.cluster.LOCAL."),
                    T::A,
                    &format!(
                        "NOERROR | US-A.{directive}._Zone.db.default.SVC.cluster.LOCAL. 30 A 10.244.1.7"
                    ),
                ),
                (other, T::A, &format!("NOERROR | {other} 30 A 10.244.9.9")),
            ],
        );
    }
}

#[test]
fn zones_without_endpoints() {
    let name = |text: &str| format!("{text}._zone.{DB}");
    let (pin, prefer, mixed) = (&name("us-c.pin"), &name("us-c.prefer"), &name("Us-C.PREFER"));
    let all = |n: &str| format!("NOERROR | {n} 30 A 10.244.1.7, {n} 30 A 10.244.2.7, {n} 30 A 10.244.3.7");
    let srv = |n: &str| {
        format!(
            "NOERROR | {n} 30 SRV 0 25 5432 db-0.{DB}, {n} 30 SRV 0 25 5432 db-1.{DB}, {n} 30 SRV 0 25 5432 \
             10-244-3-7.{DB} | add db-0.{DB} 30 A 10.244.1.7, db-1.{DB} 30 A 10.244.2.7, 10-244-3-7.{DB} 30 A \
             10.244.3.7, db-0.{DB} 30 AAAA fd00:244::7"
        )
    };
    let capitals = "x.prefer._zone.db.default.svc.CLUSTER.local.";
    for settings in [zonal(), compat()] {
        rows(
            settings,
            &[
                (pin, T::A, NODATA),
                (pin, T::SRV, NODATA),
                (pin, T::TXT, NODATA),
                (pin, T::SOA, NODATA),
                (prefer, T::A, &all(prefer)),
                (mixed, T::A, &all(mixed)),
                (prefer, T::AAAA, &format!("NOERROR | {prefer} 30 AAAA fd00:244::7")),
                (prefer, T::SRV, &srv(prefer)),
                (prefer, T::TXT, NODATA),
                (prefer, T::SOA, NODATA),
                (capitals, T::SRV, &srv(capitals).replace("svc.cluster", "svc.CLUSTER")),
                // The labels before are one zone, and no part of one that there is.
                (&name("x.us-a.pin"), T::A, NODATA),
                (&name("x.us-a.prefer"), T::A, &all(&name("x.us-a.prefer"))),
                ("com.pin._zone.four.default.svc.cluster.local.", T::A, NODATA),
            ],
        );
    }
}

#[test]
fn names_that_there_are_not() {
    for (settings, above) in [(zonal(), NODATA), (compat(), NXDOMAIN)] {
        rows(
            settings,
            &[
                // Names are below them (RFC 8020).
                (&format!("_zone.{DB}"), T::A, above),
                (&format!("pin._zone.{DB}"), T::A, above),
                (&format!("prefer._zone.{DB}"), T::SRV, above),
                (&format!("us-a._zone.{DB}"), T::A, NXDOMAIN),
                (&format!("us-a.any._zone.{DB}"), T::A, NXDOMAIN),
                (&format!("us-a.pin.zone.{DB}"), T::A, NXDOMAIN),
                (&format!("us-a.pin.{DB}"), T::A, NXDOMAIN),
                (&format!("us-a.pin._zone.x.{DB}"), T::A, NXDOMAIN),
                ("us-a.pin._zone.default.svc.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.db.default.pod.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.db.default.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.db.none.svc.cluster.local.", T::A, NXDOMAIN),
                // Only headless Services have them.
                ("us-a.pin._zone.web.default.svc.cluster.local.", T::A, NXDOMAIN),
                ("us-a.prefer._zone.web.default.svc.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.out.shop.svc.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.none.default.svc.cluster.local.", T::A, NXDOMAIN),
                ("us-a.pin._zone.db.default.svc.in-addr.arpa.", T::A, "NXDOMAIN | auth SOA(in-addr.arpa.)"),
            ],
        );
    }
    rows(
        settings(),
        &[(&format!("us-a.pin._zone.{DB}"), T::A, NXDOMAIN), (&format!("_zone.{DB}"), T::A, NXDOMAIN)],
    );
    let none = DnsSettings { endpoints: false, ..zonal() };
    rows(none, &[(&format!("us-a.pin._zone.{DB}"), T::A, NXDOMAIN)]);
}

#[test]
fn without_ready_endpoints_there_are_none() {
    let names = ["us-a.pin", "us-a.prefer"].map(|it| format!("{it}._zone.empty.default.svc.cluster.local."));
    for name in &names {
        rows(zonal(), &[(name, T::A, NXDOMAIN)]);
        // To CoreDNS the Service has no name, and these exist.
        rows(compat(), &[(name, T::A, NODATA), (name, T::SRV, NODATA), (name, T::TXT, NODATA)]);
        let mut message = query(name, T::A);
        message.set_edns(Edns::new());
        let reply = ask_message(&zones_of(zonal(), &zoned(), &["default"]), &message);
        let edns = reply.edns.unwrap();
        let Some(EdnsOption::Unknown(_, said)) = edns.option(EdnsCode::from(15)) else { panic!("{edns:?}") };
        assert_eq!(said, b"\0\0no ready endpoint");
    }
}

#[test]
fn aliases_of_them_are_followed() {
    let alias = |name: &str| format!("{name}.shop.svc.cluster.local.");
    let name = |text: &str| format!("{text}._zone.{DB}");
    let led = |from: &str, to: &str| {
        let (from, to) = (alias(from), name(to));
        format!("NOERROR | {from} 30 CNAME {to}, {to} 30 A 10.244.1.7")
    };
    let somebody = led("somebody", "us-c.prefer");
    let n = name("us-c.prefer");
    rows(
        zonal(),
        &[
            (&alias("there"), T::A, &led("there", "us-a.pin")),
            (
                &alias("nobody"),
                T::A,
                &format!(
                    "NOERROR | {} 30 CNAME {} | auth SOA(cluster.local.)",
                    alias("nobody"),
                    name("us-c.pin")
                ),
            ),
            (&alias("somebody"), T::A, &format!("{somebody}, {n} 30 A 10.244.2.7, {n} 30 A 10.244.3.7")),
        ],
    );
    rows(compat(), &[(&alias("there"), T::A, &led("there", "us-a.pin")), (&alias("nobody"), T::A, NODATA)]);
}

#[test]
fn all_endpoints_come_in_another_order_each_time() {
    let zones = zones_of(zonal(), &zoned(), &["default"]);
    let bytes = query(&format!("us-c.prefer._zone.{DB}"), T::A).to_vec().unwrap();
    let first: BTreeSet<Vec<u8>> = (0..3)
        .map(|turn| {
            let reply = raw(&zones, &bytes, Asked { turn, ..ASKED }).unwrap();
            assert_eq!((reply[7], reply.len()), (3, bytes.len() + 3 * 16));
            reply[bytes.len() + 12..][..4].to_vec()
        })
        .collect();
    assert_eq!(first.len(), 3);
}

/// Records that go along are named by pointers, which reach 16 KiB: those behind that are left out when the whole moves.
#[test]
fn no_record_that_goes_along_is_named_wrongly() {
    let mut big = service("default", "big", NameKind::Headless);
    let endpoints = (0..400_u16).map(|n| {
        let [a, b] = n.to_be_bytes();
        within(endpoint(&format!("10.250.{a}.{b}"), Some(&format!("h-{n}")), None), "us-a")
    });
    let ports = vec![port("sql", sluice_model::Protocol::Tcp, 5432)];
    big.endpoints = vec![EndpointGroup { ports, endpoints: endpoints.collect() }];
    let zones = zones_of(zonal(), &[big], &["default"]);
    let name = format!("{}.prefer._zone.big.default.svc.cluster.local.", "z".repeat(63));
    let bytes = query(&name, T::SRV).to_vec().unwrap();
    let reply = raw(&zones, &bytes, Asked { stream: true, ..ASKED }).unwrap();
    let reply = Message::from_bytes(&reply).unwrap();
    assert_eq!(reply.answers.len(), 400);
    assert!((200..400).contains(&reply.additionals.len()), "{}", reply.additionals.len());
    for record in &reply.additionals {
        let [_, _, a, b] =
            record.data.to_string().split('.').map(|n| n.parse().unwrap()).collect::<Vec<u8>>()[..]
        else {
            panic!("{record}")
        };
        let owner = format!("h-{}.big.default.svc.cluster.local.", u16::from_be_bytes([a, b]));
        assert_eq!(record.name.to_string(), owner);
    }
}

#[test]
fn they_follow_their_service() {
    let mut catalog = catalog_of(zonal(), &[], &["default"]);
    let bare = catalog.zones().len();
    let mut db = zoned().remove(1);
    assert_eq!(&*db.name.name, "db");
    let said = |catalog: &Catalog, name: &str| ask(&catalog.zones(), &format!("{name}._zone.{DB}"), T::A);
    assert_eq!(said(&catalog, "us-a.pin"), NXDOMAIN);
    catalog.apply(&Change::Named(db.clone()));
    assert!(said(&catalog, "us-a.pin").ends_with("10.244.1.7"));
    let before = catalog.zones().len();
    db.endpoints[0].endpoints[0].zone = Some("us-c".into());
    catalog.apply(&Change::Named(db.clone()));
    assert_eq!(said(&catalog, "us-a.pin"), NODATA);
    assert!(said(&catalog, "us-c.pin").ends_with("10.244.1.7"));
    assert_eq!(catalog.zones().len(), before);
    catalog.apply(&Change::NamedGone(db.name.clone()));
    assert_eq!(said(&catalog, "us-c.pin"), NXDOMAIN);
    assert_eq!(said(&catalog, "us-c.prefer"), NXDOMAIN);
    assert_eq!(catalog.zones().len(), bare);
}

/// Names are of any zone: a zone transfer has none of them (as in CoreDNS), and the records of the Service once.
#[test]
fn they_are_not_transferred() {
    let told = |settings: DnsSettings| {
        let zones = zones_of(settings, &zoned(), &["default"]);
        let bytes = query("cluster.local.", T::AXFR).to_vec().unwrap();
        let messages = transfer(&zones, &parse(&bytes).unwrap(), &bytes, None, ASKED.client).unwrap();
        let read = messages.flat_map(|bytes| Message::from_bytes(&bytes).unwrap().answers);
        read.map(|record| record.to_string()).collect::<BTreeSet<String>>()
    };
    // Aliases of them are.
    assert_eq!(told(zonal()), told(settings()));
}

#[test]
fn each_is_explained() {
    let zones = zones_of(zonal(), &zoned(), &["default"]);
    let said = |zones: &sluice_dns::Zones, name: &str, kind: u16| {
        let question = Question { name: name.to_owned(), kind, client: None, server: None };
        explain(zones, &question).unwrap()
    };
    let name = |text: &str| format!("{text}._zone.{DB}");
    let empty = "us-a.prefer._zone.empty.default.svc.cluster.local";
    for (name, kind, rule) in [
        (name("us-a.pin"), 1, Rule::Records),
        (name("us-a.pin"), 28, Rule::OtherTypes),
        (name("us-c.pin"), 1, Rule::Pinned),
        (name("us-c.pin"), 16, Rule::Pinned),
        (name("us-c.prefer"), 33, Rule::Preferred),
        (name("us-c.prefer"), 16, Rule::OtherTypes),
        (name("pin"), 1, Rule::Empty),
        (name("us-c.any"), 1, Rule::Missing),
        (empty.to_owned(), 1, Rule::Unready),
    ] {
        assert_eq!(said(&zones, &name, kind).rule, rule, "{name} {kind}");
    }
    let subject = Subject::Service { service: "default/db".into(), part: Some("us-c.pin._zone".into()) };
    assert_eq!(said(&zones, &name("us-c.pin"), 1).subject, subject);
    assert_eq!(said(&zones_of(compat(), &zoned(), &["default"]), empty, 1).rule, Rule::Compat);
}

const ZONES: [Option<&str>; 6] = [None, Some(""), Some("a"), Some("B"), Some("b.c"), Some("no name")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Beside a scan of all endpoints.
    #[test]
    fn who_is_told_is_who_is_there(
        groups in proptest::collection::vec(proptest::collection::vec((0_u8..20, 0..ZONES.len()), 0..6), 0..4),
        asked in prop_oneof![Just("a"), Just("A"), Just("b"), Just("b.c"), Just("c"), Just("d")],
        prefers: bool,
        compat_mode: bool,
    ) {
        let mut db = service("default", "db", NameKind::Headless);
        db.endpoints = groups.iter().map(|group| EndpointGroup {
            ports: vec![port("sql", sluice_model::Protocol::Tcp, 5432)],
            endpoints: group.iter().map(|(last, zone)| {
                let plain = endpoint(&format!("10.244.0.{last}"), None, None);
                ZONES[*zone].map_or_else(|| plain.clone(), |zone| within(plain.clone(), zone))
            }).collect(),
        }).collect();
        let all: Vec<_> = groups.iter().flatten().collect();
        let is_there = |zone: usize| ZONES[zone].is_some_and(|zone| zone.eq_ignore_ascii_case(asked));
        let mut there: BTreeSet<u8> = all.iter().filter(|(_, zone)| is_there(*zone)).map(|(last, _)| *last).collect();
        if prefers && there.is_empty() {
            there = all.iter().map(|(last, _)| *last).collect();
        }
        let zones = zones_of(if compat_mode { compat() } else { zonal() }, &[db], &["default"]);
        let name = format!("{asked}.{}._zone.{DB}", if prefers { "prefer" } else { "pin" });
        let reply = ask_message(&zones, &query(&name, T::A));
        let told: BTreeSet<u8> = reply.answers.iter().map(|record| match &record.data {
            hickory_proto::rr::RData::A(ip) => ip.0.octets()[3],
            other => panic!("{other}"),
        }).collect();
        prop_assert_eq!(told, there);
        prop_assert_eq!(
            reply.metadata.response_code == ResponseCode::NXDomain,
            all.is_empty() && !compat_mode
        );
    }
}
