//! From the command line to a command, and from its outcome to an exit code.

use std::io::{self, Write};

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure};
use crate::output::{self, Printer};
use crate::{check, dns, doctor, explain, generate, release, role, show, supervise, trace, version};

/// The whole program.
pub(crate) fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    dispatch(cli).unwrap_or_else(failed)
}

/// Says why, and gives the status.
fn failed(failure: Failure) -> Exit {
    if !failure.message.is_empty() {
        // Nothing is left to do where even that cannot be written.
        let _ = writeln!(io::stderr(), "sluice: {failure}");
    }
    failure.exit
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    let printer = Printer::new(global.output);
    match command {
        Command::Run(args) => supervise::run(&args, &global),
        Command::Dataplane(args) => role::dataplane(&args, &global),
        Command::Control(args) => role::control(&args, &global),
        Command::Proxy(args) => role::proxy(&args, &global),
        Command::Check(args) => check::run(&args, &printer),
        Command::Dns(args) => dns::dns(args, &printer),
        Command::Doctor(config) => doctor::run(&config, &global, &printer),
        Command::Show(args) => show::run(args, &global, &printer),
        Command::Release(config) => release::run(&config, &global),
        Command::Explain(args) => explain::run(&args, &global, &printer),
        Command::Trace(args) => trace::run(&args, &global),
        Command::Version(config) => version::run(&config, &global, &printer),
        Command::Completions { shell, dir } => generate::completions(shell, dir.as_deref()),
        Command::Man { dir } => generate::man(dir.as_deref()),
    }
}

/// What clap has to say: help and the version are answers, everything else is `EX_USAGE`.
fn usage(error: &clap::Error) -> Exit {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::written(printed).map_or_else(failed, |()| Exit::Ok)
        }
        _ => Exit::Usage,
    }
}
