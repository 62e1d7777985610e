//! CoreDNS as it is released, beside a cluster's API server or alone: what answers are compared with, and whom zones are copied from.
//!
//! The program comes from `testbed/coredns/build.sh`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cluster::{Cluster, ClusterError};
use crate::netns::Netns;
use crate::run::RunError;

/// Where the program is: `SLUICE_COREDNS` names the folder, or `target/coredns` of the checkout.
pub fn binary() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/coredns");
    std::env::var_os("SLUICE_COREDNS").map_or_else(|| built.into(), PathBuf::from).join("coredns")
}

/// A running CoreDNS. It is killed when dropped, and one beside a cluster also with its cluster's maker.
#[derive(Debug)]
pub struct CoreDns {
    child: Child,
    log: PathBuf,
}

impl CoreDns {
    /// Starts it with this Corefile.
    ///
    /// # Errors
    /// [`ClusterError`]: not built, not started, a file that cannot be written.
    pub fn start(cluster: &Cluster, corefile: &str) -> Result<Self, ClusterError> {
        Self::spawn(cluster.guarded(&binary()), cluster.folder(), corefile)
    }

    /// Starts it without a cluster, in this namespace, with its files in this folder.
    ///
    /// # Errors
    /// As [`CoreDns::start`].
    pub fn alone(namespace: &Netns, folder: &Path, corefile: &str) -> Result<Self, ClusterError> {
        Self::spawn(namespace.command(&binary().to_string_lossy()), folder, corefile)
    }

    fn spawn(mut command: Command, folder: &Path, corefile: &str) -> Result<Self, ClusterError> {
        let binary = binary();
        if !binary.exists() {
            return Err(ClusterError::NotBuilt(binary));
        }
        let file = folder.join("coredns.Corefile");
        let log = folder.join("coredns.log");
        std::fs::write(&file, corefile).map_err(|source| ClusterError::file(&file, source))?;
        let output = std::fs::File::create(&log).map_err(|source| ClusterError::file(&log, source))?;
        let errors = output.try_clone().map_err(|source| ClusterError::file(&log, source))?;
        command.arg("-conf").arg(&file).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child =
            command.spawn().map_err(|source| RunError::Start { program: "coredns".into(), source })?;
        Ok(Self { child, log })
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for CoreDns {
    fn drop(&mut self) {
        // Both do nothing where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
