//! Running programs, with errors that say which one and what it printed.

use std::process::{Command, Output};

/// A program that could not be started or failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("cannot run {program}: {source}")]
    Start {
        /// The command line.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program}: {status}: {stderr}")]
    Failed {
        /// The command line.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it printed about it.
        stderr: String,
    },
}

/// Runs a command line, split at spaces, and gives what it printed.
///
/// # Errors
/// [`RunError`] where it cannot be started or fails.
pub fn run(line: &str) -> Result<String, RunError> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    let output = output(&mut command)?;
    if !output.status.success() {
        return Err(RunError::Failed {
            program: line.to_owned(),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// [`RunError::Start`].
pub fn output(command: &mut Command) -> Result<Output, RunError> {
    command.output().map_err(|source| RunError::Start { program: format!("{command:?}"), source })
}
