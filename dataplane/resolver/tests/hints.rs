//! Hints: queries from port 0, which fill the cache and get no reply.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "in helpers of tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use common::*;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
use sluice_resolver::config::{Cache, Forward, Settings, Zone};

const A: RecordType = RecordType::A;

/// A socket whose datagrams have whatever source port: only a privileged process has it.
fn raw() -> Option<OwnedFd> {
    match socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP)) {
        Ok(socket) => Some(socket),
        Err(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => {
            eprintln!("skipped: raw sockets need CAP_NET_RAW");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn hint(socket: &OwnedFd, to: SocketAddr, query: &[u8]) {
    let length = u16::try_from(8 + query.len()).unwrap();
    let header = [0, to.port(), length, 0].map(u16::to_be_bytes).concat();
    // The port of a raw socket's address says nothing.
    let to = SocketAddr::new(to.ip(), 0);
    sendto(socket, &[&header, query].concat(), SendFlags::empty(), &to).unwrap();
}

fn with_hints(hints: usize, zones: Vec<Zone>) -> Settings {
    let mut settings = settings(zones);
    settings.limits.hints = hints;
    settings
}

fn cached(forward: Forward) -> Zone {
    Zone { cache: Some(Cache::default()), ..root(forward) }
}

fn bytes(asked: &str) -> Vec<u8> {
    query(asked, A).to_vec().unwrap()
}

/// Waits until so many hints have become of `result`.
async fn until(server: &Server, result: &str, count: f64) {
    let part = format!("result=\"{result}\"");
    for _ in 0..500 {
        if server.metric("sluice_dns_hints_total", &part) >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.metric("sluice_dns_hints_total", &part), count, "{result}");
}

async fn settled(fake: &Fake, server: &Server) {
    for _ in 0..500 {
        if server.metric("coredns_cache_entries", "success") >= 1.0 && fake.count() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing was kept");
}

#[tokio::test]
async fn a_hint_is_in_the_cache_before_it_is_asked_for() {
    let Some(raw) = raw() else { return };
    let fake = Fake::honest().await;
    let server = start(with_hints(8, vec![cached(forward(&[fake.address]))])).await;
    hint(&raw, server.udp, &bytes("X.example."));
    until(&server, "asked", 1.0).await;
    settled(&fake, &server).await;
    assert_eq!(server.metric("coredns_dns_requests_total", ""), 0.0, "a hint is no request");
    assert_eq!(server.metric("coredns_cache_requests_total", ""), 0.0);
    let reply = server.ask("x.example.", A).await;
    assert_eq!(data(&reply), ["x.example. 192.0.2.1"]);
    assert_eq!((fake.count(), server.metric("coredns_cache_hits_total", "success")), (1, 1.0));
    // What is known is not asked again.
    hint(&raw, server.udp, &bytes("x.EXAMPLE."));
    until(&server, "known", 1.0).await;
    assert_eq!((fake.count(), server.metric("sluice_dns_unsent_total", "")), (1, 0.0));
}

#[tokio::test]
async fn what_is_no_hint_asks_nobody() {
    let Some(raw) = raw() else { return };
    let fake = Fake::honest().await;
    let mut settings = with_hints(8, vec![cached(forward(&[fake.address]))]);
    settings.protected = vec!["cluster.local".into()];
    let server = start(settings.clone()).await;
    let mut not_recursive = query("x.example.", A);
    not_recursive.metadata.recursion_desired = false;
    let refused = [
        b"short".to_vec(),
        bytes("x.cluster.local."),
        query("x.example.", RecordType::TXT).to_vec().unwrap(),
        not_recursive.to_vec().unwrap(),
        answer(&query("x.example.", A), vec![]).to_vec().unwrap(),
    ];
    for (i, bytes) in refused.iter().enumerate() {
        hint(&raw, server.udp, bytes);
        until(&server, "refused", (i + 1) as f64).await;
    }
    // Nor does one of somebody who may not ask.
    settings.listeners.iter_mut().for_each(|it| it.clients = vec!["192.0.2.0/24".parse().unwrap()]);
    let closed = start(settings.clone()).await;
    hint(&raw, closed.udp, &bytes("x.example."));
    until(&closed, "refused", 1.0).await;
    // Where hints are not taken, port 0 is one that nobody asks from.
    settings = with_hints(0, settings.zones);
    let without = start(settings).await;
    hint(&raw, without.udp, &bytes("x.example."));
    for _ in 0..500 {
        if without.metric("sluice_dns_silent_total", "") > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(without.metric("sluice_dns_silent_total", ""), 1.0);
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn hints_are_bounded_and_give_way_to_queries() {
    let Some(raw) = raw() else { return };
    let slow = Fake::start(|query: &Message, _| {
        vec![(
            Duration::from_millis(1500),
            answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]).to_vec().unwrap(),
        )]
    })
    .await;
    let mut patient = forward(&[slow.address]);
    patient.patience = Duration::from_secs(5);
    let server = start(with_hints(2, vec![cached(patient.clone())])).await;
    for i in 0..4 {
        hint(&raw, server.udp, &bytes(&format!("h{i}.example.")));
    }
    until(&server, "asked", 2.0).await;
    until(&server, "shed", 2.0).await;
    // A query for what a hint has asked joins it.
    let reply = server.ask("h0.example.", A).await;
    assert_eq!((data(&reply).len(), slow.count()), (1, 2));
    assert_eq!(server.metric("sluice_dns_coalesced_total", ""), 1.0);
    // The places are free again.
    hint(&raw, server.udp, &bytes("h9.example."));
    until(&server, "asked", 3.0).await;

    let mut settings = with_hints(100, vec![cached(patient)]);
    settings.limits.pending = 4;
    let server = start(settings).await;
    for i in 0..4 {
        hint(&raw, server.udp, &bytes(&format!("p{i}.example.")));
    }
    until(&server, "shed", 2.0).await;
    let address = (Ipv4Addr::LOCALHOST, server.udp.port()).into();
    let (one, two) = (query("q1.example.", A), query("q2.example.", A));
    let both = tokio::join!(ask_udp(address, &one), ask_udp(address, &two));
    assert_eq!((data(&both.0).len(), data(&both.1).len()), (1, 1), "half of the room is for queries");
}
