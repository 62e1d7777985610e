//! `cluster SERVICES ENDPOINTS [RUNS [names]]`: a real API server with so many Services of so many endpoints each, and who follows
//! it: `sluice control` with a subscriber that does with its feed what the data plane does; a whole gateway on TAP ports; and
//! kube-proxy in nftables mode, built from the same module as the API server. Rows `sync.*` and `kube-proxy.*`.
//!
//! With `names` only rows `dns.new.*` are measured: from a Service's making to the first right answer to a query for it.
//!
//! Everything is in network namespaces of its own. They take turns: who is not measured does not run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod control;
mod names;
mod plane;
mod probe;
mod proxy;

use std::path::Path;
use std::time::{Duration, Instant};

use sluice_bench::objects::Objects;
use sluice_bench::report::{Row, table, write};
use sluice_testbed::Testbed;
use sluice_testbed::cluster::{Cluster, Options, User};

use control::Control;
use plane::Plane;

/// Slices changed one after the other.
const PATCHES: usize = 300;
/// For a first state, of whomever.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let number = |n: usize, default| std::env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (services, endpoints, runs) = (number(1, 10_000), number(2, 10), number(3, 3));
    let bed = Testbed::new().expect("namespaces take root and iproute2");
    let here = bed.gateway.clone();
    let names_only = std::env::args().nth(4).is_some_and(|word| word == "names");
    let rows = here.enter(move || measure(&bed, services, endpoints, runs, names_only));
    println!("{}", table(&rows));
    write(Path::new("target/bench/sync.json"), &rows).unwrap();
}

fn measure(bed: &Testbed, services: usize, endpoints: usize, runs: usize, names_only: bool) -> Vec<Row> {
    let mut cluster = Options::default().controllers(&[]).start().unwrap();
    let start = Instant::now();
    let objects = Objects::create(&cluster.kubeconfig(User::Admin), services, endpoints);
    eprintln!("{services} Services and slices made in {:.1} s", start.elapsed().as_secs_f64());

    let mut rows = Rows { name: format!("{services}x{endpoints}"), rows: Vec::new() };
    names::new_services(bed, &cluster, &objects, &mut rows);
    if names_only {
        return rows.rows;
    }
    first_states(bed, &cluster, &objects, runs, &mut rows);
    probe::through_a_gateway(bed, &cluster, &objects, &mut rows);
    proxy::measure(bed, &cluster, &objects, runs, &mut rows);
    saved_states(bed, &mut cluster, &objects, runs, &mut rows);
    rows.rows
}

/// What was measured, at this size.
struct Rows {
    name: String,
    rows: Vec<Row>,
}

impl Rows {
    fn add(&mut self, row: &str, unit: &str, runs: &[f64]) {
        self.rows.push(Row::new(&format!("{row}.{}", self.name), unit, runs));
        eprintln!("{}", table(&self.rows[self.rows.len() - 1..]));
    }

    /// Median, 99th hundredth and the longest of times in milliseconds.
    fn add_times(&mut self, row: &str, mut took: Vec<f64>) {
        took.sort_by(f64::total_cmp);
        for (hundredth, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            let at = took[((took.len() - 1) as f64 * share).round() as usize];
            self.add(&format!("{row}.{hundredth}"), "ms", &[at]);
            // How many changes that is of.
            if let Some(row) = self.rows.last_mut() {
                row.runs = took.len();
            }
        }
    }
}

/// From the start of control until a snapshot has everything, and changes after that.
fn first_states(bed: &Testbed, cluster: &Cluster, objects: &Objects, runs: usize, rows: &mut Rows) {
    let config = control::configuration(bed, cluster);
    let (mut initial, mut resident) = (Vec::new(), Vec::new());
    for run in 0..runs {
        // Each from nothing: a saved state would be there at once.
        control::forget_state(bed);
        let start = Instant::now();
        let control = Control::start(&config);
        let mut plane = Plane::new(bed);
        plane.until(PATIENCE, |plane| plane.services == objects.count());
        initial.push(start.elapsed().as_secs_f64());
        resident.push(control.resident_mib());
        if run + 1 == runs {
            let before = control::within("0.002");
            let took = (0..PATCHES).map(|n| {
                let seen = plane.changes;
                let answered = objects.replace(n, n);
                plane.until(PATIENCE, |plane| plane.changes > seen);
                answered.elapsed().as_secs_f64() * 1e3
            });
            rows.add_times("sync.patch.snapshot", took.collect());
            let after = control::within("0.002");
            let share = (after.0 - before.0) / (after.1 - before.1) * 100.0;
            rows.add("sync.patch.inside.2ms", "%", &[share]);
            resident.push(control.resident_mib());
        }
    }
    rows.add("sync.initial", "s", &initial);
    rows.add("sync.memory", "MiB", &resident);
}

/// Once more, with what was saved and no API server.
fn saved_states(bed: &Testbed, cluster: &mut Cluster, objects: &Objects, runs: usize, rows: &mut Rows) {
    let config = control::configuration(bed, cluster);
    cluster.stop_api();
    let (mut told, mut had) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let start = Instant::now();
        let _control = Control::start(&config);
        let mut plane = Plane::new(bed);
        plane.until(PATIENCE, |plane| plane.services == objects.count());
        told.push(plane.first.expect("there was one").duration_since(start).as_secs_f64() * 1e3);
        had.push(start.elapsed().as_secs_f64() * 1e3);
    }
    rows.add("sync.saved.served", "ms", &told);
    rows.add("sync.saved.snapshot", "ms", &had);
}
