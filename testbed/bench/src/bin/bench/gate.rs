//! Instructions per packet against a budget.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use sluice_bench::{measure, scenario};

/// Above its budget by more than this a scenario fails the gate.
const TOLERANCE: f64 = 1.02;

/// The program that is counted, beside this one.
pub(crate) fn count() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("count")
}

/// Counts every scenario and says which costs more than it may.
pub(crate) fn run(budget: &str) -> ExitCode {
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
