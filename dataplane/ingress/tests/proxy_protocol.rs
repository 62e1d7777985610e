//! Endpoints that are told by a PROXY protocol header for whom a connection is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in helpers of tests")]

mod gateway;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gateway::{Gateway, eventually, exact, response, rest, server_name, statuses, upstream, upstream_name};
use http::Request;
use sluice_model::http::{
    Action, BackendProtocol, Forward, HttpChange, PathMatch, Policy, ProxyVersion, Route, TlsAction,
    VirtualHost,
};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: p.test\r\n\r\n";
const LAST: &[u8] = b"GET /x HTTP/1.1\r\nHost: p.test\r\nConnection: close\r\n\r\n";

/// A gateway, and another one behind it as the endpoint of `p.test`; both must be told whom they serve.
fn pair(policy: Policy) -> (Gateway, Gateway) {
    let (front, behind) = (Gateway::start(|_| {}), Gateway::start(|_| {}));
    for gateway in [&front, &behind] {
        gateway.configure(|settings| settings.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()]);
    }
    lead(&front, &behind, policy);
    (front, behind)
}

fn lead(front: &Gateway, behind: &Gateway, policy: Policy) {
    let tls = matches!(policy.protocol, BackendProtocol::Https | BackendProtocol::Grpcs);
    let endpoint = if tls { behind.https } else { behind.http };
    front.set(&[&route(policy), &upstream("behind", &[endpoint])]);
}

fn route(policy: Policy) -> HttpChange {
    let forward = Forward { upstream: upstream_name("behind"), fallback: None, canary: None };
    let route = Route {
        path: PathMatch::Prefix("/".into()),
        action: Action::Forward(forward),
        policy,
        origin: "Ingress default/behind".into(),
    };
    HttpChange::Host(VirtualHost { host: exact("p.test"), routes: vec![route], decoded: false })
}

fn policy(version: ProxyVersion, protocol: BackendProtocol) -> Policy {
    Policy { proxy_protocol: Some(version), protocol, ..Policy::default() }
}

/// A connection of a client that is somewhere else.
fn client(front: SocketAddr, client: &str) -> TcpStream {
    let mut stream = gateway::connect(front);
    stream.write_all(format!("PROXY {client} 80\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn endpoints_are_told_the_client_in_either_version_and_under_every_protocol() {
    use BackendProtocol::{Grpc, Grpcs, Http, Https};
    let (front, behind) = pair(Policy::default());
    // Who says nothing is not heard.
    let mut stream = client(front.http, "TCP4 192.0.2.7 198.51.100.1 4711");
    stream.write_all(LAST).unwrap();
    assert_eq!(statuses(&rest(&mut stream)), [502]);
    let clients = [
        ("TCP4 192.0.2.7 198.51.100.1 4711", "192.0.2.7"),
        ("TCP6 2001:db8::7 2001:db8::1 4711", "2001:db8::7"),
    ];
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        for protocol in [Http, Https, Grpc, Grpcs] {
            lead(&front, &behind, policy(version, protocol));
            for (from, address) in clients {
                let mut stream = client(front.http, from);
                stream.write_all(LAST).unwrap();
                let answer = rest(&mut stream);
                let told = answer.contains(&format!("x-real-ip: {address}\n"));
                assert!(told, "{version:?} {protocol:?}: {answer}");
            }
        }
    }
}

#[test]
fn a_connection_to_an_endpoint_is_one_clients_and_ends_with_it() {
    for protocol in [BackendProtocol::Http, BackendProtocol::Grpc] {
        let (front, behind) = pair(policy(ProxyVersion::V2, protocol));
        let made = || behind.metric("sluice_http_connections_total{tls=\"false\"}");
        let begun = made();
        let ask = |stream: &mut TcpStream, address: &str| {
            stream.write_all(GET).unwrap();
            let answer = response(stream);
            assert!(answer.contains(&format!("x-real-ip: {address}\n")), "{answer}");
        };
        let mut one = client(front.http, "TCP4 192.0.2.1 198.51.100.1 1");
        let mut two = client(front.http, "TCP4 192.0.2.2 198.51.100.1 1");
        for _ in 0..3 {
            ask(&mut one, "192.0.2.1");
            ask(&mut two, "192.0.2.2");
        }
        assert_eq!(made() - begun, 2, "{protocol:?}");
        drop(one);
        eventually("the end of one", || (behind.metric("sluice_http_connections") == 1).then_some(()));
        ask(&mut two, "192.0.2.2");
        assert_eq!(made() - begun, 2, "{protocol:?}");
        drop(two);
        eventually("the end", || (behind.metric("sluice_http_connections") == 0).then_some(()));
    }
}

#[test]
fn few_connections_wait_for_a_client_that_had_many() {
    let (front, behind) = pair(policy(ProxyVersion::V1, BackendProtocol::Http));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = client(front.http, "TCP4 192.0.2.1 198.51.100.1 1");
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..30 {
            let request = Request::get("http://p.test/slow").body(()).unwrap();
            answers.push(sender.send_request(request, true).unwrap().0);
        }
        for answer in answers {
            let mut body = answer.await.unwrap().into_body();
            while let Some(data) = body.data().await {
                body.flow_control().release_capacity(data.unwrap().len()).unwrap();
            }
        }
        let left = || behind.metric("sluice_http_connections");
        while left() > 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(left() > 0);
        drop(sender);
    });
    drop(runtime);
    eventually("the end", || (behind.metric("sluice_http_connections") == 0).then_some(()));
}

#[test]
fn what_is_passed_through_begins_with_it() {
    let (front, behind) = pair(Policy::default());
    let (own, der) = gateway::certificate("p.test");
    behind.set(&[&own, &gateway::terminate("p.test")]);
    let pass = |proxy_protocol| {
        let action = TlsAction::Passthrough { upstream: upstream_name("behind"), proxy_protocol };
        server_name(exact("p.test"), action)
    };
    front.set(&[&upstream("behind", &[behind.https])]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = std::sync::Arc::new(config);
    for (version, heard) in [(None, false), (Some(ProxyVersion::V1), true), (Some(ProxyVersion::V2), true)] {
        front.set(&[&pass(version)]);
        let stream = client(front.https, "TCP6 2001:db8::7 2001:db8::1 4711");
        let name = "p.test".try_into().unwrap();
        let tls = rustls::ClientConnection::new(std::sync::Arc::clone(&config), name).unwrap();
        let mut tls = rustls::StreamOwned::new(tls, stream);
        assert_eq!(tls.write_all(LAST).is_ok(), heard, "{version:?}");
        if heard {
            let answer = rest(&mut tls);
            assert!(answer.contains("x-real-ip: 2001:db8::7\n"), "{answer}");
        }
    }
}

#[test]
fn few_connections_of_http_2_wait_for_a_client_whose_requests_go_to_many_endpoints() {
    let (front, behind) = pair(policy(ProxyVersion::V2, BackendProtocol::Grpc));
    let many: Vec<SocketAddr> = (0..20).map(|_| gateway::free()).collect();
    behind.configure(|settings| {
        settings.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
        settings.http.clone_from(&many);
    });
    let made = || behind.metric("sluice_http_connections_total{tls=\"false\"}");
    let open = || behind.metric("sluice_http_connections");
    let before = made();
    for at in &many {
        drop(eventually("a listener", || TcpStream::connect(at).ok()));
    }
    front.set(&[&upstream("behind", &many)]);
    // A connection is counted some time after it is there.
    eventually("no connections", || (made() - before >= 20 && open() == 0).then_some(()));
    let (begun, mut stream) = (made(), client(front.http, "TCP4 192.0.2.1 198.51.100.1 1"));
    for _ in 0..20 {
        stream.write_all(GET).unwrap();
        assert_eq!(statuses(&response(&mut stream)), [200]);
    }
    assert_eq!(made() - begun, 20);
    // Eight wait, beside the last and the one before, whose answers may not have ended when the last was made.
    eventually("the end of the first", || (open() <= 10).then_some(()));
    drop(stream);
    eventually("the end", || (open() == 0).then_some(()));
}
