//! DNS over HTTPS: HTTP/2 and HTTP/1.1, GET and POST, and requests that are none.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use sluice_resolver::config::{Identity, Listener, Protocol, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const A: RecordType = RecordType::A;
const PATH: &str = "/dns-query";

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    Identity {
        certificates: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
    }
}

/// A resolver with a third listener, over HTTPS.
async fn https(change: impl FnOnce(&mut Settings)) -> (Fake, Server, Identity, std::net::SocketAddr) {
    let upstream = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        now(if asked.to_lowercase().to_ascii().starts_with("no") {
            nxdomain(query, "example.", 60, 20)
        } else {
            answer(query, vec![a(asked, 60, [192, 0, 2, 1])])
        })
    })
    .await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    let identity = identity();
    let protocol = Protocol::Https { identity: identity.clone(), path: PATH.into() };
    settings.listeners.push(Listener { protocol, ..settings.listeners[0].clone() });
    change(&mut settings);
    let server = start(settings).await;
    let address = server.handle.addresses().await[2];
    (upstream, server, identity, address)
}

async fn tls(to: std::net::SocketAddr, identity: &Identity, speaks: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&identity.certificates).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![speaks.to_vec()];
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("dns.example").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(speaks));
    stream
}

async fn h2(to: std::net::SocketAddr, identity: &Identity) -> http2::SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(tls(to, identity, b"h2").await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn post(query: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post(format!("https://dns.example{PATH}"));
    let request = request.header("content-type", "application/dns-message");
    request.body(Full::new(Bytes::from(query.to_vec()))).unwrap()
}

fn get(query: &[u8]) -> Request<Full<Bytes>> {
    let asked = URL_SAFE_NO_PAD.encode(query);
    Request::get(format!("https://dns.example{PATH}?dns={asked}")).body(Full::default()).unwrap()
}

async fn message(response: Response<hyper::body::Incoming>) -> (Message, String) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/dns-message");
    let cache = response.headers()["cache-control"].to_str().unwrap().to_owned();
    (Message::from_vec(&response.into_body().collect().await.unwrap().to_bytes()).unwrap(), cache)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_come_by_get_and_post_over_both_versions() {
    let (_upstream, server, identity, address) = https(|_| {}).await;
    let asked = query("WWW.example.", A).to_vec().unwrap();
    let mut two = h2(address, &identity).await;
    let stream = TokioIo::new(tls(address, &identity, b"http/1.1").await);
    let (mut one, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for request in [post(&asked), get(&asked)] {
        let (reply, cache) = message(two.send_request(request.clone()).await.unwrap()).await;
        assert_eq!((data(&reply), cache.as_str()), (vec!["WWW.example. 192.0.2.1".to_owned()], "max-age=60"));
        let mut request = request;
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        request.headers_mut().insert("host", "dns.example".parse().unwrap());
        let (reply, _) = message(one.send_request(request).await.unwrap()).await;
        assert_eq!(reply.answers.len(), 1);
    }
    let denied = query("no.example.", A).to_vec().unwrap();
    let (reply, cache) = message(two.send_request(post(&denied)).await.unwrap()).await;
    assert_eq!((reply.metadata.response_code, cache.as_str()), (ResponseCode::NXDomain, "max-age=20"));
    // Transfers are not for HTTP, and the others are as over any stream.
    let transfer = query("example.", RecordType::AXFR).to_vec().unwrap();
    let (reply, cache) = message(two.send_request(post(&transfer)).await.unwrap()).await;
    assert_eq!((reply.metadata.response_code, cache.as_str()), (ResponseCode::Refused, "max-age=0"));
    let many = (0..40).map(|i| {
        let mut sender = two.clone();
        let query = query(&format!("n{i}.example."), A).to_vec().unwrap();
        async move { message(sender.send_request(post(&query)).await.unwrap()).await.0.answers.len() }
    });
    let sum: usize = futures_util::future::join_all(many).await.into_iter().sum();
    assert_eq!(sum, 40);
    let label = format!("server=\"https://{address}\"");
    assert_eq!(server.metric("coredns_dns_requests_total", &label), 46.0);
    assert_eq!(server.metric("coredns_dns_https_responses_total", "status=\"200\""), 46.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_query_has_a_status() {
    let (upstream, server, identity, address) = https(|_| {}).await;
    let mut sender = h2(address, &identity).await;
    let asked = query("www.example.", A).to_vec().unwrap();
    let uri = |rest: &str| format!("https://dns.example{rest}");
    let empty = Full::<Bytes>::default;
    let typed = |kind: &str, body: Vec<u8>| {
        Request::post(uri(PATH)).header("content-type", kind).body(Full::new(Bytes::from(body))).unwrap()
    };
    let response = answer(&query("www.example.", A), vec![]).to_vec().unwrap();
    for (request, status) in [
        (Request::get(uri("/")).body(empty()).unwrap(), 404),
        (Request::get(uri(PATH)).body(empty()).unwrap(), 400),
        (Request::get(uri("/dns-query?dns=")).body(empty()).unwrap(), 400),
        (Request::get(uri("/dns-query?dns=$$$")).body(empty()).unwrap(), 400),
        (Request::get(uri("/dns-query?dns=AAAA")).body(empty()).unwrap(), 400),
        (Request::put(uri(PATH)).body(empty()).unwrap(), 405),
        (typed("text/plain", asked.clone()), 415),
        (Request::post(uri(PATH)).body(Full::new(Bytes::from(asked.clone()))).unwrap(), 415),
        (typed("application/dns-message", vec![0; 5000]), 413),
        (typed("application/dns-message", vec![0; 11]), 400),
        (typed("application/dns-message", response), 400),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "{shown}");
    }
    // A request that is malformed as DNS is answered in DNS.
    let mut bad = asked.clone();
    bad[5] = 2;
    let (reply, _) = message(sender.send_request(post(&bad)).await.unwrap()).await;
    assert_eq!((reply.metadata.response_code, upstream.count()), (ResponseCode::FormErr, 0));
    assert_eq!(server.metric("coredns_dns_https_responses_total", "status=\"4"), 11.0);
}

/// Reads until the other side closes; how long that took.
async fn closed(mut stream: impl AsyncReadExt + Unpin) -> Duration {
    let began = Instant::now();
    let mut buffer = [0; 1024];
    let reading = async { while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {} };
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap();
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mute_idle_and_slow_connections_end_and_limits_hold() {
    let (_upstream, server, identity, address) = https(|settings| {
        settings.limits.message = Duration::from_millis(300);
        settings.limits.idle = Duration::from_millis(600);
        settings.limits.connections_per_client = 3;
    })
    .await;
    let (mute, preface) = (tls(address, &identity, b"h2").await, tls(address, &identity, b"h2").await);
    let half = tls(address, &identity, b"http/1.1").await;
    // There is no room for a fourth.
    let fourth = TcpStream::connect(address).await.unwrap();
    closed(fourth).await;
    assert_eq!(server.metric("sluice_dns_connections_refused_total", "client"), 1.0);
    let mut preface = preface;
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut half = half;
    let begun = "POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\n\
                 content-length: 100\r\n\r\n1234";
    half.write_all(begun.as_bytes()).await.unwrap();
    for time in [closed(mute).await, closed(preface).await, closed(half).await] {
        assert!(time < Duration::from_secs(8), "{time:?}");
    }
    assert_eq!(server.metric("coredns_dns_https_responses_total", "status=\"408\""), 1.0);
    // One that is idle between requests has more time, and ends as well.
    let mut sender = h2(address, &identity).await;
    let asked = query("www.example.", A).to_vec().unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if sender.send_request(post(&asked)).await.is_err() {
            // Before its first request a connection is slow after 300 ms.
            sender = h2(address, &identity).await;
            sender.send_request(post(&asked)).await.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(sender.send_request(post(&asked)).await.is_err());
    for _ in 0..100 {
        if server.metric("sluice_dns_connections", "") == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.metric("sluice_dns_connections", ""), 0.0);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// A GET of the query, in the fields' shortest form (RFC 7541).
fn head(query: &[u8]) -> Vec<u8> {
    let path = format!("{PATH}?dns={}", URL_SAFE_NO_PAD.encode(query));
    // `GET`, `https`, the path and the authority without indexing.
    let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
    assert!(path.len() < 127);
    block.extend(path.as_bytes());
    block.extend([0x01, 11]);
    block.extend(b"dns.example");
    block
}

/// An HTTP/2 connection of one's own writing, its preface sent.
async fn raw(to: std::net::SocketAddr, identity: &Identity) -> TlsStream<TcpStream> {
    let mut stream = tls(to, identity, b"h2").await;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&preface).await.unwrap();
    stream
}

/// Octets of memory that this process, server and all, has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Sends `next` until the other side has had enough; octets that went out, and how much memory that took at most.
async fn pour(
    mut stream: TlsStream<TcpStream>,
    most: usize,
    mut next: impl FnMut() -> Vec<u8>,
) -> (usize, usize) {
    let (before, mut sent, mut largest) = (resident(), 0, 0);
    while sent < most {
        let bytes = next();
        let written = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&bytes)).await;
        match written {
            Ok(Ok(())) => sent += bytes.len(),
            // It reads no more, or is gone.
            _ => break,
        }
        largest = largest.max(resident().saturating_sub(before));
    }
    (sent, largest)
}

/// Whether somebody else is answered while `flood` goes on, and how long the slowest took.
async fn beside<T>(
    to: std::net::SocketAddr,
    identity: &Identity,
    flood: impl Future<Output = T> + Send + 'static,
) -> (T, Duration)
where
    T: Send + 'static,
{
    let mut sender = h2(to, identity).await;
    let flood = tokio::spawn(flood);
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    while asked < 50 || !flood.is_finished() {
        let query = query(&format!("n{asked}.example."), A).to_vec().unwrap();
        let began = Instant::now();
        let response = tokio::time::timeout(Duration::from_secs(5), sender.send_request(post(&query))).await;
        assert_eq!(message(response.unwrap().unwrap()).await.0.answers.len(), 1);
        slowest = slowest.max(began.elapsed());
        asked += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (flood.await.unwrap(), slowest)
}

/// What a flood may take beside what it is made of here, in octets.
const ROOM: usize = 48 << 20;
/// What it may send if it is let.
const MUCH: usize = 256 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_opened_to_be_reset_end_the_connection() {
    let (_upstream, server, identity, address) = https(|_| {}).await;
    let stream = raw(address, &identity).await;
    let mut number = 1_u32;
    let flood = pour(stream, MUCH, move || {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            let query = query(&format!("r{number}.example."), A).to_vec().unwrap();
            bytes.extend(frame(HEADERS, 5, number, &head(&query)));
            bytes.extend(frame(RST_STREAM, 0, number, &8_u32.to_be_bytes()));
            number += 2;
        }
        bytes
    });
    let ((sent, memory), slowest) = beside(address, &identity, flood).await;
    assert!(sent < MUCH / 4, "{sent} octets of resets were read");
    assert!(memory < ROOM, "{memory} octets of memory");
    assert!(slowest < Duration::from_secs(8), "{slowest:?}");
    assert!(server.metric("coredns_dns_https_responses_total", "status=\"200\"") >= 50.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_an_end_ends_the_connection() {
    let (_upstream, _server, identity, address) = https(|_| {}).await;
    let mut stream = raw(address, &identity).await;
    let query = query("www.example.", A).to_vec().unwrap();
    // Neither the head nor the stream ends.
    stream.write_all(&frame(HEADERS, 0, 1, &head(&query))).await.unwrap();
    let mut count = 0_u32;
    let flood = pour(stream, MUCH, move || {
        let mut block = Vec::new();
        for _ in 0..50 {
            // A literal field with a new name, which the table does not keep.
            let name = format!("x-{count:010}");
            block.extend([0x00, name.len() as u8]);
            block.extend(name.as_bytes());
            block.push(100);
            block.extend([b'v'; 100]);
            count += 1;
        }
        frame(CONTINUATION, 0, 1, &block)
    });
    let ((sent, memory), slowest) = beside(address, &identity, flood).await;
    assert!(sent < MUCH / 4, "{sent} octets of a head were read");
    assert!(memory < ROOM, "{memory} octets of memory");
    assert!(slowest < Duration::from_secs(8), "{slowest:?}");
}
