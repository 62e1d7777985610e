//! WebSocket over HTTP/2 (RFC 8441), from clients that mean well and others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in helpers of tests"
)]

mod gateway;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use bytes::Bytes;
use gateway::{Gateway, eventually, exact, upstream, upstream_name};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use sluice_model::http::{
    Action, BackendProtocol, Forward, HostPattern, HttpChange, PathMatch, Policy, Route, Timeouts,
    VirtualHost,
};

const LIMIT: Duration = Duration::from_secs(30);

/// What an endpoint learns and does with a connection whose head it has read.
type Endpoint = fn(&str, TcpStream, &Sender<String>);

/// An endpoint that tells of each head, and of what comes after.
fn endpoint(act: Endpoint) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let _ = tell.send(head.clone());
                act(&head, stream, &tell);
            });
        }
    });
    (address, told)
}

fn accept(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest)
}

fn agree(head: &str, stream: &mut TcpStream) {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello",
        accept(head)
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// Agrees, and sends back what it gets.
fn echo(head: &str, mut stream: TcpStream, tell: &Sender<String>) {
    agree(head, &mut stream);
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = tell.send("closed".into());
}

/// A gateway all of whose hosts lead there.
fn gateway(address: SocketAddr, policy: Policy, keep_alive_ms: u32) -> Gateway {
    let gateway = Gateway::start(|settings| {
        (settings.keep_alive_ms, settings.body_ms) = (keep_alive_ms, keep_alive_ms);
        settings.drain_ms = 500;
    });
    gateway.set(&[&route(policy), &upstream("ws", &[address])]);
    gateway
}

fn route(policy: Policy) -> HttpChange {
    let forward = Forward { upstream: upstream_name("ws"), fallback: None, canary: None };
    let route = Route {
        path: PathMatch::Prefix("/".into()),
        action: Action::Forward(forward),
        policy,
        origin: "Ingress default/ws".into(),
    };
    HttpChange::Host(VirtualHost { host: exact("ws.test"), routes: vec![route], decoded: false })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("in time") })
}

/// A connection of HTTP/2, and what says that it has ended.
async fn connect(
    gateway: &Gateway,
    window: u32,
) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = tokio::net::TcpStream::connect(gateway.http).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (sender, connection) =
        builder.initial_window_size(window).handshake::<_, Bytes>(stream).await.unwrap();
    let ended = tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    // It comes with the settings.
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        sender = sender.ready().await.unwrap();
    }
    (sender, ended)
}

fn asking(protocol: &'static str) -> Request<()> {
    Request::builder()
        .method(Method::CONNECT)
        .uri("http://ws.test/chat?x=y")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat, other")
        .header("sec-websocket-key", "not a client's to choose")
        .extension(Protocol::from_static(protocol))
        .body(())
        .unwrap()
}

fn plain(path: &str) -> Request<()> {
    Request::builder().uri(format!("http://other.test{path}")).body(()).unwrap()
}

async fn open(sender: &mut SendRequest<Bytes>) -> (Response<RecvStream>, SendStream<Bytes>) {
    let (response, stream) = sender.send_request(asking("websocket"), false).unwrap();
    (response.await.unwrap(), stream)
}

/// So many bytes, or fewer where it ends before.
async fn take(body: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < length {
        match body.data().await {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                taken.extend_from_slice(&data);
            }
            Some(Err(error)) => panic!("{error} after {} bytes", taken.len()),
            None => break,
        }
    }
    taken
}

async fn status(sender: &mut SendRequest<Bytes>, request: Request<()>) -> StatusCode {
    let end = request.method() != Method::CONNECT;
    let (response, _stream) = sender.send_request(request, end).unwrap();
    response.await.unwrap().status()
}

fn next(told: &Receiver<String>) -> String {
    told.recv_timeout(Duration::from_secs(10)).expect("word from the endpoint")
}

#[test]
fn a_websocket_over_http_2_reaches_an_endpoint_as_one_of_http_1() {
    let (address, told) = endpoint(echo);
    let gateway = gateway(address, Policy::default(), 20_000);
    run(async {
        let (mut sender, _ended) = connect(&gateway, 65_535).await;
        let mut keys = Vec::new();
        for _ in 0..3 {
            let (response, mut stream) = open(&mut sender).await;
            assert_eq!(response.status(), StatusCode::OK);
            let fields = response.headers();
            assert_eq!(fields["sec-websocket-protocol"], "chat");
            for name in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
                assert!(!fields.contains_key(name), "{name}");
            }
            let head = next(&told);
            assert!(head.starts_with("GET /chat?x=y HTTP/1.1\r\n"), "{head}");
            for line in [
                "host: ws.test",
                "connection: upgrade",
                "upgrade: websocket",
                "sec-websocket-version: 13",
                "sec-websocket-protocol: chat, other",
                "x-forwarded-for: 127.0.0.1",
            ] {
                assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
            }
            assert!(!head.contains("not a client's") && !head.contains("protocol: websocket"), "{head}");
            keys.push(accept(&head));
            let mut body = response.into_body();
            assert_eq!(take(&mut body, 5).await, b"hello", "what came with the 101");
            for _ in 0..50 {
                stream.send_data(Bytes::from_static(b"a frame"), false).unwrap();
                assert_eq!(take(&mut body, 7).await, b"a frame");
            }
            // Requests go beside it.
            assert_eq!(status(&mut sender, plain("/")).await, StatusCode::OK);
            stream.send_data(Bytes::new(), true).unwrap();
            assert!(take(&mut body, 1).await.is_empty(), "the end passes");
            assert_eq!(next(&told), "closed");
        }
        keys.dedup();
        assert_eq!(keys.len(), 3, "a key for each");
    });
    let counted = "sluice_http_requests_total{route=\"Ingress default/ws\",code=\"2xx\"}";
    eventually("a count of them", || (gateway.metric(counted) == 3).then_some(()));
}

#[test]
fn other_protocols_are_501_and_connect_to_somewhere_is_refused() {
    let (address, told) = endpoint(echo);
    let gateway = gateway(address, Policy::default(), 20_000);
    let refused = |request: Request<()>| {
        run(async {
            let (mut sender, _ended) = connect(&gateway, 65_535).await;
            let (response, _stream) = sender.send_request(request, false).unwrap();
            response.await.map(|response| response.status())
        })
    };
    for protocol in ["connect-udp", "connect-tcp", "websocket2", "h2c", "WebSocket, x"] {
        assert_eq!(refused(asking(protocol)).unwrap(), StatusCode::NOT_IMPLEMENTED, "{protocol}");
    }
    let mut somewhere = Request::builder().method(Method::CONNECT).uri("ws.test:443").body(()).unwrap();
    assert!(refused(somewhere).is_ok_and(|status| status.is_client_error()));
    // A length is a body, and a tunnel has none.
    somewhere = asking("websocket");
    somewhere.headers_mut().insert("content-length", "5".parse().unwrap());
    assert!(refused(somewhere).is_err());
    // Endpoints of gRPC speak HTTP/2, and nothing says that they know of this.
    gateway.set(&[&route(Policy { protocol: BackendProtocol::Grpc, ..Policy::default() })]);
    assert_eq!(refused(asking("websocket")).unwrap(), StatusCode::NOT_IMPLEMENTED);
    assert!(told.try_recv().is_err(), "nothing of it reached the endpoint");
}

#[test]
fn an_endpoint_that_does_not_agree_opens_no_tunnel() {
    fn act(head: &str, mut stream: TcpStream, _: &Sender<String>) {
        let right = accept(head);
        let path = head.split(' ').nth(1).unwrap();
        let switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\n";
        let answer = match path.trim_start_matches('/') {
            "403" => "HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\nno".to_owned(),
            "426" => "HTTP/1.1 426 X\r\nContent-Length: 0\r\nUpgrade: websocket\r\n\r\n".to_owned(),
            "200" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
            "204" => "HTTP/1.1 204 X\r\n\r\n".to_owned(),
            "other" => {
                format!("{switch}Upgrade: other\r\nSec-WebSocket-Accept: {right}\r\n\r\n")
            }
            "none" => format!("{switch}Upgrade: websocket\r\n\r\n"),
            "wrong" => format!("{switch}Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"),
            "twice" => format!(
                "{switch}Upgrade: websocket\r\nSec-WebSocket-Accept: {right}\r\nSec-WebSocket-Accept: {right}\r\n\r\n"
            ),
            _ => String::new(),
        };
        stream.write_all(answer.as_bytes()).unwrap();
    }
    let (address, _told) = endpoint(act);
    let gateway = gateway(address, Policy::default(), 20_000);
    run(async {
        let (mut sender, _ended) = connect(&gateway, 65_535).await;
        for (path, wanted) in [
            ("403", 403),
            ("426", 426),
            ("200", 502),
            ("204", 502),
            ("other", 502),
            ("none", 502),
            ("wrong", 502),
            ("twice", 502),
            ("gone", 502),
        ] {
            let mut request = asking("websocket");
            *request.uri_mut() = format!("http://ws.test/{path}").parse().unwrap();
            let (response, _stream) = sender.send_request(request, false).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status().as_u16(), wanted, "{path}");
            if path == "403" {
                assert_eq!(take(&mut response.into_body(), 9).await, b"no");
            }
        }
    });
}

#[test]
fn routes_decide_on_websockets_over_http_2_as_on_others() {
    let (address, told) = endpoint(echo);
    let gateway = gateway(address, Policy::default(), 20_000);
    let asked = || {
        run(async {
            let (mut sender, _ended) = connect(&gateway, 65_535).await;
            status(&mut sender, asking("websocket")).await.as_u16()
        })
    };
    gateway.set(&[&route(Policy { allow: vec!["192.0.2.0/24".parse().unwrap()], ..Policy::default() })]);
    assert_eq!(asked(), 403);
    gateway.set(&[&route(Policy { https_redirect: Some(308), ..Policy::default() })]);
    assert_eq!(asked(), 308);
    gateway.set(&[&upstream("ws", &[]), &route(Policy::default())]);
    assert_eq!(asked(), 503);
    // An answer of success that no endpoint stands behind would be taken for a tunnel.
    let HttpChange::Host(mut host) = route(Policy::default()) else { panic!() };
    host.routes[0].action = Action::Respond(200);
    gateway.set(&[&HttpChange::Host(host)]);
    assert_eq!(asked(), 502);
    let hosts = [HostPattern::Any, exact("ws.test")];
    for host in hosts {
        gateway.set(&[&HttpChange::Host(VirtualHost { host, routes: Vec::new(), decoded: false })]);
    }
    assert_eq!(asked(), 404);
    assert!(told.try_recv().is_err(), "nothing of it reached the endpoint");
}

#[test]
fn what_a_client_sends_before_the_101_waits_for_it_within_the_window() {
    fn act(head: &str, stream: TcpStream, tell: &Sender<String>) {
        std::thread::sleep(Duration::from_millis(300));
        // Nothing but the head may have come.
        stream.set_nonblocking(true).unwrap();
        let early = stream.peek(&mut [0; 16]);
        let _ = tell.send(format!("early: {}", early.is_ok()));
        stream.set_nonblocking(false).unwrap();
        echo(head, stream, tell);
    }
    let (address, told) = endpoint(act);
    let gateway = gateway(address, Policy::default(), 20_000);
    run(async {
        let (mut sender, _ended) = connect(&gateway, 1 << 20).await;
        let (response, mut stream) = sender.send_request(asking("websocket"), false).unwrap();
        let bytes: Vec<u8> = (0..400_000_u32).map(|index| index as u8).collect();
        // All at once: what does not fit the window stays here.
        stream.send_data(Bytes::from(bytes.clone()), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(next(&told).starts_with("GET "));
        assert_eq!(next(&told), "early: false");
        let mut body = response.into_body();
        assert_eq!(take(&mut body, 5).await, b"hello");
        assert!(take(&mut body, bytes.len()).await == bytes, "in order and whole");
    });
}

#[test]
fn a_client_that_resets_ends_its_endpoints_connection_before_and_after_the_101() {
    /// Waits for the end without having answered.
    fn silent(_: &str, mut stream: TcpStream, tell: &Sender<String>) {
        let ended = matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_));
        let _ = tell.send(format!("ended: {ended}"));
    }
    let (address, told) = endpoint(silent);
    let gateway = gateway(address, Policy::default(), 20_000);
    run(async {
        let (mut sender, _ended) = connect(&gateway, 65_535).await;
        let (response, mut stream) = sender.send_request(asking("websocket"), false).unwrap();
        assert!(next_later(&told).await.starts_with("GET "));
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        assert_eq!(next_later(&told).await, "ended: true");

        let (address, told) = endpoint(echo);
        gateway.set(&[&upstream("ws", &[address])]);
        for reason in [h2::Reason::CANCEL, h2::Reason::PROTOCOL_ERROR, h2::Reason::NO_ERROR] {
            let (response, mut stream) = open(&mut sender).await;
            assert!(next_later(&told).await.starts_with("GET "));
            assert_eq!(take(&mut response.into_body(), 5).await, b"hello");
            stream.send_reset(reason);
            assert_eq!(next_later(&told).await, "closed", "{reason:?}");
        }
        // The connection is as good as before.
        assert_eq!(status(&mut sender, plain("/")).await, StatusCode::OK);
    });
}

/// Lets the client's own connection go on meanwhile.
async fn next_later(told: &Receiver<String>) -> String {
    for _ in 0..1000 {
        if let Ok(text) = told.try_recv() {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no word from the endpoint");
}

#[test]
fn a_client_that_takes_nothing_stalls_its_endpoint_alone_and_is_ended_in_time() {
    /// Sends for as long as anybody takes it.
    fn flood(head: &str, mut stream: TcpStream, tell: &Sender<String>) {
        agree(head, &mut stream);
        let part = vec![7; 64 << 10];
        let mut sent = 0_usize;
        while sent < 1 << 30 && stream.write_all(&part).is_ok() {
            sent += part.len();
        }
        let _ = tell.send(format!("{sent}"));
    }
    let (address, told) = endpoint(flood);
    let timeouts = Timeouts { read_ms: 1000, ..Timeouts::default() };
    let gateway = gateway(address, Policy { timeouts, ..Policy::default() }, 20_000);
    run(async {
        let (mut sender, ended) = connect(&gateway, 1000).await;
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(open(&mut sender).await);
            assert!(next_later(&told).await.starts_with("GET "));
        }
        // No part of a window is given back; others are served beside that.
        for _ in 0..20 {
            assert_eq!(status(&mut sender, plain("/")).await, StatusCode::OK);
        }
        for _ in 0..10 {
            let sent: usize = next_later(&told).await.parse().unwrap();
            assert!(sent < 32 << 20, "{sent} bytes were taken for a client that takes nothing");
        }
        drop((held, sender));
        ended.await.unwrap().ok();
    });
}

#[test]
fn a_websocket_keeps_its_connection_and_silence_ends_both() {
    let (address, told) = endpoint(echo);
    let timeouts = Timeouts { read_ms: 3000, ..Timeouts::default() };
    let gateway = gateway(address, Policy { timeouts, ..Policy::default() }, 400);
    run(async {
        let (mut sender, ended) = connect(&gateway, 65_535).await;
        let (response, mut stream) = open(&mut sender).await;
        let mut body = response.into_body();
        assert_eq!(take(&mut body, 5).await, b"hello");
        let begun = Instant::now();
        // Longer than an idle connection is kept, and than silence is.
        while begun.elapsed() < Duration::from_millis(3600) {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stream.send_data(Bytes::from_static(b"still"), false).unwrap();
            assert_eq!(take(&mut body, 5).await, b"still");
        }
        assert!(next(&told).starts_with("GET ") && !ended.is_finished());
        let silent = Instant::now();
        assert!(take(&mut body, 1).await.is_empty());
        assert!(silent.elapsed() >= Duration::from_millis(2000), "{:?}", silent.elapsed());
        assert_eq!(next_later(&told).await, "closed");
        drop((stream, body));
        // The connection was idle since, with `sender` there to ask more.
        ended.await.unwrap().ok();
        drop(sender);
    });
    eventually("no connections", || (gateway.metric("sluice_http_connections") == 0).then_some(()));
}

#[test]
fn at_the_end_websockets_have_as_long_as_requests() {
    let (address, _told) = endpoint(echo);
    let gateway = gateway(address, Policy::default(), 20_000);
    run(async {
        let (mut sender, _ended) = connect(&gateway, 65_535).await;
        let (response, mut stream) = open(&mut sender).await;
        let mut body = response.into_body();
        assert_eq!(take(&mut body, 5).await, b"hello");
        let begun = Instant::now();
        let stopped = std::thread::spawn(move || gateway.server.stop());
        let mut answered = 0;
        while stream.send_data(Bytes::from_static(b"still"), false).is_ok() {
            match body.data().await {
                Some(Ok(data)) if !data.is_empty() => drop(body.flow_control().release_capacity(data.len())),
                _ => break,
            }
            answered += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(answered > 3, "{answered}");
        assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
        stopped.join().unwrap();
    });
}
