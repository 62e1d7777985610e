//! Starting, stopping, restarting and rolling back a cluster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::access::{APPLIED, Access, User, header_file, kubeconfig, token_file};
use super::guard::Guard;
use super::options::{Options, binaries};
use super::ports::Ports;
use super::server::Server;
use super::{Cluster, ClusterError, manifests};

/// Everything a cluster had stored at one time.
#[derive(Debug)]
pub struct Checkpoint(PathBuf);

impl Cluster {
    /// Ends it and takes everything of it away, as dropping it does.
    pub fn stop(self) {}

    /// Ends the API server as an administrator would; clients' connections are closed in order. Its data stay.
    pub fn stop_api(&mut self) {
        if let Some(api) = self.api.take() {
            api.stop();
        }
    }

    /// Kills the API server. Its data stay.
    pub fn kill_api(&mut self) {
        self.api = None;
    }

    /// Starts the API server again, on the same data, port and certificate, and waits until it serves.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_api(&mut self) -> Result<(), ClusterError> {
        let start = Instant::now();
        let mut api = Server::start("kube-apiserver", &self.folder, self.api_command())?;
        api.wait_until(|| self.answers("/readyz"))?;
        // Made a moment later, by the server itself. With this Service, addresses can be allocated and `default` exists.
        api.wait_until(|| self.answers("/api/v1/namespaces/default/services/kubernetes"))?;
        self.api = Some(api);
        self.ready_after = start.elapsed();
        Ok(())
    }

    /// Ends the API server in order and starts it again.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn restart(&mut self) -> Result<(), ClusterError> {
        self.stop_api();
        self.start_api()
    }

    /// Sends the API server a signal: stopped (`SIGSTOP`), it keeps its connections and answers nothing.
    pub fn signal_api(&self, signal: Signal) {
        if let Some(api) = &self.api {
            api.signal(signal);
        }
    }

    /// Keeps a copy of everything stored now. Everything is restarted for it.
    ///
    /// # Errors
    /// As [`Cluster::start`], and those of copying.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, ClusterError> {
        let copy = self.folder.join(format!("checkpoint-{}", self.ready_after.as_nanos()));
        self.halt();
        copy_folder(&self.data(), &copy)?;
        self.resume()?;
        Ok(Checkpoint(copy))
    }

    /// Goes back to what was stored then, as restoring etcd from a backup does: resource versions run backwards.
    ///
    /// # Errors
    /// As [`Cluster::start`], and those of copying.
    pub fn roll_back(&mut self, to: &Checkpoint) -> Result<(), ClusterError> {
        self.halt();
        let data = self.data();
        std::fs::remove_dir_all(&data).map_err(|source| ClusterError::file(&data, source))?;
        copy_folder(&to.0, &data)?;
        self.resume()
    }

    pub(super) fn launch(options: Options) -> Result<Self, ClusterError> {
        let binary = binaries().join("kube-apiserver");
        if !binary.exists() {
            return Err(ClusterError::NotBuilt(binary));
        }
        let guard = Guard::start()?;
        let folder = guard.folder().to_owned();
        let ports = Ports::free(&options)?;
        let access = Access::write(&folder, &format!("https://{}:{}", options.address, ports.api))?;
        let (ready_after, etcd, api, controllers) = (Duration::ZERO, None, None, None);
        let mut this = Self { options, folder, ports, access, ready_after, controllers, api, etcd, guard };
        this.resume()?;
        let files = APPLIED.map(|name| manifests().join(name).to_string_lossy().into_owned());
        let [namespace, account, roles] = files.each_ref().map(String::as_str);
        this.kubectl(&["apply", "--server-side", "-f", namespace, "-f", account, "-f", roles])?;
        Ok(this)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    /// Kills everything. What etcd has written is with the kernel and outlives it.
    fn halt(&mut self) {
        self.controllers = None;
        self.api = None;
        self.etcd = None;
    }

    fn resume(&mut self) -> Result<(), ClusterError> {
        let mut etcd = Server::start("etcd", &self.folder, self.etcd_command())?;
        let health = format!("http://127.0.0.1:{}/health", self.ports.etcd);
        etcd.wait_until(|| self.fetch(&health))?;
        self.etcd = Some(etcd);
        self.start_api()?;
        if !self.options.controllers.is_empty() {
            let command = self.controllers_command();
            self.controllers = Some(Server::start("kube-controller-manager", &self.folder, command)?);
        }
        Ok(())
    }

    fn answers(&self, path: &str) -> Result<(), String> {
        self.fetch(&format!("{}{path}", self.server()))
    }

    /// Whether a GET as the administrator succeeds; what came instead.
    fn fetch(&self, url: &str) -> Result<(), String> {
        let mut command = match &self.options.namespace {
            Some(namespace) => namespace.command("curl"),
            None => std::process::Command::new("curl"),
        };
        command.args(["-sS", "--fail-with-body", "--noproxy", "*", "--max-time", "5"]);
        if url.starts_with("https") {
            command.arg("--cacert").arg(self.ca_file());
            command.arg("-H").arg(format!("@{}", header_file(&self.folder).display()));
        }
        let output = command.arg(url).output().map_err(|error| format!("curl: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr) + " " + &text(&output.stdout)) }
    }

    fn etcd_command(&self) -> std::process::Command {
        let mut command = self.command("etcd");
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        command.arg(format!("--data-dir={}", self.data().display()));
        command
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"));
        command
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"));
        command.arg(format!("--initial-cluster=default={peer}"));
        command.args(["--unsafe-no-fsync", "--log-level=warn"]);
        command
    }

    fn api_command(&self) -> std::process::Command {
        let mut command = self.command("kube-apiserver");
        let certs = self.folder.join("certs");
        // The server makes its own certificate here. Its key signs ServiceAccounts' tokens as well: one less file.
        let key = certs.join("apiserver.key");
        command.arg(format!("--cert-dir={}", certs.display()));
        command.arg(format!("--service-account-key-file={}", key.display()));
        command.arg(format!("--service-account-signing-key-file={}", key.display()));
        command.arg("--service-account-issuer=https://kubernetes.default.svc");
        command.arg(format!("--token-auth-file={}", token_file(&self.folder).display()));
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd));
        command.arg(format!("--bind-address={}", self.options.address));
        // Without it the server wants a default route, which a namespace need not have.
        command.arg(format!("--advertise-address={}", self.options.address));
        // It would write that address into an EndpointSlice, which may not name a loopback address.
        command.arg("--endpoint-reconciler-type=none");
        command.arg(format!("--secure-port={}", self.ports.api));
        command.arg(format!("--service-cluster-ip-range={}", crate::topology::SERVICES.join(",")));
        command.args(["--authorization-mode=RBAC", "--allow-privileged=true"]);
        // It would hold pods back until a controller had made their ServiceAccounts.
        command.arg("--disable-admission-plugins=ServiceAccount");
        // Asked to end, it waits two seconds for open watches instead of a minute.
        command.arg("--shutdown-send-retry-after=true");
        command.args(&self.options.api_flags);
        command
    }

    fn controllers_command(&self) -> std::process::Command {
        let mut command = self.command("kube-controller-manager");
        let config = kubeconfig(&self.folder, User::Admin);
        command.arg(format!("--kubeconfig={}", config.display()));
        command.arg(format!("--controllers={}", self.options.controllers.join(",")));
        command.args(["--leader-elect=false", "--secure-port=0"]);
        // Tests make thousands of objects at once; the usual 20 requests a second are for clusters that grow.
        command.args(["--kube-api-qps=1000", "--kube-api-burst=2000"]);
        command
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), ClusterError> {
    let failed = |source| ClusterError::file(from, source);
    std::fs::create_dir_all(to).map_err(|source| ClusterError::file(to, source))?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).map_err(|error| ClusterError::file(&source, error))?;
        }
    }
    Ok(())
}
