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
        assert!(time < Duration::from_secs(2), "{time:?}");
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
