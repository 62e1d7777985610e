//! The figures as tables of `docs/performance.md`: a line for each server.

use std::fmt::Write;

use sluice_bench::report::Row;

use crate::beside::{FLOODS, LOADS};

/// A column: its head, what its row's name begins with, and how its figures are told.
type Column<'a> = (&'a str, &'a str, fn(f64) -> String);

/// Names of the cluster.
const CLUSTER: [Column<'_>; 6] = [
    ("dnsperf, kq/s", "dns.dnsperf.", thousands),
    ("flooded, kq/s", "dns.flood.", thousands),
    ("p50, µs", "dns.flood.half.p50.", whole),
    ("p99, µs", "dns.flood.half.p99.", whole),
    ("p99.9, µs", "dns.flood.half.p99.9.", whole),
    ("lost at half, %", "dns.flood.half.loss.", percent),
];
/// Names of others.
const CACHES: [Column<'_>; 5] = [
    ("flooded, kq/s", "dns.cached.", thousands),
    ("p50, µs", "dns.cached.half.p50.", whole),
    ("p99, µs", "dns.cached.half.p99.", whole),
    ("p99.9, µs", "dns.cached.half.p99.9.", whole),
    ("lost at half, %", "dns.cached.half.loss.", percent),
];
/// Sluice over its load.
const OVERLOAD: [Column<'_>; 2] =
    [("offered, ×", "dns.overload.offered.", ratio), ("answered, ×", "dns.overload.answered.", ratio)];

/// All tables for these servers, in this order; those without a figure are left out.
pub(crate) fn page(rows: &[Row], servers: &[&str], peer: &str) -> String {
    let mut out = lines(rows, servers, &CLUSTER, Some(peer));
    out.push('\n');
    out += &lines(rows, servers, &CACHES, None);
    out.push('\n');
    out += &lines(rows, servers, &OVERLOAD, None);
    for (flood, ..) in FLOODS {
        out += &format!("\nBeside {flood}:\n\n");
        out += &beside(rows, servers, flood);
    }
    out
}

/// What clients that count lose beside a flood, for each load.
fn beside(rows: &[Row], servers: &[&str], flood: &str) -> String {
    let names: Vec<[String; 2]> = LOADS
        .iter()
        .map(|load| ["offered", "loss"].map(|figure| format!("dns.beside.{flood}.{load}.{figure}.")))
        .collect();
    let heads: Vec<[String; 2]> = LOADS
        .iter()
        .map(|load| [format!("{}: offered, ×", f64::from(*load) / 100.0), "lost, %".to_owned()])
        .collect();
    let columns: Vec<Column<'_>> = heads
        .iter()
        .zip(&names)
        .flat_map(|(heads, names)| {
            [(&*heads[0], &*names[0], ratio as fn(f64) -> String), (&*heads[1], &*names[1], percent)]
        })
        .collect();
    lines(rows, servers, &columns, None)
}

fn lines(rows: &[Row], servers: &[&str], columns: &[Column<'_>], peer: Option<&str>) -> String {
    let mut out = String::from("| |");
    columns.iter().for_each(|(head, ..)| out += &format!(" {head} |"));
    if let Some(peer) = peer {
        let _ = write!(out, " beside {peer} | an lcore without its port, beside it |");
    }
    let columns_in_all = columns.len() + if peer.is_some() { 3 } else { 1 };
    let _ = writeln!(out, "\n{}|", "|---".repeat(columns_in_all));
    for server in servers {
        let find = |start: &str| rows.iter().find(|row| row.name == format!("{start}{server}"));
        if columns.iter().all(|(_, start, _)| find(start).is_none()) {
            continue;
        }
        let _ = write!(out, "| {server} |");
        for (_, start, told) in columns {
            let figure = find(start).map(|row| row.spread(*told));
            let _ = write!(out, " {} |", figure.unwrap_or_default());
        }
        if peer.is_some() {
            let beside = find("dns.flood.").and_then(|row| row.ratio);
            let core = rows
                .iter()
                .find(|row| row.name == "dns.core.a" && row.peer == Some(format!("dns.flood.{server}")))
                .and_then(|row| row.ratio);
            let times = |figure: Option<f64>| figure.map(|f| ratio(f) + " ×").unwrap_or_default();
            let _ = write!(out, " {} | {} |", times(beside), times(core));
        }
        out.push('\n');
    }
    out
}

fn thousands(figure: f64) -> String {
    format!("{:.0}", figure / 1e3)
}

fn whole(figure: f64) -> String {
    format!("{figure:.0}")
}

fn percent(figure: f64) -> String {
    format!("{figure:.2}")
}

fn ratio(figure: f64) -> String {
    if figure >= 10.0 { format!("{figure:.0}") } else { format!("{figure:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_line_with_its_figures_and_those_without_are_left_out() {
        let rows = [
            Row::new("dns.flood.nsd", "q/s", &[400_000.0, 410_000.0, 390_000.0]).beside(
                &[400_000.0; 3],
                "dns.flood.knot.xdp",
                &[500_000.0; 3],
            ),
            Row::new("dns.core.a", "q/s", &[8e6]).beside(&[8e6], "dns.flood.nsd", &[4e5]),
        ];
        let page = page(&rows, &["nsd", "unbound"], "knot.xdp");
        assert!(page.contains("| nsd |  | 400 (390–410) |  |  |  |  | 0.80 × | 20 × |\n"), "{page}");
        assert!(!page.contains("unbound"), "{page}");
        for line in page.lines().filter(|line| line.starts_with("| nsd")) {
            assert_eq!(line.matches('|').count(), 10);
        }
    }
}
