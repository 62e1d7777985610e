//! What is answered to whom: each row of the tables that `docs/dns.md` describes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType as T;
use sluice_dns::Verdict;
use sluice_model::{DnsSettings, NameKind, NamedPod, PodNames, ServiceName};

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
        sluice_model::Change::Pod(NamedPod {
            name: ServiceName::new("default", name),
            addresses,
            named: true,
            client: false,
        })
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
fn how_long_nothing_is_believed() {
    let given = DnsSettings { negative_ttl: Some(2), ..settings() };
    let zones = zones_of(given, &cluster(), &["default"]);
    let negatives = [
        ("none.default.svc.cluster.local.", T::A),
        ("web.default.svc.cluster.local.", T::TXT),
        ("9.9.9.9.in-addr.arpa.", T::PTR),
    ];
    for (name, kind) in negatives {
        let reply = ask_message(&zones, &query(name, kind));
        let soa = &reply.authorities[0];
        assert_eq!(soa.ttl, 2, "{name}");
        assert!(soa.data.to_string().ends_with(" 2"), "{name}: {}", soa.data);
    }
    let reply = ask_message(&zones, &query("web.default.svc.cluster.local.", T::A));
    assert_eq!(reply.answers[0].ttl, 30);
}
