//! Connections: TCP and TLS, from clients and to upstreams.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sluice_resolver::config::{Identity, Listener, Protocol, Settings, Upstream, UpstreamTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const A: RecordType = RecordType::A;

fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.to_vec().unwrap();
    [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_a_connection_are_worked_on_at_the_same_time_up_to_a_limit() {
    let upstream = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        let slow = asked.to_lowercase().to_ascii().starts_with("slow");
        let reply = answer(query, vec![a(asked, 60, [192, 0, 2, 1])]);
        vec![(Duration::from_millis(if slow { 300 } else { 0 }), reply.to_vec().unwrap())]
    })
    .await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    let server = start(settings.clone()).await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    let (slow, fast) = (query("slow.example.", A), query("fast.example.", A));
    stream.write_all(&[framed(&slow), framed(&fast)].concat()).await.unwrap();
    let first = Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap();
    let second = Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap();
    assert_eq!((first.metadata.id, second.metadata.id), (fast.metadata.id, slow.metadata.id));
    // With room for one, the second is not read before the first is answered.
    settings.limits.pipeline = 1;
    let server = start(settings).await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(&[framed(&slow), framed(&fast)].concat()).await.unwrap();
    let first = Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap();
    assert_eq!(first.metadata.id, slow.metadata.id);
    assert_eq!(
        Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap().metadata.id,
        fast.metadata.id
    );
}

async fn closed_after(stream: &mut TcpStream) -> u128 {
    let began = Instant::now();
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(4), stream.read(&mut [0; 16])).await.unwrap().unwrap_or(0),
        0
    );
    began.elapsed().as_millis()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_idle_and_senseless_connections_are_closed() {
    let upstream = Fake::honest().await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    settings.limits.message = Duration::from_millis(3000);
    settings.limits.idle = Duration::from_millis(4000);
    let server = start(settings).await;
    let mut mute = TcpStream::connect(server.tcp).await.unwrap();
    let mut half = TcpStream::connect(server.tcp).await.unwrap();
    half.write_all(&[0, 40, 1, 2]).await.unwrap();
    let mut idle = TcpStream::connect(server.tcp).await.unwrap();
    idle.write_all(&framed(&query("www.example.", A))).await.unwrap();
    read_tcp(&mut idle).await.unwrap();
    let mut short = TcpStream::connect(server.tcp).await.unwrap();
    short.write_all(&[0, 11]).await.unwrap();
    let mut long = TcpStream::connect(server.tcp).await.unwrap();
    long.write_all(&[0xff, 0xff]).await.unwrap();
    let times = tokio::join!(
        closed_after(&mut mute),
        closed_after(&mut half),
        closed_after(&mut idle),
        closed_after(&mut short),
        closed_after(&mut long),
    );
    assert!((2900..15_000).contains(&times.0) && (2900..15_000).contains(&times.1), "{times:?}");
    assert!((3900..15_000).contains(&times.2) && times.3 < 2900 && times.4 < 2900, "{times:?}");
    assert_eq!(server.metric("sluice_dns_connections_slow_total", ""), 2.0);
    assert_eq!(server.metric("sluice_dns_connections", ""), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_in_all_and_of_each_client() {
    let mut settings = settings(vec![]);
    (settings.limits.connections, settings.limits.connections_per_client) = (3, 2);
    let server = start(settings).await;
    let from = |host: u8| {
        let to = server.tcp;
        async move {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((std::net::Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
            let mut stream = socket.connect(to).await.unwrap();
            let _ = stream.write_all(&framed(&query("x.example.", A))).await;
            (read_tcp(&mut stream).await.is_some(), stream)
        }
    };
    let (one, two, three) = (from(1).await, from(1).await, from(1).await);
    assert_eq!((one.0, two.0, three.0), (true, true, false));
    let (four, five) = (from(2).await, from(3).await);
    assert_eq!((four.0, five.0), (true, false));
    assert_eq!(server.metric("sluice_dns_connections_refused_total", "client"), 1.0);
    assert_eq!(server.metric("sluice_dns_connections_refused_total", "all"), 1.0);
    drop((one, two));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(from(1).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_takes_its_share_of_the_time_and_others_have_theirs() {
    const QUERIES: usize = 2000;
    let mut settings = settings(vec![]);
    settings.limits.work = Duration::from_millis(1);
    let server = start(settings).await;
    let from = |host: u8| {
        let to = server.tcp;
        async move {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((std::net::Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
            socket.connect(to).await.unwrap()
        }
    };
    let (mut greedy, mut writer) = from(1).await.into_split();
    let flood = framed(&query("x.example.", A)).repeat(QUERIES);
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&flood).await;
        writer
    });
    let mut answered = 0;
    let enough = tokio::time::timeout(Duration::from_secs(1), async {
        let mut length = [0; 2];
        while answered < QUERIES && greedy.read_exact(&mut length).await.is_ok() {
            let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
            greedy.read_exact(&mut reply).await.unwrap();
            answered += 1;
        }
    });
    assert!(enough.await.is_err() && (1..QUERIES).contains(&answered), "{answered}");
    assert!(server.metric("sluice_dns_connections_held_total", "") >= 1.0);
    // Somebody else is answered at once.
    let mut other = from(2).await;
    other.write_all(&framed(&query("x.example.", A))).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(500), read_tcp(&mut other)).await.unwrap().is_some());
    writing.abort();
}

fn identity(names: &[&str]) -> Identity {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (certificates, key) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes());
    Identity { certificates, key }
}

fn tls_listener(identity: &Identity) -> Listener {
    Listener { protocol: Protocol::Tls(identity.clone()), ..listeners().remove(1) }
}

/// Asks over TLS, trusting a certificate; says which protocol was agreed on.
async fn ask_tls(
    server: &Server,
    at: usize,
    trusted: &Identity,
    asked: &Message,
) -> Option<(Message, Vec<u8>)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&trusted.certificates).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"dot".to_vec()];
    let stream = TcpStream::connect(server.handle.addresses().await[at]).await.unwrap();
    let name = ServerName::try_from("dns.example").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.write_all(&framed(asked)).await.unwrap();
    let reply = Message::from_vec(&read_tcp(&mut stream).await?).unwrap();
    Some((reply, stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_may_speak_tls_and_a_reload_changes_the_certificate() {
    let upstream = Fake::honest().await;
    let (first, second) = (identity(&["dns.example"]), identity(&["dns.example"]));
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    settings.limits.message = Duration::from_millis(300);
    settings.listeners.push(tls_listener(&first));
    let server = start(settings.clone()).await;
    let asked = query("www.example.", A);
    let (reply, protocol) = ask_tls(&server, 2, &first, &asked).await.unwrap();
    assert_eq!((reply.answers.len(), protocol.as_slice()), (1, &b"dot"[..]));
    let before = server.handle.addresses().await;
    settings.listeners[2] = tls_listener(&second);
    server.handle.reload(sluice_resolver::Config::new(settings).unwrap()).await.unwrap();
    assert_eq!(server.handle.addresses().await, before);
    assert!(ask_tls(&server, 2, &first, &asked).await.is_none());
    assert!(ask_tls(&server, 2, &second, &asked).await.is_some());
    // A handshake that does not come is not waited for.
    let mut mute = TcpStream::connect(before[2]).await.unwrap();
    assert!((200..500).contains(&closed_after(&mut mute).await));
    assert!(server.metric("sluice_dns_handshakes_failed_total", "") >= 2.0);
}

/// An upstream that speaks TLS.
async fn tls_upstream(identity: &Identity) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let chain = vec![CertificateDer::from_pem_slice(&identity.certificates).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                while let Some(bytes) = read_tcp(&mut stream).await {
                    let query = Message::from_vec(&bytes).unwrap();
                    let reply = answer(&query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 7])]);
                    stream.write_all(&framed(&reply)).await.unwrap();
                }
            });
        }
    });
    (address, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_may_speak_tls_and_must_be_who_they_should() {
    let identity = identity(&["up.example"]);
    let (address, task) = tls_upstream(&identity).await;
    let with = |name: &str, roots: &Identity| {
        let mut forward = forward(&[]);
        let tls = UpstreamTls { name: Some(name.into()), roots: Some(roots.certificates.clone()) };
        forward.upstreams = vec![Upstream { address, tls: Some(tls) }];
        settings(vec![root(forward)])
    };
    let server = start(with("up.example", &identity)).await;
    for number in 0..5 {
        assert_eq!(server.ask(&format!("{number}.example."), A).await.answers.len(), 1);
    }
    // One connection for all questions, or two where the search for loops came in between.
    assert!(server.metric("coredns_proxy_conn_cache_misses_total", "") <= 2.0);
    assert!(server.metric("coredns_proxy_conn_cache_hits_total", "") >= 4.0);
    for settings in [with("other.example", &identity), with("up.example", &self::identity(&["up.example"]))] {
        let server = start(settings).await;
        let reply = server.ask("www.example.", A).await;
        assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(22)));
    }
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_are_asked_over_tcp_where_that_is_wanted() {
    let upstream = Fake::honest().await;
    let over_tcp = |upstream: &Fake| upstream.seen.lock().unwrap().last().unwrap().2;
    let forcing = |force_tcp, prefer_udp| -> Settings {
        let mut forward = forward(&[upstream.address]);
        (forward.force_tcp, forward.prefer_udp) = (force_tcp, prefer_udp);
        settings(vec![root(forward)])
    };
    for (force, prefer, udp_client, tcp_client) in
        [(false, false, false, true), (false, true, false, false), (true, false, true, true)]
    {
        let server = start(forcing(force, prefer)).await;
        server.ask("one.example.", A).await;
        assert_eq!(over_tcp(&upstream), udp_client);
        ask_tcp(server.tcp, &query("two.example.", A)).await;
        assert_eq!(over_tcp(&upstream), tcp_client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_an_upstream_has_closed_is_no_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Answers one question a connection.
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Some(bytes) = read_tcp(&mut stream).await else { return };
                let query = Message::from_vec(&bytes).unwrap();
                let reply = answer(&query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 7])]);
                stream.write_all(&framed(&reply)).await.unwrap();
            });
        }
    });
    let mut forward = forward(&[address]);
    forward.force_tcp = true;
    let server = start(settings(vec![root(forward)])).await;
    for number in 0..5 {
        assert_eq!(server.ask(&format!("{number}.example."), A).await.answers.len(), 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.metric("sluice_dns_upstream_failures_total", ""), 0.0);
    task.abort();
}
