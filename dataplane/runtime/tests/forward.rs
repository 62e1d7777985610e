//! Services through the data plane: real sockets in the client's and the pods' namespaces, real kernel interfaces.
//!
//! The dataplane, the servers and the long-lived clients are processes of their own: this binary again, see [`common::part`].

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by them"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_engine::explain::{Explanation, Query, Verdict};
use sluice_feed::{Server, ServerOptions};
use sluice_model::{Change, Endpoint, Protocol, Service, ServiceName, ServicePort, Settings, TrafficPolicy};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};
use sluice_runtime::config::{DataplaneConfig, HugePages, Idle, PortConfig, Queues, RouteConfig};
use sluice_runtime::{Stop, run as run_dataplane};

mod common;
use common::{Far, Process, argument, isolated, part, run, wait_for};

/// Part: the data plane, with its configuration as JSON, until SIGTERM.
#[test]
fn dataplane() {
    let Some(config) = argument("dataplane") else { return };
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, flag.clone()).unwrap();
    run_dataplane(serde_json::from_str(&config).unwrap(), &Stop::from_flag(flag), || {}).unwrap();
}

/// Part: answers every byte and datagram with itself, at the addresses given.
#[test]
fn echo() {
    let Some(addresses) = argument("echo") else { return };
    for address in addresses.split(',') {
        let address: SocketAddr = address.parse().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        let socket = UdpSocket::bind(address).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                socket.send_to(&buffer[..length], from).unwrap();
            }
        });
    }
    std::thread::sleep(Duration::from_secs(600));
}

/// Part: one connection that says something every few milliseconds for so many, and fails where no answer comes for ten
/// seconds. Argument: address and milliseconds.
#[test]
fn chat() {
    let Some(argument) = argument("chat") else { return };
    let (address, time) = argument.split_once(' ').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let end = Instant::now() + Duration::from_millis(time.parse().unwrap());
    let mut longest = Duration::ZERO;
    let mut count = 0_u32;
    while Instant::now() < end {
        let asked = Instant::now();
        stream.write_all(&count.to_be_bytes()).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(u32::from_be_bytes(answer), count);
        longest = longest.max(asked.elapsed());
        count += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("longest {} of {count}", longest.as_millis());
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node: None,
        zone: None,
        hint_zones: Vec::new(),
        hint_nodes: Vec::new(),
        pod: Some("web-0".into()),
        weight: 1,
    }
}

fn service(name: &str, ip: &[&str], endpoints: &[&str]) -> Service {
    let port = |protocol| ServicePort {
        name: if protocol == Protocol::Tcp { "http".into() } else { "dgram".into() },
        protocol,
        port: 80,
        node_port: None,
        endpoints: endpoints.iter().map(|e| endpoint(e)).collect(),
    };
    Service {
        name: ServiceName::new("default", name),
        created: 0,
        cluster_ips: ip.iter().map(|ip| ip.parse().unwrap()).collect(),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity: None,
        source_ranges: Vec::new(),
        health_check_node_port: None,
        ports: vec![port(Protocol::Tcp), port(Protocol::Udp)],
    }
}

fn changes() -> Vec<Change> {
    let settings = Settings { service_cidrs: vec!["10.96.0.0/12".parse().unwrap()], ..Settings::default() };
    vec![
        Change::Settings(settings),
        Change::Service(service(
            "web",
            &["10.96.0.1", "fd00:96::1"],
            &["10.244.0.2:8080", "[fd00:244::2]:8080"],
        )),
        Change::Service(service("empty", &["10.96.0.2"], &[])),
        Change::Service(service("near", &["10.96.0.3"], &["198.51.100.3:8080"])),
    ]
}

fn config(directory: &Path, devices: [&str; 2], lcores: &[u32]) -> DataplaneConfig {
    let port = |name: &str, device: &str, addresses: &[&str]| PortConfig {
        name: name.into(),
        device: device.into(),
        queues: Queues::Auto,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: 1500,
    };
    let route =
        |to: &str, via: &str| RouteConfig { to: to.parse().unwrap(), via: via.parse().unwrap(), port: None };
    DataplaneConfig {
        lcores: lcores.to_vec(),
        memory_mib: 96,
        huge_pages: HugePages::Never,
        flows: 65536,
        idle: Idle::Sleep,
        ports: vec![
            port("uplink", devices[0], &["192.0.2.1/24", "2001:db8:1::1/64"]),
            port("cluster", devices[1], &["198.51.100.10/24", "2001:db8:2::10/64"]),
        ],
        routes: vec![route("10.244.0.0/16", "198.51.100.1"), route("fd00:244::/56", "2001:db8:2::1")],
        runtime_dir: directory.into(),
        feed: directory.join("feed.sock"),
        ..DataplaneConfig::default()
    }
}

struct Gateway {
    process: Process,
    config: DataplaneConfig,
}

impl Gateway {
    /// Starts it and waits until it forwards; how long that took.
    fn start(config: DataplaneConfig) -> (Self, Duration) {
        let started = Instant::now();
        let process = Process::spawn(part(None, "dataplane", &serde_json::to_string(&config).unwrap()));
        let gateway = Self { process, config };
        wait_for("the data plane's start", || gateway.status().is_some_and(|status| status.ready));
        (gateway, started.elapsed())
    }

    fn ask(&self, request: AdminRequest) -> Option<Vec<AdminResponse>> {
        AdminClient::connect(&self.config.admin_socket()).ok()?.ask(&request).ok()
    }

    fn status(&self) -> Option<sluice_runtime::admin::protocol::Status> {
        match self.ask(AdminRequest::Status)?.pop()? {
            AdminResponse::Status(status) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    fn explain(&self, source: &str, destination: &str) -> Explanation {
        let query = Query {
            source: source.parse().unwrap(),
            source_port: Some(40000),
            destination: destination.parse().unwrap(),
            protocol: Protocol::Tcp,
        };
        match self.ask(AdminRequest::Explain(query)).unwrap().pop().unwrap() {
            AdminResponse::Explain(explanation) => *explanation,
            other => panic!("{other:?}"),
        }
    }
}

/// The client's side or the pods' side: a namespace that has `interface`.
fn side(interface: &str, mac: &str, addresses: &[&str], routes: &[&str]) -> Far {
    let far = Far::new();
    run(&format!("ip link set {interface} netns {}", far.pid()));
    far.run(&format!("ip link set {interface} address {mac}"));
    for address in addresses {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        far.run(&format!("ip addr add {address} dev {interface} {nodad}"));
    }
    far.run(&format!("ip link set {interface} up"));
    for route in routes {
        far.run(&format!("ip route add {route}"));
    }
    far
}

fn client_side(interface: &str) -> Far {
    side(
        interface,
        "02:00:00:00:01:01",
        &["192.0.2.2/24", "2001:db8:1::2/64"],
        &["10.96.0.0/12 via 192.0.2.1", "fd00:96::/64 via 2001:db8:1::1"],
    )
}

fn pod_side(interface: &str) -> Far {
    side(
        interface,
        "02:00:00:00:02:01",
        &["198.51.100.1/24", "2001:db8:2::1/64", "198.51.100.3/24", "10.244.0.2/32", "fd00:244::2/128"],
        &[],
    )
}

fn servers(pods: &Far) -> Process {
    let process =
        Process::spawn(part(Some(pods), "echo", "10.244.0.2:8080,198.51.100.3:8080,[fd00:244::2]:8080"));
    wait_for("the servers", || {
        let shown = pods.run("ss -lnt");
        shown.matches(":8080").count() == 3
    });
    process
}

/// What a shell in a namespace says for one line sent to an address and its answer.
fn say(far: &Far, protocol: &str, address: &str) -> Result<String, String> {
    let script = format!("exec 3<>/dev/{protocol}/{address} && echo hello >&3 && head -n1 <&3");
    let output = far.command("timeout").args(["10", "bash", "-c", &script]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{} {}", output.status, text(&output.stderr)))
    }
}

fn publish(directory: &Path) -> Server {
    let server = Server::bind(&directory.join("feed.sock"), ServerOptions::default()).unwrap();
    server.publish(&changes()).unwrap();
    server
}

fn check_services(gateway: &Gateway, client: &Far) {
    for (protocol, address) in
        [("tcp", "10.96.0.1/80"), ("udp", "10.96.0.1/80"), ("tcp", "fd00:96::1/80"), ("udp", "fd00:96::1/80")]
    {
        assert_eq!(
            say(client, protocol, address),
            Ok("hello".into()),
            "{protocol} {address}: {:?}",
            counters(gateway)
        );
    }
    let refused = say(client, "tcp", "10.96.0.2/80").unwrap_err();
    assert!(refused.contains("refused"), "a Service without endpoints: {refused}");
}

fn counters(gateway: &Gateway) -> Vec<(String, u64)> {
    let all = gateway.ask(AdminRequest::Counters).unwrap_or_default();
    let rows = all.into_iter().flat_map(|part| match part {
        AdminResponse::Counters(rows) => rows,
        other => panic!("{other:?}"),
    });
    rows.filter(|row| row.total > 0).map(|row| (row.name, row.total)).collect()
}

fn over_taps(lcores: &[u32], queues: Queues) {
    let directory = tempfile::tempdir().unwrap();
    let server = publish(directory.path());
    let mut config = config(directory.path(), ["net_tap0,iface=up0", "net_tap1,iface=down0"], lcores);
    for port in &mut config.ports {
        port.queues = queues;
    }
    let (gateway, time) = Gateway::start(config);
    println!("forwarding {time:?} after exec");
    let (client, pods) = (client_side("up0"), pod_side("down0"));
    let _servers = servers(&pods);
    check_services(&gateway, &client);
    // A SYN for an endpoint that nobody has asked for yet waits for its hardware address, and goes on as soon as that is
    // known: sent again it would be a second late.
    let first = Instant::now();
    assert_eq!(say(&client, "tcp", "10.96.0.3/80"), Ok("hello".into()));
    assert!(first.elapsed() < Duration::from_millis(950), "{:?}", first.elapsed());
    wait_for("the count of waiting packets", || counters(&gateway).iter().any(|(name, _)| name == "parked"));

    // What is shown is what happened.
    let status = gateway.status().unwrap();
    assert_eq!((status.services, status.generation, status.feed_connected), (3, server.generation(), true));
    wait_for("the flows to be counted", || gateway.status().is_some_and(|status| status.flows >= 5));
    let flows = gateway
        .ask(AdminRequest::Flows { address: Some("10.244.0.2".parse().unwrap()), limit: None })
        .unwrap();
    let of_web = |part: &AdminResponse| match part {
        AdminResponse::Flows(rows) => rows.iter().any(|row| row.service.as_deref() == Some("default/web")),
        other => panic!("{other:?}"),
    };
    assert!(flows.iter().any(of_web), "{flows:?}");

    let explained = gateway.explain("192.0.2.2", "10.96.0.1:80");
    assert_eq!(explained.verdict, Verdict::Forward { endpoint: Some("10.244.0.2:8080".parse().unwrap()) });
    assert_eq!(explained.frontend.unwrap().service, "default/web");
    assert_eq!(explained.endpoints[0].hop.as_ref().unwrap().port, "cluster");
    let refused = Verdict::Refuse { served: true };
    assert_eq!(gateway.explain("192.0.2.2", "10.96.0.2:80").verdict, refused);
    let linux = Verdict::Linux { own: Some("uplink".into()) };
    assert_eq!(gateway.explain("192.0.2.2", "192.0.2.1:22").verdict, linux);

    // A change is in effect once it is acknowledged.
    let generation = server.publish(&[Change::ServiceGone(ServiceName::new("default", "empty"))]).unwrap();
    assert!(server.wait_acked(generation, Duration::from_secs(2)));
    let gone = gateway.explain("192.0.2.2", "10.96.0.2:80").verdict;
    assert!(
        matches!(&gone, Verdict::Drop { reason, .. } if reason == "unallocated_service_address"),
        "{gone:?}"
    );

    let lcores_shown = gateway.ask(AdminRequest::Lcores).unwrap();
    let [AdminResponse::Lcores(rows)] = &lcores_shown[..] else { panic!("{lcores_shown:?}") };
    assert_eq!(rows.len(), lcores.len());
    assert!(rows.iter().all(|row| row.turns > 0), "{rows:?}");
    if lcores.len() > 1 {
        wait_for("packets that were handed over", || {
            counters(&gateway).iter().any(|(name, _)| name == "handed_over")
        });
    }
}

#[test]
fn services_are_reached_over_taps() {
    if isolated("services_are_reached_over_taps") {
        over_taps(&[0], Queues::Auto);
    }
}

#[test]
fn several_lcores_share_the_work() {
    if isolated("several_lcores_share_the_work") {
        over_taps(&[0, 1], Queues::Auto);
    }
}

#[test]
fn lcores_without_a_queue_send_through_one_that_has() {
    if isolated("lcores_without_a_queue_send_through_one_that_has") {
        over_taps(&[0, 1], Queues::Count(1));
    }
}

#[test]
fn a_trace_shows_live_packets() {
    if !isolated("a_trace_shows_live_packets") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let _server = publish(directory.path());
    let (gateway, _) =
        Gateway::start(config(directory.path(), ["net_tap0,iface=up0", "net_tap1,iface=down0"], &[0]));
    let (client, pods) = (client_side("up0"), pod_side("down0"));
    let _servers = servers(&pods);
    // Next hops are known after the first exchange.
    say(&client, "tcp", "10.96.0.1/80").unwrap();
    let socket = gateway.config.admin_socket();
    let trace = std::thread::spawn(move || {
        let filter = sluice_engine::trace::TraceFilter {
            protocol: Some(6),
            dst: Some("10.96.0.1/32".parse().unwrap()),
            limit: 16,
            ..Default::default()
        };
        AdminClient::connect(&socket).unwrap().ask(&AdminRequest::Trace { filter, seconds: 20 }).unwrap()
    });
    // The trace begins when it begins, perhaps in the middle of a connection: packets enough for several whole ones.
    while !trace.is_finished() {
        say(&client, "tcp", "10.96.0.1/80").unwrap();
    }
    let rows: Vec<_> = trace
        .join()
        .unwrap()
        .into_iter()
        .flat_map(|part| match part {
            AdminResponse::Trace(rows) => rows,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rows.len(), 16, "{rows:?}");
    assert!(rows.iter().all(|row| row.port == "uplink"), "{rows:?}");
    let new = rows.iter().map(|row| row.stages.join("; ")).find(|stages| stages.contains("new flow"));
    let new = new.unwrap_or_else(|| panic!("{rows:?}"));
    for expected in ["default/web:http", "backend 10.244.0.2:8080"] {
        assert!(new.contains(expected), "{expected}: {new}");
    }
}

#[test]
fn a_killed_data_plane_comes_back_with_its_connections() {
    if !isolated("a_killed_data_plane_comes_back_with_its_connections") {
        return;
    }
    for (near, peer) in [("up0", "up1"), ("down0", "down1")] {
        run(&format!("ip link add {near} type veth peer name {peer}"));
        // A veth's peer would send checksums that nobody fills in.
        run(&format!("ethtool -K {peer} tx off"));
    }
    let directory = tempfile::tempdir().unwrap();
    let _server = publish(directory.path());
    let devices = ["net_af_packet0,iface=up0", "net_af_packet1,iface=down0"];
    let (client, pods) = (client_side("up1"), pod_side("down1"));
    let _servers = servers(&pods);
    let config = config(directory.path(), devices, &[0]);
    let (mut gateway, _) = Gateway::start(config.clone());
    check_services(&gateway, &client);

    let mut chat = part(Some(&client), "chat", "10.96.0.1:80 4000");
    let chat = std::thread::spawn(move || chat.output().unwrap());
    std::thread::sleep(Duration::from_millis(1000));
    let killed = Instant::now();
    gateway.process.kill();
    let (gateway, time) = Gateway::start(config);
    println!("forwarding {time:?} after exec, {:?} after the kill", killed.elapsed());
    // A fifth of a second on a quiet machine; this one may be busy with other tests.
    assert!(time < Duration::from_secs(3), "{time:?}");
    let output = chat.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text} {:?}", counters(&gateway));
    check_services(&gateway, &client);
}

#[test]
fn a_stop_leaves_nothing_behind() {
    if !isolated("a_stop_leaves_nothing_behind") {
        return;
    }
    run("ip link add up0 type veth peer name up1");
    run("ip link add down0 type veth peer name down1");
    let directory = tempfile::tempdir().unwrap();
    let _server = publish(directory.path());
    let devices = ["net_af_packet0,iface=up0", "net_af_packet1,iface=down0"];
    let (mut gateway, _) = Gateway::start(config(directory.path(), devices, &[0]));
    assert!(gateway.ask(AdminRequest::Shutdown).is_some());
    wait_for("the end", || gateway.process.0.try_wait().unwrap().is_some());
    assert!(gateway.process.0.wait().unwrap().success());
    let left = run("ip -o link");
    assert!(!left.contains("sl-"), "{left}");
    // Only the flows, for the next start, and the lock's file.
    let mut names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["dataplane.lock", "feed.sock", "flows"]);
}
