//! Endpoints that fail: what is tried again, what is not, and what clients are told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::*;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sluice_ingress::forward::Refusal;
use sluice_model::http::{Action, Forward, Policy, Retry, RetryOn, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Takes a request and closes the connection.
async fn resetting() -> Endpoint {
    raw(|mut stream, _| async move {
        read_head(&mut stream).await;
    })
    .await
}

fn requests(endpoint: &Endpoint) -> usize {
    endpoint.connections()
}

#[test]
fn a_refused_connection_is_tried_elsewhere_always() {
    run(async {
        let (good, dead) = (echo().await, nobody().await);
        let gateway = gateway(Policy::default(), &[good.address, dead]).await;
        for _ in 0..10 {
            let response = ask(&gateway, post("/", "body")).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(text(&response).ends_with("\n\nbody"));
        }
        assert!(gateway.outcomes.borrow().iter().any(|outcome| outcome.tries == 2));
    });
}

#[test]
fn nobody_there_is_said_with_502_and_503() {
    run(async {
        let gateway = gateway(Policy::default(), &[nobody().await]).await;
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!((gateway.outcome().refusal, gateway.outcome().tries), (Some(Refusal::Connect), 1));
        gateway.apply(&[upstream("web", &[])]);
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::NoEndpoint));
        gateway.apply(&[sluice_model::http::HttpChange::UpstreamGone(name("web"))]);
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn a_fallback_takes_what_an_empty_upstream_cannot() {
    run(async {
        let other = named("other").await;
        let action =
            Action::Forward(Forward { upstream: name("web"), fallback: Some(name("other")), canary: None });
        let routes = vec![route(prefix("/"), action, Policy::default())];
        let gateway =
            Gateway::start(&[host("*", routes), upstream("web", &[]), upstream("other", &[other.address])])
                .await;
        assert_eq!(text(&ask(&gateway, get("/")).await), "other");
        assert_eq!(gateway.outcome().upstream.as_deref(), Some(&name("other")));
    });
}

#[test]
fn sent_requests_are_tried_again_only_where_they_are_idempotent() {
    run(async {
        for (method, non_idempotent, wanted) in [
            (Method::GET, false, 200),
            (Method::PUT, false, 200),
            (Method::POST, false, 502),
            (Method::PATCH, false, 502),
            (Method::POST, true, 200),
        ] {
            let (good, bad) = (echo().await, resetting().await);
            let on = RetryOn { non_idempotent, ..Retry::default().on };
            let policy = Policy { retry: Retry { on, ..Retry::default() }, ..Policy::default() };
            let gateway = gateway(policy, &[good.address, bad.address]).await;
            let mut statuses = Vec::new();
            for _ in 0..2 {
                let request = Request::builder().method(method.clone()).uri("/").header("host", "a.com");
                let response =
                    ask(&gateway, request.body(Full::new(Bytes::from_static(b"body"))).unwrap()).await;
                if response.status() == 200 {
                    assert!(text(&response).ends_with("\n\nbody"), "the body is sent again");
                }
                statuses.push(response.status().as_u16());
            }
            statuses.sort_unstable();
            assert_eq!((statuses, requests(&bad)), (vec![200, wanted], 1), "{method} {non_idempotent}");
        }
    });
}

#[test]
fn a_body_too_large_to_keep_is_not_sent_again() {
    run(async {
        let bad = || async {
            raw(|mut stream, _| async move {
                read_head(&mut stream).await;
                let mut some = vec![0; 100_000];
                drop(stream.read_exact(&mut some).await);
            })
            .await
        };
        let (one, two) = (bad().await, bad().await);
        let gateway =
            gateway(Policy { max_body: None, ..Policy::default() }, &[one.address, two.address]).await;
        let request =
            Request::put("/").header("host", "a.com").body(Full::new(Bytes::from(vec![7; 300_000]))).unwrap();
        assert_eq!(ask(&gateway, request).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!((gateway.outcome().tries, gateway.outcome().refusal), (1, Some(Refusal::Reset)));
    });
}

#[test]
fn tries_and_their_time_are_bounded() {
    run(async {
        let mut bad = Vec::new();
        for _ in 0..6 {
            bad.push(resetting().await);
        }
        let addresses: Vec<_> = bad.iter().map(|endpoint| endpoint.address).collect();
        let tries = |tries| Policy { retry: Retry { tries, ..Retry::default() }, ..Policy::default() };
        for count in [1, 2, 5] {
            let gateway = gateway(tries(count), &addresses).await;
            assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::BAD_GATEWAY);
            assert_eq!(gateway.outcome().tries, count);
        }
        let mut hanging = Vec::new();
        for _ in 0..3 {
            hanging.push(
                raw(|mut stream, _| async move {
                    read_head(&mut stream).await;
                    tokio::time::sleep(Duration::from_secs(30)).await;
                })
                .await,
            );
        }
        let addresses: Vec<_> = hanging.iter().map(|endpoint| endpoint.address).collect();
        let timeouts = Timeouts { read_ms: 100, ..Timeouts::default() };
        let retry = Retry { within_ms: 50, ..Retry::default() };
        let gateway = gateway(Policy { timeouts, retry, ..Policy::default() }, &addresses).await;
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!((gateway.outcome().tries, gateway.outcome().refusal), (1, Some(Refusal::Timeout)));
    });
}

#[test]
fn a_dead_service_does_not_get_its_requests_several_times() {
    run(async {
        let mut bad = Vec::new();
        for _ in 0..4 {
            bad.push(resetting().await);
        }
        let addresses: Vec<_> = bad.iter().map(|endpoint| endpoint.address).collect();
        let gateway = gateway(Policy::default(), &addresses).await;
        for _ in 0..500 {
            assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::BAD_GATEWAY);
        }
        let sent: usize = bad.iter().map(requests).sum();
        assert!(sent <= 500 + 100 + 500 / 5, "{sent} requests of 500");
    });
}

#[test]
fn statuses_are_tried_again_where_the_policy_says_so() {
    run(async {
        let bad = http1(|_| async {
            Response::builder().status(503).body(Full::new(Bytes::from_static(b"busy"))).unwrap()
        })
        .await;
        let good = named("good").await;
        let on = RetryOn { statuses: 0b100, ..RetryOn::default() };
        let policy = Policy { retry: Retry { on, ..Retry::default() }, ..Policy::default() };
        let gateway = gateway(policy, &[bad.address, good.address]).await;
        for _ in 0..4 {
            assert_eq!(text(&ask(&gateway, get("/")).await), "good");
        }
        gateway.apply(&[upstream("web", &[bad.address])]);
        let last = ask(&gateway, get("/")).await;
        assert_eq!(
            (last.status(), text(&last)),
            (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            "the last answer is passed on"
        );
    });
}

#[test]
fn a_connection_closed_at_the_moment_of_its_reuse_fails_no_request() {
    run(async {
        // Each connection answers one request and keeps silent about its end: the second request meets a closed socket.
        let endpoint = raw(|mut stream, _| async move {
            read_head(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            read_head(&mut stream).await;
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        for _ in 0..6 {
            assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::OK);
        }
        assert!(gateway.outcomes.borrow().iter().all(|outcome| outcome.tries == 1));
    });
}

#[test]
fn what_cannot_be_sent_twice_goes_only_on_connections_that_are_open() {
    run(async {
        // Closes right after each answer, without having said so.
        let endpoint = raw(|mut stream, _| async move {
            let head = read_head(&mut stream).await;
            if head.starts_with("POST") {
                let mut body = [0; 4];
                stream.read_exact(&mut body).await.unwrap();
            }
            stream.write_all(OK).await.unwrap();
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        for _ in 0..50 {
            assert_eq!(ask(&gateway, post("/", "body")).await.status(), StatusCode::OK);
        }
    });
}

#[test]
fn connections_are_used_again_and_their_number_bounded() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        gateway.apply(&[settings(|settings| settings.upstream_idle = 4)]);
        for _ in 0..50 {
            assert_eq!(ask(&gateway, post("/", "body")).await.status(), StatusCode::OK);
        }
        assert_eq!((endpoint.connections(), gateway.forwarder.idle_connections()), (1, 1));
        let many: Vec<_> = (0..20)
            .map(|_| {
                let gateway = gateway.clone();
                tokio::task::spawn_local(async move { ask(&gateway, get("/")).await.status() })
            })
            .collect();
        for answer in many {
            assert_eq!(answer.await.unwrap(), StatusCode::OK);
        }
        assert_eq!(gateway.forwarder.idle_connections(), 4);
    });
}

#[test]
fn an_endpoints_keep_alive_is_kept_to() {
    run(async {
        let endpoint = http1(|_| async {
            Response::builder()
                .header("keep-alive", "timeout=1")
                .body(Full::new(Bytes::from_static(b"x")))
                .unwrap()
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        for _ in 0..3 {
            ask(&gateway, get("/")).await;
        }
        assert_eq!((endpoint.connections(), gateway.forwarder.idle_connections()), (3, 0));
    });
}

#[test]
fn answers_that_make_no_sense_are_502() {
    run(async {
        for answer in [
            &b"garbage\r\n\r\n"[..],
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"",
        ] {
            let endpoint = raw(move |mut stream, _| async move {
                read_head(&mut stream).await;
                stream.write_all(answer).await.unwrap();
            })
            .await;
            let gateway = gateway(Policy::default(), &[endpoint.address]).await;
            let response = ask(&gateway, get("/")).await;
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{:?}", String::from_utf8_lossy(answer));
        }
    });
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    run(async {
        for head in ["Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"] {
            let endpoint = raw(move |mut stream, _| async move {
                read_head(&mut stream).await;
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n5\r\nhello\r\n").as_bytes())
                    .await
                    .unwrap();
            })
            .await;
            let gateway = gateway(Policy::default(), &[endpoint.address]).await;
            let answer = say(gateway.address, "GET / HTTP/1.1\r\nHost: a.com\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("hello"), "{answer}");
            assert!(!answer.ends_with("0\r\n\r\n"), "an end that was none: {answer}");
        }
    });
}

#[test]
fn deadlines_end_what_takes_too_long() {
    run(async {
        let silent = raw(|mut stream, _| async move {
            let head = read_head(&mut stream).await;
            if head.contains("/body") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
        })
        .await;
        let timeouts = Timeouts { connect_ms: 200, read_ms: 200, write_ms: 200 };
        let gateway =
            gateway(Policy { timeouts, max_body: None, ..Policy::default() }, &[silent.address]).await;
        let start = Instant::now();
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::Timeout));
        let answer = say(gateway.address, "GET /body HTTP/1.1\r\nHost: a.com\r\n\r\n").await;
        assert!(answer.ends_with("half"), "{answer}");
        // The endpoint reads nothing of a body that fits no buffer.
        let big = Request::post("/")
            .header("host", "a.com")
            .body(Full::new(Bytes::from(vec![0; 50 << 20])))
            .unwrap();
        let stream = TcpStream::connect(gateway.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::task::spawn_local(connection);
        let response = sender.send_request(big).await;
        assert!(response.is_err() || response.unwrap().status() == StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::Timeout));
        assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    });
}

#[test]
fn a_slow_client_is_not_the_endpoints_fault() {
    run(async {
        let endpoint = echo().await;
        let timeouts = Timeouts { connect_ms: 200, read_ms: 150, write_ms: 150 };
        let gateway = gateway(Policy { timeouts, ..Policy::default() }, &[endpoint.address]).await;
        let head = "POST / HTTP/1.1\r\nHost: a.com\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for byte in b"body" {
            tokio::time::sleep(Duration::from_millis(250)).await;
            stream.write_all(&[*byte]).await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("body"), "{answer}");
        gateway.patience.set(Duration::from_millis(200));
        let answer = say(gateway.address, head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(gateway.outcome().refusal, Some(Refusal::SlowBody));
    });
}

#[test]
fn endpoints_that_fail_are_put_out_for_a_while_but_never_most_of_them() {
    run(async {
        let seen = Rc::new(RefCell::new(0));
        let count = Rc::clone(&seen);
        let bad = http1(move |_| {
            *count.borrow_mut() += 1;
            async { Response::builder().status(500).body(Full::<Bytes>::default()).unwrap() }
        })
        .await;
        let good = named("good").await;
        let gateway = gateway(Policy::default(), &[bad.address, good.address]).await;
        for _ in 0..100 {
            ask(&gateway, get("/")).await;
        }
        assert_eq!(*seen.borrow(), 5, "in a row");
        gateway.apply(&[upstream("web", &[bad.address])]);
        assert_eq!(
            ask(&gateway, get("/")).await.status(),
            StatusCode::INTERNAL_SERVER_ERROR,
            "better than none"
        );
    });
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    run(async {
        let closed = Rc::new(Cell::new(false));
        let seen = Rc::clone(&closed);
        let endpoint = raw(move |mut stream, _| {
            let seen = Rc::clone(&seen);
            async move {
                read_head(&mut stream).await;
                let mut rest = [0];
                seen.set(matches!(stream.read(&mut rest).await, Ok(0) | Err(_)));
            }
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n").await.unwrap();
        let state = gateway.tables.load();
        let member = &state.upstream_named(&name("web")).unwrap().members()[0];
        until(|| member.endpoint().in_flight() == 1).await;
        drop(stream);
        until(|| closed.get() && member.endpoint().in_flight() == 0).await;
    });
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    run(async {
        let endpoint = raw(|mut stream, _| async move {
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
                .await
                .unwrap();
            let mut rest = Vec::new();
            drop(tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut rest)).await);
        })
        .await;
        let gateway = gateway(Policy { max_body: None, ..Policy::default() }, &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a.com\r\nContent-Length: 1000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[7; 1000]).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    });
}

#[test]
fn large_bodies_pass_both_ways_in_bounded_memory() {
    run(async {
        // The endpoint takes its time; what it has not taken the client cannot have got rid of.
        let endpoint = http1(|request: Request<hyper::body::Incoming>| async move {
            let mut body = request.into_body();
            tokio::time::sleep(Duration::from_secs(3)).await;
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.unwrap().into_data().unwrap().len();
            }
            let size = length.to_string();
            Response::builder()
                .header("x-length", size)
                .body(Full::new(Bytes::from(vec![1; 40 << 20])))
                .unwrap()
        })
        .await;
        let gateway = gateway(Policy { max_body: None, ..Policy::default() }, &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let length = 40 << 20;
        stream
            .write_all(
                format!("PUT / HTTP/1.1\r\nHost: a.com\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
            )
            .await
            .unwrap();
        let chunk = vec![7; 64 << 10];
        let mut sent = 0;
        while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_millis(500), stream.write(&chunk)).await
        {
            sent += count;
        }
        assert!(sent < 24 << 20, "{sent} bytes left the client while nobody took them");
        while sent < length {
            sent += stream.write(&chunk[..chunk.len().min(length - sent)]).await.unwrap();
        }
        let head = read_head(&mut stream).await;
        assert!(head.contains(&format!("x-length: {length}\r\n")), "{head}");
        // Now the client takes its time.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut got = 0;
        let mut buffer = vec![0; 64 << 10];
        while got < 40 << 20 {
            got += stream.read(&mut buffer).await.unwrap();
        }
        assert_eq!(got, 40 << 20);
    });
}
