//! `sluice trace` shows every packet that matches, with all that happened to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_engine::trace::{TraceFilter, TraceRecord};
use sluice_model::Protocol;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const A: &str = "10.244.1.5:8080";

fn traced(world: &mut World, filter: TraceFilter, frames: &[(u8, Vec<u8>)]) -> Vec<TraceRecord> {
    world.workers[0].set_trace(Some(filter));
    for (port, frame) in frames {
        world.send(*port, std::slice::from_ref(frame));
    }
    let records = world.workers[0].take_trace();
    world.workers[0].set_trace(None);
    records
}

fn all() -> TraceFilter {
    TraceFilter { limit: 1000, ..TraceFilter::default() }
}

fn stages(record: &TraceRecord) -> String {
    record.stages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_packet_of_a_connection_shows_its_flow_also_on_the_shortest_way() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let (client, vip) = (CLIENT, "203.0.113.10");
    let first = world.one(UPLINK, from_client(packet(client, vip).tcp(4000, 80, SYN)), CLUSTER);
    let back = |flags| {
        let (pod, gateway) = (first.dst.ip().to_string(), first.src.ip().to_string());
        (CLUSTER, from_node(packet(&pod, &gateway).tcp(8080, first.src.port(), flags)))
    };
    let there = |flags| (UPLINK, from_client(packet(client, vip).tcp(4000, 80, flags)));
    let frames = [back(SYN | ACK), there(ACK), back(ACK), there(ACK)];
    let records = traced(&mut world, all(), &frames);
    assert_eq!(records.len(), 4);
    for (record, (port, _)) in records.iter().zip(&frames) {
        let (reply, out) = if *port == CLUSTER { (", reply", UPLINK) } else { ("", CLUSTER) };
        assert_eq!(stages(record), format!("known flow{reply}, rewritten, sent out of port {out}"));
    }
    assert!(records[0].tuple.unwrap().to_string().ends_with(" TCP"), "{:?}", records[0]);
}

#[test]
fn a_drop_shows_its_counters_name_and_a_refusal_its_frontend() {
    let mut world = World::new();
    let mut walled = service("walled", Protocol::Tcp, &[A]);
    walled.source_ranges = vec!["198.18.0.0/15".parse().unwrap()];
    world.serve(walled);
    let syn = |dst: &str, port| (UPLINK, from_client(packet(CLIENT, dst).tcp(4000, port, SYN)));
    let records = traced(&mut world, all(), &[syn("203.0.113.10", 80), syn("203.0.113.10", 81)]);
    let [dropped, refused] = &records[..] else { panic!("{records:?}") };
    let text = stages(dropped);
    assert!(text.starts_with("frontend LoadBalancer") && text.ends_with("dropped: source_range"), "{text}");
    assert_eq!(stages(refused), format!("refused, sent out of port {UPLINK}"));
    world.serve(service("walled", Protocol::Tcp, &[]));
    let records = traced(&mut world, all(), &[syn("203.0.113.10", 80)]);
    let text = stages(&records[0]);
    assert!(text.starts_with("frontend LoadBalancer") && text.contains("refused"), "{text}");
}

#[test]
fn what_travelled_too_far_is_a_drop_and_an_echo_an_answer() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let old = from_client(packet(CLIENT, "203.0.113.10").ttl(1).tcp(4000, 80, SYN));
    let records = traced(&mut world, all(), &[(UPLINK, old)]);
    let text = stages(&records[0]);
    assert!(text.contains("dropped: ttl_exceeded, answered by the gateway"), "{text}");
}

#[test]
fn records_end_at_the_limit_and_gaps_are_told() {
    let mut world = World::new();
    let frame = (UPLINK, from_client(packet(CLIENT, "203.0.113.10").udp(1, 2)));
    let filter = TraceFilter { limit: 3, protocol: Some(17), ..TraceFilter::default() };
    let frames = vec![frame.clone(); 5];
    assert_eq!(traced(&mut world, filter, &frames).len(), 3);

    // Nobody fetches the records of more packets than are kept; the first one fetched later says so.
    world.workers[0].set_trace(Some(TraceFilter { limit: 10_000, ..all() }));
    for _ in 0..5000 {
        world.send(UPLINK, std::slice::from_ref(&frame.1));
    }
    let kept = world.workers[0].take_trace();
    world.send(UPLINK, std::slice::from_ref(&frame.1));
    let next = world.workers[0].take_trace();
    assert!(kept.iter().all(|record| record.lost == 0));
    assert_eq!((next.len(), next[0].lost), (1, 5000 - kept.len() as u64));

    // Nor did anybody take that one.
    world.workers[0].trace_lost(&next);
    world.send(UPLINK, std::slice::from_ref(&frame.1));
    assert_eq!(world.workers[0].take_trace()[0].lost, 5000 - kept.len() as u64 + 1);
}
