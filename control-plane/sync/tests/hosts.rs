//! What DNS is told of hosts that Ingresses and Services name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_corefile::{HostKind, HostZone, Selector};
use sluice_model::{Change, DnsSettings, ExternalAddress, Settings};
use sluice_sync::desired::Desired;
use sluice_sync::object::{Exposed, Rules};

fn zone(zone: &str, kinds: &[HostKind]) -> HostZone {
    HostZone {
        zone: zone.into(),
        kinds: kinds.to_vec(),
        ingress_classes: Vec::new(),
        service_labels: Vec::new(),
    }
}

fn both() -> HostZone {
    zone("example.org", &[HostKind::Ingress, HostKind::Service])
}

fn world(exposed: Exposed) -> World {
    let rules = Rules { names: Some(exposed), ..rules() };
    let by_labels = rules.by_namespace_labels();
    let mut world = World::with(rules);
    let settings = Settings { dns: Some(DnsSettings::default()), ..configured() };
    world.desired = Desired::new(settings).by_namespace_labels(by_labels);
    world
}

fn of(hosts: &[HostZone]) -> World {
    world(Exposed { hosts: hosts.to_vec(), ..Exposed::default() })
}

/// What was told last of hosts, in their order.
fn told(world: &World) -> Vec<String> {
    let address = |address: &ExternalAddress| match address {
        ExternalAddress::Ip(ip) => ip.to_string(),
        ExternalAddress::Host(host) => host.to_string(),
    };
    let mut told: Vec<String> = world
        .told
        .iter()
        .filter_map(|change| match change {
            Change::Hosted(host) => Some(format!(
                "{} {}",
                host.name,
                host.addresses.iter().map(address).collect::<Vec<_>>().join(" ")
            )),
            Change::HostedGone(name) => Some(format!("-{name}")),
            _ => None,
        })
        .collect();
    told.sort();
    told
}

fn ingress(name: &str, more: &str, hosts: &[&str], addresses: &[&str]) -> String {
    let rules: String = hosts.iter().map(|host| format!("  - host: \"{host}\"\n")).collect();
    let entries: Vec<String> = addresses
        .iter()
        .map(|text| {
            let key = if text.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "hostname" };
            format!("{{ {key}: \"{text}\" }}")
        })
        .collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: shop{more} }}\n\
         spec:\n  ingressClassName: nginx\n  rules:\n{rules}status: {{ loadBalancer: {{ ingress: [{}] }} }}\n",
        entries.join(", ")
    )
}

fn service(name: &str, metadata: &str, spec: &str, addresses: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: shop{metadata} }}\nspec: {{ clusterIP: 10.96.1.1, \
         ports: [{{ port: 80 }}]{spec} }}\nstatus: {{ loadBalancer: {{ ingress: [{addresses}] }} }}\n"
    )
}

const BALANCED: &str = ", type: LoadBalancer";

#[test]
fn hosts_of_ingresses_are_at_the_addresses_of_their_status() {
    let mut world = of(&[both()]);
    world.write(
        "a.yaml",
        ingress(
            "a",
            "",
            &["Shop.example.org", "*.example.org", "shop.example.com", ""],
            &["192.0.2.1", "2001:db8::1"],
        ),
    );
    assert_eq!(
        told(&world),
        ["*.example.org 192.0.2.1 2001:db8::1", "shop.example.org 192.0.2.1 2001:db8::1"]
    );
    assert!(world.folder.problems().is_empty(), "{:?}", world.folder.problems());
    // Another names one of them, too.
    world.write(
        "b.yaml",
        ingress(
            "b",
            "",
            &["shop.example.org", "b.example.org"],
            &["192.0.2.2", "192.0.2.1", "lb.example.net"],
        ),
    );
    assert_eq!(
        told(&world),
        [
            "b.example.org 192.0.2.2 192.0.2.1 lb.example.net",
            "shop.example.org 192.0.2.1 2001:db8::1 192.0.2.2 lb.example.net"
        ]
    );
    // The same once more is no news.
    world.look();
    assert_eq!(told(&world), [""; 0]);
    world.remove("a.yaml");
    assert_eq!(told(&world), ["-*.example.org", "shop.example.org 192.0.2.2 192.0.2.1 lb.example.net"]);
    // Without an address there is no name.
    world.write("b.yaml", ingress("b", "", &["shop.example.org", "b.example.org"], &[]));
    assert_eq!(told(&world), ["-b.example.org", "-shop.example.org"]);
    world.write(
        "b.yaml",
        ingress("b", ", labels: { k8s-gateway.dns/ignore: \"true\" }", &["b.example.org"], &["192.0.2.1"]),
    );
    assert_eq!(told(&world), [""; 0]);
}

#[test]
fn a_host_belongs_to_one_namespace() {
    let mut world = of(&[both()]);
    let made = |year: u32| format!(", creationTimestamp: \"{year}-01-01T00:00:00Z\"");
    let other = |text: String| text.replace("namespace: shop", "namespace: aaa");
    world.write("a.yaml", ingress("a", &made(2025), &["a.example.org"], &["lb.example.net"]));
    assert_eq!(told(&world), ["a.example.org lb.example.net"]);
    world.write("b.yaml", other(ingress("b", &made(2026), &["a.example.org"], &["192.0.2.66"])));
    assert_eq!(told(&world), [""; 0], "a younger one of another namespace");
    world.write("more.yaml", ingress("more", &made(2027), &["a.example.org"], &["192.0.2.7"]));
    assert_eq!(told(&world), ["a.example.org lb.example.net 192.0.2.7"]);
    // A Service's own name is no Ingress's, however old.
    world.write("s.yaml", service("web", "", BALANCED, "{ ip: 192.0.2.9 }"));
    assert_eq!(told(&world), ["web.shop.example.org 192.0.2.9"]);
    world.write("c.yaml", other(ingress("c", &made(2020), &["web.shop.example.org"], &["192.0.2.66"])));
    assert_eq!(told(&world), [""; 0]);
    world.remove("a.yaml");
    assert_eq!(told(&world), ["a.example.org 192.0.2.66"], "the next in age");
    // Made anew under the old name it is the youngest.
    world.write("b.yaml", other(ingress("b", &made(2028), &["a.example.org"], &["192.0.2.66"])));
    assert_eq!(told(&world), ["a.example.org 192.0.2.7"]);
}

#[test]
fn what_an_object_names_is_bounded_and_what_is_left_out_is_told() {
    let mut world = of(&[both()]);
    let many: Vec<String> = (0..1500).map(|i| format!("n{i}")).collect();
    let addresses: Vec<String> = (0..70).map(|i| format!("{{ ip: 192.0.2.{i} }}")).collect();
    let noted = |names: &str| format!(", annotations: {{ coredns.io/hostname: \"{names}\" }}");
    world.write("s.yaml", service("s", &noted(&many.join(",")), BALANCED, &addresses.join(", ")));
    let all = told(&world);
    assert_eq!((all.len(), all[0].split(' ').count()), (1000, 1 + 64));
    let message = |world: &World| world.folder.problems()[0].message.clone();
    assert!(message(&world).contains("over 1000 hosts"), "{}", message(&world));
    for (names, wrong) in [("1.2.3.4.5.6.7.8.9,ok", "8 labels"), ("a_b,ok", "no name of a host")] {
        world.write("s.yaml", service("s", &noted(names), BALANCED, &addresses[0]));
        assert!(message(&world).contains(wrong), "{}", message(&world));
    }
    // Without the star it would fit.
    let (label, last) = ("x".repeat(59), "x".repeat(61));
    let long = format!("*.{label}.{label}.{label}.{last}.example.org");
    world.write("i.yaml", ingress("i", "", &[&long], &["192.0.2.1"]));
    assert!(world.folder.problems().iter().any(|it| it.message.contains("253")), "{}", long.len());
}

#[test]
fn hosts_of_services_are_named_by_annotation_or_by_the_service() {
    let mut world = of(&[both(), zone("b.example", &[HostKind::Service])]);
    let ip = "{ ip: 192.0.2.9 }";
    for (name, metadata, spec, addresses, expected) in [
        (
            "plain",
            "",
            BALANCED,
            ip,
            vec!["plain.shop.b.example 192.0.2.9", "plain.shop.example.org 192.0.2.9"],
        ),
        ("inside", "", "", ip, vec![]),
        ("waiting", "", BALANCED, "", vec![]),
        ("ignored", ", labels: { k8s-gateway.dns/ignore: \"true\" }", BALANCED, ip, vec![]),
        (
            "noted",
            ", annotations: { coredns.io/hostname: \"Noted.Example.org, x.b.example,short,a_b.example.org\", \
             external-dns.alpha.kubernetes.io/hostname: other.example.org }",
            BALANCED,
            ip,
            vec![
                "noted.example.org 192.0.2.9",
                "short.b.example 192.0.2.9",
                "short.example.org 192.0.2.9",
                "x.b.example 192.0.2.9",
            ],
        ),
        (
            "dns",
            ", annotations: { external-dns.alpha.kubernetes.io/hostname: \"*.dns.example.org\" }",
            BALANCED,
            "{ hostname: lb.example.net }",
            vec!["*.dns.example.org lb.example.net"],
        ),
        (
            "own",
            "",
            ", type: LoadBalancer, externalIPs: [203.0.113.7]",
            ip,
            vec!["own.shop.b.example 203.0.113.7", "own.shop.example.org 203.0.113.7"],
        ),
    ] {
        world.write("s.yaml", service(name, metadata, spec, addresses));
        let new: Vec<String> = told(&world).into_iter().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(new, expected, "{name}");
    }
    world.remove("s.yaml");
    assert_eq!(told(&world), ["-own.shop.b.example", "-own.shop.example.org"]);
}

#[test]
fn kinds_classes_and_labels_choose() {
    let labels = |text: &str| Selector::parse(text).unwrap();
    let chosen = HostZone {
        ingress_classes: vec!["nginx".into()],
        service_labels: vec![labels("dns=yes"), labels("tier in (a, b)")],
        ..zone("example.org", &[HostKind::Service, HostKind::Ingress])
    };
    let mut world = of(&[chosen, zone("only.example", &[HostKind::Ingress])]);
    let note = |labels: &str| {
        format!(
            ", labels: {{ {labels} }}, annotations: {{ coredns.io/hostname: \"a.example.org,a.only.example\" }}"
        )
    };
    world.write("i.yaml", ingress("i", "", &["a.example.org", "a.only.example"], &["192.0.2.1"]));
    assert_eq!(told(&world), ["a.example.org 192.0.2.1", "a.only.example 192.0.2.1"]);
    // Services go before Ingresses there.
    world.write("s.yaml", service("s", &note("tier: b"), BALANCED, "{ ip: 192.0.2.2 }"));
    assert_eq!(told(&world).first().unwrap(), "a.example.org 192.0.2.2");
    world.write("s.yaml", service("s", &note("tier: c"), BALANCED, "{ ip: 192.0.2.2 }"));
    assert_eq!(told(&world).first().unwrap(), "a.example.org 192.0.2.1");
    world.write(
        "i.yaml",
        ingress("i", "", &["a.example.org", "a.only.example"], &["192.0.2.1"]).replace("nginx", "other"),
    );
    assert_eq!(told(&world), ["-a.example.org"]);
}

#[test]
fn namespaces_without_names_have_no_hosts() {
    let labelled = Exposed {
        hosts: vec![both()],
        namespace_labels: Selector::parse("team=red").unwrap(),
        ..Exposed::default()
    };
    let mut world = world(labelled);
    world.write("i.yaml", ingress("i", "", &["a.example.org"], &["192.0.2.1"]));
    assert_eq!(told(&world), [""; 0]);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { team: red } }\n";
    world.write("n.yaml", namespace);
    assert_eq!(told(&world), ["a.example.org 192.0.2.1"]);
    world.write("n.yaml", namespace.replace("red", "blue"));
    assert_eq!(told(&world), ["-a.example.org"]);
}

#[test]
fn ingresses_are_of_no_use_where_nobody_asks_for_their_hosts() {
    let mut world = of(&[zone("example.org", &[HostKind::Service])]);
    world.write("i.yaml", ingress("i", "", &["a.example.org"], &["192.0.2.1"]));
    assert_eq!(told(&world), [""; 0]);
    assert!(world.folder.problems()[0].message.contains("of no use here"));
}

#[test]
fn what_was_told_stands_until_all_is_known_again() {
    let mut before = of(&[both()]);
    before.write("i.yaml", ingress("i", "", &["a.example.org", "b.example.org"], &["192.0.2.1"]));
    let shared = before.desired.shared();
    assert_eq!(shared.hosted.len(), 2);
    let saved = sluice_sync::state::Saved {
        hosted: shared.hosted.iter().map(|host| (**host).clone()).collect(),
        ..Default::default()
    };
    let mut after = of(&[both()]);
    let mut served = Vec::new();
    after.desired.restore(saved, |changes| served.extend_from_slice(changes));
    assert_eq!(served.iter().filter(|change| matches!(change, Change::Hosted(_))).count(), 2);
    after.write("i.yaml", ingress("i", "", &["a.example.org"], &["192.0.2.1"]));
    assert_eq!(told(&after), [""; 0]);
    after.desired.sweep();
    after.look();
    assert_eq!(told(&after), ["-b.example.org"]);
}
