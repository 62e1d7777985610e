//! Names of Services for the outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::rr::RecordType as T;
use sluice_dns::explain::{Question, Rule, Subject, explain};
use sluice_dns::{Verdict, Zones, parse, transfer};
use sluice_model::{
    Change, DnsMode, DnsSettings, EndpointGroup, ExternalAddress, NameKind, NamedService, Protocol,
    ServiceName,
};

fn at(mut service: NamedService, external: &[&str]) -> NamedService {
    service.external = external
        .iter()
        .map(|text| text.parse().map_or_else(|_| ExternalAddress::Host((*text).into()), ExternalAddress::Ip))
        .collect();
    service
}

fn services() -> Vec<NamedService> {
    let mut all = cluster();
    let ports = vec![port("http", Protocol::Tcp, 80), port("dns", Protocol::Udp, 53)];
    let balanced = |name: &str| {
        let mut service = service("default", name, NameKind::Cluster(vec![ip("10.96.0.50")]));
        service.ports = ports.clone();
        service
    };
    all.push(at(balanced("lb"), &["192.0.2.1", "2001:db8::1", "192.0.2.1"]));
    all.push(at(balanced("elb"), &["lb.example.net"]));
    all.push(at(balanced("inside"), &["web.default.svc.cluster.local"]));
    all.push(at(service("default", "portless", NameKind::Headless), &["192.0.2.7"]));
    let mut idle = balanced("idle");
    idle.endpoints = vec![EndpointGroup {
        ports: ports.clone(),
        endpoints: vec![endpoint("10.244.5.5", Some("a"), None)],
    }];
    all.push(idle);
    // In the way of the name servers.
    all.push(at(service("dns", "ns1", NameKind::Headless), &["192.0.2.66"]));
    all.push(at(service("kube-system", "kube-dns", NameKind::Cluster(vec![ip("10.96.0.2")])), &[]));
    all
}

fn outside() -> DnsSettings {
    DnsSettings {
        external_zones: external_zones(),
        service: Some(ServiceName::new("kube-system", "kube-dns")),
        ..settings()
    }
}

fn zones() -> Zones {
    zones_of(outside(), &services(), &["default", "shop", "dns", "kube-system", "bare"])
}

#[test]
fn services_have_the_addresses_they_are_reached_at() {
    let zones = zones();
    let soa = "auth SOA(example.org.)";
    for (name, kind, expected) in [
        ("lb.default.example.org.", T::A, "NOERROR | lb.default.example.org. 60 A 192.0.2.1".to_owned()),
        ("LB.default.example.org.", T::AAAA, "NOERROR | LB.default.example.org. 60 AAAA 2001:db8::1".to_owned()),
        ("lb.default.example.org.", T::TXT, format!("NOERROR | {soa}")),
        (
            "_http._tcp.lb.default.example.org.",
            T::SRV,
            "NOERROR | _http._tcp.lb.default.example.org. 60 SRV 0 33 80 lb.default.example.org. | add \
             lb.default.example.org. 60 A 192.0.2.1, lb.default.example.org. 60 AAAA 2001:db8::1"
                .to_owned(),
        ),
        ("http.tcp.lb.default.example.org.", T::A, "NOERROR | http.tcp.lb.default.example.org. 60 A 192.0.2.1".to_owned()),
        ("_tcp.lb.default.example.org.", T::A, format!("NOERROR | {soa}")),
        ("_http._udp.lb.default.example.org.", T::SRV, format!("NXDOMAIN | {soa}")),
        ("x.lb.default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("portless.default.example.org.", T::A, "NOERROR | portless.default.example.org. 60 A 192.0.2.7".to_owned()),
        ("portless.default.example.org.", T::SRV, format!("NOERROR | {soa}")),
        // Without such addresses there is no name, but in the cluster.
        ("web.default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("idle.default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("db.default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("default.example.org.", T::A, format!("NOERROR | {soa}")),
        ("bare.example.org.", T::A, format!("NOERROR | {soa}")),
        ("nope.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("svc.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("dns-version.example.org.", T::TXT, format!("NXDOMAIN | {soa}")),
        ("lb.default.svc.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        // Names of the zone's own.
        ("dns.example.org.", T::A, format!("NOERROR | {soa}")),
        ("ns1.dns.example.org.", T::A, "NOERROR | ns1.dns.example.org. 60 A 10.96.0.2".to_owned()),
        ("x.dns.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        (
            "example.org.",
            T::NS,
            "NOERROR | example.org. 60 NS ns1.dns.example.org. | add ns1.dns.example.org. 60 A 10.96.0.2".to_owned(),
        ),
        ("example.org.", T::MX, format!("NOERROR | {soa}")),
        (
            "Example.org.",
            T::SOA,
            "NOERROR | Example.org. 60 SOA ns1.dns.Example.org. hostmaster.dns.Example.org. 7 7200 1800 86400 60".to_owned(),
        ),
        // With endpoints.
        ("db.default.b.example.", T::AAAA, "NOERROR | db.default.b.example. 60 AAAA fd00:244::7".to_owned()),
        ("db-1.db.default.b.example.", T::A, "NOERROR | db-1.db.default.b.example. 60 A 10.244.2.7".to_owned()),
        ("a.idle.default.b.example.", T::A, "NOERROR | a.idle.default.b.example. 60 A 10.244.5.5".to_owned()),
        ("idle.default.b.example.", T::A, "NOERROR | auth SOA(b.example.)".to_owned()),
        ("a.b.example.", T::A, "NOERROR | auth SOA(b.example.)".to_owned()),
        ("ns1.s0.a.b.example.", T::A, "NOERROR | ns1.s0.a.b.example. 60 A 10.96.0.2".to_owned()),
    ] {
        assert_eq!(ask(&zones, name, kind), expected, "{name} {kind}");
    }
    // The cluster's own SOA record is another, and its names are there still.
    assert!(ask(&zones, "nope.default.svc.cluster.local.", T::A).contains("SOA(cluster.local.)"));
    assert!(ask(&zones, "lb.default.svc.cluster.local.", T::A).contains("10.96.0.50"));
    // CoreDNS's defects are those of the cluster's zones.
    let compat = zones_of(DnsSettings { mode: DnsMode::Compat, ..outside() }, &services(), &["default"]);
    assert_eq!(ask(&compat, "_tcp.lb.default.example.org.", T::A), format!("NOERROR | {soa}"));
    assert_eq!(ask(&compat, "nope.example.org.", T::SOA), format!("NXDOMAIN | {soa}"));
}

#[test]
fn a_name_of_a_load_balancer_is_an_alias() {
    let settings = DnsSettings { forward: true, ..outside() };
    let zones = zones_of(settings, &services(), &[]);
    let forwarded = raw(&zones, &query("elb.default.example.org.", T::A).to_vec().unwrap(), ASKED);
    assert_eq!(forwarded, Err(Verdict::Forward));
    assert_eq!(
        ask(&zones, "elb.default.example.org.", T::CNAME),
        "NOERROR | elb.default.example.org. 60 CNAME lb.example.net."
    );
    assert_eq!(
        ask(&zones, "_dns._udp.elb.default.example.org.", T::SRV),
        "NOERROR | _dns._udp.elb.default.example.org. 60 SRV 0 100 53 lb.example.net."
    );
    assert_eq!(
        ask(&zones, "inside.default.example.org.", T::A),
        "NOERROR | inside.default.example.org. 60 CNAME web.default.svc.cluster.local., \
         web.default.svc.cluster.local. 30 A 10.96.0.10"
    );
}

#[test]
fn the_name_server_has_the_addresses_that_the_service_in_front_has_outside() {
    let mut catalog = catalog_of(outside(), &services(), &[]);
    let shown = |catalog: &sluice_dns::Catalog| ask(&catalog.zones(), "example.org.", T::NS);
    assert!(shown(&catalog).ends_with("add ns1.dns.example.org. 60 A 10.96.0.2"));
    let front = service("kube-system", "kube-dns", NameKind::Cluster(vec![ip("10.96.0.2")]));
    let moved = at(front.clone(), &["203.0.113.5", "2001:db8::5"]);
    catalog.apply(&Change::Named(moved));
    assert!(
        shown(&catalog)
            .ends_with("add ns1.dns.example.org. 60 A 203.0.113.5, ns1.dns.example.org. 60 AAAA 2001:db8::5")
    );
    catalog.apply(&Change::NamedGone(front.name));
    assert!(shown(&catalog).ends_with("add ns1.dns.example.org. 60 A 10.96.0.2"));
}

#[test]
fn unknown_names_may_fall_through_and_the_zone_may_be_transferred() {
    let settings = DnsSettings { forward: true, fallthrough: vec!["example.org".into()], ..outside() };
    let zones = zones_of(settings, &services(), &["default"]);
    let verdict = |name: &str| raw(&zones, &query(name, T::A).to_vec().unwrap(), ASKED).map(|_| ());
    assert_eq!(verdict("nope.default.example.org."), Err(Verdict::Forward));
    assert_eq!(verdict("default.example.org."), Ok(()));
    assert_eq!(verdict("nope.default.b.example."), Ok(()));
    let bytes = query("example.org.", T::AXFR).to_vec().unwrap();
    let parsed = parse(&bytes).unwrap();
    let messages: Vec<Vec<u8>> = transfer(&zones, &parsed, &bytes, None, ASKED.client).unwrap().collect();
    let records: Vec<_> = messages
        .iter()
        .flat_map(|message| hickory_proto::op::Message::from_vec(message).unwrap().answers)
        .collect();
    assert_eq!(records.first(), records.last());
    assert!(
        records
            .first()
            .unwrap()
            .data
            .to_string()
            .starts_with("ns1.dns.example.org. hostmaster.dns.example.org. 7 ")
    );
    let text: Vec<String> =
        records.iter().map(|r| format!("{} {} {}", r.name, r.record_type(), r.data)).collect();
    for expected in ["example.org. NS ns1.dns.example.org.", "lb.default.example.org. A 192.0.2.1"] {
        assert!(text.iter().any(|line| line == expected), "{expected}: {text:#?}");
    }
    assert!(text.iter().all(|line| !line.contains("cluster.local") || line.contains("inside.")));
}

#[test]
fn explanations_name_the_service() {
    let zones = zones();
    let question = Question {
        name: "_http._tcp.lb.default.example.org".into(),
        kind: u16::from(T::SRV),
        client: None,
        server: None,
    };
    let explained = explain(&zones, &question).unwrap();
    assert_eq!(
        explained.subject,
        Subject::Service { service: "default/lb".into(), part: Some("_http._tcp".into()) }
    );
    assert_eq!((explained.rule, explained.zone.as_deref()), (Rule::Records, Some("example.org.")));
    assert!(zones.counts().iter().any(|(zone, names)| zone == "example.org" && *names > 5));
}
