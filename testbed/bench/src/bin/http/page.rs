//! The figures as a table of `docs/performance.md`: a line for each load and server.

use std::fmt::Write;

use sluice_bench::report::Row;

use crate::load::Load;
use crate::server::Kind;

/// A column: its head, what is counted, and how its figures are told.
type Column = (&'static str, &'static str, fn(f64) -> String);

const COLUMNS: [Column; 6] = [
    ("kreq/s", "rate", thousands),
    ("kreq for each CPU second", "per_cpu", thousands),
    ("of it in the kernel, %", "system", whole),
    ("its CPU busy, %", "busy", whole),
    ("p50, µs", "p50", whole),
    ("p99, µs", "p99", whole),
];

/// A table of these loads and servers.
pub(crate) fn page(rows: &[Row], loads: &[Load], kinds: &[Kind]) -> String {
    let mut out = String::from("| load | server |");
    COLUMNS.iter().for_each(|(head, ..)| out += &format!(" {head} |"));
    out += " for each CPU second beside nginx |\n";
    out += &"|---".repeat(COLUMNS.len() + 3);
    out += "|\n";
    for load in loads {
        for kind in kinds {
            let find = |what: &str| {
                let name = format!("http.{}.{what}.{}", load.name(), kind.name());
                rows.iter().find(move |row| row.name == name)
            };
            let _ = write!(out, "| `{}` | {} |", load.name(), kind.name());
            for (_, what, told) in COLUMNS {
                let figure = find(what).map(|row| row.spread(told));
                let _ = write!(out, " {} |", figure.unwrap_or_default());
            }
            let ratio = find("per_cpu").and_then(|row| row.ratio);
            let _ = writeln!(out, " {} |", ratio.map(|f| format!("{f:.2} ×")).unwrap_or_default());
        }
    }
    out
}

fn thousands(figure: f64) -> String {
    format!("{:.1}", figure / 1e3)
}

fn whole(figure: f64) -> String {
    format!("{figure:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_a_line_for_each_server() {
        let rows = [Row::new("http.plain.keep.per_cpu.sluice", "", &[30_000.0, 31_000.0, 29_000.0]).beside(
            &[30_000.0; 3],
            "http.plain.keep.per_cpu.nginx",
            &[60_000.0; 3],
        )];
        let page = page(&rows, &[Load::Keep], &[Kind::Sluice, Kind::Nginx]);
        assert!(
            page.contains("| `plain.keep` | sluice |  | 30.0 (29.0–31.0) |  |  |  |  | 0.50 × |\n"),
            "{page}"
        );
        assert_eq!(page.lines().count(), 4);
    }
}
