//! Bulk transfers while the configuration changes under them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::client::eventually;

/// Seconds of iperf3; `SLUICE_LONG=1` makes it half a minute.
fn seconds() -> u64 {
    if std::env::var("SLUICE_LONG").is_ok_and(|v| v == "1") { 30 } else { 5 }
}

#[test]
fn iperf3_does_not_stall_while_a_manifest_is_rewritten_ten_times_a_second() {
    let lab = Lab::start(&[web().port("iperf", "TCP", 5201, None, 5201).endpoint(POD_A).endpoint(POD_A6)]);
    for (to, pod) in [("203.0.113.10", POD_A), ("2001:db8:ff::10", POD_A6)] {
        let mut server = lab.bed.node.command("iperf3").args(["-s", "-1", "-B", pod]).spawn().unwrap();
        let listens = || {
            let sockets = sluice_testbed::run::output(lab.bed.node.command("ss").arg("-ltn")).ok()?;
            String::from_utf8_lossy(&sockets.stdout).contains(":5201").then_some(())
        };
        assert!(eventually(Duration::from_secs(10), listens).is_some(), "iperf3 does not listen on {pod}");
        let time = seconds().to_string();
        let client = lab
            .bed
            .client
            .command("iperf3")
            .args(["-c", to, "-t", &time, "-J", "-i", "1"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        for n in 0..10 * seconds() {
            // By the clock, so that a busy machine delays changes but leaves none out.
            let due = start + Duration::from_millis(100 * n);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let base = web().port("iperf", "TCP", 5201, None, 5201).endpoint(POD_A).endpoint(POD_A6);
            // Not ready: it changes the Service, and the one endpoint that iperf3 serves stays the only one.
            let unready = "    conditions: { ready: false }\n";
            lab.write(&if n % 2 == 0 {
                base
            } else {
                base.endpoint_with(POD_B, unready).endpoint_with(POD_B6, unready)
            });
        }
        let output = client.wait_with_output().unwrap();
        let _ = eventually(Duration::from_secs(5), || server.try_wait().ok().flatten());
        let _ = server.kill();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", lab.counters());
        let intervals: Vec<f64> = text
            .split("\"sum\":")
            .skip(1)
            .filter_map(|part| {
                part.split("\"bits_per_second\":").nth(1)?.split([',', '\n']).next()?.trim().parse().ok()
            })
            .collect();
        assert!(intervals.len() as u64 >= seconds() - 1, "{intervals:?} in {text}");
        assert!(intervals.iter().all(|&bits| bits > 1e6), "{to} stalled: {intervals:?}");
        eprintln!(
            "{to}: {:.2} Gbit/s at the median, {:.2} at the least",
            median(&intervals),
            least(&intervals)
        );
    }
}

fn median(bits: &[f64]) -> f64 {
    let mut sorted = bits.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2] / 1e9
}

fn least(bits: &[f64]) -> f64 {
    bits.iter().copied().fold(f64::INFINITY, f64::min) / 1e9
}
