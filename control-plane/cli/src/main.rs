//! The binary `sluice`: the roles of a gateway and the commands that administer it.

mod app;
mod args;
mod check;
mod dns;
mod doctor;
mod exit;
mod explain;
mod generate;
mod locate;
mod logging;
mod output;
mod problem;
mod release;
mod role;
mod show;
mod signals;
mod supervise;
mod trace;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main().into()
}
