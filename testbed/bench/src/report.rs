//! Rows of the report: medians of several runs, beside a peer of the same runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What one run of a row gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Of the row.
    pub name: String,
    /// What is counted.
    pub unit: String,
    /// How much of it.
    pub value: f64,
}

impl Figure {
    /// A figure of this row.
    pub fn new(name: impl Into<String>, unit: &str, value: f64) -> Self {
        Self { name: name.into(), unit: unit.into(), value }
    }
}

/// All figures of a report, in the order of runs.
#[derive(Clone, Debug, Default)]
pub struct Figures(BTreeMap<String, Runs>);

#[derive(Clone, Debug, Default)]
struct Runs {
    unit: String,
    command: String,
    values: Vec<f64>,
}

impl Figures {
    /// Takes in one run's figure, which this command gave.
    pub fn add(&mut self, figure: Figure, command: &str) {
        eprintln!("{}: {} {}", figure.name, told(figure.value), figure.unit);
        let runs = self.0.entry(figure.name).or_default();
        (runs.unit, runs.command) = (figure.unit, command.into());
        runs.values.push(figure.value);
    }

    /// All runs of a row.
    pub fn runs(&self, name: &str) -> Option<&[f64]> {
        self.0.get(name).map(|runs| &runs.values[..])
    }

    /// The median of a row's ratios to another, run by run; of the row itself where there is none.
    pub fn median(&self, name: &str, beside: Option<&str>) -> Option<f64> {
        let runs = self.runs(name)?;
        let Some(beside) = beside else { return Some(Row::new(name, "", runs).value) };
        Row::new(name, "", runs).beside(runs, beside, self.runs(beside)?).ratio
    }

    /// Rows by name, each beside what `peer` says.
    pub fn rows(&self, peer: impl Fn(&str) -> Option<String>) -> Vec<Row> {
        let rows = self.0.iter().map(|(name, runs)| {
            let mut row = Row::new(name, &runs.unit, &runs.values);
            row.command.clone_from(&runs.command);
            match peer(name).and_then(|peer| Some((self.runs(&peer)?, peer))) {
                Some((peers, peer)) => row.beside(&runs.values, &peer, peers),
                None => row,
            }
        });
        rows.collect()
    }
}

/// One row, of all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name, stable from one version to the next.
    pub name: String,
    /// What is counted.
    pub unit: String,
    /// Median of all runs.
    pub value: f64,
    /// Least of all runs.
    pub min: f64,
    /// Most of all runs.
    pub max: f64,
    /// How many runs.
    pub runs: usize,
    /// The row it is compared with.
    pub peer: Option<String>,
    /// Median of the ratios to the peer, run by run.
    pub ratio: Option<f64>,
    /// What measures it once more.
    #[serde(default)]
    pub command: String,
}

impl Row {
    /// A row of these runs.
    ///
    /// # Panics
    /// Where there is no run.
    pub fn new(name: &str, unit: &str, runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            name: name.into(),
            unit: unit.into(),
            value: median(&sorted),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            runs: runs.len(),
            peer: None,
            ratio: None,
            command: String::new(),
        }
    }

    /// Its value, and of several runs the least and most, as `told` writes figures.
    pub fn spread(&self, told: fn(f64) -> String) -> String {
        match self.runs {
            1 => told(self.value),
            _ => format!("{} ({}–{})", told(self.value), told(self.min), told(self.max)),
        }
    }

    /// Beside another row, whose runs took turns with these.
    #[must_use]
    pub fn beside(mut self, runs: &[f64], peer: &str, peers: &[f64]) -> Self {
        let mut ratios: Vec<f64> = runs.iter().zip(peers).map(|(a, b)| a / b).collect();
        ratios.sort_by(f64::total_cmp);
        (self.peer, self.ratio) = (Some(peer.into()), Some(median(&ratios)));
        self
    }
}

fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["ROW", "UNIT", "MEDIAN", "MIN", "MAX", "RUNS", "PEER", "RATIO"]);
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.unit.clone(),
            told(row.value),
            told(row.min),
            told(row.max),
            row.runs.to_string(),
            row.peer.clone().unwrap_or_default(),
            row.ratio.map(|r| format!("{r:.2}")).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

/// The rows as a table of `docs/performance.md`.
pub fn page(rows: &[Row]) -> String {
    let mut out = String::from("| row | unit | median | min | max | beside | ratio | command |\n");
    out += "|---|---|---|---|---|---|---|---|\n";
    for row in rows {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.unit,
            told(row.value),
            told(row.min),
            told(row.max),
            code(row.peer.as_deref().unwrap_or_default()),
            row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            code(&row.command),
        );
    }
    out
}

fn told(figure: f64) -> String {
    if figure >= 1e5 {
        format!("{:.0}k", figure / 1e3)
    } else if figure >= 100.0 {
        format!("{figure:.0}")
    } else if figure.abs() >= 1.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.3}")
    }
}

/// Rows that were written.
///
/// # Errors
/// Those of the file, and of what it holds.
pub fn read(path: &Path) -> std::io::Result<Vec<Row>> {
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// Writes the rows as a JSON list.
///
/// # Errors
/// Those of the file.
pub fn write(path: &Path, rows: &[Row]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(rows)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios_are_those_of_the_runs() {
        let row = Row::new("a", "cycles", &[30.0, 10.0, 20.0]).beside(
            &[30.0, 10.0, 20.0],
            "b",
            &[10.0, 10.0, 10.0],
        );
        assert_eq!((row.value, row.min, row.max, row.ratio), (20.0, 10.0, 30.0, Some(2.0)));
        assert_eq!(Row::new("a", "cycles", &[1.0, 3.0]).value, 2.0);
    }
}
