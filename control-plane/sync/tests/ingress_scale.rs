//! What 5,000 Ingresses take. Alone in its process, of which it measures the memory.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

#[path = "ingress/common.rs"]
mod common;

use std::time::{Duration, Instant};

use serde_json::json;

use common::*;

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn five_thousand_ingresses_are_cheap() {
    let before = resident();
    let mut world = World::of(&[service("web"), slice("web-1", "web", 1..=10)]);
    let objects: Vec<_> = (0..5000)
        .map(|n| {
            let mut spec = simple(&format!("host-{n}.example.test"), "web");
            spec["tls"] = json!([{ "hosts": [format!("host-{n}.example.test")], "secretName": "tls" }]);
            parsed(&annotated(&format!("ingress-{n}"), &[("proxy-body-size", "8m")], spec))
        })
        .collect();
    let start = Instant::now();
    for (_, object, _) in objects {
        world.desired.apply(object);
    }
    let changes = world.desired.take_changes().len();
    let joined = start.elapsed();
    assert!(changes >= 10_000, "{changes}");
    let memory = resident() - before;
    // One more.
    let (_, object, _) = parsed(&ingress("one-more", simple("one-more.example.test", "web")));
    let start = Instant::now();
    world.desired.apply(object);
    let changes = world.desired.take_changes().len();
    let one = start.elapsed();
    assert_eq!(changes, 1);
    let (_, object, _) = parsed(&slice("web-1", "web", 1..=11));
    let start = Instant::now();
    world.desired.apply(object);
    world.desired.take_changes();
    let endpoint = start.elapsed();
    eprintln!("5000 Ingresses: {joined:?}, {memory} KiB; one more {one:?}; a slice {endpoint:?}");
    assert!(joined < Duration::from_secs(30), "{joined:?}");
    assert!(one < joined / 20 && endpoint < joined / 20, "{one:?} {endpoint:?}");
    assert!(memory < 64 << 10, "{memory} KiB");
}
