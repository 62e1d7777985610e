//! The server's side with real sockets: framing, limits, PROXY protocol, listeners, upgrades, the end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in helpers of tests")]

mod gateway;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use gateway::{Gateway, connect, eventually, exact, free, response, rest, statuses};
use sluice_model::http::HostPattern;

const GET: &[u8] = b"GET /good HTTP/1.1\r\nHost: a.test\r\n\r\n";
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

#[test]
fn good_requests_before_a_smuggled_one_are_answered_in_order_and_nothing_after_it() {
    let gateway = Gateway::start(|_| {});
    let smuggled: [(&[u8], u16); 8] = [
        (b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\nHost: a.test\n\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        (b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        (b"GET /x HTTP/3.0\r\nHost: a.test\r\n\r\n", 505),
    ];
    for (bytes, status) in smuggled {
        let answer = gateway.talk(&[GET, GET, bytes, GET].concat());
        assert_eq!(statuses(&answer), [200, 200, status], "{}: {answer}", bytes.escape_ascii());
        assert!(!answer.contains("/x"), "{answer}");
        assert_eq!(answer.matches("one GET /good").count(), 2, "{answer}");
    }
    assert_eq!(gateway.metric("sluice_http_refused_requests_total{reason=\"framing\"}"), 1);
    assert_eq!(gateway.metric("sluice_http_refused_requests_total{reason=\"host\"}"), 1);
}

#[test]
fn a_body_with_odd_chunks_reaches_nobody_whole() {
    let gateway = Gateway::start(|_| {});
    let bytes =
        b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n";
    let answer = gateway.talk(&[GET, bytes, GET].concat());
    assert_eq!(statuses(&answer), [200, 400], "{answer}");
    let good =
        b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answer = gateway.talk(&[good, LAST].concat());
    assert_eq!(statuses(&answer), [200, 200], "{answer}");
    assert!(answer.contains("5 bytes"), "{answer}");
}

#[test]
fn a_head_that_is_too_long_is_431_and_the_answer_arrives_though_more_is_sent() {
    let gateway = Gateway::start(|settings| settings.max_head = 8192);
    let mut stream = gateway.connect();
    let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}", "y".repeat(100_000));
    // The other end may close in the middle.
    let _ = stream.write_all(head.as_bytes());
    assert_eq!(statuses(&rest(&mut stream)), [431]);
}

#[test]
fn responses_have_a_date_and_a_server_where_the_endpoint_sends_none() {
    let gateway = Gateway::start(|_| {});
    let answer = gateway.talk(LAST).to_lowercase();
    assert!(answer.contains("\r\ndate: ") && answer.contains("\r\nserver: sluice\r\n"), "{answer}");
    let refused = gateway.talk(b"GET / HTTP/1.1\r\n\r\n").to_lowercase();
    assert!(refused.contains("\r\ndate: ") && refused.contains("\r\nconnection: close\r\n"), "{refused}");
}

#[test]
fn a_slow_head_is_ended_and_others_are_unharmed() {
    let gateway = Gateway::start(|settings| settings.head_ms = 300);
    let mut slow = gateway.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n").unwrap();
    let mut silent = gateway.connect();
    let begun = Instant::now();
    // A byte now and then does not help.
    let mut writer = slow.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while writer.write_all(b"x").is_ok() && begun.elapsed().as_secs() < 30 {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(statuses(&gateway.talk(LAST)), [200]);
    assert_eq!(statuses(&rest(&mut slow)), [408]);
    assert_eq!(rest(&mut silent), "");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    slow.shutdown(Shutdown::Both).unwrap();
    drip.join().unwrap();
}

#[test]
fn a_slow_body_is_answered_with_408() {
    let gateway = Gateway::start(|settings| settings.body_ms = 300);
    let begun = Instant::now();
    let answer = gateway.talk(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(statuses(&answer), [408], "{answer}");
    assert!((250..15_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let gateway = Gateway::start(|settings| settings.body_ms = 300);
    let mut stream = gateway.connect();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    eventually("the connection", || (gateway.metric("sluice_http_connections") == 1).then_some(()));
    eventually("its end", || (gateway.metric("sluice_http_connections") == 0).then_some(()));
    drop(stream);
}

#[test]
fn an_idle_connection_is_closed_after_its_time_and_serves_until_then() {
    let gateway = Gateway::start(|settings| settings.keep_alive_ms = 3000);
    let mut stream = gateway.connect();
    let begun = Instant::now();
    let mut last = begun;
    // In all longer than it would be kept without.
    while begun.elapsed() < Duration::from_millis(3600) {
        last = Instant::now();
        stream.write_all(GET).unwrap();
        assert_eq!(statuses(&response(&mut stream)), [200]);
        std::thread::sleep(Duration::from_millis(600));
    }
    assert_eq!(rest(&mut stream), "");
    // The clock of connections counts whole milliseconds.
    assert!(last.elapsed() >= Duration::from_millis(2900), "{:?}", last.elapsed());
}

#[test]
fn connections_above_the_limit_are_closed_and_counted() {
    let gateway = Gateway::start(|settings| settings.max_connections = 3);
    let held: Vec<TcpStream> = (0..3).map(|_| gateway.connect()).collect();
    eventually("all", || (gateway.metric("sluice_http_connections") == 3).then_some(()));
    assert_eq!(rest(&mut gateway.connect()), "");
    eventually("the count", || (gateway.metric("sluice_http_refused_connections_total") == 1).then_some(()));
    drop(held);
    eventually("their end", || (gateway.metric("sluice_http_connections") == 0).then_some(()));
    assert_eq!(statuses(&gateway.talk(LAST)), [200]);
}

#[test]
fn the_proxy_protocol_names_the_client_and_is_asked_of_its_networks_alone() {
    let gateway = Gateway::start(|_| {});
    gateway.configure(|settings| settings.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()]);
    let v1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";
    let answer = gateway.talk(&[v1, LAST].concat());
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(answer.contains("x-real-ip: 192.0.2.7\n"), "{answer}");
    let v2 =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 8, 198, 51, 100, 1, 1, 1, 0, 80]].concat();
    // In pieces.
    let mut stream = gateway.connect();
    for part in [&v2[..], LAST].concat().chunks(5) {
        stream.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(rest(&mut stream).contains("x-real-ip: 192.0.2.8\n"));
    // Without it there is nothing to be had, and nobody else may send it.
    assert_eq!(gateway.talk(LAST), "");
    let failed = "sluice_http_failed_connections_total{reason=\"proxy\"}";
    eventually("the count", || (gateway.metric(failed) == 1).then_some(()));
    gateway.configure(|_| {});
    assert_eq!(statuses(&gateway.talk(&[v1, LAST].concat())), [400]);
}

#[test]
fn listeners_come_and_go_and_connections_stay() {
    let gateway = Gateway::with_workers(2, |_| {});
    let mut kept = gateway.connect();
    kept.write_all(GET).unwrap();
    assert_eq!(statuses(&response(&mut kept)), [200]);
    let other = free();
    gateway.configure(|settings| settings.http = vec![other]);
    eventually("the other address", || TcpStream::connect(other).ok());
    eventually("no listener at the first", || TcpStream::connect(gateway.http).is_err().then_some(()));
    kept.write_all(GET).unwrap();
    assert_eq!(statuses(&response(&mut kept)), [200]);
    let mut there = connect(other);
    there.write_all(LAST).unwrap();
    assert_eq!(statuses(&rest(&mut there)), [200]);
}

#[test]
fn an_address_that_is_not_there_yet_is_told_and_tried_again() {
    let gateway = Gateway::start(|_| {});
    let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = taken.local_addr().unwrap();
    gateway.configure(|settings| settings.http.push(at));
    let problem = eventually("the problem", || gateway.server.problem());
    assert!(problem.contains(&at.to_string()), "{problem}");
    drop(taken);
    eventually("no problem", || gateway.server.problem().is_none().then_some(()));
    let mut stream = connect(at);
    stream.write_all(LAST).unwrap();
    assert_eq!(statuses(&rest(&mut stream)), [200]);
}

#[test]
fn an_upgraded_connection_carries_any_bytes() {
    let gateway = Gateway::start(|_| {});
    let mut stream = gateway.connect();
    let head = b"GET /upgrade HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    // Some come before the answer, as they should not.
    let early = b"\n\0early";
    stream.write_all(&[head, &early[..]].concat()).unwrap();
    let answer = response(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for bytes in [&b"GET / HTTP/1.1\n\n"[..], &[0; 100_000], b"\r\n\r\n"] {
        stream.write_all(bytes).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    assert_eq!(echoed.len(), early.len() + 16 + 100_000 + 4);
    assert!(echoed.starts_with(b"\n\0earlyGET / HTTP/1.1\n\n"));
    // Where it is not granted, the connection goes on with requests, strictly.
    let refused = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = gateway.talk(&[refused, GET, b"GET / HTTP/1.1\nHost: a.test\n\n"].concat());
    assert_eq!(statuses(&answer), [200, 200, 400], "{answer}");
}

#[test]
fn at_the_end_requests_in_flight_are_answered_and_idle_connections_closed() {
    let gateway_drain = 30_000;
    let gateway = Gateway::start(|settings| settings.drain_ms = gateway_drain);
    let mut idle = gateway.connect();
    idle.write_all(GET).unwrap();
    response(&mut idle);
    let mut fresh = gateway.connect();
    let mut busy = gateway.connect();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    gateway::in_flight(&gateway);
    let (at, begun) = (gateway.http, Instant::now());
    let ended = std::thread::spawn(move || gateway.server.stop());
    assert_eq!(rest(&mut idle), "");
    assert_eq!(rest(&mut fresh), "");
    let answer = rest(&mut busy);
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    ended.join().unwrap();
    // Not as long as it might have waited.
    assert!(begun.elapsed() < Duration::from_millis(gateway_drain.into()), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(at).is_err());
}

#[test]
fn the_end_waits_no_longer_than_it_is_told() {
    let gateway = Gateway::start(|settings| settings.drain_ms = 200);
    let mut busy = gateway.connect();
    busy.write_all(b"GET /never HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    gateway::in_flight(&gateway);
    let begun = Instant::now();
    gateway.server.stop();
    assert!((150..15_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(rest(&mut busy), "");
}

#[test]
fn routes_change_under_load_and_no_request_fails() {
    let gateway = Gateway::with_workers(2, |_| {});
    gateway.set(&[&gateway::upstream("two", &[gateway::backend("two")])]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = gateway.connect();
                    let mut count = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        stream.write_all(GET).unwrap();
                        let answer = response(&mut stream);
                        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for turn in 0..50 {
            let name = if turn % 2 == 0 { "two" } else { "one" };
            gateway.set(&[&gateway.host(HostPattern::Any, name), &gateway.host(exact("a.test"), name)]);
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let total: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(total > 200, "only {total} requests");
    });
}

#[test]
fn requests_are_logged_with_what_became_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access");
    let gateway = Gateway::start(|settings| {
        settings.access_log = Some(sluice_model::http::AccessLog { file: Some(file.clone()) });
        settings.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let traced =
        "GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: abc\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n";
    let answer = gateway.talk(&[traced.as_bytes(), b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"].concat());
    assert_eq!(statuses(&answer), [200, 400], "{answer}");
    let text = eventually("two lines", || {
        std::fs::read_to_string(&file).ok().filter(|text| text.lines().count() == 2)
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let known = [
        ("path", "/a?b"),
        ("host", "a.test"),
        ("request_id", "abc"),
        ("route", "Ingress default/one"),
        ("upstream", "default/one:80"),
    ];
    for (field, value) in known {
        assert_eq!(lines[0][field], value, "{}", lines[0]);
    }
    assert!(lines[0]["client"].as_str().unwrap().starts_with("192.0.2.9:"), "{}", lines[0]);
    assert!(lines[0]["upstream_ms"].is_f64() && lines[0]["tries"] == 1, "{}", lines[0]);
    assert_eq!((lines[1]["refused"].as_str(), lines[1]["status"].as_u64()), (Some("host"), Some(400)));
    assert_eq!(lines[1]["path"], "");
}
