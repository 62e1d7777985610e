//! kube-proxy in nftables mode, in the gateway's namespace as on a node of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use sluice_testbed::Testbed;
use sluice_testbed::cluster::{Cluster, User, binaries};

use crate::Rows;
use crate::control::resident_mib;
use crate::objects::Objects;
use crate::probe::Probe;

/// Changes, which take it longer: at 10,000 Services it reads its whole table before each.
const PATCHES: usize = 30;

/// From its start until connections to Services come through, its memory, and changes: with the pause between two writes
/// of its rules that it has by default, and with as good as none.
pub(crate) fn measure(bed: &Testbed, cluster: &Cluster, objects: &Objects, runs: usize, rows: &mut Rows) {
    // Connections from here go to Services by a default route, until rules take them elsewhere.
    bed.gateway.ip("link add wan type veth peer name nowhere").unwrap();
    bed.gateway.ip("link set wan up").unwrap();
    bed.gateway.ip("link set nowhere up").unwrap();
    bed.gateway.ip("addr add 192.0.2.200/24 dev wan").unwrap();
    bed.gateway.ip("route replace default dev wan").unwrap();
    // It waits half a minute for its Node and the address of that, which a kubelet would have written.
    cluster.apply("{apiVersion: v1, kind: Node, metadata: {name: edge-1}}").unwrap();
    let status = r#"{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.200"}]}}"#;
    cluster
        .kubectl(&["patch", "node", "edge-1", "--subresource=status", "--type=merge", "-p", status])
        .unwrap();
    let probe = Probe::start(&bed.gateway, &bed.gateway);
    let (mut initial, mut resident) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let start = Instant::now();
        let proxy = Proxy::start(bed, cluster, "1ms");
        let mut last = start;
        for service in [0, objects.len() / 2, objects.len() - 1] {
            probe.aim(Some(objects.address(service)));
            last = last.max(probe.until(|_| true));
        }
        initial.push(last.duration_since(start).as_secs_f64());
        resident.push(resident_mib(proxy.child.id()));
        if run + 1 == runs {
            rows.add_times("kube-proxy.patch.packet", probe.patches(objects, PATCHES, 2000));
            resident.push(resident_mib(proxy.child.id()));
        }
    }
    rows.add("kube-proxy.initial", "s", &initial);
    rows.add("kube-proxy.memory", "MiB", &resident);
    let _proxy = Proxy::start(bed, cluster, "1s");
    probe.aim(Some(objects.address(0)));
    probe.until(|_| true);
    rows.add_times("kube-proxy.patch.packet.default", probe.patches(objects, PATCHES, 3000));
}

struct Proxy {
    child: Child,
    log: PathBuf,
}

impl Proxy {
    fn start(bed: &Testbed, cluster: &Cluster, pause: &str) -> Self {
        let config = configuration(bed.folder(), cluster, pause);
        let log = bed.folder().join("kube-proxy.log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(binaries().join("kube-proxy"));
        command.arg(format!("--config={}", config.display())).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().expect("testbed/kubetest/build.sh"), log }
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
        // Its rules outlive it, as they should anywhere else.
        let _ = Command::new("nft").args(["flush", "ruleset"]).status();
    }
}

fn configuration(folder: &Path, cluster: &Cluster, pause: &str) -> PathBuf {
    let mut text =
        String::from("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n");
    let _ = writeln!(text, "mode: nftables\nhostnameOverride: edge-1\nclusterCIDR: 10.128.0.0/9");
    let _ =
        writeln!(text, "clientConnection: {{ kubeconfig: {} }}", cluster.kubeconfig(User::Admin).display());
    let _ = writeln!(text, "nftables: {{ minSyncPeriod: {pause} }}");
    // Of the machine, not of the namespace.
    text += "conntrack: { maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }\n";
    let path = folder.join("kube-proxy.yaml");
    std::fs::write(&path, text).unwrap();
    path
}
