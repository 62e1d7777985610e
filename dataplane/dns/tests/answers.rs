//! What is answered to whom: each row of the tables that `docs/dns.md` describes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, RecordType as T};
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::Verdict;
use sluice_model::{DnsMode, DnsSettings, Elsewhere, NameKind, NamedPod, PodNames, ServiceName};

fn table(settings: DnsSettings, rows: &[(&str, T, &str)]) {
    let zones = zones_of(settings, &cluster(), &["default", "shop", "lonely"]);
    for (name, kind, expected) in rows {
        assert_eq!(ask(&zones, name, *kind), *expected, "{name} {kind}");
    }
}

const NODATA: &str = "NOERROR | auth SOA(cluster.local.)";
const NXDOMAIN: &str = "NXDOMAIN | auth SOA(cluster.local.)";

#[test]
fn services_with_a_cluster_ip() {
    const WEB: &str = "web.default.svc.cluster.local.";
    let glue = "add web.default.svc.cluster.local. 30 A 10.96.0.10, web.default.svc.cluster.local. 30 AAAA fd00:96::a";
    table(
        settings(),
        &[
            (WEB, T::A, &format!("NOERROR | {WEB} 30 A 10.96.0.10")),
            (WEB, T::AAAA, &format!("NOERROR | {WEB} 30 AAAA fd00:96::a")),
            (WEB, T::TXT, NODATA),
            (WEB, T::SOA, NODATA),
            (WEB, T::ANY, NODATA),
            (WEB, T::PTR, NODATA),
            (
                "WEB.default.svc.CLUSTER.local.",
                T::A,
                "NOERROR | WEB.default.svc.CLUSTER.local. 30 A 10.96.0.10",
            ),
            // A share of all pairs of address and port: 100 / 4.
            (
                WEB,
                T::SRV,
                &format!("NOERROR | {WEB} 30 SRV 0 25 80 {WEB}, {WEB} 30 SRV 0 25 9100 {WEB} | {glue}"),
            ),
            (
                "_http._tcp.web.default.svc.cluster.local.",
                T::SRV,
                &format!("NOERROR | _http._tcp.{WEB} 30 SRV 0 50 80 {WEB} | {glue}"),
            ),
            (
                "_http._tcp.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | _http._tcp.{WEB} 30 A 10.96.0.10"),
            ),
            (
                "http.tcp.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | http.tcp.{WEB} 30 A 10.96.0.10"),
            ),
            (
                "http._tcp.web.default.svc.cluster.local.",
                T::SRV,
                &format!("NOERROR | http._tcp.{WEB} 30 SRV 0 50 80 {WEB} | {glue}"),
            ),
            // The name is spelled otherwise, and has all that the usual one has, and no more; targets keep the zone's case.
            ("http.tcp.web.default.svc.cluster.local.", T::TXT, NODATA),
            ("_http.tcp.web.default.svc.cluster.local.", T::MX, NODATA),
            (
                "http.tcp.web.default.svc.CLUSTER.local.",
                T::SRV,
                &format!(
                    "NOERROR | http.tcp.web.default.svc.CLUSTER.local. 30 SRV 0 50 80 web.default.svc.CLUSTER.local. | {}",
                    glue.replace("cluster", "CLUSTER")
                ),
            ),
            ("_http._udp.web.default.svc.cluster.local.", T::SRV, NXDOMAIN),
            ("_tcp.web.default.svc.cluster.local.", T::SRV, NODATA),
            ("_sctp.web.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("_._tcp.web.default.svc.cluster.local.", T::SRV, NXDOMAIN),
            (
                "10-244-1-5.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | 10-244-1-5.{WEB} 30 A 10.244.1.5"),
            ),
            (
                "10-244-1-5.web.default.svc.cluster.local.",
                T::SRV,
                &format!(
                    "NOERROR | 10-244-1-5.{WEB} 30 SRV 0 100 8080 10-244-1-5.{WEB} | add 10-244-1-5.{WEB} 30 A 10.244.1.5"
                ),
            ),
            ("a.b.c.web.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("*.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("nope.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("nope.default.svc.cluster.local.", T::SOA, NXDOMAIN),
            ("web.nope.svc.cluster.local.", T::A, NXDOMAIN),
        ],
    );
}

#[test]
fn headless_services() {
    const DB: &str = "db.default.svc.cluster.local.";
    let srv = |n: &str| format!("{n}.{DB}");
    let answer = |owner: &str| {
        format!(
            "NOERROR | {owner} 30 SRV 0 25 5432 db-0.{DB}, {owner} 30 SRV 0 25 5432 db-1.{DB}, {owner} 30 SRV 0 25 5432 \
             10-244-3-7.{DB} | add db-0.{DB} 30 A 10.244.1.7, db-1.{DB} 30 A 10.244.2.7, 10-244-3-7.{DB} 30 A \
             10.244.3.7, db-0.{DB} 30 AAAA fd00:244::7"
        )
    };
    table(
        settings(),
        &[
            (
                DB,
                T::A,
                &format!("NOERROR | {DB} 30 A 10.244.1.7, {DB} 30 A 10.244.2.7, {DB} 30 A 10.244.3.7"),
            ),
            (DB, T::AAAA, &format!("NOERROR | {DB} 30 AAAA fd00:244::7")),
            (DB, T::SRV, &answer(DB)),
            (&format!("_sql._tcp.{DB}"), T::SRV, &answer(&format!("_sql._tcp.{DB}"))),
            (&srv("db-0"), T::A, &format!("NOERROR | db-0.{DB} 30 A 10.244.1.7")),
            (&srv("db-0"), T::AAAA, &format!("NOERROR | db-0.{DB} 30 AAAA fd00:244::7")),
            (&srv("db-1"), T::AAAA, NODATA),
            (&srv("db-x"), T::A, NXDOMAIN),
            ("empty.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("empty.default.svc.cluster.local.", T::SRV, NXDOMAIN),
            ("_tcp.empty.default.svc.cluster.local.", T::SRV, NXDOMAIN),
            ("four.default.svc.cluster.local.", T::AAAA, NODATA),
            ("four.default.svc.cluster.local.", T::SRV, NODATA),
        ],
    );
    table(
        DnsSettings { endpoint_pod_names: true, ..settings() },
        &[
            ("db-x.db.default.svc.cluster.local.", T::A, &format!("NOERROR | db-x.{DB} 30 A 10.244.3.7")),
            ("10-244-3-7.db.default.svc.cluster.local.", T::A, NXDOMAIN),
            (
                "web-0.web.default.svc.cluster.local.",
                T::A,
                "NOERROR | web-0.web.default.svc.cluster.local. 30 A 10.244.1.5",
            ),
        ],
    );
    table(
        DnsSettings { endpoints: false, ..settings() },
        &[(DB, T::A, NXDOMAIN), (&srv("db-0"), T::A, NXDOMAIN)],
    );
    let idle = [service("default", "idle", NameKind::Cluster(vec![ip("10.96.0.77")]))];
    let zones = zones_of(settings(), &idle, &[]);
    assert!(ask(&zones, "idle.default.svc.cluster.local.", T::A).ends_with("10.96.0.77"));
    let zones = zones_of(DnsSettings { hide_empty: true, ..settings() }, &idle, &["default"]);
    assert_eq!(ask(&zones, "idle.default.svc.cluster.local.", T::A), NXDOMAIN);
}

#[test]
fn external_names() {
    let name = |n: &str| format!("{n}.shop.svc.cluster.local.");
    let web = "web.default.svc.cluster.local.";
    let alias = |n: &str, to: &str| format!("{} 30 CNAME {to}", name(n));
    table(
        settings(),
        &[
            (&name("out"), T::CNAME, &format!("NOERROR | {}", alias("out", "www.Example.com."))),
            (&name("out"), T::A, &format!("NOERROR | {}", alias("out", "www.Example.com."))),
            (&name("out"), T::TXT, &format!("NOERROR | {}", alias("out", "www.Example.com."))),
            (&name("in"), T::CNAME, &format!("NOERROR | {}", alias("in", web))),
            (&name("in"), T::A, &format!("NOERROR | {}, {web} 30 A 10.96.0.10", alias("in", web))),
            (&name("in"), T::TXT, &format!("NOERROR | {} | auth SOA(cluster.local.)", alias("in", web))),
            (
                &name("in"),
                T::SRV,
                &format!(
                    "NOERROR | {}, {web} 30 SRV 0 25 80 {web}, {web} 30 SRV 0 25 9100 {web} | add {web} 30 A 10.96.0.10, \
                     {web} 30 AAAA fd00:96::a",
                    alias("in", web)
                ),
            ),
            (
                &name("twice"),
                T::AAAA,
                &format!(
                    "NOERROR | {}, {}, {web} 30 AAAA fd00:96::a",
                    alias("twice", &name("in")),
                    alias("in", web)
                ),
            ),
            (
                &name("nowhere"),
                T::A,
                &format!(
                    "NXDOMAIN | {} | auth SOA(cluster.local.)",
                    alias("nowhere", "nope.default.svc.cluster.local.")
                ),
            ),
            (&name("address"), T::A, NXDOMAIN),
            ("_http._tcp.out.shop.svc.cluster.local.", T::SRV, NXDOMAIN),
            ("a.out.shop.svc.cluster.local.", T::A, NXDOMAIN),
        ],
    );
    let zones = zones_of(settings(), &cluster(), &[]);
    let circle = ask_message(&zones, &query(&name("circle"), T::A));
    assert_eq!((circle.metadata.response_code, circle.answers.len()), (ResponseCode::NoError, 10));
    // Where there is a resolver, it has to find out.
    let zones = zones_of(DnsSettings { forward: true, ..settings() }, &cluster(), &[]);
    let bytes = query(&name("out"), T::A).to_vec().unwrap();
    assert_eq!(raw(&zones, &bytes, ASKED), Err(Verdict::Forward));
    assert!(raw(&zones, &query(&name("out"), T::CNAME).to_vec().unwrap(), ASKED).is_ok());
}

#[test]
fn the_zone_itself() {
    let ns =
        "NOERROR | cluster.local. 30 NS ns.dns.cluster.local. | add ns.dns.cluster.local. 30 A 10.96.0.2";
    table(
        settings(),
        &[
            ("dns-version.cluster.local.", T::TXT, "NOERROR | dns-version.cluster.local. 28800 TXT 1.1.0"),
            ("dns-version.cluster.local.", T::A, NODATA),
            ("cluster.local.", T::NS, ns),
            ("cluster.LOCAL.", T::NS, &ns.replace("cluster.local", "cluster.LOCAL")),
            (
                "cluster.local.",
                T::SOA,
                "NOERROR | cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30",
            ),
            ("cluster.local.", T::A, NODATA),
            ("ns.dns.cluster.local.", T::A, "NOERROR | ns.dns.cluster.local. 30 A 10.96.0.2"),
            ("ns.dns.Cluster.local.", T::A, "NOERROR | ns.dns.Cluster.local. 30 A 10.96.0.2"),
            ("dns.cluster.local.", T::A, NODATA),
            ("svc.cluster.local.", T::A, NODATA),
            ("default.svc.cluster.local.", T::A, NODATA),
            ("lonely.svc.cluster.local.", T::A, NODATA),
            ("unknown.svc.cluster.local.", T::A, NXDOMAIN),
            ("other.cluster.local.", T::A, NXDOMAIN),
            ("example.com.", T::A, "REFUSED"),
            ("xcluster.local.", T::A, "REFUSED"),
            (".", T::NS, "REFUSED"),
        ],
    );
    let named = DnsSettings { service: Some(ServiceName::new("kube-system", "kube-dns")), ..settings() };
    table(
        named,
        &[(
            "cluster.local.",
            T::NS,
            "NOERROR | cluster.local. 30 NS kube-dns.kube-system.svc.cluster.local. | add \
             kube-dns.kube-system.svc.cluster.local. 30 A 10.96.0.2",
        )],
    );
}

#[test]
fn reverse_names() {
    let v6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa.";
    let v6 = format!("{}{v6}", "0.0.0.0.");
    let soa = |zone: &str, code: &str| format!("{code} | auth SOA({zone})");
    table(
        settings(),
        &[
            (
                "10.0.96.10.in-addr.arpa.",
                T::PTR,
                "NOERROR | 10.0.96.10.in-addr.arpa. 30 PTR web.default.svc.cluster.local.",
            ),
            (
                "5.1.244.10.in-addr.arpa.",
                T::PTR,
                "NOERROR | 5.1.244.10.in-addr.arpa. 30 PTR 10-244-1-5.web.default.svc.cluster.local.",
            ),
            (
                "7.1.244.10.IN-ADDR.arpa.",
                T::PTR,
                "NOERROR | 7.1.244.10.IN-ADDR.arpa. 30 PTR db-0.db.default.svc.cluster.local.",
            ),
            ("5.1.244.10.in-addr.arpa.", T::A, &soa("in-addr.arpa.", "NOERROR")),
            ("244.10.in-addr.arpa.", T::PTR, &soa("in-addr.arpa.", "NOERROR")),
            ("9.1.244.10.in-addr.arpa.", T::PTR, &soa("in-addr.arpa.", "NXDOMAIN")),
            ("1.5.1.244.10.in-addr.arpa.", T::PTR, &soa("in-addr.arpa.", "NXDOMAIN")),
            ("in-addr.arpa.", T::PTR, &soa("in-addr.arpa.", "NOERROR")),
            ("1.ip6.arpa.", T::PTR, &soa("ip6.arpa.", "NXDOMAIN")),
            ("e.f.ip6.arpa.", T::PTR, &soa("ip6.arpa.", "NXDOMAIN")),
            ("d.f.ip6.arpa.", T::PTR, &soa("ip6.arpa.", "NOERROR")),
        ],
    );
    let zones = zones_of(settings(), &cluster(), &[]);
    let full = sluice_dns::name::text(sluice_dns::name::reverse(ip("fd00:244::7")).wire());
    assert_eq!(v6.len(), full.len(), "{full}");
    assert_eq!(
        ask(&zones, &full, T::PTR),
        format!("NOERROR | {full} 30 PTR db-0.db.default.svc.cluster.local.")
    );
    // Only networks that are the cluster's.
    let narrow = DnsSettings { reverse_zones: vec!["96.10.in-addr.arpa".into()], ..settings() };
    table(
        narrow,
        &[
            ("5.1.244.10.in-addr.arpa.", T::PTR, "REFUSED"),
            ("1.0.96.10.in-addr.arpa.", T::PTR, &soa("96.10.in-addr.arpa.", "NXDOMAIN")),
        ],
    );
    // An unknown one may be somebody else's, one without records is not.
    let falling = DnsSettings {
        forward: true,
        fallthrough: vec!["in-addr.arpa".into(), "ip6.arpa".into()],
        ..settings()
    };
    let zones = zones_of(falling, &cluster(), &[]);
    let verdict = |name: &str| raw(&zones, &query(name, T::PTR).to_vec().unwrap(), ASKED).map(drop);
    assert_eq!(verdict("9.1.244.10.in-addr.arpa."), Err(Verdict::Forward));
    assert_eq!(verdict("5.1.244.10.in-addr.arpa."), Ok(()));
    assert_eq!(verdict("244.10.in-addr.arpa."), Ok(()));
    assert_eq!(verdict("nope.default.svc.cluster.local."), Ok(()));
}

#[test]
fn names_of_pods() {
    let name = "10-244-2-5.default.pod.cluster.local.";
    let six = "fd00--1.default.pod.cluster.local.";
    table(settings(), &[(name, T::A, NXDOMAIN), ("default.pod.cluster.local.", T::A, NXDOMAIN)]);
    table(
        DnsSettings { pods: PodNames::Insecure, ..settings() },
        &[
            (name, T::A, &format!("NOERROR | {name} 30 A 10.244.2.5")),
            (name, T::AAAA, NODATA),
            (six, T::AAAA, &format!("NOERROR | {six} 30 AAAA fd00::1")),
            (six, T::A, NODATA),
            ("10-244-2.default.pod.cluster.local.", T::A, NXDOMAIN),
            ("web.default.pod.cluster.local.", T::A, NXDOMAIN),
            ("foo.10-244-2-5.default.pod.cluster.local.", T::A, NXDOMAIN),
            ("10-244-2-5.nope.pod.cluster.local.", T::A, NXDOMAIN),
            ("default.pod.cluster.local.", T::A, NODATA),
            ("pod.cluster.local.", T::A, NODATA),
        ],
    );
    let verified = DnsSettings { pods: PodNames::Verified, ..settings() };
    let mut catalog = catalog_of(verified, &[], &["default"]);
    let pod = |name: &str, address: &str| {
        let addresses = vec![ip(address), ip("fd00::1")];
        sluice_model::Change::Pod(NamedPod { name: ServiceName::new("default", name), addresses })
    };
    assert_eq!(ask(&catalog.zones(), name, T::A), NXDOMAIN);
    catalog.apply(&pod("a", "10.244.2.5"));
    catalog.apply(&pod("b", "10.244.2.5"));
    assert_eq!(ask(&catalog.zones(), name, T::A), format!("NOERROR | {name} 30 A 10.244.2.5"));
    assert_eq!(ask(&catalog.zones(), six, T::AAAA), format!("NOERROR | {six} 30 AAAA fd00::1"));
    catalog.apply(&sluice_model::Change::PodGone(ServiceName::new("default", "a")));
    assert!(ask(&catalog.zones(), name, T::A).starts_with("NOERROR"));
    catalog.apply(&pod("b", "10.244.2.6"));
    assert_eq!(ask(&catalog.zones(), name, T::A), NXDOMAIN);
}

#[test]
fn aliases_of_names_that_are_made_when_asked_for() {
    let external = |name: &str, to: &str| service("shop", name, NameKind::External(to.into()));
    let mut services = cluster();
    services.extend([
        external("pod", "10-244-2-5.default.pod.cluster.local"),
        external("port", "http.tcp.web.default.svc.cluster.local"),
    ]);
    let insecure = DnsSettings { pods: PodNames::Insecure, forward: true, ..settings() };
    let zones = zones_of(insecure, &services, &["default", "shop"]);
    let (pod, port) = ("pod.shop.svc.cluster.local.", "port.shop.svc.cluster.local.");
    let alias = format!("NOERROR | {pod} 30 CNAME 10-244-2-5.default.pod.cluster.local.");
    assert_eq!(
        ask(&zones, pod, T::A),
        format!("{alias}, 10-244-2-5.default.pod.cluster.local. 30 A 10.244.2.5")
    );
    assert_eq!(ask(&zones, pod, T::AAAA), format!("{alias} | auth SOA(cluster.local.)"));
    let target = "http.tcp.web.default.svc.cluster.local.";
    assert_eq!(
        ask(&zones, port, T::A),
        format!("NOERROR | {port} 30 CNAME {target}, {target} 30 A 10.96.0.10")
    );
}

#[test]
fn several_zones() {
    let settings =
        DnsSettings { zones: vec!["cluster.local".into(), "k8s.Example.org".into()], ..settings() };
    table(
        settings,
        &[
            (
                "_http._tcp.web.default.svc.k8s.example.org.",
                T::SRV,
                "NOERROR | _http._tcp.web.default.svc.k8s.example.org. 30 SRV 0 50 80 web.default.svc.k8s.example.org. | \
                 add web.default.svc.k8s.example.org. 30 A 10.96.0.10, web.default.svc.k8s.example.org. 30 AAAA \
                 fd00:96::a",
            ),
            (
                "10.0.96.10.in-addr.arpa.",
                T::PTR,
                "NOERROR | 10.0.96.10.in-addr.arpa. 30 PTR web.default.svc.cluster.local.",
            ),
            ("x.k8s.example.org.", T::A, "NXDOMAIN | auth SOA(k8s.example.org.)"),
        ],
    );
}

#[test]
fn headers_classes_and_what_is_no_query() {
    let zones = zones_of(settings(), &cluster(), &["default"]);
    let name = "web.default.svc.cluster.local.";
    let mut plain = query(name, T::A);
    plain.metadata.checking_disabled = true;
    let reply = ask_message(&zones, &plain);
    let m = &reply.metadata;
    assert!(
        m.authoritative
            && m.recursion_desired
            && m.checking_disabled
            && !m.recursion_available
            && !m.truncation
    );
    assert!(reply.edns.is_none());

    for (change, code) in [
        (0, ResponseCode::Refused),
        (1, ResponseCode::NotImp),
        (2, ResponseCode::NotImp),
        (3, ResponseCode::FormErr),
        (4, ResponseCode::FormErr),
        (5, ResponseCode::Refused),
    ] {
        let mut message = query(name, T::A);
        match change {
            0 => drop(message.queries[0].set_query_class(DNSClass::CH)),
            1 => message.metadata.op_code = OpCode::Notify,
            2 => message.metadata.op_code = OpCode::Update,
            3 => drop(message.add_query(message.queries[0].clone())),
            4 => message.queries.clear(),
            _ => drop(message.queries[0].set_query_type(T::AXFR)),
        }
        let reply = ask_message(&zones, &message);
        assert_eq!(reply.metadata.response_code, code, "{change}");
        assert!(!reply.metadata.authoritative);
    }
    let mut response = query(name, T::A).to_vec().unwrap();
    response[2] |= 0x80;
    assert_eq!(raw(&zones, &response, ASKED), Err(Verdict::Silence));
    assert_eq!(raw(&zones, &response[..11], ASKED), Err(Verdict::Silence));
    let clients = DnsSettings { clients: vec!["10.244.0.0/16".parse().unwrap()], ..settings() };
    let zones = zones_of(clients, &cluster(), &[]);
    let bytes = query(name, T::A).to_vec().unwrap();
    let code = |client: &str| {
        raw(&zones, &bytes, sluice_dns::Asked { client: ip(client), ..ASKED }).unwrap()[3] & 15
    };
    assert_eq!((code("10.244.7.7"), code("192.0.2.1")), (0, 5));
}

#[test]
fn what_comes_before_the_clusters_names_is_a_resolvers() {
    let elsewhere = |zone: &str, kind| Elsewhere { zone: zone.into(), kind };
    let given = DnsSettings {
        forward: true,
        elsewhere: vec![elsewhere("cluster.local", Some(28)), elsewhere("Shop.svc.cluster.local", None)],
        ..settings()
    };
    let zones = zones_of(given, &cluster(), &["default", "shop"]);
    let asked = |name: &str, kind, resolver| {
        let bytes = query(name, kind).to_vec().unwrap();
        raw(&zones, &bytes, sluice_dns::Asked { resolver, ..ASKED }).map(|reply| reply[3] & 15)
    };
    let web = "web.default.svc.cluster.local.";
    assert_eq!(asked(web, T::A, false), Ok(0));
    for (name, kind) in [
        (web, T::AAAA),
        ("WEB.default.SVC.cluster.local.", T::AAAA),
        ("in.shop.svc.cluster.local.", T::A),
        ("shop.svc.cluster.local.", T::A),
        ("none.shop.svc.cluster.local.", T::SRV),
    ] {
        assert_eq!(asked(name, kind, false), Err(Verdict::Forward), "{name}");
        assert!(asked(name, kind, true).is_ok(), "{name}");
    }
    assert_eq!(asked("x.workshop.svc.cluster.local.", T::A, false), Ok(3));
}

#[test]
fn who_is_refused_is_told_why() {
    let given = DnsSettings { clients: vec!["10.244.0.0/16".parse().unwrap()], ..settings() };
    let zones = zones_of(DnsSettings { cookie_key: Some([9; 16]), ..given }, &cluster(), &["default"]);
    let ask = |name: &str, kind, client: &str, cookie: bool| {
        let mut message = query(name, kind);
        let mut edns = Edns::new();
        if cookie {
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![7; 8]));
        }
        message.set_edns(edns);
        let bytes = message.to_vec().unwrap();
        let reply = raw(&zones, &bytes, sluice_dns::Asked { client: ip(client), ..ASKED }).unwrap();
        let reply = Message::from_bytes(&reply).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
        let options = reply.edns.unwrap();
        assert_eq!(options.option(EdnsCode::Cookie).is_some(), cookie);
        match options.option(EdnsCode::from(15)) {
            Some(EdnsOption::Unknown(15, said)) => u16::from_be_bytes([said[0], said[1]]),
            other => panic!("{other:?}"),
        }
    };
    let web = "web.default.svc.cluster.local.";
    for cookie in [false, true] {
        assert_eq!(ask(web, T::A, "192.0.2.1", cookie), 18);
        assert_eq!(ask("example.com.", T::A, "10.244.0.9", cookie), 20);
        assert_eq!(ask("cluster.local.", T::AXFR, "10.244.0.9", cookie), 21);
    }
    let plain = query("example.com.", T::A).to_vec().unwrap();
    assert_eq!(raw(&zones, &plain, ASKED).unwrap().len(), plain.len());
}

#[test]
fn edns() {
    let key = Some([9; 16]);
    let zones = zones_of(DnsSettings { cookie_key: key, ..settings() }, &cluster(), &["default"]);
    let name = "web.default.svc.cluster.local.";
    let with = |version: u8, dnssec: bool, size: u16| {
        let mut message = query(name, T::A);
        let mut edns = Edns::new();
        edns.set_version(version).set_dnssec_ok(dnssec).set_max_payload(size);
        message.set_edns(edns);
        message
    };
    let reply = ask_message(&zones, &with(0, true, 4096));
    let edns = reply.edns.as_ref().unwrap();
    assert_eq!((edns.version(), edns.flags().dnssec_ok, edns.max_payload()), (0, true, 1232));
    assert_eq!(reply.answers.len(), 1);
    let reply = ask_message(&zones, &with(1, false, 4096));
    // 16 is BADVERS here; hickory calls it by its other name, of TSIG.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.edns.as_ref().unwrap().version(), 0);
    assert!(reply.answers.is_empty());

    // Two OPT records, one in the wrong place, one with another owner, options that end too early, a cookie of a wrong
    // length.
    let good = with(0, false, 1232).to_vec().unwrap();
    let opt = good.len() - 11;
    let code = |bytes: &[u8]| raw(&zones, bytes, ASKED).unwrap()[3] & 15;
    assert_eq!(code(&good), 0);
    let mut two = good.clone();
    two.extend_from_slice(&good[opt..]);
    two[11] = 2;
    assert_eq!(code(&two), 1);
    let mut misplaced = good.clone();
    (misplaced[11], misplaced[9]) = (0, 1);
    assert_eq!(code(&misplaced), 1);
    let mut owned = good[..opt].to_vec();
    owned.extend([1, b'x']);
    owned.extend(&good[opt..]);
    assert_eq!(code(&owned), 1);
    let option = |data: &[u8]| {
        let mut bytes = good.clone();
        bytes.extend(data);
        let end = bytes.len();
        bytes[opt + 10] = (end - opt - 11) as u8;
        bytes
    };
    assert_eq!(code(&option(&[0, 10, 0, 8, 1, 2])), 1);
    assert_eq!(code(&option(&[0, 10, 0, 7, 1, 2, 3, 4, 5, 6, 7])), 1);
    // The given cookie comes back, with ours behind it; a padding option does not.
    let asked = option(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let reply = raw(&zones, &asked, ASKED).unwrap();
    assert_eq!(reply[reply.len() - 28..reply.len() - 15], [0, 10, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 1]);
    let reply = raw(&zones, &option(&[0, 12, 0, 2, 0, 0]), ASKED).unwrap();
    assert_eq!(reply[reply.len() - 2..], [0, 0]);
}

#[test]
fn replies_fit_what_the_client_takes() {
    let mut many = service("default", "many", NameKind::Headless);
    many.ports = vec![port("x", sluice_model::Protocol::Tcp, 1)];
    many.endpoints = vec![sluice_model::EndpointGroup {
        ports: many.ports.clone(),
        endpoints: (0..100).map(|n| endpoint(&format!("10.1.0.{n}"), None, None)).collect(),
    }];
    let zones = zones_of(settings(), &[many], &[]);
    let name = "many.default.svc.cluster.local.";
    let mut message = query(name, T::A);
    let bytes = raw(&zones, &message.to_vec().unwrap(), ASKED).unwrap();
    assert!(bytes.len() <= 512 && bytes.len() > 512 - 16);
    let reply = ask_message(&zones, &message);
    assert!(reply.metadata.truncation);
    assert_eq!(reply.answers.len(), (512 - 12 - name.len() - 5) / 16);
    message.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(65_000);
    let bytes = raw(&zones, &message.to_vec().unwrap(), ASKED).unwrap();
    assert!(bytes.len() <= 1232 && bytes.len() > 1232 - 16, "{}", bytes.len());
    let stream = sluice_dns::Asked { stream: true, ..ASKED };
    let bytes = raw(&zones, &message.to_vec().unwrap(), stream).unwrap();
    assert_eq!((bytes[7], bytes[2] & 2), (100, 0));
    // Glue that does not fit is no truncation, answers that do not are.
    message.queries[0].set_query_type(T::SRV);
    assert!(ask_message(&zones, &message).metadata.truncation);
    let one = query("10-1-0-7.many.default.svc.cluster.local.", T::SRV);
    assert!(!ask_message(&zones, &one).metadata.truncation);

    let mut few = service("default", "few", NameKind::Headless);
    few.endpoints = vec![sluice_model::EndpointGroup {
        ports: vec![port("x", sluice_model::Protocol::Tcp, 1)],
        endpoints: (0..7).map(|n| endpoint(&format!("10.1.0.{n}"), None, None)).collect(),
    }];
    let zones = zones_of(settings(), &[few], &[]);
    let reply = ask_message(&zones, &query("few.default.svc.cluster.local.", T::SRV));
    assert!(!reply.metadata.truncation);
    assert_eq!((reply.answers.len(), reply.additionals.len() < 7), (7, true));
}

#[test]
fn a_service_of_more_than_a_message_carries_is_cut_and_no_family_is_lost() {
    let mut huge = service("default", "huge", NameKind::Headless);
    huge.ports = (0..60).map(|n| port(&format!("p{n}"), sluice_model::Protocol::Tcp, n + 1)).collect();
    let v4 = (0..10_000).map(|n| endpoint(&format!("10.1.{}.{}", n / 250, n % 250), None, None));
    let v6 = (0..10).map(|n| endpoint(&format!("fd00::{n}"), None, None));
    huge.endpoints =
        vec![sluice_model::EndpointGroup { ports: huge.ports.clone(), endpoints: v4.chain(v6).collect() }];
    let zones = zones_of(settings(), &[huge], &[]);
    let count = |kind: T| {
        let bytes = query("huge.default.svc.cluster.local.", kind).to_vec().unwrap();
        let reply = raw(&zones, &bytes, sluice_dns::Asked { stream: true, ..ASKED }).unwrap();
        u16::from_be_bytes([reply[6], reply[7]])
    };
    assert!(count(T::A) > 4000);
    assert_eq!(count(T::AAAA), 10);
    assert!(count(T::SRV) > 500);
    let one = ask(&zones, "10-1-39-249.huge.default.svc.cluster.local.", T::A);
    assert!(one.ends_with("A 10.1.39.249"), "{one}");
}

#[test]
fn addresses_take_turns() {
    let zones = zones_of(settings(), &cluster(), &[]);
    let bytes = query("db.default.svc.cluster.local.", T::A).to_vec().unwrap();
    let first = |turn: u32| {
        let reply = raw(&zones, &bytes, sluice_dns::Asked { turn, ..ASKED }).unwrap();
        use hickory_proto::serialize::binary::BinDecodable;
        let reply = hickory_proto::op::Message::from_bytes(&reply).unwrap();
        assert_eq!(reply.answers.len(), 3);
        reply.answers[0].data.to_string()
    };
    assert_eq!([0, 1, 2, 3].map(first), ["10.244.1.7", "10.244.2.7", "10.244.3.7", "10.244.1.7"]);
}

#[test]
fn compat_is_what_coredns_answers() {
    let name = |n: &str| format!("{n}.shop.svc.cluster.local.");
    let web = "web.default.svc.cluster.local.";
    let pod = "10-244-2-5.default.pod.cluster.local.";
    let compat = || DnsSettings { mode: DnsMode::Compat, pods: PodNames::Insecure, ..settings() };
    let backwards = "10.0.96.10.in-addr.arpa.";
    let reverse = |code: &str| format!("{code} | auth SOA(in-addr.arpa.)");
    table(
        compat(),
        &[
            ("dns.cluster.local.", T::A, NXDOMAIN),
            ("_tcp.web.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("dns-version.cluster.local.", T::A, NXDOMAIN),
            ("0.96.10.in-addr.arpa.", T::PTR, &reverse("NXDOMAIN")),
            (backwards, T::PTR, &format!("NOERROR | {backwards} 30 PTR {web}")),
            (backwards, T::A, &reverse("NXDOMAIN")),
            (backwards, T::SOA, &reverse("NOERROR")),
            ("nope.default.svc.cluster.local.", T::SOA, NODATA),
            (
                "cluster.local.",
                T::SOA,
                "NOERROR | cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30",
            ),
            ("cluster.local.", T::TXT, NXDOMAIN),
            ("default.svc.cluster.local.", T::TXT, NXDOMAIN),
            (web, T::TXT, NODATA),
            (&name("in"), T::A, &format!("NOERROR | {} 30 CNAME {web}, {web} 30 A 10.96.0.10", name("in"))),
            (&name("in"), T::TXT, NODATA),
            (&name("in"), T::SRV, NODATA),
            (&name("nowhere"), T::A, NODATA),
            (&name("circle"), T::A, NODATA),
            (&name("out"), T::A, &format!("NOERROR | {} 30 CNAME www.Example.com.", name("out"))),
            ("ns.dns.cluster.local.", T::A, "NOERROR | ns.dns.cluster.local. 30 A 10.96.0.2"),
            ("NS.dns.cluster.local.", T::A, "NOERROR | NS.dns.cluster.local. 30 A 10.96.0.2"),
            ("ns.dns.Cluster.local.", T::A, "NXDOMAIN | auth SOA(Cluster.local.)"),
            ("Cluster.local.", T::NS, "NOERROR | auth SOA(Cluster.local.)"),
            (
                "cluster.local.",
                T::NS,
                "NOERROR | cluster.local. 30 NS ns.dns.cluster.local. | add ns.dns.cluster.local. 30 A 10.96.0.2",
            ),
            (&format!("foo.{pod}"), T::A, &format!("NOERROR | foo.{pod} 30 A 10.244.2.5")),
            (&format!("a.b.c.{pod}"), T::A, NXDOMAIN),
            (pod, T::SRV, &format!("NOERROR | {pod} 30 SRV 0 100 0 {pod} | add {pod} 30 A 10.244.2.5")),
            (
                "_._udp.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | _._udp.{web} 30 A 10.96.0.10"),
            ),
            (
                "_http._.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | _http._.{web} 30 A 10.96.0.10"),
            ),
            ("_sql._.web.default.svc.cluster.local.", T::A, NXDOMAIN),
        ],
    );
    let zones = zones_of(compat(), &cluster(), &[]);
    let full = sluice_dns::name::text(sluice_dns::name::reverse(ip("fd00:96::a")).wire());
    let mapped = sluice_dns::name::text(sluice_dns::name::reverse(ip("::ffff:10.96.0.10")).wire());
    for name in [format!("x.y.{full}"), mapped] {
        assert_eq!(ask(&zones, &name, T::PTR), format!("NOERROR | {name} 30 PTR {web}"));
    }
}
