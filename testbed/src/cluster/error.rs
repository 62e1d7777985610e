//! Why a cluster did not start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::RunError;

/// A cluster that could not be started, stopped or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The programs are missing.
    #[error("there is no {}: run testbed/kubetest/build.sh or testbed/coredns/build.sh, which build it", .0.display())]
    NotBuilt(PathBuf),
    /// A file of its folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No free ports were found.
    #[error("no free TCP port between 20000 and 29999 on {0}")]
    NoPort(std::net::Ipv4Addr),
    /// One of its programs ended while it was waited for.
    #[error("{program} ended ({status}); the end of what it printed:\n{log}")]
    Ended {
        /// Which.
        program: &'static str,
        /// How.
        status: std::process::ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// It did not serve in time.
    #[error("not ready after {after:?}: {answer}; the end of what {program} printed:\n{log}")]
    NotReady {
        /// What was waited for.
        program: &'static str,
        /// How long was waited.
        after: Duration,
        /// What it said last.
        answer: String,
        /// Its last lines.
        log: String,
    },
    /// A program that was to be run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ClusterError {
    /// A file error with the path it is about.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
