//! What is measured, in which order.

use std::path::Path;
use std::time::Duration;

use sluice_bench::program::bench;
use sluice_bench::report::{Figure, Figures, page, table, write};

use crate::forwarder::Forwarder;
use crate::link::Link;
use crate::load::{Servers, connections, generator, stream};
use crate::rules::{Rules, of_kube_proxy};
use crate::stat::{until_flooded, watch};

/// After the first packets, until anything is counted.
const WARM: Duration = Duration::from_millis(300);
/// Packets are counted for so long.
const TIME: Duration = Duration::from_millis(1500);

/// Measures who is named, or everybody, RUNS times, and prints the table.
pub(crate) fn run(only: &[&str]) {
    let runs: usize = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(5);
    let wanted: Vec<Forwarder> =
        Forwarder::ALL.into_iter().filter(|f| only.is_empty() || only.contains(&&*f.name())).collect();
    let needs_rules = wanted.iter().any(|forwarder| matches!(forwarder, Forwarder::KubeProxy(_)));
    let rules = if needs_rules { of_kube_proxy() } else { Vec::new() };
    let hz = bench("hz");
    let link = Link::new();
    let _servers = Servers::start(&link.bed.node);
    let mut figures = Figures::default();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        for forwarder in &wanted {
            measure(*forwarder, &link, &rules, hz, &mut figures);
        }
        figures.add(
            Figure::new("nat.engine.v4.1k", "cycles/packet", bench("nat.engine.v4.1k")),
            "target/release/bench row nat.engine.v4.1k",
        );
    }
    let rows = figures.rows(peer);
    let verdicts = verdicts(&figures);
    println!("{}\n\n{verdicts}", table(&rows));
    let path = Path::new("target/bench/kernel.json");
    write(path, &rows).unwrap();
    std::fs::write(path.with_extension("md"), format!("{}\n```text\n{verdicts}```\n", page(&rows))).unwrap();
    println!("written to {} and kernel.md", path.display());
}

fn measure(forwarder: Forwarder, link: &Link, rules: &[Rules], hz: f64, figures: &mut Figures) {
    let _running = forwarder.start(link, rules);
    let name = forwarder.name();
    let mut add = |row: String, unit: &str, value: f64| {
        figures.add(Figure::new(row, unit, value), &format!("RUNS=1 testbed/bench/kernel.sh {name}"));
    };
    let child = generator(link, (WARM + TIME).as_secs_f64() + 0.5);
    until_flooded(&link.bed.gateway, "up0", Duration::from_secs(20));
    std::thread::sleep(WARM);
    let seen = watch(&link.bed.node, "cl1", TIME);
    let output = child.wait_with_output().unwrap();
    link.client_ready();
    let sent: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("what the generator sent");
    add(name.clone(), "packets/s", seen.packets);
    add(format!("{name}.offered"), "packets/s", sent);
    if forwarder.is_linux() {
        add(format!("{name}.softirq"), "cycles/packet", seen.softirq * hz / seen.packets);
    }
    if forwarder.translates() {
        add(format!("{name}.connections"), "connections/s", connections(link, TIME.as_secs_f64()));
        add(format!("{name}.stream"), "Gbit/s", stream(link, 2));
    }
}

const NFTABLES: &str = "kernel.kubeproxy.nftables.5k";
const IPTABLES: &str = "kernel.kubeproxy.iptables.5k";
const SLUICE: &str = "veth.sluice.af_xdp";
const ENGINE: &str = "nat.engine.v4.1k";

/// What a row stands beside: the kernel's better mode.
fn peer(name: &str) -> Option<String> {
    if name == ENGINE {
        return Some(format!("{NFTABLES}.softirq"));
    }
    let what =
        name.rsplit('.').next().filter(|last| ["offered", "softirq", "connections", "stream"].contains(last));
    let peer = what.map_or_else(|| NFTABLES.to_owned(), |what| format!("{NFTABLES}.{what}"));
    (peer != name).then_some(peer)
}

/// What the figures have to be: packets a second at least, and cycles at most, beside the kernel's.
fn verdicts(figures: &Figures) -> String {
    let mut lines = String::new();
    for kernel in [NFTABLES, IPTABLES] {
        let softirq = format!("{kernel}.softirq");
        let bars = [(SLUICE, kernel, false, 1.3), (ENGINE, &*softirq, true, 1.0 / 15.0)];
        for (row, beside, at_most, limit) in bars {
            let Some(is) = figures.median(row, Some(beside)) else { continue };
            let met = if at_most { is <= limit } else { is >= limit };
            let sign = if at_most { "≤" } else { "≥" };
            let verdict = if met { "met" } else { "NOT MET" };
            lines +=
                &format!("{:<70} {is:>8.3} {sign} {limit:<6.3} {verdict}\n", format!("{row} / {beside}"));
        }
    }
    lines
}
