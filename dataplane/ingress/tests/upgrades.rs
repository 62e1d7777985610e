//! Connections that become something else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use sluice_model::http::{Policy, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Agrees to a protocol and sends back what it gets.
async fn agreeing(protocol: &'static str) -> Endpoint {
    raw(move |mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: "), "{head}");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Accept: x\r\n\r\nhello"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..length]).await.unwrap();
        }
    })
    .await
}

fn request(protocol: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: a.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Key: x\r\n\r\n"
    )
}

#[test]
fn websockets_are_spliced_after_a_101() {
    run(async {
        let endpoint = agreeing("WebSocket").await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request("websocket").as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(
            head.contains("upgrade: WebSocket\r\n") && head.contains("sec-websocket-accept: x\r\n"),
            "{head}"
        );
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"hello", "what came with the head");
        for _ in 0..100 {
            stream.write_all(b"hello").await.unwrap();
            stream.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"hello");
        }
        let in_flight = || {
            let table = gateway.tables.load();
            table.upstream_named(&name("web")).unwrap().members()[0].endpoint().in_flight()
        };
        assert_eq!(in_flight(), 1);
        // A change of endpoints does not touch it.
        gateway.apply(&[upstream("web", &[nobody().await])]);
        stream.write_all(b"still").await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"still");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "the end passes too");
    });
}

#[test]
fn nothing_becomes_http_behind_the_routes() {
    run(async {
        for protocol in ["h2c", "HTTP/2.0", "websocket, h2c", "TLS/1.2"] {
            let endpoint = echo().await;
            let gateway = gateway(Policy::default(), &[endpoint.address]).await;
            let text = request(protocol).replace("keep-alive, Upgrade", "close, Upgrade, HTTP2-Settings");
            let answer = say(gateway.address, &text).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("GET /ws "), "{answer}");
            assert!(!answer.contains("upgrade: ") && !answer.contains("connection: upgrade"), "{answer}");
        }
    });
}

#[test]
fn an_upgrade_to_something_else_or_unasked_is_502() {
    run(async {
        let endpoint = agreeing("other").await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let text = request("websocket").replace("keep-alive", "close");
        let answer = say(gateway.address, &text).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    });
}

#[test]
fn a_refused_upgrade_is_a_response_like_others() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        for _ in 0..2 {
            stream.write_all(request("websocket").as_bytes()).await.unwrap();
            let head = read_head(&mut stream).await;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            let length =
                head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            assert!(String::from_utf8(body).unwrap().contains("upgrade: websocket\n"));
        }
    });
}

#[test]
fn silence_on_both_ends_is_ended() {
    run(async {
        let endpoint = agreeing("websocket").await;
        let timeouts = Timeouts { read_ms: 2000, ..Timeouts::default() };
        let gateway = gateway(Policy { timeouts, ..Policy::default() }, &[endpoint.address]).await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request("websocket").as_bytes()).await.unwrap();
        read_head(&mut stream).await;
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await.unwrap();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            stream.write_all(b"hello").await.unwrap();
            stream.read_exact(&mut buffer).await.unwrap();
        }
        let start = Instant::now();
        assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0);
        assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
    });
}
