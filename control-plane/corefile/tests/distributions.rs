//! The Corefiles that distributions of Kubernetes come with.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::*;
use sluice_corefile::plugins::{Keep, LogClass, Policy};
use sluice_corefile::{Imported, MemoryFiles, Options, Pillars, Zone, parse};

macro_rules! corefile {
    ($name:literal) => {
        include_str!(concat!("corefiles/", $name, ".Corefile"))
    };
}

fn zone(text: &str) -> Zone {
    Zone::parse(text).unwrap()
}

/// Reads a Corefile that lies in `/etc/coredns` beside these files.
fn mounted(text: &str, files: &[(&str, &str)]) -> Imported {
    let files = files.iter().map(|(name, text)| (format!("/etc/coredns/{name}"), text.as_bytes().to_vec()));
    let files = MemoryFiles(files.collect::<BTreeMap<_, _>>());
    parse("/etc/coredns/Corefile", text.as_bytes(), &files, &Options::default())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn kubeadm() {
    let corefile = clean(corefile!("kubeadm"));
    let server = server(&corefile);
    assert_eq!(
        names(server),
        [
            "reload",
            "ready",
            "health",
            "prometheus",
            "errors",
            "loadbalance",
            "cache",
            "kubernetes",
            "loop",
            "forward"
        ]
    );
    assert_eq!(plugin!(server, Health).lameduck, Duration::from_secs(5));
    assert_eq!(plugin!(server, Prometheus).listen.to_string(), ":9153");
    assert_eq!(plugin!(server, Forward).max_concurrent, 1000);
    let cache = plugin!(server, Cache);
    let keep = Keep { capacity: 10_000, most: 30, least: 5, except: vec![zone("cluster.local")] };
    assert_eq!((cache.success, cache.denial), (keep.clone(), keep));
    assert_eq!(cache.zones, [Zone::root()]);
}

#[test]
fn k3s_with_node_hosts_and_custom_files() {
    let none = mounted(corefile!("k3s"), &[]);
    let warnings: Vec<String> = none.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "/etc/coredns/Corefile:19: warning: no file matches `/etc/coredns/custom/*.override`",
            "/etc/coredns/Corefile:22: warning: no file matches `/etc/coredns/custom/*.server`",
        ]
    );
    assert_eq!(plugin!(server(&none.corefile), Hosts).path.as_deref(), Some("/etc/coredns/NodeHosts"));
    let custom = mounted(
        corefile!("k3s"),
        &[("custom/a.override", "log"), ("custom/b.server", "shop.example:53 {\n forward . 192.0.2.7\n}\n")],
    );
    assert!(custom.warnings.is_empty());
    assert_written(&custom.corefile);
    let [cluster, shop] = custom.corefile.servers.as_slice() else { panic!("{}", custom.corefile) };
    assert!(names(cluster).contains(&"log"));
    assert_eq!(shop.zones(), [zone("shop.example")]);
    assert_eq!((&*shop.place.file, shop.place.line), ("/etc/coredns/custom/b.server", 1));
}

#[test]
fn aks_with_relative_imports_and_templates() {
    let files = [
        ("custom/log.override", "log\n"),
        (
            "custom/test.server",
            "contoso.example:53 {\n    errors\n    cache 15\n    forward . 192.0.2.10\n}\n",
        ),
        ("custom/unused.txt", "}"),
    ];
    let imported = mounted(corefile!("aks"), &files);
    assert!(imported.warnings.is_empty(), "{}", imported.warnings);
    assert_written(&imported.corefile);
    let [cluster, contoso] = imported.corefile.servers.as_slice() else { panic!("{}", imported.corefile) };
    assert_eq!(names(cluster).iter().filter(|name| **name == "template").count(), 2);
    assert_eq!(plugin!(contoso, Cache).success.most, 15);
    assert_eq!(plugin!(contoso, Cache).zones, [zone("contoso.example")]);
}

#[test]
fn openshift() {
    let corefile = clean(corefile!("openshift"));
    let [example, cluster, hostname] = corefile.servers.as_slice() else { panic!("{corefile}") };
    assert_eq!(example.listeners[0].to_string(), "example.com:5353");
    assert_eq!(plugin!(cluster, Forward).policy, Policy::Sequential);
    assert_eq!(plugin!(cluster, Log).classes, [LogClass::Error]);
    let cache = plugin!(cluster, Cache);
    assert_eq!((cache.success.most, cache.denial.most, cache.denial.capacity), (900, 30, 9984));
    assert_eq!(plugin!(cluster, Bufsize).octets, 1232);
    assert_eq!(names(hostname), ["chaos"]);
}

#[test]
fn minikube() {
    let corefile = clean(corefile!("minikube"));
    let hosts = plugin!(server(&corefile), Hosts);
    assert_eq!(hosts.inline[0].address.to_string(), "192.168.49.1");
    assert_eq!(hosts.inline[0].names, [zone("host.minikube.internal")]);
    assert_eq!(hosts.fallthrough, [Zone::root()]);
}

#[test]
fn node_local_templates_with_their_placeholders() {
    let pillars = Pillars::of_cluster("cluster.local", "169.254.20.10", "10.96.0.10");
    let options = Options { pillars, ..Options::default() };
    let text = corefile!("nodelocal");
    let imported = parse("Corefile", text.as_bytes(), &MemoryFiles::default(), &options).unwrap();
    assert!(imported.warnings.is_empty());
    assert_written(&imported.corefile);
    assert_eq!(imported.corefile.servers.len(), 4);
    let cluster = &imported.corefile.servers[0];
    assert_eq!(cluster.zones(), [zone("cluster.local")]);
    assert_eq!(plugin!(cluster, Bind).to, ["169.254.20.10", "10.96.0.10"]);
    assert!(plugin!(cluster, Forward).force_tcp);
    assert_eq!(plugin!(cluster, Health).listen.to_string(), "169.254.20.10:8080");
    let problems = wrong(text);
    assert_eq!(problems.len(), 14);
    assert!(
        problems[0].starts_with("Corefile:1: no value is given for `__PILLAR__DNS__DOMAIN__`"),
        "{}",
        problems[0]
    );
}
