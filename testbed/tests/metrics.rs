//! Metrics and health of both roles of a running gateway, as Prometheus would read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
#[path = "../../dataplane/observe/tests/strict/mod.rs"]
mod strict;

use std::collections::BTreeSet;
use std::time::Duration;

use common::*;
use rustix::process::Signal;
use sluice_testbed::Testbed;
use sluice_testbed::client::eventually;
use sluice_testbed::cluster::{Options, User};
use sluice_testbed::gateway::binary;
use strict::Metrics;

const DATAPLANE: &str = "127.0.0.1:9471";
const CONTROL: &str = "127.0.0.1:9472";
const SOON: Duration = Duration::from_secs(40);

/// What `curl` gets in the gateway's namespace: the status, 0 where nobody listens, and the body.
fn fetch(lab: &Lab, role: &str, path: &str, options: &[&str]) -> (u16, String) {
    let mut command = lab.bed.gateway.command("curl");
    command.args(["-sS", "-m", "5", "-w", "\n%{http_code} %{content_type}"]).args(options);
    let output = command.arg(format!("http://{role}{path}")).output().expect("make test installs curl");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, last) = text.rsplit_once('\n').unwrap();
    let (status, kind) = last.split_once(' ').unwrap();
    if path == "/metrics" && status == "200" {
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    }
    (status.parse().unwrap(), body.to_owned())
}

fn scrape(lab: &Lab, role: &str) -> Metrics {
    let (status, text) = fetch(lab, role, "/metrics", &[]);
    assert_eq!(status, 200, "{text}\n{}", lab.gateway.log());
    Metrics::parse(&text)
}

fn is(lab: &Lab, role: &str, path: &str, status: u16) {
    let seen = eventually(SOON, || (fetch(lab, role, path, &[]).0 == status).then_some(()));
    assert!(seen.is_some(), "{role}{path}: {:?}\n{}", fetch(lab, role, path, &[]), lab.gateway.log());
}

#[test]
fn a_request_moves_the_counters_of_the_data_plane() {
    let lab = Lab::start(&[web_ab()]);
    let before = scrape(&lab, DATAPLANE);
    lab.must_get(VIP);
    let moved = eventually(SOON, || {
        let after = scrape(&lab, DATAPLANE);
        let by = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
        let uplink = [("port", "uplink"), ("device", "port")];
        let cluster = [("port", "cluster"), ("device", "port")];
        (by("sluice_events_total", &[("event", "received"), ("lcore", "0")]) >= 8.0
            && by("sluice_port_received_packets_total", &uplink) >= 4.0
            && by("sluice_port_sent_packets_total", &cluster) >= 4.0
            && by("sluice_port_sent_bytes_total", &uplink) > 250.0
            && by("sluice_lcore_busy_turns_total", &[("lcore", "0")]) >= 1.0
            && after.sum("sluice_flows", &[]) >= 1.0)
            .then_some(after)
    });
    let after = moved.unwrap_or_else(|| panic!("{}", fetch(&lab, DATAPLANE, "/metrics", &[]).1));
    for (name, expected) in [
        ("sluice_ready", 1.0),
        ("sluice_feed_connected", 1.0),
        ("sluice_services", 1.0),
        ("sluice_flow_capacity", 65536.0),
        ("sluice_frontend_conflicts", 0.0),
        ("sluice_huge_pages", 0.0),
    ] {
        assert_eq!(after.sum(name, &[]), expected, "{name}");
    }
    assert!(after.sum("sluice_generation", &[]) >= 1.0);
    assert_eq!(after.sum("sluice_lcore_generation", &[]), after.sum("sluice_generation", &[]));
    let free = after.sum("sluice_packet_buffers_free", &[]);
    assert!(free > 0.0 && free < after.sum("sluice_packet_buffers", &[]));
    assert_eq!(after.sum("sluice_build_info", &[("role", "dataplane")]), 1.0);
    assert_eq!(after.sum("sluice_lcore_info", &[("lcore", "0"), ("cpu", "1")]), 1.0);
    // What nobody serves is a drop with a reason, or a refusal; here: an address of the service networks that none has.
    let dropped = |metrics: &Metrics| metrics.sum("sluice_dropped_packets_total", &[]);
    let before = dropped(&after);
    assert!(lab.get("10.96.9.9:80").is_err());
    let counted = eventually(SOON, || (dropped(&scrape(&lab, DATAPLANE)) > before).then_some(()));
    assert!(counted.is_some(), "{}", lab.counters());
    assert!(after.len() < 2000, "{} series", after.len());
}

#[test]
fn control_says_what_it_knows_and_who_works_by_it() {
    let lab = Lab::start(&[web_ab()]);
    let one = |name: &str, labels: &[(&str, &str)], expected: f64| {
        let seen = eventually(SOON, || {
            let metrics = scrape(&lab, CONTROL);
            (metrics.sum(name, labels) == expected).then_some(())
        });
        assert!(
            seen.is_some(),
            "{name}{labels:?} is not {expected}: {}",
            fetch(&lab, CONTROL, "/metrics", &[]).1
        );
    };
    one("sluice_build_info", &[("role", "control")], 1.0);
    one("sluice_objects", &[("kind", "Service")], 1.0);
    one("sluice_kind_synced", &[("kind", "Service")], 1.0);
    one("sluice_services", &[], 1.0);
    one("sluice_problems", &[("level", "error")], 0.0);
    one("sluice_subscribers", &[("name", "dataplane")], 1.0);
    let metrics = scrape(&lab, CONTROL);
    let generation = metrics.sum("sluice_generation", &[]);
    one("sluice_subscriber_generation", &[("name", "dataplane")], generation);
    // A new generation is acknowledged, and one more file has been read.
    lab.write(&web());
    one("sluice_subscriber_generation", &[("name", "dataplane")], generation + 1.0);
    std::fs::write(lab.manifests.join("bad.yaml"), "apiVersion: v1\nkind: Service\nmetadata: 7\n").unwrap();
    one("sluice_problems", &[("level", "error")], 1.0);
    one("sluice_manifest_files", &[], 2.0);
}

#[test]
fn pages_are_for_looking_only_and_health_follows_the_roles() {
    let lab = Lab::start(&[web_ab()]);
    for role in [DATAPLANE, CONTROL] {
        for path in ["/healthz", "/readyz"] {
            is(&lab, role, path, 200);
        }
        assert_eq!(fetch(&lab, role, "/metrics", &["-X", "POST", "-d", "x=1"]).0, 405);
        assert_eq!(fetch(&lab, role, "/secret", &[]).0, 404);
        let (status, body) = fetch(&lab, role, "/metrics", &["-I"]);
        assert!(status == 200 && !body.contains("# HELP"), "{body}");
        let port = role.rsplit_once(':').unwrap().1;
        // Loopback alone.
        assert_eq!(fetch(&lab, &format!("198.51.100.10:{port}"), "/metrics", &[]).0, 0);
    }
    // Without control the data plane goes on, and says that it is on its own.
    let control = lab.gateway.child_of_role("control").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(control).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    lab.must_get(VIP);
    is(&lab, DATAPLANE, "/readyz", 200);
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // Started anew by the supervisor.
    is(&lab, CONTROL, "/readyz", 200);
}

#[test]
fn a_port_that_is_taken_keeps_no_role_from_its_work_and_is_had_later() {
    let lab = Lab::with_setup(&[web_ab()], |bed| {
        // As another program would that was there first.
        bed.gateway.enter(|| {
            let taken = std::net::TcpListener::bind(DATAPLANE).unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(15));
                drop(taken);
            });
        });
    });
    lab.must_get(VIP);
    assert!(lab.gateway.log().contains("metrics cannot be served"), "{}", lab.gateway.log());
    let served = eventually(Duration::from_secs(60), || {
        (fetch(&lab, DATAPLANE, "/readyz", &[]).0 == 200).then_some(())
    });
    assert!(served.is_some(), "{}", lab.gateway.log());
}

/// Names of families, and whether `docs/metrics.md` tells of them.
fn documented(all: &[&Metrics]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    // HTTP's are held against the page where they are made.
    let is_name = |word: &&str| {
        (word.starts_with("sluice_") || word.starts_with("process_")) && !word.starts_with("sluice_http_")
    };
    let told: BTreeSet<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(is_name).collect();
    let served: BTreeSet<&str> =
        all.iter().flat_map(|metrics| metrics.0.keys().map(String::as_str)).collect();
    // CoreDNS's names are in docs/resolver.md.
    let untold: Vec<_> = served.difference(&told).filter(|name| !name.starts_with("coredns_")).collect();
    assert!(untold.is_empty(), "not in docs/metrics.md: {untold:?}");
    // What only a folder as the source has, a Corefile, and clients of DNS.
    const SOMETIMES: [&str; 3] =
        ["sluice_manifest_files", "sluice_corefile_in_effect", "sluice_dns_client_queries_per_second"];
    let unserved: Vec<_> = told.difference(&served).filter(|name| !SOMETIMES.contains(name)).collect();
    assert!(unserved.is_empty(), "in docs/metrics.md alone: {unserved:?}");
}

#[test]
fn an_api_server_is_measured_and_a_held_loss_is_told_and_released_by_hand() {
    let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
    let cluster = Options::default().in_namespace(&bed.gateway).controllers(&[]).start().unwrap();
    let kubeconfig = cluster.kubeconfig(User::Sluice);
    // For longer than the test lasts.
    let source = format!("{{ shrink_hold: 3600, kubernetes: {{ kubeconfig: {} }} }}", kubeconfig.display());
    let pools = "  address_pools: [{ name: p, addresses: [203.0.113.0/24] }]\n";
    let lab = Lab::over(bed, Ports::Tap, &source, pools);
    let becomes = |name: &str, labels: &[(&str, &str)], holds: fn(f64) -> bool| {
        let value = || scrape(&lab, CONTROL).sum(name, labels);
        let seen = eventually(Duration::from_secs(30), || holds(value()).then_some(()));
        assert!(seen.is_some(), "{name}{labels:?} is {}: {}", value(), lab.gateway.log());
    };
    is(&lab, CONTROL, "/readyz", 200);
    let many = (1..=30).fold(web(), |web, n| web.endpoint(&format!("10.244.9.{n}")));
    cluster.apply(&many.endpoint(POD_A).yaml()).unwrap();
    for kind in ["Service", "EndpointSlice", "Node"] {
        becomes("sluice_kind_synced", &[("kind", kind)], |value| value == 1.0);
        becomes("sluice_kind_lists_total", &[("kind", kind)], |value| value == 1.0);
    }
    becomes("sluice_objects", &[("kind", "EndpointSlice")], |value| value >= 1.0);
    becomes("sluice_publish_latency_seconds", &[("le", "+Inf")], |value| value >= 1.0);
    becomes("sluice_stale", &[], |value| value == 0.0);
    let mut release = lab.bed.gateway.command(&binary().to_string_lossy());
    let refused = release.args(["release", "-c"]).arg(&lab.config).output().unwrap();
    assert_eq!(refused.status.code(), Some(69), "there is nothing to release: {refused:?}");

    cluster.kubectl(&["delete", "endpointslices", "--all"]).unwrap();
    becomes("sluice_held_endpoints", &[], |value| value >= 31.0);
    becomes("sluice_problems", &[("level", "error")], |value| value >= 1.0);
    assert!(lab.cli(&["show", "sync"]).contains("sluice release"), "{}", lab.cli(&["show", "sync"]));
    lab.cli(&["release"]);
    becomes("sluice_held_endpoints", &[], |value| value == 0.0);
    let refused = eventually(SOON, || {
        lab.get(CLUSTER_IP).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    });
    assert!(refused.is_some(), "{:?}\n{}", lab.get(CLUSTER_IP), lab.gateway.log());
    becomes("sluice_leader", &[], |value| value == 1.0);
    documented(&[&scrape(&lab, DATAPLANE), &scrape(&lab, CONTROL)]);
    let status = lab.cli(&["show", "sync", "-o", "json"]);
    assert!(status.contains("\"held\": null") && status.contains("\"p99_within_us\""), "{status}");
}

#[test]
fn an_emptied_manifest_folder_is_held_back_until_it_is_filled_again_or_released_by_hand() {
    let many = (1..=30).fold(web(), |web, n| web.endpoint(&format!("10.244.9.{n}")));
    let lab = Lab::start(&[many.endpoint(POD_A6)]);
    let held = |holds: fn(f64) -> bool| {
        let value = || scrape(&lab, CONTROL).sum("sluice_held_endpoints", &[]);
        let seen = eventually(SOON, || holds(value()).then_some(()));
        assert!(seen.is_some(), "{} endpoints are held\n{}", value(), lab.gateway.log());
    };
    assert_eq!(lab.must_get(CLUSTER_IP6).0, "a");
    // As a mount that did not come up leaves it.
    let aside = lab.bed.folder().join("aside");
    let swap = |from: &std::path::Path, to: &std::path::Path| {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::rename(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    std::fs::create_dir(&aside).unwrap();
    swap(&lab.manifests, &aside);
    held(|value| value >= 31.0);
    assert!(lab.cli(&["show", "problems"]).contains("would be left at once"));
    assert_eq!(lab.must_get(CLUSTER_IP6).0, "a", "the former state is served");
    // Filled again: nothing was lost, and nothing was told to the data plane.
    let generation = scrape(&lab, CONTROL).sum("sluice_generation", &[]);
    swap(&aside, &lab.manifests);
    held(|value| value == 0.0);
    assert_eq!(scrape(&lab, CONTROL).sum("sluice_generation", &[]), generation);
    assert!(!lab.cli(&["show", "problems"]).contains("would be left at once"));
    // Meant.
    swap(&lab.manifests, &aside);
    held(|value| value >= 31.0);
    lab.cli(&["release"]);
    held(|value| value == 0.0);
    let gone = eventually(SOON, || lab.get(CLUSTER_IP6).is_err().then_some(()));
    assert!(gone.is_some(), "{}", lab.gateway.log());
}
