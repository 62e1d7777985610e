//! `bench`: the report. `bench established-v4|established-v6|established-v4-1m|new|…`: one run of one row, in a process
//! of its own, printed as a number. `bench gate BUDGET`: instructions per packet against a budget.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use sluice_bench::ports::{Bench, Load, captures};
use sluice_bench::report::{Row, table, write};
use sluice_bench::{dns, gateway, measure, scenario, testpmd, traffic};
use sluice_engine::Now;
use sluice_engine::snapshot::Publisher;
use sluice_model::{Change, Generation};

/// How long each run of a row takes.
const TIME: Duration = Duration::from_secs(1);
/// Above its budget by more than this a scenario fails the gate.
const TOLERANCE: f64 = 1.02;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => report(),
        Some("gate") => return gate(arguments.get(1).map_or("budget.json", String::as_str)),
        Some(row) => println!("{}", one(row)),
    }
    ExitCode::SUCCESS
}

fn huge() -> bool {
    std::env::var("BENCH_HUGE").is_ok_and(|v| v == "1")
}

fn one(row: &str) -> f64 {
    let load = |connections, v6, stamped| Load { connections, v6, stamped };
    match row {
        "hz" => Bench::new(huge()).hz(),
        "established-v4" => Bench::new(huge()).established(load(1024, false, false), TIME),
        "established-v4-stamped" => Bench::new(huge()).established(load(1024, false, true), TIME),
        "established-v6" => Bench::new(huge()).established(load(1024, true, false), TIME),
        "established-v4-1m" => Bench::new(huge()).established(load(1 << 20, false, false), TIME),
        "new" => Bench::new(huge()).new_flows(1 << 19),
        "publish" => publish(),
        "publish-name" => publish_name(),
        "flow-bytes" => gateway::worker::<sluice_bench::buffer::Buffer>(1 << 20, Now(0)).bytes_per_flow(),
        other => match other.strip_prefix("dns-") {
            Some(kind) => Bench::new(huge()).dns(kind, TIME),
            None => panic!("no row of this name: {other}"),
        },
    }
}

/// Microseconds from a changed Service to a snapshot that has its names, among those of 10,000.
fn publish_name() -> f64 {
    let mut publisher = gateway::publisher(0);
    dns::names(&mut publisher, 10_000);
    published(publisher, |n| {
        let mut service = dns::service(n * 7 % 10_000);
        service.endpoints[0].endpoints.remove((n % 10) as usize);
        Change::Named(service)
    })
}

/// Microseconds from a changed endpoint to a snapshot, in a cluster of 10,000 Services of 10 endpoints.
fn publish() -> f64 {
    published(gateway::publisher(10_000), |n| {
        let mut service = gateway::service(n * 7 % 10_000, 10);
        service.ports[0].endpoints.remove((n % 10) as usize);
        Change::Service(service)
    })
}

/// The median of 1,000 changes.
fn published(mut publisher: Publisher, change: impl Fn(u32) -> Change) -> f64 {
    let mut kept = gateway::snapshot(&mut publisher);
    let mut times: Vec<f64> = (0..1000_u32)
        .map(|n| {
            let change = change(n);
            let start = Instant::now();
            publisher.apply(&change);
            let next = publisher.publish(Generation(u64::from(n) + 2));
            let took = start.elapsed().as_secs_f64() * 1e6;
            // The worker lets go of the former one only now; the publisher frees it at the next turn.
            kept = next;
            took
        })
        .collect();
    drop(kept);
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// One row in a process of its own: DPDK starts once in each.
fn child(row: &str) -> f64 {
    // As `sluice run` and the unit start the packet path.
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(row)
        .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .last()
        .and_then(|l| l.parse().ok())
        .unwrap_or_else(|| panic!("{row} gave no figure:\n{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn report() {
    let runs: usize = std::env::var("RUNS").ok().and_then(|r| r.parse().ok()).unwrap_or(5);
    let hz = child("hz");
    let folder = tempfile::tempdir().unwrap();
    let files = {
        let snapshot = gateway::snapshot(&mut gateway::publisher(0));
        let mut worker = gateway::worker(4096, Now(1));
        let mut lend = sluice_bench::buffer::Pool::default();
        let all = traffic::connect(&mut worker, &snapshot, Now(1), 1024, false, |frame| lend.take(frame));
        captures(folder.path(), &all)
    };
    let files = [files[0].as_path(), files[1].as_path()];
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        for (row, mode) in [("testpmd.io", "io"), ("testpmd.macswap", "macswap"), ("testpmd.csum", "csum")] {
            let cycles = testpmd::cycles(mode, files, huge(), hz, TIME).unwrap();
            figures.entry(row).or_default().push(cycles);
        }
        for (row, argument) in [
            ("nat.established.v4.1k", "established-v4"),
            ("nat.established.v4.1k.stamped", "established-v4-stamped"),
            ("nat.established.v6.1k", "established-v6"),
            ("nat.established.v4.1m", "established-v4-1m"),
            ("nat.new", "new"),
            ("publish.endpoint.10kx10", "publish"),
            ("dns.a.10k", "dns-a"),
            ("dns.nodata.10k", "dns-nodata"),
            ("dns.nxdomain.10k", "dns-nxdomain"),
            ("dns.srv.10k", "dns-srv"),
            ("dns.headless10.10k", "dns-headless10"),
            ("dns.ptr.10k", "dns-ptr"),
            ("publish.name.10kx10", "publish-name"),
            ("flow.bytes", "flow-bytes"),
        ] {
            figures.entry(row).or_default().push(child(argument));
        }
    }
    let csum = figures["testpmd.csum"].clone();
    let mut rows: Vec<Row> = figures
        .iter()
        .map(|(name, runs)| {
            let unit = match *name {
                "nat.new" => "flows/s/core",
                "publish.endpoint.10kx10" | "publish.name.10kx10" => "µs",
                "flow.bytes" => "bytes",
                _ => "cycles/packet",
            };
            let row = Row::new(name, unit, runs);
            let beside = name.starts_with("nat.established") || name.starts_with("dns.");
            if beside { row.beside(runs, "testpmd.csum", &csum) } else { row }
        })
        .collect();
    for name in scenario::ALL {
        match measure::instructions(&count(), name) {
            Ok(figure) => {
                rows.push(Row::new(&format!("{name}.instructions"), "instructions/packet", &[figure]))
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    println!("{}", table(&rows));
    let path = Path::new("target/bench/packets.json");
    write(path, &rows).unwrap();
    println!("written to {}", path.display());
}

/// The program that is counted, beside this one.
fn count() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("count")
}

fn gate(budget: &str) -> ExitCode {
    let budgets: BTreeMap<String, f64> =
        serde_json::from_str(&std::fs::read_to_string(budget).expect("the budget")).expect("a JSON object");
    let mut over = false;
    for name in scenario::ALL {
        let counted = measure::instructions(&count(), name).unwrap_or_else(|error| panic!("{error}"));
        let budget = budgets.get(name).copied().unwrap_or(0.0);
        let verdict = if counted > budget * TOLERANCE {
            over = true;
            "OVER"
        } else if counted < budget / TOLERANCE {
            "ok, and the budget can be lowered"
        } else {
            "ok"
        };
        println!("{name:<24} {counted:>8.1} instructions/packet, budget {budget:>8.1}: {verdict}");
    }
    if over {
        eprintln!(
            "A scenario costs more than its budget. Make it cheaper, or raise {budget} with a line in CHANGELOG.md."
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
