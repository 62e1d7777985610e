//! Who forwards.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

use sluice_bench::kubeproxy::Mode;
use sluice_bench::program::command;
use sluice_testbed::Gateway;
use sluice_testbed::client::eventually;

use crate::generator::huge;
use crate::link::{CLIENTS, GATEWAY_CPU, Link, PODS};
use crate::load::comes_through;
use crate::rules::{Rules, VIP, manifests};

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarder {
    /// Linux without any rule: the Service's address is one like any other.
    Routing,
    /// Linux with rules of kube-proxy.
    KubeProxy(Mode),
    /// Sluice on ports of this driver.
    Sluice(&'static str),
    /// `dpdk-testpmd`, which only moves packets between them.
    Testpmd(&'static str),
}

impl Forwarder {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Routing,
        Self::KubeProxy(Mode::Iptables),
        Self::KubeProxy(Mode::Nftables),
        Self::Sluice("af_xdp"),
        Self::Sluice("af_packet"),
        Self::Testpmd("af_xdp"),
        Self::Testpmd("af_packet"),
    ];

    /// Its name in rows.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Routing => "kernel.routing".into(),
            Self::KubeProxy(mode) => format!("kernel.kubeproxy.{}.5k", mode.name()),
            Self::Sluice(driver) => format!("veth.sluice.{driver}"),
            Self::Testpmd(driver) => format!("veth.testpmd.{driver}"),
        }
    }

    /// Whether it knows the Service, so that connections come through.
    pub(crate) fn translates(self) -> bool {
        matches!(self, Self::KubeProxy(_) | Self::Sluice(_))
    }

    /// Whether the packets are Linux's to forward.
    pub(crate) fn is_linux(self) -> bool {
        matches!(self, Self::Routing | Self::KubeProxy(_))
    }

    /// Starts it; it ends when what this gives is dropped.
    pub(crate) fn start(self, link: &Link, rules: &[Rules]) -> Running {
        link.gateway_of_linux(self.is_linux());
        let running = match self {
            Self::Routing => {
                link.bed.gateway.ip(&format!("route replace {VIP} via 198.51.100.1 dev cl0")).unwrap();
                Running::Linux
            }
            Self::KubeProxy(mode) => {
                let rules = rules.iter().find(|rules| rules.0 == mode).expect("rules of either mode");
                load_rules(link, rules);
                Running::Linux
            }
            Self::Sluice(driver) => Running::Sluice(sluice(link, driver)),
            Self::Testpmd(driver) => Running::Testpmd(testpmd(link, driver)),
        };
        if self.translates() && !comes_through(link, Duration::from_secs(30)) {
            panic!("no connection comes through {}:\n{}", self.name(), running.log());
        }
        running
    }
}

/// Something that forwards.
pub(crate) enum Running {
    Linux,
    Sluice(Gateway),
    Testpmd(Child),
}

impl Running {
    fn log(&self) -> String {
        match self {
            Self::Sluice(gateway) => gateway.log(),
            _ => String::new(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Testpmd(child) = self {
            // Asked to end it gives its ports back.
            let _ = child.stdin.take().map(|mut stdin| stdin.write_all(b"quit\n"));
            let ended = || child.try_wait().ok().flatten();
            if eventually(Duration::from_secs(3), ended).is_none() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn load_rules(link: &Link, Rules(mode, text): &Rules) {
    let line: &[&str] = match mode {
        Mode::Iptables => &["iptables-restore"],
        Mode::Nftables => &["nft", "-f", "-"],
    };
    let mut child = command(&link.bed.gateway, line).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "the rules cannot be loaded");
}

fn sluice(link: &Link, driver: &str) -> Gateway {
    let folder = link.bed.folder();
    let (services, run) = (folder.join("manifests"), folder.join("run"));
    if !services.exists() {
        std::fs::create_dir_all(&services).unwrap();
        std::fs::write(services.join("services.yaml"), manifests()).unwrap();
    }
    let _ = std::fs::remove_dir_all(&run);
    let config = folder.join(format!("sluice-{driver}.yaml"));
    let text = format!(
        "node: edge-1
runtime_dir: {run}
log: {{ level: warn }}
dataplane:
  lcores: [{GATEWAY_CPU}]
  memory: 256MiB
  flows: 1048576
  idle: poll
  ports:
    - {{ name: uplink, device: \"net_{driver}0,iface=up0\", addresses: [192.0.2.1/24] }}
    - {{ name: cluster, device: \"net_{driver}1,iface=cl0\", addresses: [198.51.100.10/24] }}
  routes: [{{ to: {PODS}, via: 198.51.100.1 }}, {{ to: {CLIENTS}, via: 192.0.2.100 }}]
source: {{ manifests: {services} }}
services:
  cluster_cidrs: [{PODS}]
  service_cidrs: [10.96.0.0/12]
",
        run = run.display(),
        services = services.display(),
    );
    std::fs::write(&config, text).unwrap();
    Gateway::start(&link.bed, "run", &config).unwrap()
}

fn testpmd(link: &Link, driver: &str) -> Child {
    // Its main thread only reads commands; the lcore that forwards is the other.
    let lcores = format!("(0,1)@{GATEWAY_CPU}");
    let devices =
        [("0", "up0"), ("1", "cl0")].map(|(n, name)| format!("--vdev=net_{driver}{n},iface={name}"));
    let mut line = vec!["dpdk-testpmd", "--lcores", &lcores, "--no-pci", "--no-telemetry", "-m", "128"];
    line.extend(if huge() { &["--in-memory"][..] } else { &["--no-huge", "--no-shconf"] });
    line.extend([&*devices[0], &devices[1], "--", "--interactive", "--burst=64", "--nb-cores=1"]);
    line.extend(["--total-num-mbufs=16384", "--forward-mode=io", "--auto-start"]);
    let mut command = command(&link.bed.gateway, &line);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    child
}
