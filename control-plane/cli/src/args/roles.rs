//! Arguments of the roles and of `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// The configuration of the gateway that a command is about; optional, since the socket's folder is all it needs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigFile {
    /// The gateway's configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "SLUICE_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// Arguments of a role.
#[derive(Clone, Debug, Args)]
pub(crate) struct RoleArgs {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "SLUICE_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
    /// Process id of the supervisor that started this role; the role ends when that process does
    #[arg(long, hide = true, value_name = "PID")]
    pub supervisor: Option<u32>,
}

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "SLUICE_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// How all roles log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Seconds that a role has to end in order before it is killed. Default: 10, and for the proxy `ingress.limits.drain` before
    /// them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub grace: Option<u16>,
}

/// How a process logs, to its standard error.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// What is logged: a level (error, warn, info, debug, trace), or levels by module as in
    /// "info,sluice_runtime=debug" [default: the configuration's log.level]
    #[arg(long, value_name = "FILTER", env = "SLUICE_LOG", hide_env_values = true)]
    pub log: Option<String>,
    /// How a line is logged: text or json [default: the configuration's log.format]
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true,
        env = "SLUICE_LOG_FORMAT",
        hide_env_values = true
    )]
    pub log_format: Option<LogFormat>,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

impl LogFormat {
    /// As it is given on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration
    #[arg(value_hint = ValueHint::FilePath, env = "SLUICE_CONFIG", hide_env_values = true)]
    pub file: PathBuf,
}
