//! A real Kubernetes API server for tests: etcd, kube-apiserver and, where wanted, controllers, with RBAC on.
//!
//! The programs come from `testbed/kubetest/build.sh`. Each [`Cluster`] has ports, certificates, tokens and data of its
//! own in a folder that goes with it; its processes end when it is dropped, and also when its maker is killed. There is no
//! kubelet and no scheduler: a test says itself which pods run and whether they are ready.

mod access;
mod error;
mod guard;
mod lifecycle;
mod options;
mod ports;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub use access::User;
use access::{Access, MANIFESTS};
pub use error::ClusterError;
use guard::Guard;
pub use lifecycle::Checkpoint;
pub use options::{Options, binaries};
use ports::Ports;
use server::Server;

use crate::run::{RunError, output};

/// The folder of manifests that the project ships: namespace, ServiceAccount, roles.
pub fn manifests() -> PathBuf {
    PathBuf::from(MANIFESTS)
}

/// A running API server with its etcd.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    folder: PathBuf,
    ports: Ports,
    access: Access,
    ready_after: Duration,
    // Dropped in this order: who depends on whom, and the guard, which takes away what is left, last.
    controllers: Option<Server>,
    api: Option<Server>,
    etcd: Option<Server>,
    guard: Guard,
}

impl Cluster {
    /// Starts one on the loopback interface, with the controllers of [`Options::default`] and the project's roles, and
    /// waits until it serves.
    ///
    /// # Errors
    /// [`ClusterError`]: not built, ended early (with the end of its log), not ready in time.
    pub fn start() -> Result<Self, ClusterError> {
        Options::default().start()
    }

    /// Where it serves: `https://ADDRESS:PORT`.
    pub fn server(&self) -> String {
        format!("https://{}:{}", self.options.address, self.ports.api)
    }

    /// The folder of everything it has; it goes with the cluster.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate that clients have to trust, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("certs/apiserver.crt")
    }

    /// A kubeconfig file for this user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        access::kubeconfig(&self.folder, user)
    }

    /// This user's bearer token.
    pub fn token(&self, user: User) -> &str {
        self.access.token(user)
    }

    /// How long its last start took, from starting the API server to serving.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Names and process ids of what runs.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        [&self.etcd, &self.api, &self.controllers]
            .into_iter()
            .flatten()
            .map(|s| (s.name(), s.pid()))
            .collect()
    }

    /// What one of its programs (`etcd`, `kube-apiserver`, `kube-controller-manager`) printed so far.
    pub fn log(&self, program: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{program}.log"))).unwrap_or_default()
    }

    /// Runs `kubectl` as the administrator and gives what it printed.
    ///
    /// # Errors
    /// [`RunError`], with what it said on its standard error.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, RunError> {
        self.kubectl_as(User::Admin, arguments)
    }

    /// Runs `kubectl` as this user.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn kubectl_as(&self, user: User, arguments: &[&str]) -> Result<String, RunError> {
        let mut command = self.kubectl_command(user);
        command.args(arguments).stdin(Stdio::null());
        let output = output(&mut command)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(RunError::Failed {
            program: format!("kubectl {}", arguments.join(" ")),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Applies manifests given as text, as the administrator.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`]; [`ClusterError::File`] where they cannot be handed over.
    pub fn apply(&self, manifests: &str) -> Result<(), ClusterError> {
        let file = self.folder.join(format!("apply-{:?}.yaml", std::thread::current().id()));
        std::fs::write(&file, manifests).map_err(|source| ClusterError::file(&file, source))?;
        let path = file.to_string_lossy().into_owned();
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &path])?;
        Ok(())
    }

    /// A `kubectl` that will run as this user, for a test that feeds it or leaves it running (`get --watch`). It ends with
    /// the cluster.
    pub fn kubectl_command(&self, user: User) -> Command {
        let mut command = self.command("kubectl");
        command.env("KUBECONFIG", self.kubeconfig(user)).env("HOME", &self.folder);
        command
    }

    /// A program of the build, in the cluster's namespace and guarded.
    fn command(&self, program: &str) -> Command {
        self.guarded(&options::binaries().join(program))
    }

    /// Any program, in the cluster's namespace and folder. It ends with the cluster.
    pub(crate) fn guarded(&self, path: &Path) -> Command {
        let mut command = match &self.options.namespace {
            Some(namespace) => namespace.command(&path.to_string_lossy()),
            None => Command::new(path),
        };
        self.guard.enlist(&mut command);
        // A proxy of the environment leads nowhere from here.
        command.current_dir(&self.folder).env("NO_PROXY", "*").env("no_proxy", "*");
        command
    }
}
