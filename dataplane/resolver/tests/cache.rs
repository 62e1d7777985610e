//! What is kept of answers, for how long, and what is done when it runs out.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use sluice_resolver::config::{Cache, CacheSide, Prefetch, ServeStale, Zone};

const A: RecordType = RecordType::A;

/// An upstream whose addresses count its replies, which fails while told to, and leaves what it is asked unanswered.
struct Counting {
    fake: Fake,
    fails: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
}

async fn counting(ttl: u32) -> Counting {
    let (fails, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (failing, saying_nothing, replies) = (fails.clone(), silent.clone(), AtomicU32::new(0));
    let fake = Fake::start(move |query, _| {
        let asked = &query.queries[0].name;
        let number = replies.fetch_add(1, SeqCst) + 1;
        if saying_nothing.load(SeqCst) {
            return vec![];
        }
        if failing.load(SeqCst) {
            return now(failure(query, ResponseCode::ServFail));
        }
        if asked.to_lowercase().to_ascii().starts_with("no") {
            return now(nxdomain(query, "example.", 900, ttl));
        }
        now(answer(query, vec![a(asked, ttl, [192, 0, 2, number.try_into().unwrap()])]))
    });
    Counting { fake: fake.await, fails, silent }
}

fn cached(upstream: &Counting, cache: Cache) -> Zone {
    Zone { cache: Some(cache), ..root(forward(&[upstream.fake.address])) }
}

fn sides(min_ttl: u32, max_ttl: u32) -> Cache {
    let side = CacheSide { entries: 1000, bytes: 1 << 20, min_ttl, max_ttl };
    Cache { success: side.clone(), denial: side, ..Cache::default() }
}

fn ttl(reply: &Message) -> u32 {
    reply.answers.iter().chain(&reply.authorities).map(|record| record.ttl).min().unwrap()
}

async fn wait(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_kept_and_their_ttl_counts_down() {
    let upstream = counting(60).await;
    let server = start(settings(vec![cached(&upstream, Cache::default())])).await;
    let first = server.ask("www.example.", A).await;
    wait(1100).await;
    let second = server.ask("WWW.example.", A).await;
    assert_eq!((upstream.fake.count(), ttl(&first)), (1, 60));
    assert!((58..60).contains(&ttl(&second)), "{}", ttl(&second));
    assert_eq!(data(&second), ["WWW.example. 192.0.2.1"]);
    assert_eq!(server.metric("coredns_cache_hits_total", "type=\"success\""), 1.0);
    assert_eq!(server.metric("coredns_cache_misses_total", ""), 1.0);
    assert_eq!(server.metric("coredns_cache_entries", "type=\"success\""), 1.0);
    // A client that wants DNSSEC records, or checks by itself, is not answered with what another got.
    let mut dnssec = query("www.example.", A);
    dnssec.edns.as_mut().unwrap().set_dnssec_ok(true);
    ask_udp(server.udp, &dnssec).await;
    let mut unchecked = query("www.example.", A);
    unchecked.metadata.checking_disabled = true;
    ask_udp(server.udp, &unchecked).await;
    assert_eq!(upstream.fake.count(), 3);
    // Nor is what is kept told to who wants nothing else asked: only if it is there.
    let mut local = query("www.example.", A);
    local.metadata.recursion_desired = false;
    assert_eq!(ask_udp(server.udp, &local).await.answers.len(), 1);
    let mut local = query("other.example.", A);
    local.metadata.recursion_desired = false;
    assert_eq!(ask_udp(server.udp, &local).await.metadata.response_code, ResponseCode::Refused);
    assert_eq!(upstream.fake.count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ttls_are_bounded_and_can_stay() {
    let upstream = counting(100_000).await;
    let server = start(settings(vec![cached(&upstream, Cache { keep_ttl: true, ..sides(0, 30) })])).await;
    assert_eq!(ttl(&server.ask("a.example.", A).await), 30);
    wait(1100).await;
    assert_eq!(ttl(&server.ask("a.example.", A).await), 30);
    let upstream = counting(0).await;
    let server = start(settings(vec![cached(&upstream, sides(1, 30))])).await;
    assert_eq!(ttl(&server.ask("a.example.", A).await), 1);
    server.ask("a.example.", A).await;
    assert_eq!(upstream.fake.count(), 1);
    wait(1100).await;
    server.ask("a.example.", A).await;
    assert_eq!(upstream.fake.count(), 2);
    // Without a least time, what lasts no time is not kept.
    let server = start(settings(vec![cached(&upstream, sides(0, 30))])).await;
    server.ask("a.example.", A).await;
    server.ask("a.example.", A).await;
    assert_eq!(upstream.fake.count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denials_last_as_long_as_the_soa_says_and_without_one_not_at_all() {
    let upstream = Fake::start(|query, _| {
        let asked = query.queries[0].name.to_lowercase().to_ascii();
        now(match asked.as_str() {
            "nodata.example." => {
                let mut reply = answer(query, vec![]);
                reply.authorities = vec![soa("example.", 700, 900)];
                reply
            }
            "bare.example." => failure(query, ResponseCode::NXDomain),
            "foreign.example." => nxdomain(query, "other.", 900, 900),
            _ => nxdomain(query, "example.", 900, 17),
        })
    })
    .await;
    let zone = Zone { cache: Some(Cache::default()), ..root(forward(&[upstream.address])) };
    let server = start(settings(vec![zone])).await;
    for (asked, code, expected) in
        [("no.example.", ResponseCode::NXDomain, 17), ("nodata.example.", ResponseCode::NoError, 700)]
    {
        let before = upstream.count();
        for _ in 0..2 {
            let reply = server.ask(asked, A).await;
            assert_eq!((reply.metadata.response_code, reply.answers.len()), (code, 0));
            assert_eq!(reply.authorities.len(), 1);
            assert!((expected - 1..=expected).contains(&ttl(&reply)), "{}", ttl(&reply));
        }
        assert_eq!(upstream.count() - before, 1, "{asked}");
    }
    for asked in ["bare.example.", "foreign.example."] {
        let before = upstream.count();
        for _ in 0..2 {
            let reply = server.ask(asked, A).await;
            assert_eq!((reply.metadata.response_code, reply.authorities.len()), (ResponseCode::NXDomain, 0));
        }
        assert_eq!(upstream.count() - before, 2, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_kept_for_a_moment() {
    let upstream = counting(60).await;
    upstream.fails.store(true, SeqCst);
    let cache = Cache { servfail: Duration::from_secs(1), ..Cache::default() };
    let server = start(settings(vec![cached(&upstream, cache)])).await;
    for expected in [None, Some(13)] {
        let reply = server.ask("www.example.", A).await;
        assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, expected));
    }
    assert_eq!(upstream.fake.count(), 1);
    upstream.fails.store(false, SeqCst);
    wait(1100).await;
    assert_eq!(server.ask("www.example.", A).await.answers.len(), 1);
    upstream.fails.store(true, SeqCst);
    let server =
        start(settings(vec![cached(&upstream, Cache { servfail: Duration::ZERO, ..Cache::default() })]))
            .await;
    server.ask("www.example.", A).await;
    server.ask("www.example.", A).await;
    assert_eq!(upstream.fake.count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zones_and_kinds_can_be_left_out() {
    let upstream = counting(60).await;
    let cache = Cache {
        disable_success: vec!["fresh.example".into()],
        disable_denial: vec!["fresh.example".into()],
        zones: vec!["example".into()],
        ..Cache::default()
    };
    let server = start(settings(vec![cached(&upstream, cache)])).await;
    for (asked, expected) in [
        ("a.example.", 1),
        ("a.fresh.example.", 2),
        ("no.fresh.example.", 2),
        ("no.example.", 1),
        ("a.other.", 2),
    ] {
        let before = upstream.fake.count();
        server.ask(asked, A).await;
        server.ask(asked, A).await;
        assert_eq!(upstream.fake.count() - before, expected, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_names_is_bounded_and_leaves_what_is_asked_for_again() {
    let upstream = Fake::honest().await;
    let side = CacheSide { entries: 64, bytes: 1 << 20, min_ttl: 5, max_ttl: 3600 };
    let cache = Cache { success: side.clone(), denial: side, ..Cache::default() };
    let zone = Zone { cache: Some(cache), ..root(forward(&[upstream.address])) };
    let server = start(settings(vec![zone])).await;
    server.ask("popular.example.", A).await;
    for number in 0..400 {
        server.ask(&format!("{number}.example."), A).await;
        server.ask("popular.example.", A).await;
    }
    assert_eq!(upstream.count(), 401);
    assert_eq!(server.metric("coredns_cache_entries", ""), 64.0);
    assert_eq!(server.metric("coredns_cache_evictions_total", ""), 337.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn popular_answers_are_fetched_before_they_run_out() {
    let upstream = counting(5).await;
    let prefetch = Prefetch { amount: 2, window: Duration::from_secs(60), percentage: 80 };
    let server =
        start(settings(vec![cached(&upstream, Cache { prefetch: Some(prefetch), ..sides(1, 30) })])).await;
    server.ask("www.example.", A).await;
    server.ask("www.example.", A).await;
    wait(1200).await;
    assert_eq!(upstream.fake.count(), 1);
    let reply = server.ask("www.example.", A).await;
    assert_eq!(data(&reply), ["www.example. 192.0.2.1"]);
    wait(200).await;
    assert_eq!(upstream.fake.count(), 2);
    assert_eq!(data(&server.ask("www.example.", A).await), ["www.example. 192.0.2.2"]);
    assert_eq!(server.metric("coredns_cache_prefetch_total", ""), 1.0);
    // What nobody asks for is left to run out.
    server.ask("lonely.example.", A).await;
    let before = upstream.fake.count();
    wait(1500).await;
    assert_eq!(upstream.fake.count(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_answers_are_served_at_once_and_refreshed_meanwhile() {
    let upstream = counting(1).await;
    let stale = ServeStale { max_age: Duration::from_secs(2), verify: false };
    let cache = Cache { serve_stale: Some(stale), servfail: Duration::from_secs(1), ..sides(1, 30) };
    let server = start(settings(vec![cached(&upstream, cache)])).await;
    server.ask("www.example.", A).await;
    server.ask("no.example.", A).await;
    wait(1100).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!(
        (data(&reply), ttl(&reply), extended(&reply)),
        (vec!["www.example. 192.0.2.1".into()], 30, Some(3))
    );
    let reply = server.ask("no.example.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::NXDomain, Some(19)));
    wait(100).await;
    let reply = server.ask("www.example.", A).await;
    assert!(data(&reply) != ["www.example. 192.0.2.1"] && ttl(&reply) == 1 && extended(&reply).is_none());
    assert_eq!(server.metric("coredns_cache_served_stale_total", ""), 2.0);
    // A failure does not take the place of what is stale, but its end does.
    upstream.fails.store(true, SeqCst);
    wait(1100).await;
    let before = upstream.fake.count();
    for _ in 0..3 {
        assert_eq!(server.ask("www.example.", A).await.answers.len(), 1);
        wait(50).await;
    }
    // Nor is an upstream that has failed asked again for each query.
    assert_eq!(upstream.fake.count() - before, 1);
    wait(2000).await;
    assert_eq!(server.ask("www.example.", A).await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_answers_wait_for_upstreams_where_told_to() {
    let upstream = counting(1).await;
    let stale = ServeStale { max_age: Duration::from_secs(60), verify: true };
    let cache = Cache { serve_stale: Some(stale), servfail: Duration::ZERO, ..sides(1, 30) };
    let server = start(settings(vec![cached(&upstream, cache)])).await;
    server.ask("www.example.", A).await;
    wait(1100).await;
    assert_eq!(data(&server.ask("www.example.", A).await), ["www.example. 192.0.2.2"]);
    wait(1100).await;
    upstream.fails.store(true, SeqCst);
    let reply = server.ask("www.example.", A).await;
    assert_eq!((data(&reply), extended(&reply)), (vec!["www.example. 192.0.2.2".into()], Some(3)));
    upstream.silent.store(true, SeqCst);
    let began = Instant::now();
    let reply = server.ask("www.example.", A).await;
    assert_eq!((data(&reply), extended(&reply)), (vec!["www.example. 192.0.2.2".into()], Some(3)));
    assert!((1700..8000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}
