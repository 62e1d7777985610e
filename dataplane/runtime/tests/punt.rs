//! The data plane's ports and their kernel interfaces, over TAP devices in network namespaces of their own.
//!
//! `up0` and `down0` are the other ends of the gateway's two ports; each is put into a namespace of its own.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};
use sluice_runtime::config::{DataplaneConfig, HugePages, Idle, PortConfig, Queues, RouteConfig};
use sluice_runtime::{RuntimeError, Stop, run as run_dataplane};

mod common;
use common::{Far, isolated, run, wait_for};

fn config(directory: &Path) -> DataplaneConfig {
    let port = |name: &str, device: &str, addresses: &[&str]| PortConfig {
        name: name.into(),
        device: device.into(),
        queues: Queues::Auto,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: 1500,
    };
    DataplaneConfig {
        lcores: vec![0],
        memory_mib: 64,
        huge_pages: HugePages::Never,
        flows: 4096,
        idle: Idle::Sleep,
        ports: vec![
            port("uplink", "net_tap0,iface=up0", &["192.0.2.1/24", "2001:db8:1::1/64"]),
            port("cluster", "net_tap1,iface=down0", &["198.51.100.10/24", "2001:db8:2::10/64"]),
        ],
        routes: vec![RouteConfig {
            to: "10.244.0.0/16".parse().unwrap(),
            via: "198.51.100.1".parse().unwrap(),
            port: None,
        }],
        runtime_dir: directory.into(),
        feed: directory.join("feed.sock"),
        feed_patience: Duration::ZERO,
        ..DataplaneConfig::default()
    }
}

struct Running {
    stop: Stop,
    thread: Option<std::thread::JoinHandle<Result<(), RuntimeError>>>,
    admin: PathBuf,
}

impl Running {
    fn start(config: DataplaneConfig) -> Self {
        let admin = config.admin_socket();
        let stop = Stop::default();
        let ready = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (stop, ready) = (stop.clone(), Arc::clone(&ready));
            move || run_dataplane(config, &stop, || ready.store(true, Ordering::Release))
        });
        wait_for("the start", || ready.load(Ordering::Acquire) || thread.is_finished());
        let mut running = Self { stop, thread: Some(thread), admin };
        if !ready.load(Ordering::Acquire) {
            running.stop().unwrap();
            panic!("it ended by itself");
        }
        running
    }

    fn stop(&mut self) -> Result<(), RuntimeError> {
        self.stop.set();
        self.thread.take().unwrap().join().unwrap()
    }

    fn ask(&self, request: AdminRequest) -> Vec<AdminResponse> {
        AdminClient::connect(&self.admin).unwrap().ask(&request).unwrap()
    }
}

/// The client's and the pods' side, with their ends of the TAP devices.
fn sides() -> (Far, Far) {
    let side = |interface: &str, addresses: &[&str]| {
        let far = Far::new();
        run(&format!("ip link set {interface} netns {}", far.pid()));
        // The driver's interface has the port's own hardware address; its peer needs another.
        far.run(&format!("ip link set {interface} address 02:00:00:00:01:01"));
        for address in addresses {
            far.run(&format!("ip addr add {address} dev {interface} nodad"));
        }
        far.run(&format!("ip link set {interface} up"));
        far
    };
    (
        side("up0", &["192.0.2.2/24", "2001:db8:1::2/64"]),
        side("down0", &["198.51.100.1/24", "2001:db8:2::1/64"]),
    )
}

/// Connects to a TCP port that nobody serves: refused means that Linux behind the port was reached and answered.
fn is_refused(far: &Far, address: &str) -> bool {
    let text = format!("echo > /dev/tcp/{address}/9");
    let output = far.command("timeout").args(["2", "bash", "-c", &text]).output().unwrap();
    String::from_utf8_lossy(&output.stderr).contains("refused")
}

#[test]
fn linux_is_reached_through_both_ports_and_nothing_stays_behind() {
    if !isolated("linux_is_reached_through_both_ports_and_nothing_stays_behind") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut running = Running::start(config(directory.path()));
    eprintln!("ready after {:?}", started.elapsed());
    let shown = run("ip addr show dev sl-uplink");
    for expected in ["192.0.2.1/24", "2001:db8:1::1/64", "mtu 1500", "UP"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(run("ip route").contains("10.244.0.0/16 via 198.51.100.1 dev sl-cluster"));

    let (client, pods) = sides();
    for address in ["192.0.2.1", "2001:db8:1::1"] {
        assert!(is_refused(&client, address), "{address}");
    }
    for address in ["198.51.100.10", "2001:db8:2::10"] {
        assert!(is_refused(&pods, address), "{address}");
    }

    let ports = running.ask(AdminRequest::Ports);
    let [AdminResponse::Ports(ports)] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!(
        (ports[0].name.as_str(), ports[0].interface.as_str(), ports[1].driver.as_str()),
        ("uplink", "sl-uplink", "net_tap")
    );
    assert!(shown.contains(&ports[0].mac), "{} is the interface's address: {shown}", ports[0].mac);
    assert!(ports[0].device_counters.rx_packets > 0 && ports[0].punt_counters.tx_packets > 0);
    let routes = running.ask(AdminRequest::Routes);
    let [AdminResponse::Routes(routes)] = &routes[..] else { panic!("{routes:?}") };
    assert!(
        routes.iter().any(|r| r.port == "cluster" && r.via == Some("198.51.100.1".parse().unwrap())),
        "{routes:?}"
    );
    // The kernel keeps the route's next hop resolved, without any traffic to it.
    wait_for("the gateway to be resolved", || {
        let all = running.ask(AdminRequest::Neighbors);
        all.iter().any(|part| matches!(part, AdminResponse::Neighbors(rows)
            if rows.iter().any(|row| row.ip == "198.51.100.1".parse::<std::net::IpAddr>().unwrap() && row.mac == "02:00:00:00:01:01")))
    });
    let status = running.ask(AdminRequest::Status);
    let [AdminResponse::Status(status)] = &status[..] else { panic!("{status:?}") };
    assert!(status.ready && !status.huge_pages && status.routes >= 5, "{status:?}");

    running.stop().unwrap();
    // Their processes were started while TAP devices were open, and inherited the descriptors.
    drop((client, pods));
    let left = run("ip -o link");
    assert!(!left.contains("sl-"), "{left}");
    assert!(!directory.path().join("dataplane.sock").exists());
}

#[test]
fn a_port_that_does_not_start_says_why() {
    if !isolated("a_port_that_does_not_start_says_why") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    run("ip tuntap add sl-uplink mode tap");
    let config = config(directory.path());
    let error = run_dataplane(config, &Stop::default(), || {}).unwrap_err().to_string();
    assert!(error.contains("port \"uplink\"") && error.contains("sl-uplink exists already"), "{error}");
}

#[test]
fn a_device_that_is_not_there_is_named() {
    if !isolated("a_device_that_is_not_there_is_named") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.ports[1].device = "net_af_packet0,iface=absent0".into();
    let error = run_dataplane(config, &Stop::default(), || {}).unwrap_err().to_string();
    assert!(error.contains("port \"cluster\": there is no interface absent0"), "{error}");
}

#[test]
fn two_cannot_share_a_runtime_directory() {
    if !isolated("two_cannot_share_a_runtime_directory") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let _other = sluice_runtime::instance::Instance::acquire(directory.path()).unwrap();
    let error = run_dataplane(config(directory.path()), &Stop::default(), || {}).unwrap_err().to_string();
    assert!(error.contains("another data plane runs"), "{error}");
}

#[test]
fn an_lcore_without_a_cpu_is_named() {
    if !isolated("an_lcore_without_a_cpu_is_named") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.lcores = vec![0, 127];
    let error = run_dataplane(config, &Stop::default(), || {}).unwrap_err().to_string();
    assert!(error.contains("lcore 1") && error.contains("CPU 127"), "{error}");
    let left = run("ip -o link");
    assert!(!left.contains("sl-"), "{left}");
}

#[test]
fn huge_pages_that_are_not_there_are_named() {
    if !isolated("huge_pages_that_are_not_there_are_named") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.huge_pages = HugePages::Required;
    config.memory_mib = 1 << 20;
    let error = run_dataplane(config, &Stop::default(), || {}).unwrap_err().to_string();
    assert!(error.contains("huge pages are required: 1048576 MiB"), "{error}");
}
