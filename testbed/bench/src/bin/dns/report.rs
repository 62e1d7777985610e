//! What is measured, in which order.

use std::collections::BTreeMap;
use std::path::Path;

use sluice_bench::program::{Program, bench};
use sluice_bench::report::{Row, table, write};
use sluice_testbed::coredns;

use crate::beside;
use crate::configs;
use crate::link::{CLIENT_CPU, Link, UPSTREAM};
use crate::page;
use crate::plan::Plan;
use crate::programs::{dnsperf, generate};
use crate::queries::Names;
use crate::server::Kind;

/// The ceilings of the two kinds of port.
const ECHOES: [Kind; 2] = [Kind::Echo("net_af_packet"), Kind::Echo("net_af_xdp")];
/// Who answers names of the cluster.
const CLUSTER: [Kind; 8] = [
    Kind::Sluice("net_af_packet"),
    Kind::Sluice("net_af_xdp"),
    Kind::Knot { xdp: true },
    Kind::Knot { xdp: false },
    Kind::Nsd,
    Kind::Unbound,
    Kind::Dnsmasq,
    Kind::CoreDns,
];
/// Who answers names of others from a cache.
const CACHES: [Kind; 5] =
    [Kind::Sluice("net_af_packet"), Kind::Sluice("net_af_xdp"), Kind::Unbound, Kind::Dnsdist, Kind::CoreDns];
/// What everybody is compared with, over the same wire.
const PEER: &str = "dns.flood.knot.xdp";

/// All figures, in the order of runs.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<String, (&'static str, Vec<f64>)>);

impl Figures {
    pub(crate) fn add(&mut self, row: String, unit: &'static str, figure: f64) {
        eprintln!("{row}: {figure:.2} {unit}");
        self.0.entry(row).or_insert_with(|| (unit, Vec::new())).1.push(figure);
    }

    fn runs(&self, row: &str) -> Option<&Vec<f64>> {
        self.0.get(row).map(|(_, runs)| runs)
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, (unit, runs)) in &self.0 {
            let row = || Row::new(name, unit, runs);
            let peers: Vec<&str> = if name.starts_with("dns.flood.") && *unit == "q/s" {
                vec![PEER]
            } else if name.starts_with("dns.cached.") && *unit == "q/s" {
                vec!["dns.cached.unbound"]
            } else if name == "dns.core.a" {
                // A core's answers without the port, beside a core's under flood.
                self.0
                    .keys()
                    .map(String::as_str)
                    .filter(|n| n.starts_with("dns.flood.") && self.0[*n].0 == "q/s")
                    .collect()
            } else {
                Vec::new()
            };
            let beside = peers.iter().filter_map(|peer| {
                let other = self.runs(peer).filter(|other| *peer != name && other.len() == runs.len())?;
                Some(row().beside(runs, peer, other))
            });
            let before = rows.len();
            rows.extend(beside);
            if rows.len() == before {
                rows.push(row());
            }
        }
        rows
    }
}

/// Measures who is named, or everybody, and prints the table.
pub(crate) fn run(only: &[String]) {
    let runs: usize = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let link = Link::new();
    let mut figures = Figures::default();
    let wanted = |kind: Kind| {
        let named = only.is_empty() || only.iter().any(|name| name == kind.name());
        named && (kind != Kind::CoreDns || coredns::binary().exists())
    };
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        ceilings(&link, &mut figures);
        for kind in CLUSTER.into_iter().filter(|kind| wanted(*kind)) {
            authority(&link, kind, &mut figures);
        }
        let upstream = upstream(&link);
        for kind in CACHES.into_iter().filter(|kind| wanted(*kind)) {
            cached(&link, kind, &mut figures);
        }
        drop(upstream);
        figures.add("dns.core.a".into(), "q/s", bench("hz") / bench("dns.a.10k"));
    }
    let rows = figures.rows();
    println!("{}", table(&rows));
    let path = Path::new("target/bench/dns.json");
    write(path, &rows).unwrap();
    let servers: Vec<&str> =
        ECHOES.iter().chain(&CLUSTER).chain([&Kind::Dnsdist]).map(|kind| kind.name()).collect();
    let page = page::page(&rows, &servers, "knot.xdp");
    println!("\n{page}");
    std::fs::write(path.with_extension("md"), page).unwrap();
    println!("written to {} and, for docs/performance.md, dns.md", path.display());
}

/// What the generator can send, and what comes back to it from a port that sends everything back.
fn ceilings(link: &Link, figures: &mut Figures) {
    link.server_of_linux(false);
    let sent = generate(link, &Plan::new(Names::Cluster));
    figures.add("dns.generator.sent".into(), "q/s", sent.sent as f64 / sent.seconds);
    for kind in ECHOES {
        let _server = kind.start(link, Names::Cluster).unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan { echo: true, ..Plan::new(Names::Cluster) };
        figures.add(format!("dns.flood.{}", kind.name()), "q/s", generate(link, &plan).rate());
    }
}

/// One who has the names himself.
fn authority(link: &Link, kind: Kind, figures: &mut Figures) {
    let name = kind.name();
    let _server = match kind.start(link, Names::Cluster) {
        Ok(server) => server,
        // Knot's XDP does not start everywhere. Whoever is missing is missing in the table, too.
        Err(error) => return eprintln!("{error}"),
    };
    figures.add(format!("dns.dnsperf.{name}"), "q/s", dnsperf(link, Names::Cluster) * 1e3);
    let capacity = under_load(link, "flood", name, Names::Cluster, figures);
    let ceiling = figures.runs("dns.flood.echo.af_xdp").and_then(|runs| runs.last().copied());
    if let Some(ceiling) = ceiling.filter(|_| beside::is_measured(kind)) {
        beside::measure(link, name, ceiling, figures);
    }
    if !matches!(kind, Kind::Sluice(_)) {
        return;
    }
    let over = generate(link, &Plan::new(Names::Cluster).at(capacity * 1.5));
    figures.add(format!("dns.overload.offered.{name}"), "×", over.sent as f64 / over.seconds / capacity);
    figures.add(format!("dns.overload.answered.{name}"), "×", over.rate() / capacity);
}

/// One who has been told them.
fn cached(link: &Link, kind: Kind, figures: &mut Figures) {
    let _server = match kind.start(link, Names::Others) {
        Ok(server) => server,
        Err(error) => return eprintln!("{error}"),
    };
    // Every name a few times, slowly enough for whoever has to ask for it.
    for _ in 0..3 {
        let mut warm = Plan::new(Names::Others).at(4_000.0);
        warm.seconds = 2.5;
        if generate(link, &warm).loss() < 0.1 {
            break;
        }
    }
    under_load(link, "cached", kind.name(), Names::Others, figures);
}

/// Flooded, and at half of what it answered then, which is given.
fn under_load(link: &Link, what: &str, name: &str, names: Names, figures: &mut Figures) -> f64 {
    let flooded = generate(link, &Plan::new(names));
    figures.add(format!("dns.{what}.{name}"), "q/s", flooded.rate());
    if flooded.wrong > 0 {
        figures.add(format!("dns.{what}.wrong.{name}"), "answers", flooded.wrong as f64);
    }
    let half = generate(link, &Plan::new(names).at(flooded.rate() / 2.0));
    for (share, latency) in ["p50", "p99", "p99.9"].into_iter().zip(half.latency) {
        figures.add(format!("dns.{what}.half.{share}.{name}"), "µs", latency);
    }
    figures.add(format!("dns.{what}.half.loss.{name}"), "%", half.loss());
    flooded.rate()
}

/// Somebody who knows the names of others, beyond the server.
fn upstream(link: &Link) -> Program {
    let folder = link.bed.folder().join("upstream");
    std::fs::create_dir_all(&folder).unwrap();
    let (zone, config) = (folder.join("zone"), folder.join("nsd.conf"));
    std::fs::write(&zone, configs::zone(Names::Others)).unwrap();
    let text = configs::nsd(&UPSTREAM.to_string(), &folder, Names::Others, &zone.display().to_string());
    std::fs::write(&config, text).unwrap();
    let line = ["nsd", "-d", "-c", &config.display().to_string()].map(String::from);
    Program::start(&link.bed.node, CLIENT_CPU, &folder, &line).unwrap_or_else(|error| panic!("{error}"))
}
