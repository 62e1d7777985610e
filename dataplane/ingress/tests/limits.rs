//! What a client may ask in a time, and at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use http::StatusCode;
use sluice_ingress::Client;
use sluice_ingress::forward::Refusal;
use sluice_model::http::{ClientLimits, Policy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn policy(limits: ClientLimits) -> Policy {
    Policy { limits: Some(Box::new(limits)), ..Policy::default() }
}

fn from(address: &str) -> Option<Client> {
    let local = "127.0.0.1:80".parse().unwrap();
    Some(Client { peer: address.parse().unwrap(), local, tls: None, trusted: false })
}

#[test]
fn clients_that_ask_too_often_are_answered_with_429() {
    run(async {
        let endpoint = named("x").await;
        // One in a minute, and two ahead of their time.
        let limits = ClientLimits { per_minute: 1, burst: 2, ..ClientLimits::default() };
        let gateway = gateway(policy(limits), &[endpoint.address]).await;
        *gateway.client.borrow_mut() = from("198.51.100.1:1");
        for _ in 0..3 {
            assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::OK);
        }
        assert_eq!(ask(&gateway, get("/other")).await.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::Limited));
        assert_eq!(gateway.outcome().tries, 0);
        *gateway.client.borrow_mut() = from("198.51.100.2:1");
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::OK);
    });
}

#[test]
fn requests_at_once_are_bounded_until_they_end_whatever_their_end() {
    run(async {
        let silent = raw(|stream, _| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let limits = ClientLimits { connections: 2, ..ClientLimits::default() };
        let gateway = gateway(policy(limits), &[silent.address]).await;
        let begin = || async {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n").await.unwrap();
            stream
        };
        let held = [begin().await, begin().await];
        until(|| silent.connections() == 2).await;
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(silent.connections(), 2);
        // A client that goes ends its requests.
        let [one, _two] = held;
        drop(one);
        let _three = loop {
            let stream = begin().await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if silent.connections() == 3 {
                break stream;
            }
        };
        assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::TOO_MANY_REQUESTS);
        // So does an answer.
        let endpoint = named("x").await;
        gateway.apply(&[upstream("web", &[endpoint.address])]);
        *gateway.client.borrow_mut() = from("198.51.100.1:1");
        for _ in 0..10 {
            assert_eq!(ask(&gateway, get("/")).await.status(), StatusCode::OK);
        }
    });
}
