//! `sluice control` and its configuration.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use sluice_testbed::Testbed;
use sluice_testbed::cluster::{Cluster, User};
use sluice_testbed::gateway::binary;

/// The role, running.
pub(crate) struct Control(Child);

impl Control {
    pub(crate) fn start(config: &Path) -> Self {
        Self(
            Command::new(binary())
                .args(["control", "-c"])
                .arg(config)
                .spawn()
                .expect("target/release/sluice"),
        )
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        resident_mib(self.0.id())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It ends by SIGTERM as it does in life: the last state is saved.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Resident memory of a process.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Takes away what control would serve before it has heard the API server.
pub(crate) fn forget_state(bed: &Testbed) {
    let _ = std::fs::remove_file(bed.folder().join("run/state-v1"));
}

/// How many changes took at most so many seconds, one of the histogram's bounds, from the event to the subscribers'
/// acknowledgement, and how many there were, by control's own metrics.
pub(crate) fn within(seconds: &str) -> (f64, f64) {
    let mut stream = TcpStream::connect("127.0.0.1:9472").unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = |start: &str| {
        let line =
            text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let name = "sluice_publish_latency_seconds";
    (value(&format!("{name}_bucket{{le=\"{seconds}\"}}")), value(&format!("{name}_count")))
}

/// A gateway on two TAP ports that follows the cluster.
pub(crate) fn configuration(bed: &Testbed, cluster: &Cluster) -> PathBuf {
    configuration_with(bed, cluster, "")
}

/// The same, with more keys.
pub(crate) fn configuration_with(bed: &Testbed, cluster: &Cluster, more: &str) -> PathBuf {
    let path = bed.folder().join("gateway.yaml");
    let run = bed.folder().join("run");
    std::fs::create_dir_all(&run).unwrap();
    let text = format!(
        "node: edge-1
runtime_dir: {run}
log: {{ level: error }}
dataplane:
  lcores: [1]
  memory: 256MiB
  huge_pages: never
  flows: 65536
  idle: sleep
  ports:
    - {{ name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }}
    - {{ name: cluster, device: net_tap1, addresses: [198.51.100.10/24] }}
  routes: [{{ to: 10.128.0.0/9, via: 198.51.100.1 }}]
source:
  kubernetes: {{ kubeconfig: {config} }}
services:
  cluster_cidrs: [10.128.0.0/9]
  service_cidrs: [10.96.0.0/12]
{more}",
        run = run.display(),
        config = cluster.kubeconfig(User::Sluice).display()
    );
    std::fs::write(&path, text).unwrap();
    path
}
