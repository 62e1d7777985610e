//! kube-proxy, of the API server's own module, in the namespace of the calling thread.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sluice_testbed::Netns;
use sluice_testbed::cluster::{Cluster, User, binaries};

/// Where it writes its rules to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// nftables' verdict maps.
    Nftables,
    /// iptables' chains.
    Iptables,
}

impl Mode {
    /// As its configuration and the names of rows have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// A running kube-proxy. Its rules go with it, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    log: PathBuf,
}

impl Proxy {
    /// Starts it, with so much time between two writes of its rules.
    ///
    /// # Panics
    /// Where there is no such program.
    pub fn start(folder: &Path, cluster: &Cluster, mode: Mode, pause: &str) -> Self {
        let config = configuration(folder, cluster, mode, pause);
        let log = folder.join("kube-proxy.log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(binaries().join("kube-proxy"));
        command.arg(format!("--config={}", config.display())).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().expect("testbed/kubetest/build.sh"), log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("kube-proxy has ended: {status}\n{}", &log[log.len().saturating_sub(3000)..]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its rules outlive it, as they should anywhere else. iptables is a name for nftables here, too.
        let _ = Command::new("nft").args(["flush", "ruleset"]).status();
    }
}

/// What kube-proxy waits for half a minute: its Node with an address, which a kubelet would have written, and a default route,
/// by which connections from here go to Services until rules take them elsewhere.
///
/// # Panics
/// Where they cannot be had.
pub fn node(gateway: &Netns, cluster: &Cluster) {
    gateway.ip("link add wan type veth peer name nowhere").unwrap();
    gateway.ip("link set wan up").unwrap();
    gateway.ip("link set nowhere up").unwrap();
    gateway.ip("addr add 192.0.2.200/24 dev wan").unwrap();
    gateway.ip("route replace default dev wan").unwrap();
    cluster.apply("{apiVersion: v1, kind: Node, metadata: {name: edge-1}}").unwrap();
    let status = r#"{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.200"}]}}"#;
    cluster
        .kubectl(&["patch", "node", "edge-1", "--subresource=status", "--type=merge", "-p", status])
        .unwrap();
}

fn configuration(folder: &Path, cluster: &Cluster, mode: Mode, pause: &str) -> PathBuf {
    let mut text =
        String::from("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n");
    let _ = writeln!(text, "mode: {}\nhostnameOverride: edge-1\nclusterCIDR: 10.128.0.0/9", mode.name());
    let _ =
        writeln!(text, "clientConnection: {{ kubeconfig: {} }}", cluster.kubeconfig(User::Admin).display());
    let _ = writeln!(text, "{}: {{ minSyncPeriod: {pause} }}", mode.name());
    // Of the machine, not of the namespace.
    text += "conntrack: { maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }\n";
    let path = folder.join("kube-proxy.yaml");
    std::fs::write(&path, text).unwrap();
    path
}
