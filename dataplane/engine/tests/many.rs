//! Very many Services, whose tables are loaded ahead for all new flows of a burst: each fares as it would alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::*;
use sluice_model::{Change, Protocol};

/// More than those below which nothing is loaded ahead.
const SERVICES: u8 = 250;
const SYN: u8 = 0x02;

/// Services of four addresses and a node port each.
fn world() -> World {
    let mut world = World::with(1, 4096);
    let services = (0..SERVICES).flat_map(|n| {
        (0..3_u8).map(move |block| {
            let endpoints = ["10.244.1.5:8080", "10.244.2.5:8080", "[fd00:10:244:1::5]:8080"];
            let mut web = service(&format!("s{block}-{n}"), Protocol::Tcp, &endpoints[usize::from(n % 2)..]);
            web.cluster_ips =
                vec![ip(&format!("10.96.{}.{n}", block + 1)), ip(&format!("fd00:10:96::{block}:{n}"))];
            web.load_balancer_ips.clear();
            web.ports[0].node_port = None;
            Change::Service(if n % 5 == 0 { affine(web, 60) } else { web })
        })
    });
    world.apply(services);
    world
}

#[test]
fn new_flows_of_a_burst_fare_as_they_do_alone() {
    let frames: Vec<Vec<u8>> = (0..64_u16)
        .map(|n| {
            let (block, host) = (n % 4, n * 3);
            let sport = 20_000 + n;
            // Of the fourth block there is no Service, and of 80 and 81 one port.
            let syn = match n % 3 {
                0 => packet(CLIENT, &format!("10.96.{}.{host}", block + 1)).tcp(sport, 80, SYN),
                1 => packet(CLIENT6, &format!("fd00:10:96::{block}:{host}")).tcp(sport, 80, SYN),
                _ => packet(CLIENT, &format!("10.96.{}.{host}", block + 1)).tcp(sport, 80 + n % 2, SYN),
            };
            from_client(syn)
        })
        .collect();
    let (mut together, mut alone) = (world(), world());
    assert!(together.snapshot.frontend_count() > 1024);
    let burst = together.send(UPLINK, &frames);
    let one_by_one: Vec<Out> =
        frames.iter().flat_map(|frame| alone.send(UPLINK, std::slice::from_ref(frame))).collect();
    let sent = |outs: &[Out]| outs.iter().filter(|out| matches!(out, Out::Sent(CLUSTER, _))).count();
    assert!(sent(&burst) > 30, "{}", together.report());
    assert_eq!(format!("{burst:?}"), format!("{one_by_one:?}"));
}
