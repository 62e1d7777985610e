//! `sluice run` with real processes, in a network namespace.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by them"
)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use rustix::process::Signal;

const LONG: Duration = Duration::from_secs(20);

/// Both roles run, and the packet path answers.
fn up(site: &Site, gateway: &Gateway) -> (u32, u32) {
    eventually("ready", LONG, || {
        let output = site.ask(&["show", "status", "-o", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["ready"] == true && status["feed_connected"] == true).then_some(())
    });
    (gateway.role("dataplane"), gateway.role("control"))
}

#[test]
fn roles_start_one_that_is_killed_comes_back_and_the_other_stays() {
    let site = Site::new();
    let gateway = Gateway::start(&site, &[]);
    let (dataplane, control) = up(&site, &gateway);

    signal(control, Signal::KILL);
    let again =
        eventually("another control", LONG, || gateway.role_now("control").filter(|pid| *pid != control));
    assert_eq!(gateway.role("dataplane"), dataplane, "a child's death takes no other down");

    let killed = Instant::now();
    signal(dataplane, Signal::KILL);
    eventually("another data plane", LONG, || gateway.role_now("dataplane").filter(|pid| *pid != dataplane));
    let restarted = killed.elapsed();
    assert!(restarted < Duration::from_secs(3), "the first restart is at once: {restarted:?}");
    up(&site, &gateway);
    assert_eq!(gateway.role("control"), again);
}

#[test]
fn sigterm_ends_all_in_order_and_with_0() {
    for order in [Signal::TERM, Signal::INT] {
        let site = Site::new();
        let mut gateway = Gateway::start(&site, &[]);
        let (dataplane, control) = up(&site, &gateway);
        signal(gateway.child.id(), order);
        assert_eq!(gateway.wait(LONG), Some(0));
        assert!(!is_alive(dataplane) && !is_alive(control));
        assert!(!site.run_dir().join("dataplane.sock").exists());
        let log = gateway.log();
        let ended: Vec<&str> =
            log.lines().filter(|line| line.contains("ended") && line.contains("role=")).collect();
        assert!(ended[0].contains("control") && ended[1].contains("dataplane"), "{log}");
        assert!(ended.iter().all(|line| line.contains("exit status 0")), "{log}");
    }
}

#[test]
fn roles_end_when_their_supervisor_is_killed() {
    let site = Site::new();
    let mut gateway = Gateway::start(&site, &[]);
    let (dataplane, control) = up(&site, &gateway);
    signal(gateway.child.id(), Signal::KILL);
    gateway.wait(LONG);
    eventually("the end of both", LONG, || (!is_alive(dataplane) && !is_alive(control)).then_some(()));
    assert!(is_free(&site.run_dir().join("dataplane.sock")));
}

#[test]
fn a_role_that_does_not_end_is_killed_after_the_grace_time() {
    let site = Site::new();
    let mut gateway = Gateway::start(&site, &["--grace", "1"]);
    let (_, control) = up(&site, &gateway);
    signal(control, Signal::STOP);
    signal(gateway.child.id(), Signal::TERM);
    assert_eq!(gateway.wait(LONG), Some(0));
    assert!(!is_alive(control));
    assert!(gateway.log().contains("killed"), "{}", gateway.log());
}

#[test]
fn a_role_that_finds_the_configuration_wrong_ends_the_run_with_64() {
    let site = Site::new();
    let mut gateway = Gateway::start(&site, &[]);
    let (_, control) = up(&site, &gateway);
    site.write("node: [\n");
    signal(control, Signal::KILL);
    assert_eq!(gateway.wait(LONG), Some(64));
    assert!(gateway.log().contains("sluice.yaml:"), "{}", gateway.log());
}

#[test]
fn log_lines_name_their_role_in_text_and_in_json() {
    let site = Site::new();
    let mut gateway = Gateway::start(&site, &[]);
    up(&site, &gateway);
    signal(gateway.child.id(), Signal::TERM);
    gateway.wait(LONG);
    for role in ["run ", "dataplane ", "control "] {
        assert!(gateway.log().lines().any(|line| line.starts_with(role)), "{role}: {}", gateway.log());
    }
    let mut gateway = Gateway::start(&site, &["--log-format", "json", "--log", "debug"]);
    up(&site, &gateway);
    signal(gateway.child.id(), Signal::TERM);
    gateway.wait(LONG);
    for line in gateway.log().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(["run", "dataplane", "control"].contains(&entry["role"].as_str().unwrap()), "{line}");
        assert!(entry["level"].is_string() && entry["timestamp"].is_string(), "{line}");
    }
}
