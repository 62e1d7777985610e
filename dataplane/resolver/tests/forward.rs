//! Forwarding to upstreams that are honest, slow, dead or liars.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use sluice_resolver::config::{Cache, Policy};

const A: RecordType = RecordType::A;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_over_udp_and_tcp_in_the_clients_case() {
    let upstream = Fake::honest().await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    for reply in [
        ask_udp(server.udp, &query("wWw.Example.ORG.", A)).await,
        ask_tcp(server.tcp, &query("wWw.Example.ORG.", A)).await,
    ] {
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
        assert!(!reply.metadata.authoritative && !reply.metadata.truncation);
        assert_eq!(data(&reply), ["wWw.Example.ORG. 192.0.2.1"]);
        assert!(reply.edns.is_some());
    }
    let mut plain = query("x.example.", A);
    plain.edns = None;
    assert!(ask_udp(server.udp, &plain).await.edns.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_has_a_port_an_identifier_and_a_case_of_its_own() {
    let upstream = Fake::honest().await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    for number in 0..40 {
        server.ask(&format!("host{number}.some-long-name.example."), A).await;
    }
    let seen = upstream.seen.lock().unwrap();
    assert_eq!(seen.len(), 40);
    let ports: HashSet<_> = seen.iter().map(|(from, ..)| from.port()).collect();
    let ids: HashSet<_> = seen.iter().map(|(_, query, _)| query.metadata.id).collect();
    let tails: HashSet<_> =
        seen.iter().map(|(_, query, _)| query.queries[0].name.trim_to(2).to_ascii()).collect();
    assert!(
        ports.len() > 35 && ids.len() > 35 && tails.len() > 35,
        "{} {} {}",
        ports.len(),
        ids.len(),
        tails.len()
    );
    assert!(ports.iter().all(|port| *port >= 32768));
    // Names come back as they were asked all the same, and in metrics nothing is amiss.
    assert_eq!(server.metric("sluice_dns_upstream_mismatches_total", ""), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_queries_are_one_question() {
    let upstream = Fake::start(|query, _| {
        let reply = answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]);
        vec![(Duration::from_millis(300), reply.to_vec().unwrap())]
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    let asks: Vec<_> = (0..50)
        .map(|_| {
            let to = server.udp;
            tokio::spawn(async move { ask_udp(to, &query("same.example.", A)).await })
        })
        .collect();
    for ask in asks {
        assert_eq!(ask.await.unwrap().answers.len(), 1);
    }
    assert_eq!(upstream.count(), 1);
    assert!(server.metric("sluice_dns_coalesced_total", "") >= 49.0);
    // Another type, DO or CD is another question.
    let mut dnssec = query("same.example.", A);
    dnssec.edns.as_mut().unwrap().set_dnssec_ok(true);
    let mut unchecked = query("same.example.", A);
    unchecked.metadata.checking_disabled = true;
    let plain = query("same.example.", A);
    tokio::join!(ask_udp(server.udp, &plain), ask_udp(server.udp, &dnssec), ask_udp(server.udp, &unchecked),);
    assert_eq!(upstream.count(), 4);
}

fn forged(query: &Message) -> Message {
    answer(query, vec![a(&query.queries[0].name, 600, [203, 0, 113, 66])])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_identifier_question_or_flag_is_waited_out() {
    let upstream = Fake::start(|query, _| {
        let good = answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]).to_vec().unwrap();
        let mut wrong_id = forged(query);
        wrong_id.metadata.id ^= 1;
        let mut wrong_name = forged(query);
        wrong_name.queries[0].set_name(name("other.example."));
        let bad = match query.queries[0].name.to_string().to_lowercase().as_str() {
            "id.example." => wrong_id.to_vec().unwrap(),
            "name.example." => wrong_name.to_vec().unwrap(),
            "query.example." => query.to_vec().unwrap(),
            "short.example." => vec![1, 2, 3],
            _ => good[..good.len() - 3].to_vec(),
        };
        vec![(Duration::ZERO, bad.clone()), (Duration::ZERO, bad), (Duration::from_millis(50), good)]
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    for asked in ["id", "name", "query", "short", "cut"] {
        let reply = server.ask(&format!("{asked}.example."), A).await;
        assert_eq!(data(&reply), [format!("{asked}.example. 192.0.2.1")], "{asked}");
    }
    assert_eq!(server.metric("sluice_dns_upstream_mismatches_total", ""), 10.0);
    assert_eq!(server.metric("sluice_dns_upstream_doubted_total", ""), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_mismatches_sends_the_question_over_tcp() {
    let upstream = Fake::start(|query, stream| {
        if stream {
            return now(answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]));
        }
        let guess = |number: u16| {
            let mut guess = forged(query);
            guess.metadata.id ^= number + 1;
            (Duration::ZERO, guess.to_vec().unwrap())
        };
        // The last guess is right: it comes too late to be heard.
        (0..20).map(guess).chain([(Duration::ZERO, forged(query).to_vec().unwrap())]).collect()
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!(data(&reply), ["www.example. 192.0.2.1"]);
    assert_eq!(server.metric("sluice_dns_upstream_doubted_total", ""), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_does_not_keep_case_is_found_out_by_tcp_and_then_asked_plainly() {
    let upstream = Fake::start(|query, _| {
        let mut reply = answer(query, vec![]);
        let lower = query.queries[0].name.to_lowercase();
        reply.queries[0].set_name(lower.clone());
        reply.answers = vec![a(&lower, 60, [192, 0, 2, 1])];
        now(reply)
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    assert_eq!(server.ask("a-long-name-with-letters.example.", A).await.answers.len(), 1);
    assert_eq!(server.metric("sluice_dns_upstream_case_lost_total", ""), 1.0);
    for number in 0..10 {
        assert_eq!(server.ask(&format!("another-long-name{number}.example."), A).await.answers.len(), 1);
    }
    let seen = upstream.seen.lock().unwrap();
    let over_tcp = seen.iter().filter(|(_, _, stream)| *stream).count();
    assert_eq!((seen.len(), over_tcp), (12, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_reply_is_asked_for_over_tcp() {
    let upstream = Fake::start(|query, stream| {
        let asked = &query.queries[0].name;
        if stream {
            return now(answer(query, (0..60).map(|last| a(asked, 60, [192, 0, 2, last])).collect()));
        }
        let mut reply = answer(query, vec![]);
        reply.metadata.truncation = true;
        now(reply)
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    let reply = ask_tcp(server.tcp, &query("big.example.", A)).await;
    assert_eq!((reply.answers.len(), reply.metadata.truncation), (60, false));
    // Over UDP as much as fits the client, which is told that there is more.
    let mut small = query("big.example.", A);
    small.edns = None;
    let bytes = send_udp(server.udp, &small.to_vec().unwrap()).await.unwrap();
    let reply = Message::from_vec(&bytes).unwrap();
    assert!(bytes.len() <= 512 && reply.metadata.truncation && reply.answers.len() > 20, "{}", bytes.len());
    let reply = ask_udp(server.udp, &query("big.example.", A)).await;
    assert_eq!((reply.answers.len(), reply.metadata.truncation), (60, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_about_other_names_are_neither_told_nor_kept() {
    let upstream = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        if asked.to_lowercase() == name("victim.example.") {
            return now(answer(query, vec![a(asked, 60, [192, 0, 2, 2])]));
        }
        let mut reply = answer(
            query,
            vec![cname(asked, "alias.example."), a(&name("alias.example."), 60, [192, 0, 2, 1])],
        );
        reply.answers.push(a(&name("victim.example."), 600, [203, 0, 113, 66]));
        reply.authorities =
            vec![a(&name("victim.example."), 600, [203, 0, 113, 66]), soa("example.", 60, 60)];
        reply.additionals = vec![a(&name("victim.example."), 600, [203, 0, 113, 66])];
        now(reply)
    })
    .await;
    let zone =
        sluice_resolver::config::Zone { cache: Some(Cache::default()), ..root(forward(&[upstream.address])) };
    let server = start(settings(vec![zone])).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!(data(&reply), ["www.example. alias.example.", "alias.example. 192.0.2.1"]);
    assert!(reply.authorities.is_empty() && reply.additionals.is_empty());
    assert_eq!(data(&server.ask("victim.example.", A).await), ["victim.example. 192.0.2.2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_something_else_is_a_failure_and_the_next_upstream_is_asked() {
    let liar =
        Fake::start(|query, _| now(answer(query, vec![a(&name("other.example."), 60, [203, 0, 113, 66])])))
            .await;
    let looping = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        now(answer(
            query,
            vec![
                cname(asked, "b.example."),
                cname(&name("b.example."), "c.example."),
                cname(&name("c.example."), "b.example."),
            ],
        ))
    })
    .await;
    let server = start(settings(vec![root(forward(&[liar.address, looping.address]))])).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::ServFail, 0));
    assert_eq!(extended(&reply), Some(24));
    let honest = Fake::honest().await;
    let server = start(settings(vec![root(forward(&[liar.address, looping.address, honest.address]))])).await;
    assert_eq!(data(&server.ask("www.example.", A).await), ["www.example. 192.0.2.1"]);
}

/// The least time that one of a few names takes: a machine that is busy makes some of them wait, not all.
async fn fastest(server: &Server, stem: &str) -> Duration {
    let mut fastest = Duration::MAX;
    for number in 0..8 {
        let began = Instant::now();
        server.ask(&format!("{stem}{number}.example."), A).await;
        fastest = fastest.min(began.elapsed());
    }
    fastest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_or_slow_upstream_does_not_hold_up_the_others() {
    let silent = Fake::start(|_, _| vec![]).await;
    let closed = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let honest = Fake::honest().await;
    let mut forward = forward(&[silent.address, closed, honest.address]);
    forward.patience = Duration::from_millis(400);
    let server = start(settings(vec![root(forward)])).await;
    let began = Instant::now();
    assert_eq!(server.ask("one.example.", A).await.answers.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // After two failures they are down and come last.
    server.ask("two.example.", A).await;
    assert_eq!(server.metric("sluice_dns_upstream_up", ""), 1.0);
    let fastest = fastest(&server, "three").await;
    assert!(fastest < Duration::from_millis(350), "{fastest:?}");
    assert!(server.metric("coredns_proxy_healthcheck_failures_total", &silent.address.to_string()) > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_down_is_probed_and_comes_back() {
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now_up = up.clone();
    let upstream = Fake::start(move |query, _| {
        if !now_up.load(std::sync::atomic::Ordering::SeqCst) {
            return vec![];
        }
        now(answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]))
    })
    .await;
    let mut limited = settings(vec![root(sluice_resolver::config::Forward {
        patience: Duration::from_millis(50),
        fail_fast: true,
        ..forward(&[upstream.address])
    })]);
    limited.limits.query = Duration::from_millis(400);
    let server = start(limited).await;
    for number in 0..2 {
        let reply = server.ask(&format!("{number}.example."), A).await;
        assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(22)));
    }
    assert_eq!(server.metric("sluice_dns_upstream_up", ""), 0.0);
    // While all are down and that is to be quick, it is.
    let fastest = fastest(&server, "quick").await;
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
    assert_eq!(server.ask("quick.example.", A).await.metadata.response_code, ResponseCode::ServFail);
    assert!(server.metric("coredns_forward_healthcheck_broken_total", "") >= 1.0);
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(server.metric("sluice_dns_upstream_up", ""), 1.0);
    assert_eq!(server.ask("back.example.", A).await.answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_question_is_sent_again_and_every_query_has_a_deadline() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let lossy = Fake::start(move |query, _| {
        if query.queries[0].name.to_lowercase() == name("never.example.") {
            return vec![];
        }
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return vec![];
        }
        now(answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]))
    })
    .await;
    let mut impatient = forward(&[lossy.address]);
    impatient.patience = Duration::from_millis(100);
    let mut settings = settings(vec![root(impatient)]);
    settings.limits.query = Duration::from_millis(500);
    let server = start(settings).await;
    assert_eq!(server.ask("lost.example.", A).await.answers.len(), 1);
    let began = Instant::now();
    let reply = server.ask("never.example.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(22)));
    assert!((400..6000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_say_who_is_asked_first() {
    let (one, two) = (Fake::honest().await, Fake::honest().await);
    for (policy, least) in [(Policy::Sequential, 0), (Policy::RoundRobin, 10), (Policy::Random, 2)] {
        let before = (one.count(), two.count());
        let mut forward = forward(&[one.address, two.address]);
        forward.policy = policy;
        let server = start(settings(vec![root(forward)])).await;
        for number in 0..20 {
            server.ask(&format!("{number}.example."), A).await;
        }
        let asked = (one.count() - before.0, two.count() - before.1);
        assert_eq!(asked.0 + asked.1, 20);
        assert!(asked.1 >= least, "{policy:?} {asked:?}");
        if policy == Policy::Sequential {
            assert_eq!(asked.1, 0);
        }
    }
}

/// The cookie option of a message.
fn cookie(message: &Message) -> Option<Vec<u8>> {
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    match message.edns.as_ref()?.option(EdnsCode::Cookie)? {
        EdnsOption::Unknown(_, data) => Some(data.clone()),
        _ => None,
    }
}

fn with_cookie(mut reply: Message, cookie: Vec<u8>) -> Message {
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    let options = reply.edns.as_mut().unwrap().options_mut();
    options.remove(EdnsCode::Cookie);
    options.insert(EdnsOption::Unknown(10, cookie));
    reply
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_sent_back_and_a_reply_without_it_is_not_believed() {
    let upstream = Fake::start(|query, stream| {
        let asked = &query.queries[0].name;
        let good = answer(query, vec![a(asked, 60, [192, 0, 2, 1])]);
        let client = cookie(query).unwrap()[..8].to_vec();
        let good = with_cookie(good, [&client[..], &[7; 16]].concat());
        let mut bare = forged(query);
        bare.edns.as_mut().unwrap().options_mut().options.clear();
        let wrong = with_cookie(forged(query), vec![1; 24]);
        let zero = Duration::ZERO;
        match asked.to_lowercase().to_ascii().as_str() {
            "bare.example." if !stream => vec![(zero, bare.to_vec().unwrap())],
            "wrong.example." => {
                vec![(zero, wrong.to_vec().unwrap()), (Duration::from_millis(30), good.to_vec().unwrap())]
            }
            "bad.example." if !stream => {
                let mut bad = with_cookie(answer(query, vec![]), [&client[..], &[8; 16]].concat());
                bad.metadata.response_code = ResponseCode::BADCOOKIE;
                now(bad)
            }
            _ => now(good),
        }
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    for asked in ["first", "second", "bare", "wrong", "bad", "last"] {
        let reply = server.ask(&format!("{asked}.example."), A).await;
        assert_eq!(data(&reply), [format!("{asked}.example. 192.0.2.1")], "{asked}");
        assert!(cookie(&reply).is_none());
    }
    let seen = upstream.seen.lock().unwrap();
    let of = |asked: &str| -> Vec<(Vec<u8>, bool)> {
        let of = seen.iter().filter(|(_, query, _)| query.queries[0].name.to_lowercase() == name(asked));
        of.map(|(_, query, stream)| (cookie(query).unwrap(), *stream)).collect()
    };
    let client = of("first.example.")[0].0[..8].to_vec();
    assert_eq!(of("second.example."), [([&client[..], &[7; 16]].concat(), false)]);
    let full = [&client[..], &[7; 16]].concat();
    assert_eq!(of("bare.example."), [(full.clone(), false), (full.clone(), true)]);
    assert_eq!(of("wrong.example.").len(), 1);
    assert_eq!(of("bad.example.")[1], ([&client[..], &[8; 16]].concat(), true));
    assert_eq!(of("last.example.")[0].0, full);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_from_before_edns_is_asked_without() {
    let upstream = Fake::start(|query, _| {
        if query.edns.is_some() {
            return now({
                let mut reply = failure(query, ResponseCode::FormErr);
                reply.edns = None;
                reply
            });
        }
        now(answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]))
    })
    .await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    for number in 0..3 {
        assert_eq!(server.ask(&format!("{number}.example."), A).await.answers.len(), 1);
    }
    assert_eq!(upstream.count(), 4);
}

/// An upstream of one UDP socket, without TCP.
async fn datagrams(
    answer: impl Fn(&Message) -> Vec<u8> + Send + 'static,
    before: impl Fn(&Message) -> Option<Vec<u8>> + Send + 'static,
) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            if let Some(forged) = before(&query) {
                stranger.send_to(&forged, from).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let _ = socket.send_to(&answer(&query), from).await;
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_from_elsewhere_is_not_heard() {
    let good = |query: &Message| {
        answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]).to_vec().unwrap()
    };
    let (address, task) = datagrams(good, |query| Some(forged(query).to_vec().unwrap())).await;
    let server = start(settings(vec![root(forward(&[address]))])).await;
    assert_eq!(data(&server.ask("www.example.", A).await), ["www.example. 192.0.2.1"]);
    assert_eq!(server.metric("sluice_dns_upstream_mismatches_total", ""), 0.0);
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_reply_of_an_upstream_without_tcp_is_a_failure_of_its_own_alone() {
    let truncated = |query: &Message| {
        let mut reply = forged(query);
        reply.metadata.truncation = true;
        reply.to_vec().unwrap()
    };
    let (address, task) = datagrams(truncated, |_| None).await;
    let server = start(settings(vec![root(forward(&[address]))])).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(23)));
    let honest = Fake::honest().await;
    let server = start(settings(vec![root(forward(&[address, honest.address]))])).await;
    assert_eq!(data(&server.ask("www.example.", A).await), ["www.example. 192.0.2.1"]);
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_upstream_is_asked_after_the_codes_it_is_to_be_asked_after() {
    let refusing = Fake::start(|query, _| now(failure(query, ResponseCode::Refused))).await;
    let honest = Fake::honest().await;
    let upstreams = [refusing.address, honest.address];
    let server = start(settings(vec![root(forward(&upstreams))])).await;
    assert_eq!(server.ask("www.example.", A).await.metadata.response_code, ResponseCode::Refused);
    let mut further = forward(&upstreams);
    further.failover = vec![2, 5];
    let server = start(settings(vec![root(further.clone())])).await;
    assert_eq!(server.ask("www.example.", A).await.answers.len(), 1);
    // Where nobody has better to say, that is what is told.
    further.upstreams.truncate(1);
    let server = start(settings(vec![root(further)])).await;
    assert_eq!(server.ask("www.example.", A).await.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipv6_is_spoken_on_both_sides() {
    let socket = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let reply = answer(&query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]);
            let _ = socket.send_to(&reply.to_vec().unwrap(), from).await;
        }
    });
    let mut forward = forward(&[address]);
    forward.prefer_udp = true;
    let mut settings = settings(vec![root(forward)]);
    for listener in &mut settings.listeners {
        listener.address = "[::1]:0".parse().unwrap();
        listener.clients = vec!["::1/128".parse().unwrap()];
    }
    let server = start(settings).await;
    assert_eq!(ask_tcp(server.tcp, &query("www.example.", A)).await.answers.len(), 1);
    assert_eq!(server.metric("coredns_dns_requests_total", "family=\"2\""), 1.0);
    task.abort();
}
