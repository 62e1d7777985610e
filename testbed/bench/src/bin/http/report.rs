//! What is measured, in which order.

use std::collections::BTreeMap;
use std::path::Path;

use sluice_bench::report::{Row, table, write};

use crate::bed::Bed;
use crate::load::{self, Load};
use crate::page;
use crate::routes;
use crate::server::{self, Kind, Server};

/// Whom everybody is compared with.
const PEER: Kind = Kind::Nginx;

/// All figures, in the order of runs.
#[derive(Default)]
struct Figures(BTreeMap<String, (&'static str, Vec<f64>)>);

impl Figures {
    fn add(&mut self, load: Load, what: &str, kind: Kind, unit: &'static str, figure: f64) {
        let row = name(load, what, kind);
        eprintln!("{row}: {figure:.1} {unit}");
        self.0.entry(row).or_insert_with(|| (unit, Vec::new())).1.push(figure);
    }

    /// Rows, those of others beside the peer's.
    fn rows(&self) -> Vec<Row> {
        let row = |(name, (unit, runs)): (&String, &(&'static str, Vec<f64>))| {
            let row = Row::new(name, unit, runs);
            let (stem, server) = name.rsplit_once('.').unwrap_or_default();
            let peer = format!("{stem}.{}", PEER.name());
            match self.0.get(&peer) {
                Some((_, others)) if server != PEER.name() && others.len() == runs.len() => {
                    row.beside(runs, &peer, others)
                }
                _ => row,
            }
        };
        self.0.iter().map(row).collect()
    }
}

fn name(load: Load, what: &str, kind: Kind) -> String {
    format!("http.{}.{what}.{}", load.name(), kind.name())
}

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Measures who is named, or everybody, and prints the table.
pub(crate) fn run(only: &[String]) {
    let (runs, seconds) = (number("RUNS", 3), number("SECONDS_EACH", 3));
    let loads = std::env::var("LOADS").unwrap_or_default();
    let loads: Vec<Load> = load::ALL
        .into_iter()
        .filter(|load| loads.is_empty() || loads.split(',').any(|name| name == load.name()))
        .collect();
    let kinds: Vec<Kind> = server::ALL
        .into_iter()
        .filter(|kind| only.is_empty() || only.iter().any(|name| name == kind.name()))
        .collect();
    let bed = Bed::new();
    let about: Vec<_> = kinds.iter().map(|kind| kind.about(&bed)).collect();
    for (kind, (tls, release)) in kinds.iter().zip(&about) {
        eprintln!("{}: {release}; {tls}", kind.name());
        assert_eq!(tls, &about[0].0, "both ends of a comparison have the same ciphers");
    }
    let mut figures = Figures::default();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        for &kind in &kinds {
            let server = kind.start(&bed);
            // Connections to the backend, and whatever else the first requests bring about.
            Load::Keep.put(&bed, 1);
            for &load in &loads {
                measure(&bed, &server, kind, load, seconds, &mut figures);
            }
        }
    }
    let many = if only.is_empty() || only.iter().any(|name| name == "routes") {
        routes::measure(&bed)
    } else {
        Vec::new()
    };
    let mut rows = figures.rows();
    rows.extend(many.iter().map(|(name, unit, figure)| Row::new(name, unit, &[*figure])));
    println!("{}", table(&rows));
    let path = Path::new("target/bench/http.json");
    write(path, &rows).unwrap();
    let mut page = page::page(&rows, &loads, &kinds);
    if !many.is_empty() {
        page += &format!("\n{}\n", routes::told(&many));
    }
    println!("\n{page}");
    std::fs::write(path.with_extension("md"), page).unwrap();
    println!("written to {} and, for docs/performance.md, http.md", path.display());
}

fn measure(bed: &Bed, server: &Server, kind: Kind, load: Load, seconds: u32, figures: &mut Figures) {
    let before = server.cpu();
    let outcome = load.put(bed, seconds);
    let cpu = server.cpu().since(before);
    let mut add = |what, unit, figure| figures.add(load, what, kind, unit, figure);
    add("rate", "req/s", outcome.requests / outcome.seconds);
    add("per_cpu", "req/CPU s", outcome.requests / cpu.sum());
    add("system", "%", cpu.system / cpu.sum() * 100.0);
    add("busy", "%", cpu.sum() / outcome.seconds * 100.0);
    add("p50", "µs", outcome.latency[0]);
    add("p99", "µs", outcome.latency[1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_beside_the_peer_of_the_same_load_and_kind() {
        let mut figures = Figures::default();
        figures.add(Load::Keep, "rate", Kind::Sluice, "req/s", 30.0);
        figures.add(Load::Keep, "rate", Kind::Nginx, "req/s", 20.0);
        figures.add(Load::Keep, "p50", Kind::Sluice, "µs", 7.0);
        let rows = figures.rows();
        let ratio = |name: &str| rows.iter().find(|row| row.name == name).unwrap().ratio;
        assert_eq!(ratio("http.plain.keep.rate.sluice"), Some(1.5));
        assert_eq!(ratio("http.plain.keep.rate.nginx"), None);
        assert_eq!(ratio("http.plain.keep.p50.sluice"), None);
    }
}
