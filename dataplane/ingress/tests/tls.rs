//! TLS with real sockets: certificates by name, their change, versions, sessions, HTTP/2, passing through.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in helpers of tests")]

mod gateway;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gateway::{Gateway, certificate, connect, eventually, response, rest, server_name, statuses, terminate};
use rustls::pki_types::CertificateDer;
use sluice_ingress::overview::EndpointState;
use sluice_model::http::{HostPattern, HttpChange, TicketKey, TlsAction};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A client that trusts these certificates.
fn client(trusted: &[&CertificateDer<'static>]) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    trusted.iter().for_each(|&certificate| roots.add(certificate.clone()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn open(
    gateway: &Gateway,
    config: &Arc<rustls::ClientConfig>,
    name: &'static str,
) -> Result<Stream, rustls::Error> {
    let name = name.try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = connect(gateway.https);
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(&mut stream) {
            return Err(error.downcast().unwrap());
        }
    }
    Ok(rustls::StreamOwned::new(tls, stream))
}

fn ask(stream: &mut Stream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    response(stream)
}

/// What `openssl s_client` says of a connection with these arguments.
fn openssl(gateway: &Gateway, args: &[&str]) -> String {
    let at = gateway.https.to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &at, "-ign_eof"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
            let _ = child.stdin.take().unwrap().write_all(request);
            child.wait_with_output()
        })
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_name_chooses_the_certificate_and_another_entrys_host_is_misdirected() {
    let gateway = Gateway::start(|_| {});
    let (a, a_der) = certificate("a.test");
    let (b, b_der) = certificate("b.test");
    gateway.set(&[&a, &b, &terminate("a.test"), &terminate("b.test")]);
    let config = client(&[&a_der, &b_der]);
    let mut stream = open(&gateway, &config, "a.test").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap(), std::slice::from_ref(&a_der));
    let answer = ask(&mut stream, GET);
    assert!(statuses(&answer) == [200] && answer.contains("x-forwarded-proto: https\n"), "{answer}");
    // RFC 9110 section 15.5.20: the connection is one for a.test.
    let answer = ask(&mut stream, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    assert_eq!(statuses(&answer), [421], "{answer}");
    assert_eq!(statuses(&ask(&mut stream, GET)), [200]);
    let stream = open(&gateway, &config, "b.test").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap(), [b_der]);
    // A name without a certificate is shown the gateway's own, which nobody vouches for.
    let error = open(&gateway, &config, "c.test").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}

#[test]
fn certificates_change_and_connections_stay() {
    let gateway = Gateway::start(|_| {});
    let (first, first_der) = certificate("a.test");
    gateway.set(&[&first, &terminate("a.test")]);
    let mut kept = open(&gateway, &client(&[&first_der]), "a.test").unwrap();
    for _ in 0..20 {
        let (next, der) = certificate("a.test");
        gateway.set(&[&next]);
        assert_eq!(statuses(&ask(&mut kept, GET)), [200]);
        let mut new = open(&gateway, &client(&[&der]), "a.test").unwrap();
        assert_eq!(new.conn.peer_certificates().unwrap(), [der]);
        assert_eq!(statuses(&ask(&mut new, GET)), [200]);
    }
    // One that is of no use changes nothing.
    let HttpChange::Certificate(mut bad) = certificate("a.test").0 else { panic!() };
    bad.key.truncate(10);
    gateway.set(&[&HttpChange::Certificate(bad)]);
    assert_eq!(gateway.metric("sluice_http_bad_certificates_total"), 1);
    assert_eq!(statuses(&ask(&mut kept, GET)), [200]);
}

#[test]
fn versions_are_1_2_and_1_3_or_1_3_alone() {
    let gateway = Gateway::start(|_| {});
    let both = [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")];
    for (argument, version) in both {
        let said = openssl(&gateway, &[argument, "-servername", "a.test"]);
        assert!(
            said.contains(&format!("New, {version}, Cipher is")) && said.contains("HTTP/1.1 200"),
            "{said}"
        );
    }
    for old in ["-tls1", "-tls1_1"] {
        let said = openssl(&gateway, &[old, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
    }
    gateway.configure(|settings| settings.tls13_only = true);
    let said = openssl(&gateway, &["-tls1_2"]);
    assert!(said.contains("alert protocol version"), "{said}");
    assert!(openssl(&gateway, &["-tls1_3"]).contains("HTTP/1.1 200"));
}

#[test]
fn a_session_is_taken_up_again_at_another_gateway_that_has_the_keys() {
    let key = |byte: u8| TicketKey::new(&[byte; 80]).unwrap();
    let sharing = |keys: &[TicketKey]| Gateway::start(|settings| settings.ticket_keys = keys.to_vec());
    // The second is a step ahead: new tickets are sealed with a new key.
    let (one, two, other) = (sharing(&[key(1)]), sharing(&[key(2), key(1)]), sharing(&[key(3)]));
    let folder = tempfile::tempdir().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = folder.path().join(version).display().to_string();
        let said = openssl(&one, &[version, "-servername", "a.test", "-sess_out", &session]);
        assert!(said.contains("\nNew, TLS"), "{said}");
        for (gateway, how) in [(&two, "Reused"), (&other, "New"), (&one, "Reused")] {
            let said = openssl(gateway, &[version, "-servername", "a.test", "-sess_in", &session]);
            assert!(said.contains(&format!("\n{how}, TLS")) && said.contains("HTTP/1.1 200"), "{said}");
        }
    }
    // Keys come and go with the settings, for new connections.
    other.configure(|settings| settings.ticket_keys = vec![key(1)]);
    let session = folder.path().join("-tls1_3").display().to_string();
    let said = openssl(&other, &["-tls1_3", "-servername", "a.test", "-sess_in", &session]);
    assert!(said.contains("\nReused, TLS"), "{said}");
}

#[test]
fn a_session_is_taken_up_again_at_any_worker() {
    let gateway = Gateway::with_workers(4, |_| {});
    let folder = tempfile::tempdir().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = folder.path().join(version).display().to_string();
        let said = openssl(&gateway, &[version, "-servername", "a.test", "-sess_out", &session]);
        assert!(said.contains("\nNew, TLS"), "{said}");
        for _ in 0..8 {
            let said = openssl(&gateway, &[version, "-servername", "a.test", "-sess_in", &session]);
            assert!(said.contains("\nReused, TLS") && said.contains("HTTP/1.1 200"), "{said}");
        }
        // A session is one for its name.
        let said = openssl(&gateway, &[version, "-servername", "b.test", "-sess_in", &session]);
        assert!(said.contains("\nNew, TLS"), "{said}");
    }
}

#[test]
fn http_2_is_offered_where_it_is_served() {
    let gateway = Gateway::start(|_| {});
    let said = openssl(&gateway, &["-alpn", "h2,http/1.1", "-servername", "a.test"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    let said = openssl(&gateway, &["-alpn", "http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1") && said.contains("HTTP/1.1 200"), "{said}");
    gateway.configure(|settings| settings.http2 = false);
    let said = openssl(&gateway, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    let url = format!("https://a.test:{}/curl", gateway.https.port());
    let to = format!("a.test:{}:127.0.0.1", gateway.https.port());
    gateway.configure(|_| {});
    let args = ["-sk", "--http2", "--resolve", &to, &url, "-w", "%{http_version}"];
    let output = Command::new("curl").args(args).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("one GET /curl\n") && said.ends_with('2'), "{said}");
}

#[test]
fn what_is_not_tls_is_told_so_and_counted() {
    let gateway = Gateway::start(|_| {});
    let mut stream = connect(gateway.https);
    stream.write_all(GET.as_bytes()).unwrap();
    let mut alert = Vec::new();
    let _ = stream.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    let failed = "sluice_http_failed_connections_total{reason=\"tls\"}";
    eventually("the count", || (gateway.metric(failed) == 1).then_some(()));
}

#[test]
fn a_connection_that_is_passed_through_is_the_endpoints_to_answer() {
    let gateway = Gateway::start(|_| {});
    // The endpoint is a gateway of its own.
    let behind = Gateway::start(|_| {});
    let (own, der) = certificate("p.test");
    behind.set(&[&own, &terminate("p.test")]);
    let action = TlsAction::Passthrough { upstream: gateway::upstream_name("behind"), proxy_protocol: None };
    let name = server_name(HostPattern::Wildcard("test".into()), action);
    let endpoints = gateway::upstream("behind", &behind.settings.https);
    gateway.set(&[&endpoints, &name, &terminate("a.test")]);
    let mut stream = open(&gateway, &client(&[&der]), "p.test").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap(), [der]);
    let answer = ask(&mut stream, "GET /through HTTP/1.1\r\nHost: p.test\r\n\r\n");
    assert!(answer.contains("one GET /through"), "{answer}");
    assert_eq!(gateway.metric("sluice_http_passthrough_total{outcome=\"connected\"}"), 1);
    // Without an endpoint there is nobody to answer.
    gateway.set(&[&gateway::upstream("behind", &[])]);
    let mut stream = connect(gateway.https);
    let mut tls = rustls::ClientConnection::new(client(&[]), "q.test".try_into().unwrap()).unwrap();
    assert!((0..10).any(|_| tls.complete_io(&mut stream).is_err()));
    assert_eq!(gateway.metric("sluice_http_passthrough_total{outcome=\"no_endpoint\"}"), 1);
}

#[test]
fn passed_through_connections_go_by_the_endpoints_health_and_end_when_they_are_silent() {
    let gateway = Gateway::start(|settings| settings.passthrough_ms = 2000);
    // It takes bytes and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (good, bad) = (silent.local_addr().unwrap(), gateway::free());
    let action = TlsAction::Passthrough { upstream: gateway::upstream_name("behind"), proxy_protocol: None };
    let name = server_name(HostPattern::Wildcard("test".into()), action);
    gateway.set(&[&gateway::upstream("behind", &[good, bad]), &name]);
    let hello = || {
        let mut tls = rustls::ClientConnection::new(client(&[]), "p.test".try_into().unwrap()).unwrap();
        let mut stream = connect(gateway.https);
        tls.write_tls(&mut stream).unwrap();
        (stream, silent.accept().unwrap().0)
    };
    let rows = || {
        let rows = gateway.server.view().upstreams().into_iter();
        rows.filter(|row| row.upstream.contains("behind")).collect::<Vec<_>>()
    };
    let held: Vec<_> = (0..20).map(|_| hello()).collect();
    let row = |at: SocketAddr| rows().into_iter().find(|row| row.endpoint == Some(at)).unwrap();
    assert_eq!(row(good).in_flight, 20);
    assert_eq!(row(bad).state, EndpointState::Ejected);
    drop(held);
    eventually("their end", || (row(good).in_flight == 0).then_some(()));
    let begun = std::time::Instant::now();
    let (mut stream, mut behind) = hello();
    let ends = std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = behind.read_to_end(&mut all);
        all.len()
    });
    // What moves either way counts.
    while begun.elapsed() < std::time::Duration::from_millis(2600) {
        stream.write_all(b"x").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let last = std::time::Instant::now();
    assert_eq!(rest(&mut stream), "");
    assert!(last.elapsed() >= std::time::Duration::from_millis(1500), "{:?}", last.elapsed());
    assert!(ends.join().unwrap() > 100);
}
