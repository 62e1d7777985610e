//! `dns.addresses` with clients of their own, and what holds where the public may ask.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::path::Path;

use ipnet::IpNet;
use sluice_config::{Config, ConfigError};
use sluice_model::{DnsAddress, DnsSettings};

const GOOD: &str = "node: edge-1
dataplane:
  lcores: [1]
  ports:
    - { name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }
source: { manifests: m/ }
";
const OUTER: &str = "203.0.113.53";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{GOOD}{text}"), Path::new("/etc/sluice/sluice.yaml"))
}

fn dns(keys: &str) -> DnsSettings {
    parse(&format!("dns:\n{keys}")).unwrap_or_else(|error| panic!("{error}")).settings.dns.unwrap()
}

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

#[test]
fn an_address_is_plain_or_has_clients_of_its_own() {
    let given = dns("  clients: [10.0.0.0/8]
  addresses:
    - 10.96.0.10
    - { address: 203.0.113.53, clients: [10.9.0.0/16] }
    - address: \"[fd00::53]:53\"
      recursion: false
    - { address: 203.0.113.54, clients: [0.0.0.0/0], recursion: true }
    - fd00::54
");
    let listen: Vec<String> = given.listen.iter().map(ToString::to_string).collect();
    let expected = ["10.96.0.10:53", "203.0.113.53:53", "[fd00::53]:53", "203.0.113.54:53", "[fd00::54]:53"];
    assert_eq!(listen, expected);
    let own = |address: &str, clients: Option<&[&str]>, recursion: Option<&[&str]>| DnsAddress {
        address: address.parse().unwrap(),
        clients: clients.map(nets),
        recursion: recursion.map(nets),
        cluster_zones: None,
    };
    let expected = [
        own(OUTER, Some(&["10.9.0.0/16"]), None),
        own("fd00::53", None, Some(&[])),
        own("203.0.113.54", Some(&["0.0.0.0/0"]), Some(&["0.0.0.0/0", "::/0"])),
    ];
    assert_eq!((given.clients, &given.addresses[..]), (nets(&["10.0.0.0/8"]), &expected[..]));
    assert_eq!((given.rate_limit.unwrap().per_second, given.recursion), (50, None));
}

#[test]
fn others_need_clients_only_where_there_are_others() {
    const SECURED: &str = "]\n  tls: { addresses: [203.0.113.54], certificate: tls.crt, key: tls.key }\n";
    let own = "  addresses: [{ address: 203.0.113.53, clients: [10.9.0.0/16] }";
    assert_eq!(dns(&format!("{own}]\n")).clients, nets(&["10.9.0.0/16"]));
    for more in
        [", 203.0.113.54]\n", "]\n  service: kube-system/kube-dns\n", "]\n  corefile: Corefile\n", SECURED]
    {
        let error = parse(&format!("dns:\n{own}{more}")).unwrap_err().to_string();
        assert!(error.contains("dns.clients"), "{more}: {error}");
    }
}

#[test]
fn mistakes_are_named() {
    for (entry, expected) in [
        ("{ clients: [10.0.0.0/8] }", "dns.addresses[0].address"),
        ("{ address: x }", "dns.addresses[0]"),
        ("{ address: 203.0.113.53, clients: [] }", "dns.addresses[0].clients"),
        ("{ address: 203.0.113.53, clients: [10.0.0.0/8, 10.0.0.1/8] }", "dns.addresses[0].clients[1]"),
        ("{ address: 203.0.113.53, client: [10.0.0.0/8] }", "`client`"),
        ("{ address: 203.0.113.53, recursion: maybe }", "maybe"),
        ("{ address: 203.0.113.53, cluster_zones: 7 }", "7"),
        ("203.0.113.53, { address: 203.0.113.53 }", "stands here twice"),
        ("203.0.113.53, { address: \"203.0.113.54:54\" }", "one port"),
        (
            "[203.0.113.53]",
            "an address, or a mapping of `address`, `clients`, `recursion` and `cluster_zones`",
        ),
    ] {
        let text = format!("dns:\n  clients: [10.0.0.0/8]\n  addresses: [{entry}]\n");
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(":9:"), "{entry}: {error}");
    }
}

#[test]
fn the_public_is_limited_and_gets_no_recursion_for_want_of_a_word() {
    let outside = "  external_zones: [{ zone: example.org }]\n  upstreams: [192.0.2.99]\n";
    let cluster = "services: { cluster_cidrs: [198.51.100.0/24] }\n";
    let dns = |keys: &str| parse(&format!("{cluster}dns:\n{keys}")).unwrap().settings.dns.unwrap();
    // Nobody but the cluster, and everybody where names are for the cluster.
    for keys in [
        format!("  addresses: [203.0.113.53]\n{outside}"),
        "  addresses: [203.0.113.53]\n  clients: [0.0.0.0/0]\n  upstreams: [192.0.2.99]\n".to_owned(),
    ] {
        let given = dns(&keys);
        assert_eq!((given.rate_limit, given.recursion), (None, None), "{keys}");
    }
    let at = OUTER.parse().unwrap();
    let open = "  addresses: [10.96.0.10, { address: 203.0.113.53, clients: [0.0.0.0/0] }]\n";
    for (addresses, is_own) in [(open, true), ("  clients: [\"::/0\"]\n  addresses: [203.0.113.53]\n", false)]
    {
        let given = dns(&format!("{addresses}{outside}"));
        let limit = given.rate_limit.clone().unwrap();
        assert_eq!((limit.per_second, limit.slip), (50, 2));
        assert_eq!(given.recursion_at(at), Some(if is_own { &[][..] } else { &*limit.exempt }));
        assert!(nets(&["198.51.100.0/24", "10.0.0.0/8"]).iter().all(|net| limit.exempt.contains(net)));
    }
    let said =
        dns(&format!("  clients: [0.0.0.0/0]\n  addresses: [203.0.113.53]\n  recursion: true\n{outside}"));
    assert_eq!(said.recursion_at(at), Some(&*nets(&["0.0.0.0/0", "::/0"])));
    assert_eq!(dns("  addresses: [10.96.0.10]\n  recursion: false\n").recursion, Some(vec![]));
    let inner = dns(&format!("{open}{outside}"));
    assert_eq!(inner.recursion_at("10.96.0.10".parse().unwrap()), None);
    let said = dns(&format!("{open}{outside}  rate_limit: {{ per_second: 7 }}\n")).rate_limit.unwrap();
    assert_eq!((said.per_second, said.exempt), (7, vec![]));
}

#[test]
fn names_of_the_cluster_are_not_for_the_public_unless_that_is_said() {
    let outside = "  external_zones: [{ zone: example.org }]\n";
    let (outer, inner) = (OUTER.parse().unwrap(), "10.96.0.10".parse().unwrap());
    let everybody = nets(&["0.0.0.0/0", "::/0"]);
    let at = |key: &str, more: &str| {
        let own = format!("{{ address: {OUTER}, clients: [0.0.0.0/0]{key} }}");
        dns(&format!("  clients: [10.0.0.0/8]\n  addresses: [10.96.0.10, {own}]\n{outside}{more}"))
    };
    let given = at("", "");
    assert_eq!((given.cluster_zones_at(outer), given.cluster_zones_at(inner)), (Some(&[][..]), None));
    let given = at(", cluster_zones: true", "");
    assert_eq!(given.cluster_zones_at(outer), Some(&*everybody));
    let given = at("", "  cluster_zones: true\n");
    assert_eq!([outer, inner].map(|at| given.cluster_zones_at(at)), [Some(&*everybody); 2]);
    let given = at(", cluster_zones: true", "  cluster_zones: false\n");
    assert!(!given.is_outer(outer) && given.is_outer(inner));
    // A private address may be without, too.
    let own = "  addresses: [10.96.0.10, { address: 203.0.113.53, cluster_zones: false }]\n";
    let given = dns(&format!("  clients: [10.0.0.0/8]\n{own}"));
    assert_eq!((given.is_outer(outer), given.is_outer(inner)), (true, false));
    // One address for all.
    let all = "  clients: [0.0.0.0/0]\n  addresses: [203.0.113.53]\n";
    let given = dns(&format!("{all}{outside}"));
    assert_eq!(given.cluster_zones, given.recursion);
    assert!(given.cluster_zones.unwrap().contains(&"10.0.0.0/8".parse().unwrap()));
    assert_eq!(dns(all).cluster_zones, None);
    assert_eq!(dns(&format!("{all}{outside}  cluster_zones: true\n")).cluster_zones, Some(everybody));
}
