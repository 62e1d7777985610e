//! Services that are reached from outside, and the questions for their names there.

use sluice_testbed::cluster::Cluster;

use super::message::Query;
use super::names::{BEFORE, KINDS, asked};
use super::objects::Objects;

/// The domain of external addresses.
pub const ZONE: &str = "outside.test.";

/// Adds Services with addresses outside to the cluster's.
pub fn add(o: &mut Objects) {
    // The name server's own Service, too.
    o.yaml = o.yaml.replace(
        "clusterIP: 10.96.0.2,",
        "externalIPs: [192.0.2.250, \"2001:db8::250\"], clusterIP: 10.96.0.2,",
    );
    let ports = "ports: [{ name: http, port: 80 }, { name: dns, port: 53, protocol: UDP }]";
    o.service("default", "lb", &format!("externalIPs: [192.0.2.201, \"2001:db8::201\"], {ports}"));
    o.service("default", "unnamed-port", "externalIPs: [192.0.2.202], ports: [{ port: 80 }]");
    o.service("default", "portless", "externalIPs: [192.0.2.203], clusterIP: None");
    for (name, _) in BALANCED {
        o.service("default", name, &format!("type: LoadBalancer, {ports}"));
    }
}

/// Services of the type LoadBalancer, and what a load balancer says of them.
const BALANCED: [(&str, &str); 5] = [
    ("address", "{\"ip\": \"192.0.2.210\"}"),
    ("elb", "{\"hostname\": \"www.example.com\"}"),
    ("nowhere-lb", "{\"hostname\": \"nx.example.com\"}"),
    ("inside-lb", "{\"hostname\": \"web.default.svc.cluster.local\"}"),
    ("last", "{\"ip\": \"192.0.2.211\"}"),
];

/// Gives them, in their order.
pub fn give_addresses(cluster: &Cluster) {
    for (name, ingress) in BALANCED {
        let status = format!("{{\"status\": {{\"loadBalancer\": {{\"ingress\": [{ingress}]}}}}}}");
        let line = ["patch", "service", name, "--subresource=status", "--type=merge", "-p", &status];
        cluster.kubectl(&line).unwrap();
    }
}

/// Whether a Service of this name is an alias outside.
pub fn is_alias(service: &str) -> bool {
    BALANCED.iter().any(|(name, ingress)| *name == service && ingress.contains("hostname"))
}

/// Services whose names are asked for; the others have nothing that these have not.
const SERVICES: &[&str] = &[
    "lb",
    "unnamed-port",
    "portless",
    "address",
    "elb",
    "nowhere-lb",
    "inside-lb",
    "web",
    "dual",
    "plain",
    "idle",
    "db",
    "bare",
    "noport",
    "empty",
    "unready",
    "unsaid",
    "onlysix",
    "mixed",
    "twins",
    "unnamed",
    "early",
];

/// Names that are no Service's.
const FIXED: &[&str] = &[
    "",
    "dns.",
    "ns1.dns.",
    "x.dns.",
    "x.ns1.dns.",
    "ns2.dns.",
    "default.",
    "shop.",
    "nope.",
    "nope.default.",
    "web.nope.",
    "kube-dns.kube-system.",
    "out.shop.",
    "inside.shop.",
    "svc.",
    "a.b.c.d.e.default.",
];

/// Every name, in every type, case and manner.
pub fn queries(objects: &Objects) -> Vec<Query> {
    let mut names: Vec<String> = FIXED.iter().map(|name| format!("{name}{ZONE}")).collect();
    for &service in SERVICES {
        names.extend(BEFORE.map(|before| format!("{before}{service}.default.{ZONE}")));
    }
    for host in &objects.hosts {
        if SERVICES.iter().any(|service| host.ends_with(&format!(".{service}.default"))) {
            names.push(format!("{host}.{ZONE}"));
        }
    }
    names.sort();
    names.dedup();
    asked(&names, &KINDS)
}
