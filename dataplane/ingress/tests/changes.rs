//! Routes and endpoints change under load, and no request fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::*;
use http::StatusCode;
use hyper_util::rt::TokioIo;
use sluice_model::http::Policy;
use tokio::net::TcpStream;

/// As long as the load runs.
const TIME: Duration = Duration::from_secs(4);

#[test]
fn twenty_changes_a_second_under_load_fail_no_request() {
    run(async {
        let mut endpoints = Vec::new();
        for _ in 0..6 {
            endpoints.push(echo().await);
        }
        let of = |which: &[usize]| {
            upstream("web", &which.iter().map(|&index| endpoints[index].address).collect::<Vec<_>>())
        };
        let routes =
            |other: Option<usize>| {
                let mut routes = vec![route(prefix("/"), forward("web"), Policy::default())];
                routes.extend(other.map(|index| {
                    route(prefix(&format!("/other-{index}")), forward("web"), Policy::default())
                }));
                host("*", routes)
            };
        let gateway = Gateway::start(&[routes(None), of(&[0, 1, 2])]).await;
        let end = Instant::now() + TIME;
        let count = Rc::new(Cell::new(0_usize));
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (gateway, count) = (gateway.clone(), Rc::clone(&count));
                tokio::task::spawn_local(async move {
                    let stream = TcpStream::connect(gateway.address).await.unwrap();
                    let (mut sender, connection) =
                        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                    tokio::task::spawn_local(connection);
                    while Instant::now() < end {
                        let request = if client % 2 == 0 { get("/x") } else { post("/x", "body") };
                        let response = whole(sender.send_request(request).await.unwrap()).await;
                        assert_eq!(response.status(), StatusCode::OK, "{:?}", gateway.outcome());
                        count.set(count.get() + 1);
                        sender.ready().await.unwrap();
                    }
                })
            })
            .collect();
        let mut changes = 0;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let turn = changes % 6;
            match changes % 3 {
                0 => gateway.apply(&[of(&[turn])]),
                1 => gateway.apply(&[routes(Some(changes)), of(&[(turn + 1) % 6, (turn + 2) % 6])]),
                // Another upstream takes the route, and the one that had it is gone at once.
                _ => {
                    let all = host("*", vec![route(prefix("/"), forward("next"), Policy::default())]);
                    let next = upstream("next", &[endpoints[turn].address]);
                    gateway.apply(&[next, all, sluice_model::http::HttpChange::UpstreamGone(name("web"))]);
                    tokio::task::yield_now().await;
                    gateway.apply(&[of(&[turn]), routes(None)]);
                }
            }
            changes += 1;
        }
        for client in clients {
            client.await.unwrap();
        }
        eprintln!("{} requests, {changes} changes", count.get());
        assert!(changes >= 40 && count.get() > 1000, "{} requests, {changes} changes", count.get());
    });
}

#[test]
fn an_endpoint_that_leaves_finishes_its_requests() {
    run(async {
        use tokio::io::AsyncWriteExt;
        let slow = raw(|mut stream, _| async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo").await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            stream.write_all(b"dy").await.unwrap();
        })
        .await;
        let other = named("other").await;
        let gateway = gateway(Policy::default(), &[slow.address]).await;
        let asking = {
            let gateway = gateway.clone();
            tokio::task::spawn_local(async move { ask(&gateway, get("/")).await })
        };
        let leaving = std::sync::Arc::clone(gateway.tables.load().upstream_named(&name("web")).unwrap());
        until(|| leaving.members()[0].endpoint().in_flight() == 1).await;
        gateway.apply(&[upstream("web", &[other.address])]);
        assert_eq!(text(&ask(&gateway, get("/")).await), "other");
        assert_eq!(text(&asking.await.unwrap()), "body");
    });
}
