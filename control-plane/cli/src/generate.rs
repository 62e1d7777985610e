//! Shell completions and manual pages, made from the command line's own definition.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::output::write;

/// `sluice completions`.
pub(crate) fn completions(shell: Shell, dir: Option<&Path>) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    match dir {
        Some(dir) => {
            make(dir)?;
            clap_complete::generate_to(shell, &mut command, "sluice", dir)
                .map_err(|error| cannot(dir, &error))?;
        }
        None => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "sluice", &mut script);
            write(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(Exit::Ok)
}

/// `sluice man`: a page for each command, or that of `sluice` itself to the standard output.
pub(crate) fn man(dir: Option<&Path>) -> Result<Exit, Failure> {
    match dir {
        Some(dir) => {
            make(dir)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(|error| cannot(dir, &error))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(|error| Failure::new(Exit::Io, error))?;
            write(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Ok)
}

fn make(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|error| cannot(dir, &error))
}

fn cannot(dir: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::Permission,
        _ => Exit::CannotCreate,
    };
    Failure::new(exit, format_args!("{}: {error}", dir.display()))
}
