//! What Linux counts: packets of an interface, ticks of a CPU.

use std::fs;
use std::time::{Duration, Instant};

use sluice_testbed::Netns;
use sluice_testbed::client::eventually;

use crate::link::GATEWAY_CPU;

/// Ticks of `/proc/stat` in a second (`USER_HZ`, the same on every Linux machine that Rust's std runs on).
const USER_HZ: f64 = 100.0;

/// What went by in a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Packets in a second that the interface received.
    pub(crate) packets: f64,
    /// The share of the gateway's CPU that softirqs had.
    pub(crate) softirq: f64,
}

/// Waits until an interface receives many packets.
pub(crate) fn until_flooded(namespace: &Netns, interface: &str, patience: Duration) {
    let before = received(namespace, interface);
    let flooded = || (received(namespace, interface) > before + 1000).then_some(());
    assert!(eventually(patience, flooded).is_some(), "no packets on {interface}");
}

/// Watches an interface and the gateway's CPU for so long.
pub(crate) fn watch(namespace: &Netns, interface: &str, time: Duration) -> Seen {
    let before = (received(namespace, interface), softirq(), Instant::now());
    std::thread::sleep(time);
    let after = (received(namespace, interface), softirq(), Instant::now());
    let seconds = (after.2 - before.2).as_secs_f64();
    Seen {
        packets: (after.0 - before.0) as f64 / seconds,
        softirq: (after.1 - before.1) as f64 / USER_HZ / seconds,
    }
}

fn received(namespace: &Netns, interface: &str) -> u64 {
    let text = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    let start = format!("{interface}:");
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&start).map(str::to_owned));
    let line = line.unwrap_or_else(|| panic!("no {interface}: {text}"));
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a count of packets")
}

fn softirq() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let start = format!("cpu{GATEWAY_CPU} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start)).expect("the gateway's CPU");
    // user, nice, system, idle, iowait, irq, softirq
    line.split_whitespace().nth(6).and_then(|word| word.parse().ok()).expect("a count of ticks")
}
