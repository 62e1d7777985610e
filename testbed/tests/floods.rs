//! Floods of DNS queries that must not keep a well-behaved client from its answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::client::eventually;
use sluice_testbed::manifests::replace;

const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 2);
const NAME: &str = "web-service.default.svc.cluster.local";
const ADDRESS: [u8; 4] = [10, 107, 37, 188];
const NAMES: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: web-service, namespace: default }
spec: { clusterIP: 10.107.37.188, ports: [{ name: http, port: 80 }] }
";
/// Of each flood.
const TIME: Duration = Duration::from_secs(3);
/// Queries of a flood a second: more than a resolver can have pending, and few enough that a TAP's queue holds what comes
/// while a machine with other work lets the gateway wait.
const RATE: u32 = 5_000;

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// A gateway whose upstream hears every question and never replies.
fn lab() -> (Lab, UdpSocket) {
    let dns = format!("dns:\n  addresses: [{DNS}]\n  clients: [0.0.0.0/0]\n  upstreams: [198.51.100.1]\n");
    let lab = Lab::with(Ports::Tap, &dns, &[web_ab()]);
    replace(&lab.manifests.join("names.yaml"), NAMES).unwrap();
    let silent = lab.bed.node.enter(|| UdpSocket::bind("198.51.100.1:53").unwrap());
    let ready = eventually(Duration::from_secs(10), || (asked(&lab, Duration::ZERO) == (1, 1)).then_some(()));
    assert!(ready.is_some(), "{}\n{}", lab.counters(), lab.gateway.log());
    (lab, silent)
}

/// The well-behaved client: one query after the other for so long, each sent once. How many there were, and right answers.
fn asked(lab: &Lab, time: Duration) -> (u32, u32) {
    lab.bed.client.enter(move || {
        let (start, mut asked, mut right) = (Instant::now(), 0, 0);
        while asked == 0 || start.elapsed() < time {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect((DNS, 53)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let sent = query(asked as u16, NAME);
            let mut answer = [0; 512];
            asked += 1;
            let Ok(()) = socket.send(&sent).map(drop) else { continue };
            if let Ok(length) = socket.recv(&mut answer) {
                let answer = &answer[..length];
                right +=
                    u32::from(answer[..2] == sent[..2] && answer[3] & 15 == 0 && answer.ends_with(&ADDRESS));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        (asked, right)
    })
}

/// Runs a flood beside the client: from a socket for query `n` and its message. How many queries it was.
fn beside(lab: &Lab, mut flood: impl FnMut(u32) -> (UdpSocket, Vec<u8>) + Send + 'static) -> u32 {
    let (on, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (still, count) = (Arc::clone(&on), Arc::clone(&sent));
    let thread = lab.bed.client.spawn(move || {
        let start = Instant::now();
        while still.load(Ordering::Relaxed) {
            let due = (start.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
            // What was missed stays missed: no burst makes up for it.
            for _ in 0..(due.saturating_sub(count.load(Ordering::Relaxed))).min(50) {
                let n = count.fetch_add(1, Ordering::Relaxed);
                let (socket, message) = flood(n);
                let _ = socket.send_to(&message, SocketAddr::from((DNS, 53)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let (asked, right) = asked(lab, TIME);
    on.store(false, Ordering::Relaxed);
    thread.join().unwrap();
    let sent = sent.load(Ordering::Relaxed);
    assert!(asked >= 100, "{asked} queries of the client beside {sent} of the flood");
    assert_eq!(right, asked, "beside {sent} of the flood\n{}\n{}", lab.counters(), lab.gateway.log());
    sent
}

/// A counter's total.
fn counter(lab: &Lab, name: &str) -> u64 {
    let text = lab.cli(&["show", "counters", "--all", "-o", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    row.and_then(|row| row["total"].as_u64()).unwrap_or_else(|| panic!("{name}: {text}"))
}

#[test]
fn random_names_of_others_with_a_dead_upstream_cost_no_cluster_answer() {
    let (lab, _silent) = lab();
    let socket = lab.bed.client.enter(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    let sent = beside(&lab, move |n| {
        let name = format!("r{:08x}.example.com", n.wrapping_mul(0x9E37_79B9));
        (socket.try_clone().unwrap(), query(n as u16, &name))
    });
    assert!(sent > 1_000, "{sent} are no flood");
    let forwarded = counter(&lab, "dns_forwarded");
    assert!(forwarded >= u64::from(sent) * 9 / 10, "{forwarded} of {sent} were the resolver's");
    // Everything still runs, too.
    assert!(lab.gateway.child_of_role("proxy").is_some(), "{}", lab.gateway.log());
}

#[test]
fn queries_of_sources_that_come_once_cost_no_cluster_answer() {
    let (lab, _silent) = lab();
    lab.bed.client.ip("route add local 198.18.0.0/15 dev lo").unwrap();
    lab.bed.gateway.ip("route add 198.18.0.0/15 via 192.0.2.100 dev sl-uplink").unwrap();
    let before = counter(&lab, "dns_noerror");
    let sent = beside(&lab, |n| {
        let source = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + n);
        (UdpSocket::bind((source, 0)).unwrap(), query(n as u16, NAME))
    });
    assert!(sent > 1_000, "{sent} are no flood");
    let answered = counter(&lab, "dns_noerror") - before;
    assert!(answered >= u64::from(sent) * 9 / 10, "{answered} of {sent} were looked at");
}
