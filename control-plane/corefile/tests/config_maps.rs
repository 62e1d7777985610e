//! ConfigMaps of CoreDNS and of kube-dns.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use common::*;
use sluice_corefile::Options;
use sluice_corefile::config_map::{ConfigMap, ConfigMapError};
use sluice_corefile::plugins::Upstream;

const K3S: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns
  namespace: kube-system
data:
  Corefile: |
    .:53 {
        kubernetes cluster.local
        hosts /etc/coredns/NodeHosts {
          10.0.0.9 written.example
          fallthrough
        }
        import /etc/coredns/custom/*.override
        file /etc/coredns/zone.db example.org
    }
    import /etc/coredns/custom/*.server
  NodeHosts: |
    10.0.0.1 node-1 # the first
    fd00::2 node-2 node-2.example
    nonsense
  zone.db: |
    @ SOA a b 1 2 3 4 5
";

#[test]
fn keys_are_the_files_that_the_corefile_names() {
    assert!(ConfigMap::is_manifest(K3S) && !ConfigMap::is_manifest(". {\n}\n"));
    let map = ConfigMap::read(K3S).unwrap();
    let custom = ConfigMap {
        name: "coredns-custom".to_owned(),
        data: [("a.override", "log"), ("b.server", "x.example { \n forward . 192.0.2.1\n}\n")]
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into(),
    };
    let imported = map.import(Some(&custom), &Options::default()).unwrap();
    assert_written(&imported.corefile);
    let [cluster, _] = imported.corefile.servers.as_slice() else { panic!("{}", imported.corefile) };
    assert!(names(cluster).contains(&"log"));
    let hosts = plugin!(cluster, Hosts);
    assert_eq!(hosts.path, None);
    let addresses: Vec<String> = hosts.inline.iter().map(|host| host.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "fd00::2", "10.0.0.9"]);
    assert_eq!(hosts.inline[1].names.len(), 2);
    let warnings: Vec<String> = imported.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "/etc/coredns/Corefile:8: warning: the zone file `/etc/coredns/zone.db` is a key of the ConfigMap; it has to be \
          put on a disk"
        ]
    );
}

#[test]
fn problems_name_the_key_that_they_are_in() {
    let map = ConfigMap {
        name: "coredns".to_owned(),
        data: [("Corefile", ".:53 {\n import custom/*.override\n}\n"), ("a", "")]
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into(),
    };
    let custom = ConfigMap {
        name: "coredns-custom".to_owned(),
        data: [("x.override".to_owned(), "log\nfowrard . 1.1.1.1\n".to_owned())].into(),
    };
    let problems = map.import(Some(&custom), &Options::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/etc/coredns/custom/x.override:2: there is no plugin `fowrard`; did you mean `forward`?"
    );
}

fn kube_dns(stubs: &str, upstreams: &str) -> ConfigMap {
    let data = [("stubDomains", stubs), ("upstreamNameservers", upstreams)];
    let data = data.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    ConfigMap { name: "kube-dns".to_owned(), data }
}

#[test]
fn kube_dns_stub_domains_and_upstreams_become_servers() {
    let map = kube_dns(r#"{"acme.local": ["1.2.3.4", "10.0.0.5:5353"]}"#, r#"["8.8.8.8", "8.8.4.4"]"#);
    let imported = map.import(None, &Options::default()).unwrap();
    assert!(imported.warnings.is_empty());
    assert_written(&imported.corefile);
    let [cluster, acme] = imported.corefile.servers.as_slice() else { panic!("{}", imported.corefile) };
    let servers =
        |texts: &[&str]| texts.iter().map(|text| Upstream::parse(text).unwrap()).collect::<Vec<_>>();
    assert_eq!(plugin!(cluster, Forward).to, servers(&["8.8.8.8", "8.8.4.4"]));
    assert_eq!(plugin!(acme, Forward).to, servers(&["1.2.3.4", "10.0.0.5:5353"]));
    assert_eq!(acme.listeners[0].to_string(), "acme.local:53");
    let zones: Vec<String> = plugin!(cluster, Kubernetes).zones.iter().map(ToString::to_string).collect();
    assert_eq!(zones, ["cluster.local", "in-addr.arpa", "ip6.arpa"]);
    let none = ConfigMap { name: "kube-dns".to_owned(), ..ConfigMap::default() };
    let imported = none.import(None, &Options::default()).unwrap();
    assert_eq!(plugin!(server(&imported.corefile), Forward).to, servers(&["/etc/resolv.conf"]));
}

#[test]
fn all_that_is_wrong_in_kube_dns_is_told() {
    let map = kube_dns(
        "{\n \"a..b\": [\"1.2.3.4\"], \"c\": [\"/etc/hosts\"], \"d\": []}",
        "[\"tls://1.1.1.1\", 3]",
    );
    let problems = map.import(None, &Options::default()).unwrap_err().to_string();
    for expected in [
        "kube-dns/upstreamNameservers:1: ",
        "`a..b` is no domain name",
        "`/etc/hosts` is no address",
        "`d` names nobody",
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
}

#[test]
fn other_objects_are_refused() {
    assert_eq!(ConfigMap::read("kind: Secret\n"), Err(ConfigMapError::Kind("Secret".to_owned())));
    assert!(matches!(ConfigMap::read("kind: [\n"), Err(ConfigMapError::Syntax(_))));
    let json = r#"{"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"key": "text"}}"#;
    let problems = ConfigMap::read(json).unwrap().import(None, &Options::default()).unwrap_err();
    assert!(problems.to_string().contains("there is neither `Corefile`"), "{problems}");
}
