//! The gateway itself: a manifest folder of Services, one port, DNS on the address of all servers.

use std::fmt::Write;
use std::time::Duration;

use sluice_testbed::Gateway;
use sluice_testbed::client::eventually;

use crate::link::{DEAD, Link, NETWORKS, SERVER, SERVER_CPU, UPSTREAM};
use crate::queries::{self, NAMES, Names};

/// A running gateway.
pub(crate) struct Sluice {
    gateway: Gateway,
}

impl Sluice {
    /// Starts it with one port of this driver. Where names of others are not what it is for, their upstream is dead.
    pub(crate) fn start(link: &Link, driver: &str, names: Names) -> Self {
        let folder = link.bed.folder();
        let manifests = folder.join("manifests");
        if !manifests.exists() {
            std::fs::create_dir_all(&manifests).unwrap();
            std::fs::write(manifests.join("services.yaml"), services()).unwrap();
        }
        let config = folder.join(format!("sluice-{driver}.yaml"));
        let run = folder.join("run");
        let _ = std::fs::remove_dir_all(&run);
        let upstream = if names == Names::Others { UPSTREAM } else { DEAD };
        let text = format!(
            "node: edge-1
runtime_dir: {run}
log: {{ level: warn }}
dataplane:
  lcores: [{SERVER_CPU}]
  memory: 256MiB
  flows: 65536
  idle: poll
  ports:
    - {{ name: uplink, device: \"{driver}0,iface=up0\", addresses: [192.0.2.1/24] }}
  routes: [{{ to: {}, via: 192.0.2.100 }}, {{ to: {}, via: 192.0.2.100 }}]
source: {{ manifests: {manifests} }}
services:
  cluster_cidrs: [198.18.0.0/15]
  service_cidrs: [10.96.0.0/12]
dns:
  addresses: [{SERVER}]
  clients: [0.0.0.0/0]
  upstreams: [{upstream}]
",
            NETWORKS[0],
            NETWORKS[1],
            run = run.display(),
            manifests = manifests.display(),
        );
        std::fs::write(&config, text).unwrap();
        let gateway = Gateway::start(&link.bed, "run", &config).unwrap();
        let up = eventually(Duration::from_secs(20), || link.bed.gateway.ip("link show sl-uplink").ok());
        assert!(up.is_some(), "no port: {}", gateway.log());
        link.client_of_linux(true);
        let back = eventually(Duration::from_secs(5), || link.knows_the_way_back("sl-uplink").then_some(()));
        assert!(back.is_some(), "{}", gateway.log());
        Self { gateway }
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        self.gateway.log()
    }
}

/// All Services whose names are asked for.
fn services() -> String {
    let mut text = String::from("apiVersion: v1\nkind: Namespace\nmetadata: { name: default }\n");
    for n in (0..NAMES).filter(|n| queries::exists(*n)) {
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: service-{n}, namespace: default }}\nspec: {{ clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{ name: http, port: 80 }}] }}",
            ip = queries::address(Names::Cluster, n)
        );
    }
    text
}
