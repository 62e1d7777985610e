//! Names of the cluster where they are not answered: nothing of them is told, whatever is asked, and nobody else loses any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::IpAddr;

use common::*;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType as T};
use ipnet::IpNet;
use proptest::prelude::*;
use sluice_dns::{Asked, Catalog, Verdict, Zones};
use sluice_model::{
    Change, DnsAddress, DnsMode, DnsSettings, Elsewhere, EndpointGroup, ExternalAddress, ExternalZone,
    NameKind, NamedHost, NamedImport, PodNames, Protocol,
};

/// For the public, and for the cluster.
const OUTER: &str = "203.0.113.53";
const INNER: &str = "10.96.0.2";
/// Addresses of the cluster's own.
const INSIDE: [&str; 4] = ["10.96.0.0/16", "10.244.0.0/16", "fd00:96::/32", "fd00:244::/32"];
const ZONES: [&str; 4] = ["cluster.local.", "clusterset.local.", "in-addr.arpa.", "ip6.arpa."];

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

/// How names of the cluster are kept from the public.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// By an address of its own.
    ByAddress,
    /// At one address for all.
    ByClient,
}

fn settings_of(kept: Kept, mode: DnsMode, forward: bool) -> DnsSettings {
    let everybody = || nets(&["0.0.0.0/0", "::/0"]);
    let hosts = ExternalZone {
        zone: "hosts.example".into(),
        ttl: 9,
        apex: "ns".into(),
        headless: false,
        hosts: true,
        secondary: None,
    };
    let [outside, _] = <[ExternalZone; 2]>::try_from(external_zones()).unwrap();
    let by_client = DnsSettings {
        listen: vec![format!("{INNER}:53").parse().unwrap(), format!("{OUTER}:53").parse().unwrap()],
        clients: everybody(),
        cluster_zones: Some(nets(&["10.0.0.0/8", "fd00::/8"])),
        multicluster_zones: vec!["clusterset.local".into()],
        external_zones: vec![outside, hosts],
        pods: PodNames::Insecure,
        fallthrough: vec!["in-addr.arpa".into(), "cluster.local".into()],
        autopath: true,
        selected: true,
        forward,
        mode,
        ..settings()
    };
    match kept {
        Kept::ByClient => by_client,
        Kept::ByAddress => DnsSettings {
            clients: nets(&["10.0.0.0/8", "fd00::/8"]),
            cluster_zones: None,
            addresses: vec![DnsAddress {
                address: ip(OUTER),
                clients: Some(everybody()),
                recursion: None,
                cluster_zones: Some(vec![]),
            }],
            ..by_client
        },
    }
}

fn filled(settings: DnsSettings) -> Catalog {
    let mut services = cluster();
    let mut outer = |name: &str, external: &[&str]| {
        let mut balanced = service("default", name, NameKind::Cluster(vec![ip("10.96.0.50")]));
        balanced.ports = vec![port("http", Protocol::Tcp, 80)];
        let address = |text: &&str| {
            text.parse().map_or_else(|_| ExternalAddress::Host((*text).into()), ExternalAddress::Ip)
        };
        balanced.external = external.iter().map(address).collect();
        services.push(balanced);
    };
    outer("lb", &["192.0.2.1", "2001:db8::1"]);
    outer("elb", &["lb.example.net"]);
    outer("inside", &["web.default.svc.cluster.local"]);
    outer("pod", &["10-244-1-5.default.pod.Cluster.local"]);
    outer("nope", &["nope.default.svc.cluster.local"]);
    outer("through", &["inside.default.example.org"]);
    outer("out", &["out.shop.svc.cluster.local"]);
    let mut catalog = catalog_of(settings, &services, &["default", "shop"]);
    for (name, to) in [
        ("shop", "192.0.2.7"),
        ("alias", "db.default.svc.cluster.local"),
        ("*.wild", "in.shop.svc.cluster.local"),
    ] {
        let address = to.parse().map_or_else(|_| ExternalAddress::Host(to.into()), ExternalAddress::Ip);
        catalog.apply(&Change::Hosted(NamedHost {
            name: format!("{name}.hosts.example").into(),
            addresses: vec![address],
        }));
    }
    let mut import = service("default", "far", NameKind::Cluster(vec![ip("10.96.7.7")]));
    import.endpoints =
        vec![EndpointGroup { ports: vec![], endpoints: vec![endpoint("10.244.7.7", Some("a"), None)] }];
    let import = NamedImport { service: import, clusters: vec![Some("east".into())] };
    catalog.apply(&Change::Imported(import));
    catalog
}

/// All names there are, and some that need not be in a table.
fn names() -> Vec<String> {
    let zones = filled(settings_of(Kept::ByClient, DnsMode::Strict, true)).zones();
    let mut names: Vec<String> = zones.nodes().map(|node| sluice_dns::name::text(node.name())).collect();
    names.extend(
        [
            "10-244-1-5.default.pod.cluster.local.",
            "http.tcp.web.default.svc.cluster.local.",
            "www.example.com.default.svc.cluster.local.",
            "nope.default.svc.cluster.local.",
            "web.secret.svc.cluster.local.",
            "empty.default.svc.cluster.local.",
            "9.9.9.9.in-addr.arpa.",
            "a.wild.hosts.example.",
            "lb.default.svc.example.org.",
            "example.com.",
            "local.",
            ".",
        ]
        .map(str::to_owned),
    );
    names.sort();
    names
}

const KINDS: [T; 12] =
    [T::A, T::AAAA, T::SRV, T::PTR, T::NS, T::SOA, T::TXT, T::CNAME, T::ANY, T::HTTPS, T::AXFR, T::DS];

/// A name as it is, or nearly.
fn near(name: &str, how: u8, upper: u64) -> Option<Name> {
    let name = match how {
        0 => format!("x.{name}"),
        1 => name.split_once('.').map(|(_, rest)| rest.to_owned()).filter(|rest| !rest.is_empty())?,
        2 => name.replacen('.', "x.", 1),
        3 => format!("{}.", name.trim_end_matches('.').to_owned() + ".example.org"),
        4 => format!("_{name}"),
        _ => name.to_owned(),
    };
    let swapped = name.bytes().enumerate().map(|(i, byte)| {
        let byte = if upper >> (i % 64) & 1 == 1 { byte.to_ascii_uppercase() } else { byte };
        char::from(byte)
    });
    Name::from_ascii(swapped.collect::<String>()).ok()
}

fn is_inside(name: &Name) -> bool {
    ZONES.iter().any(|zone| Name::from_ascii(zone).unwrap().zone_of(name))
}

fn reason(reply: &Message) -> Option<u16> {
    let EdnsOption::Unknown(15, data) = reply.edns.as_ref()?.option(EdnsCode::Unknown(15))? else {
        return None;
    };
    Some(u16::from_be_bytes([data[0], data[1]]))
}

/// Nothing of a reply is the cluster's: but for the alias that somebody gave a name for the outside.
fn tells_nothing(reply: &Message, asked: &Name) {
    let sections = [&reply.answers, &reply.authorities, &reply.additionals];
    for record in sections.into_iter().flatten() {
        assert!(!is_inside(&record.name), "{record}");
        let target = match &record.data {
            RData::A(a) => {
                assert!(!nets(&INSIDE).iter().any(|net| net.contains(&IpAddr::from(a.0))), "{record}");
                continue;
            }
            RData::AAAA(a) => {
                assert!(!nets(&INSIDE).iter().any(|net| net.contains(&IpAddr::from(a.0))), "{record}");
                continue;
            }
            // Ports at such a name have its targets as they were given.
            RData::CNAME(_) | RData::SRV(_) if !is_inside(asked) => continue,
            RData::CNAME(cname) => &cname.0,
            RData::NS(ns) => &ns.0,
            RData::PTR(ptr) => &ptr.0,
            RData::SOA(soa) => &soa.mname,
            RData::SRV(srv) => &srv.target,
            _ => continue,
        };
        assert!(!is_inside(target), "{record}");
    }
}

fn from(client: &str, server: &str, resolver: bool) -> Asked {
    Asked { client: ip(client), server: ip(server), resolver, stream: resolver, ..ASKED }
}

fn modes() -> impl Strategy<Value = (Kept, DnsMode, bool)> {
    let kept = prop_oneof![Just(Kept::ByAddress), Just(Kept::ByClient)];
    (kept, prop_oneof![Just(DnsMode::Strict), Just(DnsMode::Compat)], any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_the_cluster_is_told(
        (kept, mode, forward) in modes(), name in 0..names().len(), how in 0_u8..8, upper: u64, kind in 0..KINDS.len(),
        edns: bool, resolver: bool,
    ) {
        let Some(name) = near(&names()[name], how, upper) else { return Ok(()) };
        let settings = settings_of(kept, mode, forward);
        let zones = filled(settings.clone()).zones();
        let mut message = query(&name.to_ascii(), KINDS[kind]);
        if edns {
            message.set_edns(Edns::new());
        }
        let bytes = message.to_vec().unwrap();
        let asked = from("198.51.100.9", OUTER, resolver);
        let said = raw(&zones, &bytes, asked);
        if is_inside(&name) {
            // As if there were no such zone: nobody is asked, and what is in it does not matter.
            let reply = Message::from_vec(said.as_ref().expect("a refusal")).unwrap();
            prop_assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
            prop_assert!(!reply.metadata.authoritative);
            let transfer = KINDS[kind] == T::AXFR;
            prop_assert_eq!(reason(&reply), edns.then_some(if transfer { 21 } else { 20 }));
            let empty = zones_of(settings, &[], &[]);
            prop_assert_eq!(&raw(&empty, &bytes, asked), &said);
            let none = DnsSettings { zones: vec![], multicluster_zones: vec![], reverse_zones: vec![], forward: false, ..settings_of(kept, DnsMode::Strict, false) };
            prop_assert_eq!(&raw(&filled_without(none), &bytes, asked), &said);
        }
        if let Ok(reply) = said {
            tells_nothing(&Message::from_vec(&reply).unwrap(), &name);
        }
        // Who has the cluster's names has them all, in the same words.
        let whole = DnsSettings { cluster_zones: None, addresses: vec![], ..settings_of(kept, mode, forward) };
        let whole = filled(whole).zones();
        let pod = from("10.244.0.9", INNER, resolver);
        let (one, other) = (raw(&zones, &bytes, pod), raw(&whole, &bytes, pod));
        // Which addresses the name servers of the others have is another matter.
        if is_inside(&name) {
            prop_assert_eq!(one, other);
        } else {
            prop_assert_eq!(one.map(|reply| reply[3]), other.map(|reply| reply[3]));
        }
    }
}

/// Without any zones of the cluster.
fn filled_without(settings: DnsSettings) -> Zones {
    zones_of(settings, &cluster(), &["default", "shop"])
}

#[test]
fn names_for_the_outside_are_answered_and_their_aliases_end_at_the_cluster() {
    for kept in [Kept::ByAddress, Kept::ByClient] {
        for forward in [false, true] {
            let zones = filled(settings_of(kept, DnsMode::Strict, forward)).zones();
            let ask = |name: &str, kind: T| {
                let bytes = query(name, kind).to_vec().unwrap();
                raw(&zones, &bytes, from("198.51.100.9", OUTER, false))
                    .map(|reply| shown(&Message::from_vec(&reply).unwrap()))
            };
            let alias = |name: &str, ttl: u32, to: &str| Ok(format!("NOERROR | {name} {ttl} CNAME {to}"));
            for (name, kind, expected) in [
                (
                    "lb.default.example.org.",
                    T::A,
                    Ok("NOERROR | lb.default.example.org. 60 A 192.0.2.1".to_owned()),
                ),
                ("shop.hosts.example.", T::A, Ok("NOERROR | shop.hosts.example. 9 A 192.0.2.7".to_owned())),
                (
                    "inside.default.example.org.",
                    T::A,
                    alias("inside.default.example.org.", 60, "web.default.svc.cluster.local."),
                ),
                (
                    "nope.default.example.org.",
                    T::AAAA,
                    alias("nope.default.example.org.", 60, "nope.default.svc.cluster.local."),
                ),
                (
                    "pod.default.example.org.",
                    T::A,
                    alias("pod.default.example.org.", 60, "10-244-1-5.default.pod.Cluster.local."),
                ),
                (
                    "out.default.example.org.",
                    T::A,
                    alias("out.default.example.org.", 60, "out.shop.svc.cluster.local."),
                ),
                (
                    "alias.hosts.example.",
                    T::A,
                    alias("alias.hosts.example.", 9, "db.default.svc.cluster.local."),
                ),
                (
                    "b.wild.hosts.example.",
                    T::A,
                    alias("b.wild.hosts.example.", 9, "in.shop.svc.cluster.local."),
                ),
                (
                    "through.default.example.org.",
                    T::TXT,
                    Ok("NOERROR | through.default.example.org. 60 CNAME inside.default.example.org., \
                        inside.default.example.org. 60 CNAME web.default.svc.cluster.local."
                        .to_owned()),
                ),
            ] {
                assert_eq!(ask(name, kind), expected, "{kept:?} {name}");
            }
            let elb = ask("elb.default.example.org.", T::A);
            match forward {
                true => assert_eq!(elb, Err(Verdict::Forward)),
                false => assert_eq!(elb, alias("elb.default.example.org.", 60, "lb.example.net.")),
            }
        }
    }
}

#[test]
fn name_servers_of_the_outside_are_where_it_may_ask() {
    let of = |settings: DnsSettings| ask(&filled(settings).zones(), "ns1.dns.example.org.", T::A);
    let line = |ip: &str| format!("ns1.dns.example.org. 60 A {ip}");
    let by_client = || settings_of(Kept::ByClient, DnsMode::Strict, false);
    for settings in [by_client(), settings_of(Kept::ByAddress, DnsMode::Strict, false)] {
        assert_eq!(of(settings.clone()), format!("NOERROR | {}", line(OUTER)));
        let zone = ask(&filled(settings).zones(), "hosts.example.", T::NS);
        assert!(zone.ends_with(&format!("add ns.hosts.example. 9 A {OUTER}")), "{zone}");
    }
    // All that there are, where none is for it alone.
    let both = format!("NOERROR | {}, {}", line(INNER), line(OUTER));
    assert_eq!(of(DnsSettings { cluster_zones: None, ..by_client() }), both);
    let all = DnsSettings { cluster_zones: Some(nets(&["0.0.0.0/0", "::/0"])), ..by_client() };
    assert_eq!(of(all), both);
    // Nobody at all may ask for the cluster's names.
    let none = filled(DnsSettings { cluster_zones: Some(vec![]), ..by_client() }).zones();
    let asked = query("web.default.svc.cluster.local.", T::A).to_vec().unwrap();
    assert_eq!(raw(&none, &asked, ASKED).unwrap()[3] & 15, 5);
}

#[test]
fn a_domain_that_is_the_resolvers_stays_so() {
    let elsewhere = Elsewhere { zone: "113.0.203.in-addr.arpa".into(), ..Elsewhere::default() };
    let settings =
        DnsSettings { elsewhere: vec![elsewhere], ..settings_of(Kept::ByAddress, DnsMode::Strict, true) };
    let zones = filled(settings).zones();
    let ask = |name: &str, resolver| {
        let bytes = query(name, T::PTR).to_vec().unwrap();
        raw(&zones, &bytes, from("198.51.100.9", OUTER, resolver)).map(|reply| reply[3] & 15)
    };
    assert_eq!(ask("53.113.0.203.in-addr.arpa.", false), Err(Verdict::Elsewhere));
    // Which the resolver has from somebody else, or nobody has.
    assert_eq!(ask("53.113.0.203.in-addr.arpa.", true), Ok(5));
    assert_eq!(ask("53.113.1.203.in-addr.arpa.", false), Ok(5));
}
