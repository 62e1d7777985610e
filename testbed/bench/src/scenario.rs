//! What is counted: a fixed number of packets of one kind, through the engine alone.

use arrayvec::ArrayVec;
use sluice_engine::{BURST, Event, Now};

use crate::buffer::{Buffer, Pool};
use crate::dns;
use crate::gateway::{self, CLUSTER, REFUSED, UPLINK};
use crate::traffic::{self, Connection};

/// Packets of one run; enough that the first pass over cold code does not show.
const PACKETS: usize = 64 * BURST;

/// The scenarios of the gate, by name.
pub const ALL: [&str; 12] = [
    "nat.established.v4.1k",
    "nat.established.v6.1k",
    "nat.established.v4.64k",
    "nat.new.v4",
    "nat.new.v6",
    "nat.refused.v4",
    "dns.a",
    "dns.nodata",
    "dns.nxdomain",
    "dns.srv",
    "dns.headless10",
    "dns.ptr",
];

/// Services whose names are asked for.
const SERVICES: u32 = 1000;

/// Runs one of [`ALL`]; how many packets were counted. Only what runs inside [`count_these`] is the engine's.
///
/// # Panics
/// Where the name is unknown, or the packets did not fare as they should.
pub fn run(name: &str) -> u64 {
    let mut publisher = gateway::publisher(100);
    let queries = name.strip_prefix("dns.");
    if queries.is_some() {
        dns::names(&mut publisher, SERVICES);
    }
    let snapshot = gateway::snapshot(&mut publisher);
    let now = Now(1_000_000);
    let v6 = name.contains(".v6");
    let mut worker = gateway::worker::<Buffer>(1 << 17, now);
    let mut pool = Pool::default();
    let bursts: Vec<(u8, Vec<Vec<u8>>)> = if let Some(kind) = queries {
        let frames: Vec<Vec<u8>> = (0..PACKETS as u32).map(|n| dns::query(kind, n, SERVICES)).collect();
        frames.chunks(BURST).map(|chunk| (CLUSTER, chunk.to_vec())).collect()
    } else if name.starts_with("nat.established") {
        let flows = if name.ends_with(".64k") { 65_536 } else { 1024 };
        let mut lend = Pool::default();
        let client = |n| traffic::client(n, v6, gateway::PORT);
        let all = traffic::connect(&mut worker, &snapshot, now, flows, client, |frame| lend.take(frame));
        // Connections far apart, so that not all of a burst lie side by side.
        let picked: Vec<Connection> = (0..PACKETS).map(|n| all[n.wrapping_mul(40_503) % all.len()]).collect();
        picked
            .chunks(BURST)
            .enumerate()
            .map(|(n, chunk)| match n % 2 {
                0 => (UPLINK, chunk.iter().map(|c| traffic::segment(c.client, UPLINK)).collect()),
                _ => (CLUSTER, chunk.iter().map(|c| traffic::segment(c.pod, CLUSTER)).collect()),
            })
            .collect()
    } else {
        let port = if name.starts_with("nat.refused") { REFUSED } else { gateway::PORT };
        assert!(ALL.contains(&name), "no scenario of this name: {name}");
        // Refusals are limited to so many at once.
        let packets = if port == REFUSED { 15 * BURST } else { PACKETS };
        let frames: Vec<Vec<u8>> =
            (0..packets as u32).map(|n| traffic::syn(traffic::client(n, v6, port))).collect();
        frames.chunks(BURST).map(|chunk| (UPLINK, chunk.to_vec())).collect()
    };
    let packets = bursts.iter().map(|(_, frames)| frames.len() as u64).sum();
    let before = worker.counters().events[Event::FlowHits as usize];
    for (port, frames) in &bursts {
        let mut burst: ArrayVec<Buffer, BURST> = frames.iter().map(|frame| pool.take(frame)).collect();
        count_these(&mut worker, *port, &mut burst, &snapshot, now, &mut pool);
    }
    assert_eq!((pool.sent, pool.other), (packets, 0), "every packet must be sent on");
    if queries.is_some() {
        let events = &worker.counters().events;
        let answered = events[Event::DnsNoError as usize] + events[Event::DnsNxDomain as usize];
        assert_eq!(answered, packets, "{:?}", worker.counters());
    }
    let hits = worker.counters().events[Event::FlowHits as usize] - before;
    assert_eq!(hits, if name.starts_with("nat.established") { packets } else { 0 });
    packets
}

/// One burst through the engine. The counter switches itself on here, by this name.
#[inline(never)]
fn count_these(
    worker: &mut sluice_engine::Worker<Buffer>,
    port: u8,
    burst: &mut ArrayVec<Buffer, BURST>,
    snapshot: &sluice_engine::snapshot::Snapshot,
    now: Now,
    pool: &mut Pool,
) {
    worker.process(port, burst, snapshot, now, pool);
    worker.tick(snapshot, now, pool);
}
