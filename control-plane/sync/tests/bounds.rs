//! Small manifests that mean a lot. In a program of its own: it is its memory that counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;

/// The most memory that this process has ever had, in MiB.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

/// `default/web` with a slice of `hosts` endpoints.
fn world(service: String, ports: &str, hosts: usize) -> World {
    let hosts: Vec<String> = (0..hosts).map(|n| format!("10.{}.{}.1", n / 250, n % 250)).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    World::of(&all(&[service, slice_of("web-1", "IPv4", "web", ports, &hosts)]))
}

#[test]
fn ports_times_endpoints_are_limited_before_they_are_made() {
    // 25 million addresses, of which 200,000 count.
    let ports: Vec<String> = (1..=5000).map(|n| format!("{{ name: http, port: {n} }}")).collect();
    let one = world(web("ClusterIP", &[]), &format!("[{}]", ports.join(", ")), 5000);
    assert_eq!(one.endpoints().len(), 200_000);
    assert_eq!((&*one.addresses()[0], &*one.addresses()[199_999]), ("10.0.0.1:1", "10.0.39.1:5000"));
    // 4 million, by many ports of the Service instead of one: they share a million.
    let ports: Vec<String> = (1..=2000).map(|n| format!("{{ name: p{n}, port: {n} }}")).collect();
    let ports = format!("[{}]", ports.join(", "));
    let service = web("ClusterIP", &[])
        .replace("[{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]", &ports);
    let many = world(service, &ports, 2000);
    assert_eq!(many.service("default/web").ports.len(), 2000);
    assert!(many.service("default/web").ports.iter().all(|port| port.endpoints.len() == 500));
    assert!(peak_mib() < 600, "{} MiB", peak_mib());
}
