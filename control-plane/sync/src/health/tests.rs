use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::http::Listener;
use super::*;

fn answer(local_endpoints: usize) -> Answer {
    Answer { name: ServiceName::new("shop", "web"), local_endpoints }
}

fn get(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// None of those that Linux gives to connections (32768 and up): one of them might be taken before it is listened on.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(30_000);
    let mut ports = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)));
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap()
}

#[test]
fn health_check_node_port_answers_200_with_local_endpoints_and_503_without() {
    let port = free_port();
    let listener = Listener::start(&[Ipv4Addr::LOCALHOST.into()], port, answer(2)).unwrap();
    let text = get(port);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("X-Load-Balancing-Endpoint-Weight: 2\r\n"), "{text}");
    let body: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["service"]["namespace"], "shop");
    assert_eq!(body["service"]["name"], "web");
    assert_eq!(body["localEndpoints"], 2);
    assert_eq!(body["serviceProxyHealthy"], true);
    listener.set(answer(0));
    assert!(get(port).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    drop(listener);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "the port is closed");
}

#[test]
fn a_client_that_says_nothing_holds_others_up_for_half_a_second_at_most() {
    let port = free_port();
    let _listener = Listener::start(&[Ipv4Addr::LOCALHOST.into()], port, answer(1)).unwrap();
    let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let start = Instant::now();
    assert!(get(port).contains("200 OK"));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    assert!(Listener::start(&[Ipv4Addr::LOCALHOST.into()], port, answer(1)).is_err());
}

#[test]
fn only_ready_local_endpoints_count_and_terminating_ones_do_not() {
    let endpoint = |address: &str, node: &str, ready| sluice_model::Endpoint {
        address: address.parse().unwrap(),
        ready,
        serving: true,
        terminating: !ready,
        node: Some(node.into()),
        zone: None,
        hint_zones: vec![],
        hint_nodes: vec![],
        pod: None,
        weight: 1,
    };
    let mut service = Service {
        name: ServiceName::new("shop", "web"),
        created: 0,
        cluster_ips: vec![],
        external_ips: vec![],
        load_balancer_ips: vec![],
        external_policy: sluice_model::TrafficPolicy::Local,
        internal_policy: sluice_model::TrafficPolicy::Cluster,
        affinity: None,
        source_ranges: vec![],
        health_check_node_port: Some(1),
        ports: vec![sluice_model::ServicePort {
            name: "".into(),
            protocol: sluice_model::Protocol::Tcp,
            port: 80,
            node_port: None,
            endpoints: vec![
                endpoint("10.0.0.1:80", "here", true),
                endpoint("10.0.0.2:80", "there", true),
                endpoint("10.0.0.3:80", "here", false),
            ],
        }],
    };
    let here = Settings { node: "here".into(), is_node: true, ..Settings::default() };
    assert_eq!(local_endpoints(&service, &here), 1);
    // Two ports of one pod are one endpoint.
    service.ports.push(service.ports[0].clone());
    assert_eq!(local_endpoints(&service, &here), 1);
}
