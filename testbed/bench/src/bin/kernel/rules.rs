//! The rules of the real kube-proxy, taken down once: from a real API server with 5,000 Services, in either mode. They
//! outlive their writer, so that nothing else has to run while they are measured.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use sluice_bench::kubeproxy::{self, Mode, Proxy};
use sluice_bench::objects::Objects;
use sluice_testbed::Testbed;
use sluice_testbed::client::eventually;
use sluice_testbed::cluster::{Cluster, Options, User};

/// Services beside the one under load, of two endpoints each.
const SERVICES: usize = 5_000;
/// The Service under load: its address, its port for connections and datagrams, that of iperf3, and its endpoints' port.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 96, 255, 1);
pub(crate) const PORT: u16 = 80;
pub(crate) const IPERF: u16 = 5201;
pub(crate) const TARGET: u16 = 8080;
/// How many endpoints it has.
const ENDPOINTS: u8 = 10;
/// For the rules of everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rules as `nft` takes them.
#[derive(Clone, Debug)]
pub(crate) struct Rules(pub(crate) Mode, pub(crate) String);

/// Lets kube-proxy write them, in each mode.
pub(crate) fn of_kube_proxy() -> Vec<Rules> {
    let bed = Testbed::new().expect("namespaces take root and iproute2");
    let here = bed.gateway.clone();
    here.enter(move || {
        let cluster = Options::default().controllers(&[]).start().unwrap();
        let _objects = Objects::create(&cluster.kubeconfig(User::Admin), SERVICES, 2);
        cluster.apply(&under_load()).unwrap();
        kubeproxy::node(&bed.gateway, &cluster);
        [Mode::Iptables, Mode::Nftables].map(|mode| written(&bed, &cluster, mode)).into()
    })
}

fn written(bed: &Testbed, cluster: &Cluster, mode: Mode) -> Rules {
    let _proxy = Proxy::start(bed.folder(), cluster, mode, "1s");
    let (mut last, mut written) = (0, 0);
    let rules = eventually(PATIENCE, || {
        std::thread::sleep(Duration::from_secs(1));
        let rules = saved(mode);
        // All of them, and nothing more is being written. Dates and counters in them differ each time.
        let lines = rules.lines().count();
        written = services(mode, &rules);
        let done = written > SERVICES && lines == last;
        last = lines;
        done.then_some(rules)
    });
    let rules = rules.unwrap_or_else(|| panic!("kube-proxy wrote {written} Services in {last} lines"));
    eprintln!("kube-proxy wrote {last} lines in {} mode", mode.name());
    Rules(mode, rules)
}

fn saved(mode: Mode) -> String {
    let output = match mode {
        Mode::Iptables => Command::new("iptables-save").output(),
        Mode::Nftables => Command::new("nft").args(["list", "table", "ip", "kube-proxy"]).output(),
    };
    let output = output.expect("iptables and nftables are installed");
    String::from_utf8_lossy(&output.stdout).lines().map(|line| without_account(line) + "\n").collect()
}

/// Without the counter that a rule adds to: an object outside of the rules, which kube-proxy has to make first.
fn without_account(rule: &str) -> String {
    let Some((before, after)) = rule.split_once("-m nfacct --nfacct-name") else { return rule.into() };
    let after = after.trim_start().split_once(' ').map_or("", |(_, after)| after);
    before.to_owned() + after
}

/// How many Services' addresses the rules have.
fn services(mode: Mode, rules: &str) -> usize {
    match mode {
        Mode::Iptables => rules
            .lines()
            .filter(|line| line.starts_with("-A KUBE-SERVICES") && line.contains(":http cluster IP"))
            .count(),
        Mode::Nftables => {
            rules.matches(" tcp . 80 : goto ").count() + rules.matches(" . 6 . 80 : goto ").count()
        }
    }
}

/// Manifests of the Service under load.
pub(crate) fn under_load() -> String {
    let endpoints: Vec<String> = (1..=ENDPOINTS)
        .map(|n| format!("{{ addresses: [10.200.0.{n}], conditions: {{ ready: true }} }}"))
        .collect();
    format!(
        "apiVersion: v1
kind: Service
metadata: {{ name: load, namespace: default }}
spec:
  clusterIP: {VIP}
  clusterIPs: [{VIP}]
  ports:
    - {{ name: http, protocol: TCP, port: {PORT}, targetPort: {TARGET} }}
    - {{ name: udp, protocol: UDP, port: {PORT}, targetPort: {TARGET} }}
    - {{ name: iperf, protocol: TCP, port: {IPERF}, targetPort: {IPERF} }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: load, namespace: default, labels: {{ kubernetes.io/service-name: load }} }}
addressType: IPv4
ports:
  - {{ name: http, protocol: TCP, port: {TARGET} }}
  - {{ name: udp, protocol: UDP, port: {TARGET} }}
  - {{ name: iperf, protocol: TCP, port: {IPERF} }}
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

/// Manifests of all Services, as the API server has them.
pub(crate) fn manifests() -> String {
    let mut text = under_load();
    for n in 0..SERVICES {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 97, 0, 0).to_bits() + n as u32);
        let (a, b) = (128 + n % 100, n / 100 % 250);
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: s{n}, namespace: default }}\n\
             spec: {{ clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{ name: http, port: 80, targetPort: 8080 }}] }}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{ name: s{n}, namespace: default, labels: {{ kubernetes.io/service-name: s{n} }} }}\n\
             addressType: IPv4\nports: [{{ name: http, protocol: TCP, port: 8080 }}]\n\
             endpoints: [{{ addresses: [10.{a}.{b}.1] }}, {{ addresses: [10.{a}.{b}.2] }}]\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_loses_its_counter_alone() {
        let rule = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name  dropped -j DROP";
        assert_eq!(without_account(rule), "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP");
        assert_eq!(without_account("-A X -j Y"), "-A X -j Y");
    }

    #[test]
    fn services_are_counted_in_either_mode() {
        let iptables = "-A KUBE-SERVICES -d 10.108.84.76/32 -p tcp -m comment --comment \"default/s3:http cluster IP\" -j X\n";
        assert_eq!(services(Mode::Iptables, &iptables.repeat(3)), 3);
        let nftables = "10.96.1.2 . 6 . 80 : goto service-A, 10.96.1.3 . tcp . 80 : goto service-B";
        assert_eq!(services(Mode::Nftables, nftables), 2);
    }
}
