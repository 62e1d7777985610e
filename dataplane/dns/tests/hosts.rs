//! Domains whose names are hosts of Ingresses and Services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::rr::RecordType as T;
use sluice_dns::explain::{Question, Rule, Subject, explain};
use sluice_dns::{Catalog, Verdict, Zones};
use sluice_model::{
    Change, DnsSettings, ExternalAddress, ExternalZone, NameKind, NamedHost, ServiceName, Settings,
};

fn host(name: &str, addresses: &[&str]) -> NamedHost {
    let address = |text: &&str| {
        text.parse().map_or_else(|_| ExternalAddress::Host((*text).into()), ExternalAddress::Ip)
    };
    NamedHost { name: name.into(), addresses: addresses.iter().map(address).collect() }
}

fn outside() -> DnsSettings {
    let zone = ExternalZone {
        zone: "example.org".into(),
        ttl: 60,
        apex: "dns1.kube-system".into(),
        headless: false,
        hosts: true,
        secondary: Some("dns2.kube-system".into()),
    };
    let [other, _] = <[ExternalZone; 2]>::try_from(external_zones()).unwrap();
    let other = ExternalZone { zone: "services.example".into(), ..other };
    DnsSettings {
        external_zones: vec![zone, other],
        service: Some(ServiceName::new("kube-system", "kube-dns")),
        ..settings()
    }
}

fn catalog() -> Catalog {
    let mut lb = service("default", "lb", NameKind::Cluster(vec![ip("10.96.0.50")]));
    lb.external = vec![ExternalAddress::Ip(ip("192.0.2.1"))];
    let mut catalog = catalog_of(outside(), &[lb], &["default"]);
    for host in [
        host("shop.example.org", &["192.0.2.7", "2001:db8::7"]),
        host("a.b.c.example.org", &["192.0.2.8"]),
        host("*.wild.example.org", &["192.0.2.9"]),
        host("elb.example.org", &["lb.example.net"]),
        host("*.in.example.org", &["shop.example.org"]),
        host("dns2.kube-system.example.org", &["192.0.2.53"]),
        host("deep.dns1.kube-system.example.org", &["192.0.2.66"]),
        host("elsewhere.example.com", &["192.0.2.67"]),
    ] {
        catalog.apply(&Change::Hosted(host));
    }
    catalog
}

#[test]
fn hosts_have_the_addresses_that_they_are_reached_at() {
    let zones = catalog().zones();
    let soa = "auth SOA(example.org.)";
    for (name, kind, expected) in [
        ("shop.example.org.", T::A, "NOERROR | shop.example.org. 60 A 192.0.2.7".to_owned()),
        ("Shop.Example.org.", T::AAAA, "NOERROR | Shop.Example.org. 60 AAAA 2001:db8::7".to_owned()),
        ("shop.example.org.", T::TXT, format!("NOERROR | {soa}")),
        ("x.shop.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("a.b.c.example.org.", T::A, "NOERROR | a.b.c.example.org. 60 A 192.0.2.8".to_owned()),
        ("a.b.c.example.org.", T::AAAA, format!("NOERROR | {soa}")),
        // Names above others (RFC 8020).
        ("b.c.example.org.", T::A, format!("NOERROR | {soa}")),
        ("c.example.org.", T::A, format!("NOERROR | {soa}")),
        ("wild.example.org.", T::A, format!("NOERROR | {soa}")),
        ("kube-system.example.org.", T::A, format!("NOERROR | {soa}")),
        ("nope.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        // A star is one label.
        ("Any.wild.example.org.", T::A, "NOERROR | Any.wild.example.org. 60 A 192.0.2.9".to_owned()),
        ("any.wild.example.org.", T::AAAA, format!("NOERROR | {soa}")),
        ("one.two.wild.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        (
            "x.in.example.org.",
            T::A,
            "NOERROR | x.in.example.org. 60 CNAME shop.example.org., shop.example.org. 60 A 192.0.2.7"
                .to_owned(),
        ),
        ("elb.example.org.", T::CNAME, "NOERROR | elb.example.org. 60 CNAME lb.example.net.".to_owned()),
        // Services have names elsewhere.
        ("lb.default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        ("default.example.org.", T::A, format!("NXDOMAIN | {soa}")),
        (
            "lb.default.services.example.",
            T::A,
            "NOERROR | lb.default.services.example. 60 A 192.0.2.1".to_owned(),
        ),
        // The zone's own.
        (
            "example.org.",
            T::NS,
            "NOERROR | example.org. 60 NS dns1.kube-system.example.org., example.org. 60 NS \
             dns2.kube-system.example.org. | add dns1.kube-system.example.org. 60 A 10.96.0.2, \
             dns2.kube-system.example.org. 60 A 192.0.2.53"
                .to_owned(),
        ),
        (
            "example.org.",
            T::SOA,
            "NOERROR | example.org. 60 SOA dns1.kube-system.example.org. \
             hostmaster.dns1.kube-system.example.org. 7 7200 1800 86400 60"
                .to_owned(),
        ),
        ("example.org.", T::A, format!("NOERROR | {soa}")),
        (
            "dns1.kube-system.example.org.",
            T::A,
            "NOERROR | dns1.kube-system.example.org. 60 A 10.96.0.2".to_owned(),
        ),
        ("deep.dns1.kube-system.example.org.", T::A, format!("NXDOMAIN | {soa}")),
    ] {
        assert_eq!(ask(&zones, name, kind), expected, "{name} {kind}");
    }
    // Whoever asks for the end of an alias asks a resolver.
    let forwarding = Change::Settings(Settings {
        dns: Some(DnsSettings { forward: true, ..outside() }),
        ..Settings::default()
    });
    let mut catalog = catalog();
    catalog.apply(&forwarding);
    catalog.apply(&Change::Hosted(host("*.far.example.org", &["lb.example.net"])));
    for name in ["elb.example.org.", "x.far.example.org."] {
        let asked = raw(&catalog.zones(), &query(name, T::A).to_vec().unwrap(), ASKED);
        assert_eq!(asked, Err(Verdict::Forward), "{name}");
    }
}

#[test]
fn a_change_costs_its_names_and_leaves_none_behind() {
    let mut catalog = catalog();
    let names = |zones: &Zones| {
        let mut names: Vec<String> = zones.nodes().map(|node| format!("{node:?}")).collect();
        names.sort();
        names
    };
    let before = names(&catalog.zones());
    let soa = "auth SOA(example.org.)";
    for name in ["x.y.example.org", "y.example.org", "*.y.example.org", "example.org"] {
        catalog.apply(&Change::Hosted(host(name, &["192.0.2.20"])));
    }
    let asked = |catalog: &Catalog, name: &str| ask(&catalog.zones(), name, T::A);
    assert_eq!(asked(&catalog, "example.org."), "NOERROR | example.org. 60 A 192.0.2.20");
    catalog.apply(&Change::HostedGone("y.example.org".into()));
    assert_eq!(asked(&catalog, "y.example.org."), format!("NOERROR | {soa}"));
    catalog.apply(&Change::HostedGone("x.y.example.org".into()));
    assert_eq!(asked(&catalog, "x.y.example.org."), "NOERROR | x.y.example.org. 60 A 192.0.2.20");
    catalog.apply(&Change::HostedGone("*.y.example.org".into()));
    assert_eq!(asked(&catalog, "y.example.org."), format!("NXDOMAIN | {soa}"));
    catalog.apply(&Change::HostedGone("example.org".into()));
    catalog.apply(&Change::HostedGone("never.example.org".into()));
    assert_eq!(names(&catalog.zones()), before);
    // The name server's own host counts before the addresses that queries are answered on.
    let own = "dns1.kube-system.example.org";
    catalog.apply(&Change::Hosted(host(own, &["203.0.113.5"])));
    assert!(
        ask(&catalog.zones(), "example.org.", T::NS)
            .contains("dns1.kube-system.example.org. 60 A 203.0.113.5")
    );
    catalog.apply(&Change::HostedGone(own.into()));
    assert_eq!(names(&catalog.zones()), before);
    // So does what the Service in front is reached at.
    let mut front = service("kube-system", "kube-dns", NameKind::Cluster(vec![ip("10.96.0.2")]));
    front.external = vec![ExternalAddress::Ip(ip("203.0.113.6"))];
    catalog.apply(&Change::Named(front));
    assert!(ask(&catalog.zones(), "dns1.kube-system.example.org.", T::A).ends_with("60 A 203.0.113.6"));
    // Other settings, and the same again.
    let settings = |dns| Change::Settings(Settings { dns: Some(dns), ..Settings::default() });
    catalog.apply(&Change::NamedGone(ServiceName::new("kube-system", "kube-dns")));
    catalog.apply(&settings(DnsSettings { ttl: 9, external_zones: Vec::new(), ..outside() }));
    assert!(ask(&catalog.zones(), "shop.example.org.", T::A).starts_with("REFUSED"));
    catalog.apply(&settings(outside()));
    assert_eq!(names(&catalog.zones()), before);
}

#[test]
fn unknown_hosts_may_fall_through_but_those_of_a_star_do_not() {
    let mut catalog = catalog();
    catalog.apply(&Change::Settings(Settings {
        dns: Some(DnsSettings { forward: true, fallthrough: vec!["example.org".into()], ..outside() }),
        ..Settings::default()
    }));
    let zones = catalog.zones();
    let verdict = |name: &str| raw(&zones, &query(name, T::A).to_vec().unwrap(), ASKED).map(|_| ());
    assert_eq!(verdict("nope.example.org."), Err(Verdict::Forward));
    assert_eq!(verdict("any.wild.example.org."), Ok(()));
    assert_eq!(verdict("c.example.org."), Ok(()));
}

#[test]
fn explanations_name_the_host() {
    let zones = catalog().zones();
    let explained = |name: &str| {
        let explained = explain(
            &zones,
            &Question { name: name.into(), kind: u16::from(T::A), client: None, server: None },
        )
        .unwrap();
        (explained.subject, explained.rule)
    };
    let host = |host: &str| Subject::Host { host: host.into() };
    assert_eq!(explained("Shop.example.org"), (host("shop.example.org"), Rule::Records));
    assert_eq!(explained("x.wild.example.org"), (host("x.wild.example.org"), Rule::Wildcard));
    assert_eq!(explained("nope.example.org"), (host("nope.example.org"), Rule::Missing));
    assert_eq!(explained("example.org").0, Subject::Zone);
}

#[test]
fn a_star_that_leads_out_is_told_alone_where_nobody_is_asked() {
    for (recursion, expected) in [(Some(vec![]), Ok((0, 1))), (None, Err(Verdict::Forward))] {
        let settings = DnsSettings { forward: true, recursion, ..outside() };
        let mut catalog = catalog_of(settings, &[], &["default"]);
        catalog.apply(&Change::Hosted(host("*.far.example.org", &["lb.example.net"])));
        let bytes = query("x.far.example.org.", T::A).to_vec().unwrap();
        let reply = raw(&catalog.zones(), &bytes, ASKED).map(|reply| (reply[3] & 15, reply[7]));
        assert_eq!(reply, expected);
    }
}
