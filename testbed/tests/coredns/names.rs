//! The questions: every name that there is and many that there are not, in every type, case and manner.

use super::message::*;
use super::objects::Objects;
use super::zonal;

pub const ZONE: &str = "cluster.local.";
pub const REVERSE: [&str; 2] = ["in-addr.arpa.", "ip6.arpa."];

/// All types asked for.
pub const KINDS: [u16; 13] = [A, AAAA, SRV, PTR, CNAME, TXT, NS, SOA, MX, ANY, HTTPS, SVCB, DS];
/// What is put before a Service's name.
pub const BEFORE: [&str; 14] = [
    "",
    "_http._tcp.",
    "_http._udp.",
    "_dns._udp.",
    "_sql._tcp.",
    "http.tcp.",
    "http._tcp.",
    "_tcp.",
    "_udp.",
    "_._tcp.",
    "_http._.",
    "ghost.",
    "a.b.c.",
    "*.",
];

/// All of them.
pub fn queries(objects: &Objects) -> Vec<Query> {
    let mut names = Vec::new();
    for (namespace, service) in &objects.services {
        names.extend(BEFORE.map(|before| format!("{before}{service}.{namespace}.svc.{ZONE}")));
    }
    for host in &objects.hosts {
        // Of the largest Services a few will do.
        if !host.ends_with(".many.default") || host.contains("-7.") {
            names.push(format!("{host}.svc.{ZONE}"));
        }
    }
    names.extend(FIXED.map(str::to_owned));
    names.extend(zonal::names(objects));
    for address in &objects.addresses {
        if !address.starts_with("10.244.96.") || address.ends_with('7') {
            names.push(reverse(address));
        }
    }
    names.extend(ancestors(&reverse("10.96.0.20")));
    names.extend(ancestors(&reverse("fd00:10:244:3::1")));
    for address in ["10.96.9.9", "192.0.2.9", "fd00:10:96::999", "::ffff:10.96.0.20"] {
        names.push(reverse(address));
    }
    names.push(format!("x.{}", reverse("10.96.0.20")));
    names.push(format!("1.2.{}", reverse("fd00:10:96::22")));
    names.sort();
    names.dedup();
    let mut queries = asked(&names, &KINDS);
    queries.extend(odd());
    queries
}

/// Questions for names of these types, in every case and manner.
pub fn asked(names: &[String], kinds: &[u16]) -> Vec<Query> {
    let mut queries = Vec::new();
    for name in names {
        for (n, &kind) in kinds.iter().enumerate() {
            for case in 0..3 {
                let number = queries.len() + n;
                queries.push(Query {
                    name: cased(name, case, number),
                    kind,
                    class: IN,
                    flags: [!number.is_multiple_of(5), number % 7 == 3, number % 11 == 4],
                    edns: EDNS[number % EDNS.len()],
                    tcp: number.is_multiple_of(4),
                });
            }
        }
    }
    queries
}

const EDNS: [Option<(u16, bool)>; 7] = [
    None,
    Some((1232, false)),
    Some((512, false)),
    Some((4096, true)),
    None,
    Some((1232, true)),
    Some((100, false)),
];

/// Names outside of Services, or without any.
const FIXED: [&str; 37] = [
    "cluster.local.",
    "svc.cluster.local.",
    "pod.cluster.local.",
    "dns.cluster.local.",
    "ns.dns.cluster.local.",
    "x.ns.dns.cluster.local.",
    "apex.dns.cluster.local.",
    "dns-version.cluster.local.",
    "x.dns-version.cluster.local.",
    "other.cluster.local.",
    "a.b.c.d.other.cluster.local.",
    "default.svc.cluster.local.",
    "lonely.svc.cluster.local.",
    "nope.svc.cluster.local.",
    "web.nope.svc.cluster.local.",
    "nope.default.svc.cluster.local.",
    "_http._tcp.nope.default.svc.cluster.local.",
    "default.pod.cluster.local.",
    "lonely.pod.cluster.local.",
    "nope.pod.cluster.local.",
    "10-244-1-5.default.pod.cluster.local.",
    "10-244-99-99.lonely.pod.cluster.local.",
    "10-244-1-5.nope.pod.cluster.local.",
    "fd00--1.default.pod.cluster.local.",
    "2001-db8--.default.pod.cluster.local.",
    "10-244-1.default.pod.cluster.local.",
    "web-0.default.pod.cluster.local.",
    "foo.10-244-1-5.default.pod.cluster.local.",
    "a.b.10-244-1-5.default.pod.cluster.local.",
    "in-addr.arpa.",
    "ip6.arpa.",
    "ns.dns.in-addr.arpa.",
    "orphan.default.svc.cluster.local.",
    "svc.in-addr.arpa.",
    "pod.ip6.arpa.",
    "dns-version.in-addr.arpa.",
    "default.svc.in-addr.arpa.",
];

/// Other classes, names of others.
fn odd() -> Vec<Query> {
    let plain = |name: &str, kind: u16, class: u16, tcp: bool| Query {
        name: name.to_owned(),
        kind,
        class,
        flags: [true, false, false],
        edns: Some((1232, false)),
        tcp,
    };
    let mut queries = Vec::new();
    for tcp in [false, true] {
        for class in [CH, 4, 254, 255] {
            queries.push(plain("web.default.svc.cluster.local.", A, class, tcp));
        }
        for name in ["www.example.com.", "nx.example.com.", "fail.example.com.", "alias.example.com."] {
            for kind in [A, AAAA, TXT] {
                queries.push(plain(name, kind, IN, tcp));
            }
        }
    }
    queries
}

/// The name with its letters in lower, upper or mixed case.
fn cased(name: &str, case: usize, number: usize) -> String {
    match case {
        0 => name.to_owned(),
        1 => name.to_ascii_uppercase(),
        _ => {
            let flip = |(i, c): (usize, char)| match (i * 7 + number) % 3 {
                0 => c.to_ascii_uppercase(),
                _ => c,
            };
            name.chars().enumerate().map(flip).collect()
        }
    }
}

/// The reverse name of an address.
fn reverse(address: &str) -> String {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        std::net::IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().flat_map(|o| [o >> 4, o & 15]).rev();
            nibbles.map(|n| format!("{n:x}.")).collect::<String>() + "ip6.arpa."
        }
    }
}

/// All names above one, below its zone.
fn ancestors(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = name;
    while let Some((_, above)) = rest.split_once('.') {
        if REVERSE.contains(&above) {
            break;
        }
        names.push(above.to_owned());
        rest = above;
    }
    names
}
