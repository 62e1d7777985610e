//! Rows of the report: medians of several runs, beside a peer of the same runs.

use std::path::Path;

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
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
    let figure = |f: f64| {
        if f >= 1e5 {
            format!("{:.0}k", f / 1e3)
        } else if f >= 100.0 {
            format!("{f:.0}")
        } else {
            format!("{f:.1}")
        }
    };
    for row in rows {
        table.add_row([
            row.name.clone(),
            row.unit.clone(),
            figure(row.value),
            figure(row.min),
            figure(row.max),
            row.runs.to_string(),
            row.peer.clone().unwrap_or_default(),
            row.ratio.map(|r| format!("{r:.2}")).unwrap_or_default(),
        ]);
    }
    table.to_string()
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
