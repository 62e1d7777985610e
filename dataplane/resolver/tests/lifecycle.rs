//! Reloading, stopping, and loops.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use sluice_resolver::Config;
use sluice_resolver::config::{Cache, Hosts, Zone};

const A: RecordType = RecordType::A;

async fn upstream(last: u8) -> Fake {
    Fake::start(move |query, _| {
        let asked = &query.queries[0].name;
        let slow = asked.to_lowercase().to_ascii().starts_with("slow");
        let reply = answer(query, vec![a(asked, 60, [192, 0, 2, last])]);
        vec![(Duration::from_millis(if slow { 300 } else { 0 }), reply.to_vec().unwrap())]
    })
    .await
}

fn cached(upstream: &Fake, name: &str) -> Zone {
    Zone { name: name.into(), cache: Some(Cache::default()), ..root(forward(&[upstream.address])) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_loses_no_query_and_keeps_what_has_not_changed() {
    let (old, new) = (upstream(1).await, upstream(2).await);
    let server = start(settings(vec![cached(&old, "changed"), cached(&old, "same")])).await;
    server.ask("x.same.", A).await;
    server.ask("x.changed.", A).await;
    let waiting = {
        let to = server.udp;
        tokio::spawn(async move { ask_udp(to, &query("slow.changed.", A)).await })
    };
    // Queries all the time, of which none may be lost.
    let (to, over) = (server.udp, Arc::new(AtomicBool::new(false)));
    let ended = over.clone();
    let asking = tokio::spawn(async move {
        let mut asked = 0;
        while !ended.load(SeqCst) {
            assert_eq!(ask_udp(to, &query("x.same.", A)).await.answers.len(), 1);
            asked += 1;
        }
        asked
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let changed = settings(vec![cached(&new, "changed"), cached(&old, "same")]);
    for _ in 0..10 {
        server.handle.reload(Config::new(changed.clone()).unwrap()).await.unwrap();
    }
    assert_eq!(data(&server.ask("x.changed.", A).await), ["x.changed. 192.0.2.2"]);
    assert_eq!(data(&waiting.await.unwrap()), ["slow.changed. 192.0.2.1"]);
    over.store(true, SeqCst);
    assert!(asking.await.unwrap() > 10);
    let asked_of_same = old
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, query, _)| name("same.").zone_of(&query.queries[0].name))
        .count();
    assert_eq!(asked_of_same, 1, "the cache of a zone that has not changed stays");
    assert_eq!(server.metric("sluice_dns_reloads_total", "taken"), 10.0);
    let addresses = server.handle.addresses().await;
    assert_eq!((addresses[0], addresses[1]), (server.udp, server.tcp));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_cannot_be_had_leaves_what_is() {
    let upstream = upstream(1).await;
    let good = settings(vec![cached(&upstream, ".")]);
    let server = start(good.clone()).await;
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut bad = good.clone();
    bad.zones = vec![];
    bad.listeners[0].address = taken.local_addr().unwrap();
    let why = server.handle.reload(Config::new(bad).unwrap()).await.unwrap_err();
    assert!(why.to_string().starts_with("listeners[0].address: 127.0.0.1:"), "{why}");
    assert_eq!(server.ask("x.example.", A).await.answers.len(), 1);
    assert_eq!(server.metric("sluice_dns_reloads_total", "refused"), 1.0);
    // Listeners come and go.
    let mut other = good;
    other.listeners.remove(0);
    other.listeners[0].address = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    assert!(server.metric("coredns_dns_requests_total", "proto=\"udp\"") > 0.0);
    server.handle.reload(Config::new(other).unwrap()).await.unwrap();
    assert_eq!(server.handle.addresses().await, [server.tcp]);
    assert_eq!(server.metric("coredns_dns_requests_total", "proto=\"udp\""), 0.0);
    assert_eq!(ask_tcp(server.tcp, &query("x.example.", A)).await.answers.len(), 1);
    let again = tokio::time::timeout(Duration::from_secs(1), async {
        while std::net::UdpSocket::bind(server.udp).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(again.await.is_ok(), "a listener that is gone gives its port back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_is_seen_first_then_answered_out() {
    let upstream = upstream(1).await;
    let mut settings = settings(vec![cached(&upstream, ".")]);
    settings.limits.lameduck = Duration::from_millis(400);
    let server = start(settings).await;
    server.ask("kept.example.", A).await;
    let waiting = {
        let to = server.udp;
        tokio::spawn(async move { ask_udp(to, &query("slow.example.", A)).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(server.handle.is_ready());
    let (handle, began) = (server.handle.clone(), Instant::now());
    let stopping = tokio::spawn(handle.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!server.handle.is_ready());
    assert_eq!(server.ask("kept.example.", A).await.answers.len(), 1);
    assert_eq!(waiting.await.unwrap().answers.len(), 1);
    stopping.await.unwrap();
    assert!((400..6000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert!(tokio::net::TcpStream::connect(server.tcp).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_is_found_told_and_left_when_it_is_gone_while_other_names_go_on() {
    // An upstream that asks whom it is told to, for as long as it is told to.
    let socket = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (address, looping) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(true)));
    let honest = upstream(1).await;
    let server = start(settings(vec![
        Zone { name: "loop".into(), ..root(forward(&[address])) },
        Zone { name: "good".into(), ..root(forward(&[honest.address])) },
        Zone { name: "own".into(), ..root(forward(&["127.0.0.1:1".parse().unwrap()])) },
    ]))
    .await;
    let (back, turns) = (server.udp, looping.clone());
    let relay = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let (bytes, socket, turns) = (buffer[..length].to_vec(), socket.clone(), turns.clone());
            tokio::spawn(async move {
                let query = hickory_proto::op::Message::from_vec(&bytes).unwrap();
                let reply = if turns.load(SeqCst) {
                    send_udp(back, &bytes).await
                } else {
                    Some(
                        answer(&query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 9])]).to_vec().unwrap(),
                    )
                };
                if let Some(reply) = reply {
                    let _ = socket.send_to(&reply, from).await;
                }
            });
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    let reply = server.ask("x.loop.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(0)));
    assert!(began.elapsed() < Duration::from_millis(1900), "told at once");
    assert_eq!(server.ask("x.good.", A).await.answers.len(), 1);
    assert!(server.metric("sluice_dns_loops_total", "") >= 1.0);
    looping.store(false, SeqCst);
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert_eq!(data(&server.ask("x.loop.", A).await), ["x.loop. 192.0.2.9"]);
    relay.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolver_that_forwards_to_itself_says_so() {
    let mut own = settings(vec![]);
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    own.listeners[0].address = free;
    own.zones = vec![root(forward(&[free]))];
    let server = start(own).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosts_file_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts");
    std::fs::write(&path, "192.0.2.1 a.example\n").unwrap();
    let hosts =
        Hosts { file: Some(path.clone()), reload: Duration::from_millis(50), ttl: 7, ..Hosts::default() };
    let server =
        start(settings(vec![Zone { name: ".".into(), hosts: Some(hosts), ..Zone::default() }])).await;
    let reply = server.ask("a.example.", A).await;
    assert_eq!((data(&reply), reply.answers[0].ttl), (vec!["a.example. 192.0.2.1".into()], 7));
    assert_eq!(server.ask("b.example.", A).await.metadata.response_code, ResponseCode::NXDomain);
    std::fs::write(&path, "192.0.2.1 a.example b.example\n").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.ask("b.example.", A).await.answers.len(), 1);
}
