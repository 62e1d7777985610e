//! Tenants: what a client does not see is not there for it, whichever way it asks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType as T;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::BinDecodable;
use proptest::prelude::*;
use sluice_dns::explain::{Question, Rule, explain};
use sluice_dns::{Asked, Catalog, Verdict, Zones, parse, transfer};
use sluice_model::{
    Change, DnsMode, DnsSettings, EndpointGroup, NameKind, NamedPod, NamedService, PodNames, Protocol,
    ServiceName, Visibility,
};

const A: &str = "10.244.0.1";
const B: &str = "10.244.0.2";
const SYSTEM: &str = "10.244.0.3";
const STRANGER: &str = "10.250.0.1";

fn entry(namespaces: &[&str], clients: &[&str], see: &[&str]) -> Visibility {
    let names = |list: &[&str]| list.iter().map(|name| Box::from(*name)).collect();
    let clients = clients.iter().map(|net| net.parse().unwrap()).collect();
    Visibility { namespaces: names(namespaces), clients, see: names(see) }
}

fn tenants() -> Vec<Visibility> {
    vec![entry(&["a", "b"], &[], &["shared"])]
}

fn pod(namespace: &str, address: &str) -> NamedPod {
    NamedPod {
        name: ServiceName::new(namespace, &format!("p-{}", address.replace(['.', ':'], "-"))),
        addresses: vec![ip(address)],
        named: true,
        client: true,
    }
}

/// The same objects in three namespaces: only their addresses differ.
fn services() -> Vec<NamedService> {
    let http = || port("http", Protocol::Tcp, 80);
    let mut all = Vec::new();
    for (n, namespace) in ["a", "b", "shared"].into_iter().enumerate() {
        let mut web = service(namespace, "web", NameKind::Cluster(vec![ip(&format!("10.96.0.{n}"))]));
        web.ports = vec![http()];
        let mut db = service(namespace, "db", NameKind::Headless);
        let endpoints = vec![
            endpoint(&format!("10.245.{n}.7"), Some("db-0"), None),
            // Of an address outside, which all have.
            endpoint("192.0.2.7", Some("db-1"), None),
            endpoint(&format!("fd00:245::{n}"), None, None),
        ];
        db.endpoints = vec![EndpointGroup { ports: vec![http()], endpoints }];
        let empty = service(namespace, "empty", NameKind::Headless);
        all.extend([web, db, empty]);
    }
    let alias =
        |namespace: &str, name: &str, to: &str| service(namespace, name, NameKind::External(to.into()));
    all.extend([
        alias("a", "b", "web.b.svc.cluster.local"),
        alias("a", "b-spelled", "http.tcp.web.b.svc.cluster.local"),
        alias("a", "b-pod", "10-244-0-2.b.pod.cluster.local"),
        alias("a", "b-address", "7.1.245.10.in-addr.arpa"),
        alias("a", "above", "245.10.in-addr.arpa"),
        alias("a", "nothing", "nothing.b.svc.cluster.local"),
        alias("a", "shared", "web.shared.svc.cluster.local"),
        alias("b", "out", "www.example.com"),
        alias("shared", "b", "web.b.svc.cluster.local"),
    ]);
    all
}

fn catalog(settings: DnsSettings) -> Catalog {
    let mut catalog = catalog_of(settings, &services(), &["a", "b", "shared", "bare"]);
    for (namespace, address) in [("a", A), ("b", B), ("kube-system", SYSTEM)] {
        catalog.apply(&Change::Pod(pod(namespace, address)));
    }
    catalog
}

fn with(visibility: Vec<Visibility>) -> DnsSettings {
    DnsSettings { visibility, pods: PodNames::Verified, forward: true, ..settings() }
}

fn message(zones: &Zones, client: &str, query: &Message) -> Result<Vec<u8>, Verdict> {
    raw(zones, &query.to_vec().unwrap(), Asked { client: ip(client), ..ASKED })
}

/// The reply, and the reason with it.
fn said(zones: &Zones, client: &str, name: &str, kind: T) -> String {
    let mut query = query(name, kind);
    query.set_edns({
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns
    });
    match message(zones, client, &query) {
        Ok(bytes) => {
            let reply = Message::from_bytes(&bytes).unwrap();
            let edns = reply.edns.as_ref().unwrap();
            let reason = edns.option(EdnsCode::Unknown(15)).map(|option| match option {
                EdnsOption::Unknown(_, data) => String::from_utf8_lossy(&data[2..]).into_owned(),
                other => panic!("{other:?}"),
            });
            format!("{}{}", shown(&reply), reason.map(|words| format!(" ({words})")).unwrap_or_default())
        }
        Err(verdict) => format!("{verdict:?}"),
    }
}

const HIDDEN: &str = "NXDOMAIN | auth SOA(cluster.local.) (no such namespace has names here)";

#[test]
fn a_tenant_sees_its_own_names_and_those_that_it_may() {
    let zones = catalog(with(tenants())).zones();
    for namespace in ["a", "shared"] {
        for name in ["web", "db", "db-0.db", "_http._tcp.web", "http.tcp.web", "_tcp.db"] {
            let name = format!("{name}.{namespace}.svc.cluster.local.");
            for kind in [T::A, T::SRV] {
                assert!(said(&zones, A, &name, kind).starts_with("NOERROR"), "{name} {kind}");
            }
        }
        for name in ["svc", "pod"] {
            let name = format!("{namespace}.{name}.cluster.local.");
            assert_eq!(said(&zones, A, &name, T::A), NODATA, "{name}");
        }
        let name = format!("nope.{namespace}.svc.cluster.local.");
        assert_eq!(said(&zones, A, &name, T::A), NXDOMAIN);
    }
    assert!(said(&zones, A, "10-244-0-1.a.pod.cluster.local.", T::A).ends_with("A 10.244.0.1"));
    for name in [
        "cluster.local.",
        "svc.cluster.local.",
        "pod.cluster.local.",
        "dns-version.cluster.local.",
        "ns.dns.cluster.local.",
    ] {
        assert!(said(&zones, A, name, T::A).starts_with("NOERROR"), "{name}");
    }
    // What is there and what is not are told in the same words.
    for name in [
        "web.b.svc",
        "WEB.B.Svc",
        "nope.b.svc",
        "db-0.db.b.svc",
        "_http._tcp.web.b.svc",
        "http.tcp.web.b.svc",
        "_tcp.web.b.svc",
        "empty.b.svc",
        "b.svc",
        "b.pod",
        "10-244-0-2.b.pod",
        "10-244-0-9.b.pod",
        "bare.svc",
        "web.none.svc",
        "none.svc",
        "out.b.svc",
    ] {
        for kind in [T::A, T::AAAA, T::SRV, T::TXT, T::SOA, T::CNAME] {
            assert_eq!(said(&zones, A, &format!("{name}.cluster.local."), kind), HIDDEN, "{name} {kind}");
        }
    }
    // Pods of other namespaces, and who is no pod, see everything.
    for client in [SYSTEM, STRANGER] {
        assert!(said(&zones, client, "web.b.svc.cluster.local.", T::A).ends_with("A 10.96.0.1"));
        assert_eq!(said(&zones, client, "bare.svc.cluster.local.", T::A), NODATA);
        assert_eq!(said(&zones, client, "none.svc.cluster.local.", T::A), NXDOMAIN);
        assert!(said(&zones, client, "empty.b.svc.cluster.local.", T::A).ends_with("no ready endpoint)"));
    }
}

#[test]
fn an_alias_ends_where_its_client_sees_no_further() {
    let zones = catalog(with(tenants())).zones();
    for (alias, target) in [
        ("b.a", "web.b.svc.cluster.local."),
        ("b-spelled.a", "http.tcp.web.b.svc.cluster.local."),
        ("b-pod.a", "10-244-0-2.b.pod.cluster.local."),
        ("nothing.a", "nothing.b.svc.cluster.local."),
        ("b.shared", "web.b.svc.cluster.local."),
    ] {
        let name = format!("{alias}.svc.cluster.local.");
        let expected = format!("NXDOMAIN | {name} 30 CNAME {target} | auth SOA(cluster.local.)");
        assert_eq!(said(&zones, A, &name, T::A), expected);
    }
    for alias in ["b-address.a", "above.a"] {
        let said = said(&zones, A, &format!("{alias}.svc.cluster.local."), T::PTR);
        assert!(said.starts_with("NXDOMAIN") && said.ends_with("auth SOA(in-addr.arpa.)"), "{said}");
    }
    assert!(said(&zones, A, "shared.a.svc.cluster.local.", T::A).ends_with("A 10.96.0.2"));
    assert!(said(&zones, SYSTEM, "b.a.svc.cluster.local.", T::A).ends_with("A 10.96.0.1"));
    // What leads to others is theirs, as ever; of another tenant's alias nothing is told.
    assert_eq!(said(&zones, B, "out.b.svc.cluster.local.", T::A), "Forward");
    let query = query("out.b.svc.cluster.local.", T::A).to_vec().unwrap();
    for (client, leads) in [(A, false), (B, true)] {
        let asked = Asked { client: ip(client), resolver: true, stream: true, ..ASKED };
        let target = sluice_dns::answer::aliases(&zones, parse(&query), &mut query.clone(), &asked);
        assert_eq!(target.is_some(), leads, "{client}");
    }
}

#[test]
fn reverse_names_point_to_what_is_seen() {
    let zones = catalog(with(tenants())).zones();
    let ask = |client: &str, address: &str| {
        said(&zones, client, &sluice_dns::name::text(sluice_dns::name::reverse(ip(address)).wire()), T::PTR)
    };
    assert!(ask(A, "10.96.0.0").ends_with("web.a.svc.cluster.local."));
    assert!(ask(A, "10.245.2.7").ends_with("db-0.db.shared.svc.cluster.local."));
    for hidden in ["10.96.0.1", "10.245.1.7", "10.245.9.9", "10.96.7.7"] {
        assert_eq!(ask(A, hidden), "NXDOMAIN | auth SOA(in-addr.arpa.)", "{hidden}");
    }
    assert_eq!(ask(A, "fd00:245::1"), "NXDOMAIN | auth SOA(ip6.arpa.)");
    // An address of several namespaces' objects has several names.
    let names = |client| {
        let said = ask(client, "192.0.2.7");
        ["a", "b", "shared"].map(|namespace| said.contains(&format!("db-1.db.{namespace}.svc.")))
    };
    assert_eq!([names(A), names(B), names(SYSTEM)], [[true, false, true], [false, true, true], [true; 3]]);
    assert_eq!(said(&zones, A, "7.2.0.192.in-addr.arpa.", T::A), "NOERROR | auth SOA(in-addr.arpa.)");
    // Which addresses are there does not show in what is above them.
    for above in ["1.245.10", "9.245.10", "245.10", "77.10", "10", "99"] {
        let name = format!("{above}.in-addr.arpa.");
        assert_eq!(said(&zones, A, &name, T::PTR), "NOERROR | auth SOA(in-addr.arpa.)", "{name}");
    }
    let six = sluice_dns::name::text(sluice_dns::name::reverse(ip("fd00:245::1")).wire());
    let six: Vec<&str> = six.split_inclusive('.').collect();
    for labels in 1..32 {
        for first in ["1.", "e."] {
            let name = [&[first], &six[labels + 1..]].concat().concat();
            assert_eq!(said(&zones, A, &name, T::PTR), "NOERROR | auth SOA(ip6.arpa.)", "{name}");
        }
    }
    assert_eq!(said(&zones, A, "x.in-addr.arpa.", T::PTR), "NXDOMAIN | auth SOA(in-addr.arpa.)");
    assert!(said(&zones, A, "in-addr.arpa.", T::NS).starts_with("NOERROR | in-addr.arpa."));
    // Where others may know it, they are asked, for what is hidden as for what is not there.
    let falling = DnsSettings { fallthrough: vec!["in-addr.arpa".into()], ..with(tenants()) };
    let zones = catalog(falling).zones();
    for name in ["7.1.245.10", "7.9.245.10", "1.245.10", "245.10", "77.10"] {
        assert_eq!(said(&zones, A, &format!("{name}.in-addr.arpa."), T::PTR), "Forward", "{name}");
    }
    assert!(said(&zones, A, "7.0.245.10.in-addr.arpa.", T::PTR).contains("db-0.db.a."));
}

#[test]
fn others_strangers_and_addresses_of_several_pods() {
    let visibility =
        vec![entry(&["kube-system"], &[], &["*"]), entry(&["*"], &["10.250.0.0/16"], &["shared"])];
    let mut catalog = catalog(with(visibility));
    let zones = catalog.zones();
    let sees = |zones: &Zones, client: &str| {
        ["a", "b", "shared"]
            .map(|it| said(zones, client, &format!("web.{it}.svc.cluster.local."), T::A).contains("10.96."))
    };
    assert_eq!(sees(&zones, A), [true, false, true]);
    assert_eq!(sees(&zones, SYSTEM), [true; 3]);
    assert_eq!(sees(&zones, STRANGER), [false, false, true]);
    assert_eq!(sees(&zones, "::ffff:10.250.0.1"), [false, false, true]);
    assert_eq!(sees(&zones, "192.0.2.1"), [true; 3]);
    // A pod that takes over an address from one of another namespace, while both are there: what both see.
    catalog.apply(&Change::Pod(pod("b", A)));
    assert_eq!(sees(&catalog.zones(), A), [false, false, true]);
    catalog.apply(&Change::PodGone(pod("a", A).name));
    assert_eq!(sees(&catalog.zones(), A), [false, true, true]);
    // Who is a pod of a namespace that sees everything is no stranger.
    catalog.apply(&Change::Pod(pod("kube-system", STRANGER)));
    assert_eq!(sees(&catalog.zones(), STRANGER), [true; 3]);
    // An address that is a node's, of a pod on its network, tells of nobody.
    catalog.apply(&Change::Pod(NamedPod { client: false, ..pod("b", "10.0.0.1") }));
    assert_eq!(sees(&catalog.zones(), "10.0.0.1"), [true; 3]);
    // Other settings, the same pods.
    catalog.apply(&Change::Settings(sluice_model::Settings {
        dns: Some(with(tenants())),
        ..sluice_model::Settings::default()
    }));
    assert_eq!(
        (sees(&catalog.zones(), A), sees(&catalog.zones(), B)),
        ([false, true, true], [false, true, true])
    );
    // Without names of pods it is known who asks, all the same.
    let unnamed = DnsSettings { pods: PodNames::Insecure, ..with(tenants()) };
    let zones = self::catalog(unnamed).zones();
    assert_eq!(sees(&zones, A), [true, false, true]);
    assert!(said(&zones, A, "1-2-3-4.a.pod.cluster.local.", T::A).ends_with("A 1.2.3.4"));
    assert_eq!(said(&zones, A, "1-2-3-4.b.pod.cluster.local.", T::A), HIDDEN);
}

#[test]
fn a_zone_is_transferred_as_far_as_it_is_seen() {
    let zones = catalog(with(tenants())).zones();
    let records = |client: &str, zone: &str| -> Vec<String> {
        let query = query(zone, T::AXFR).to_vec().unwrap();
        let messages = transfer(&zones, &parse(&query).unwrap(), &query, None, ip(client)).unwrap();
        let messages = messages.flat_map(|bytes| Message::from_bytes(&bytes).unwrap().answers);
        messages.map(|record| format!("{} {} {}", record.name, record.record_type(), record.data)).collect()
    };
    for zone in ["cluster.local.", "in-addr.arpa.", "ip6.arpa."] {
        let (all, seen) = (records(SYSTEM, zone), records(A, zone));
        let hidden = |record: &&String| {
            let owner = record.split(' ').next().unwrap();
            // An alias of a name that is seen says where it leads.
            owner.contains(".b.svc.") || record.contains(" PTR ") && record.contains(".b.svc.")
        };
        let expected: Vec<String> = all.iter().filter(|record| !hidden(record)).cloned().collect();
        assert!(expected.len() < all.len() && expected.len() > 2, "{zone}");
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        assert_eq!(sorted(seen), sorted(expected), "{zone}");
    }
}

#[test]
fn why_is_told() {
    let zones = catalog(with(tenants())).zones();
    let why = |name: &str, kind: u16, client: Option<&str>| {
        let question = Question { name: name.to_owned(), kind, client: client.map(ip), server: None };
        let said = explain(&zones, &question).unwrap();
        (said.rule, said.pod_of)
    };
    let of = |namespaces: &[&str]| Some(namespaces.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let web = "web.b.svc.cluster.local";
    assert_eq!(why(web, 1, Some(A)), (Rule::Hidden, of(&["a"])));
    assert_eq!(why("none.none.svc.cluster.local", 1, Some(A)), (Rule::Hidden, of(&["a"])));
    assert_eq!(why("1.0.96.10.in-addr.arpa", 12, Some(A)), (Rule::Hidden, of(&["a"])));
    assert_eq!(why("none.a.svc.cluster.local", 1, Some(A)), (Rule::Missing, of(&["a"])));
    assert_eq!(why(web, 1, Some(B)), (Rule::Records, of(&["b"])));
    assert_eq!(why(web, 1, Some(STRANGER)), (Rule::Records, of(&[])));
    assert_eq!(why(web, 1, None), (Rule::Records, None));
}

/// An address of an object that is seen, and of one that is not.
#[test]
fn an_address_that_others_have_too_is_one_that_nobody_else_has() {
    for (mode, falls) in [(DnsMode::Strict, false), (DnsMode::Compat, false), (DnsMode::Compat, true)] {
        let fallthrough = if falls { vec!["in-addr.arpa".into()] } else { vec![] };
        let settings = DnsSettings { mode, fallthrough, ..with(tenants()) };
        let (zones, mut without) = (catalog(settings.clone()).zones(), catalog(settings));
        without.apply(&Change::NamedGone(ServiceName::new("b", "db")));
        for kind in [T::PTR, T::TXT, T::A, T::SOA, T::CNAME] {
            let name = "7.2.0.192.in-addr.arpa.";
            assert_eq!(said(&zones, A, name, kind), said(&without.zones(), A, name, kind), "{mode:?} {kind}");
        }
    }
}

proptest! {
    /// To a tenant, whatever it asks, a cluster without the other tenant's objects is the same.
    #[test]
    fn what_is_hidden_might_as_well_not_be_there(
        labels in proptest::collection::vec(prop_oneof![
            Just("web"), Just("db"), Just("db-0"), Just("b"), Just("a"), Just("svc"), Just("pod"), Just("_tcp"), Just("tcp"),
            Just("_http"), Just("http"), Just("empty"), Just("out"), Just("10-244-0-2"), Just("bare"), Just("10"), Just("245"),
            Just("1"), Just("7"), Just("0"), Just("96"), Just("192"), Just("2"), Just("b-address"), Just("nothing"),
            Just("7.2.0.192"), Just("7.1.245.10"),
        ], 0..6),
        zone in prop_oneof![Just("cluster.local."), Just("in-addr.arpa."), Just("ip6.arpa.")],
        kind in prop_oneof![Just(T::A), Just(T::SRV), Just(T::PTR), Just(T::TXT), Just(T::SOA), Just(T::CNAME), Just(T::NS)],
        compat: bool, falls: bool, insecure: bool,
    ) {
        let settings = DnsSettings {
            mode: if compat { DnsMode::Compat } else { DnsMode::Strict },
            pods: if insecure { PodNames::Insecure } else { PodNames::Verified },
            fallthrough: if falls { vec!["in-addr.arpa".into(), "cluster.local".into()] } else { vec![] },
            ..with(tenants())
        };
        let zones = catalog(settings.clone()).zones();
        let mut without = catalog(settings);
        for service in services().iter().filter(|service| &*service.name.namespace == "b") {
            without.apply(&Change::NamedGone(service.name.clone()));
        }
        for namespace in ["b", "bare"] {
            without.apply(&Change::NamespaceGone(namespace.into()));
        }
        without.apply(&Change::PodGone(pod("b", B).name));
        let name = labels.iter().map(|label| format!("{label}.")).collect::<String>() + zone;
        prop_assert_eq!(said(&zones, A, &name, kind), said(&without.zones(), A, &name, kind), "{}", name);
    }
}
