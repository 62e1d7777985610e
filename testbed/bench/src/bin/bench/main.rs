//! `bench`: the report. `bench row NAME`: one run of one row, in a process of its own, printed as JSON. `bench rows`: their
//! names. `bench gate BUDGET`: instructions per packet against a budget. `bench compare A B`: whether the ratios of two
//! reports agree. `bench plots FOLDER REPORT…`: plots of what reports say about growth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod bars;
mod compare;
mod gate;
mod plots;
mod report;
mod rows;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => report::run(),
        ["row", name] => {
            for figure in rows::run(name) {
                println!("{}", serde_json::to_string(&figure).unwrap());
            }
        }
        ["rows"] => rows::ALL.iter().for_each(|(name, _)| println!("{name}")),
        ["gate", budget] => return gate::run(budget),
        ["compare", a, b] => return compare::run(Path::new(a), Path::new(b)),
        ["plots", folder, reports @ ..] => plots::write(Path::new(folder), reports),
        other => {
            eprintln!("not a command of this program: {}", other.join(" "));
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}
