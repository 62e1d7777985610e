//! Two reports: do their ratios agree?

use std::path::Path;
use std::process::ExitCode;

use sluice_bench::report::{Row, read};

/// Ratios that differ by more disagree.
const TOLERANCE: f64 = 0.1;

/// Compares two files that `bench` wrote.
pub(crate) fn run(a: &Path, b: &Path) -> ExitCode {
    let read = |path: &Path| read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (lines, apart) = differences(&read(a), &read(b));
    println!("{lines}");
    if apart > 0 {
        eprintln!("{apart} ratios differ by more than {:.0} %", TOLERANCE * 100.0);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A line for each ratio that both have, and how many disagree.
fn differences(a: &[Row], b: &[Row]) -> (String, usize) {
    let (mut lines, mut apart) = (String::new(), 0);
    for row in a {
        let Some(ratio) = row.ratio else { continue };
        let same = |other: &&Row| other.name == row.name && other.peer == row.peer;
        let Some(other) = b.iter().find(same).and_then(|other| other.ratio) else { continue };
        let change = other / ratio - 1.0;
        let verdict = if change.abs() > TOLERANCE { "APART" } else { "agree" };
        apart += usize::from(change.abs() > TOLERANCE);
        let names = format!("{} / {}", row.name, row.peer.as_deref().unwrap_or_default());
        lines += &format!("{names:<60} {ratio:>8.3} {other:>8.3} {:>+7.1} % {verdict}\n", change * 100.0);
    }
    (lines, apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_to_the_same_peer_are_compared() {
        let row =
            |name: &str, value: f64| Row::new(name, "cycles", &[value]).beside(&[value], "csum", &[100.0]);
        let a = [row("a", 100.0), row("b", 100.0), Row::new("c", "s", &[1.0])];
        let b = [row("a", 109.0), row("b", 111.0), Row::new("c", "s", &[9.0])];
        let (lines, apart) = differences(&a, &b);
        assert_eq!(apart, 1);
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.lines().nth(1).unwrap().ends_with("APART"));
    }
}
