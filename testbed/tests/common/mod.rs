//! A gateway with pods and manifests, ready for requests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_testbed::client::{eventually, get};
use sluice_testbed::manifests::ServiceManifest;
use sluice_testbed::netns::Netns;
use sluice_testbed::pods::Pod;
use sluice_testbed::{Gateway, Testbed, links};

pub const VIP: &str = "203.0.113.10:80";
pub const VIP6: &str = "[2001:db8:ff::10]:80";
pub const CLUSTER_IP: &str = "10.96.0.20:80";
pub const CLUSTER_IP6: &str = "[fd00:10:96::20]:80";
pub const NODE_PORT: &str = "192.0.2.1:30080";
pub const NODE_PORT6: &str = "[2001:db8:1::1]:30080";
pub const POD_A: &str = "10.244.1.5";
pub const POD_B: &str = "10.244.2.5";
pub const POD_A6: &str = "fd00:10:244:1::5";
pub const POD_B6: &str = "fd00:10:244:2::5";
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Which kind of ports the gateway has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// TAPs, which go with the dataplane.
    Tap,
    /// veth pairs under `net_af_packet`, which stay.
    Veth,
}

pub struct Lab {
    // Before the testbed: dropped first, so that processes end in order.
    pub gateway: Gateway,
    pub pods: Vec<Pod>,
    pub bed: Testbed,
    pub config: PathBuf,
    pub manifests: PathBuf,
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The Service `web` on all its frontends, without endpoints.
pub fn web() -> ServiceManifest {
    ServiceManifest::new("web")
        .cluster_ips(&["10.96.0.20", "fd00:10:96::20"])
        .load_balancer(&["203.0.113.10", "2001:db8:ff::10"])
        .port("http", "TCP", 80, Some(30080), 8080)
        .port("udp", "UDP", 80, Some(30080), 8080)
}

/// It with pods A and B of both families.
pub fn web_ab() -> ServiceManifest {
    web().endpoint(POD_A).endpoint(POD_B).endpoint(POD_A6).endpoint(POD_B6)
}

impl Lab {
    /// A gateway on TAP ports that serves these manifests, with pods A and B.
    pub fn start(manifests: &[ServiceManifest]) -> Self {
        Self::with(Ports::Tap, "", manifests)
    }

    /// `services` are more lines of the configuration's `services`.
    pub fn with(ports: Ports, services: &str, manifests: &[ServiceManifest]) -> Self {
        Self::set_up(ports, services, manifests, |_| {})
    }

    /// As [`Lab::start`], with something done in the topology before the gateway starts.
    pub fn with_setup(manifests: &[ServiceManifest], before: impl FnOnce(&Testbed)) -> Self {
        Self::set_up(Ports::Tap, "", manifests, before)
    }

    /// As [`Lab::with`] on TAP ports, with something done in the topology before the gateway starts.
    pub fn prepared(services: &str, manifests: &[ServiceManifest], before: impl FnOnce(&Testbed)) -> Self {
        Self::set_up(Ports::Tap, services, manifests, before)
    }

    fn set_up(
        ports: Ports,
        services: &str,
        manifests: &[ServiceManifest],
        before: impl FnOnce(&Testbed),
    ) -> Self {
        let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
        before(&bed);
        let folder = bed.folder().join("manifests");
        std::fs::create_dir_all(&folder).unwrap();
        for manifest in manifests {
            manifest.write(&folder).unwrap();
        }
        let mut lab = Self::over(bed, ports, "manifests: manifests/", services);
        lab.wait_until_ready();
        lab
    }

    /// A gateway with pods A and B in a topology that is there already, on this source.
    pub fn over(bed: Testbed, ports: Ports, source: &str, services: &str) -> Self {
        Self::started(bed, ports, source, services, |bed, config| Gateway::start(bed, "run", config).unwrap())
    }

    /// As [`Lab::over`], with the gateway that `start` starts.
    pub fn started(
        bed: Testbed,
        ports: Ports,
        source: &str,
        services: &str,
        start: impl FnOnce(&Testbed, &Path) -> Gateway,
    ) -> Self {
        let folder = bed.folder().join("manifests");
        let config = bed.folder().join("gateway.yaml");
        std::fs::write(&config, configuration(&bed, ports, source, services)).unwrap();
        for ip in [POD_A, POD_B, POD_A6, POD_B6] {
            bed.add_pod_address(ip.parse().unwrap()).unwrap();
        }
        if ports == Ports::Veth {
            links::attach_veths(&bed).unwrap();
        }
        let gateway = start(&bed, &config);
        if ports == Ports::Tap
            && let Err(error) = links::attach_taps(&bed, "dtap0", "dtap1")
        {
            panic!("{error}\n{}", gateway.log());
        }
        let pods = [("a", POD_A), ("b", POD_B), ("a", POD_A6), ("b", POD_B6)]
            .map(|(name, ip)| Pod::start(&bed.node, name, SocketAddr::new(ip.parse().unwrap(), 8080)))
            .into();
        Self { gateway, pods, bed, config, manifests: folder }
    }

    /// Ends the gateway and starts it anew, on TAP ports.
    pub fn restart(&mut self) {
        self.gateway.signal(rustix::process::Signal::TERM);
        // As long as requests in flight may take to end, and more.
        let ended = self.gateway.wait(Duration::from_secs(300));
        assert!(ended.is_some(), "it does not end:\n{}", self.gateway.log());
        self.gateway = Gateway::start(&self.bed, "run", &self.config).unwrap();
        if let Err(error) = links::attach_taps(&self.bed, "dtap0", "dtap1") {
            panic!("{error}\n{}", self.gateway.log());
        }
        self.wait_until_ready();
    }

    /// Waits until the dataplane has the first generation of the manifests.
    pub fn wait_until_ready(&mut self) {
        let config = self.config.to_string_lossy().into_owned();
        let ready = eventually(Duration::from_secs(20), || {
            let services =
                Gateway::cli(&self.bed, &["show", "services", "-c", &config, "-o", "json"]).ok()?;
            services.contains("default").then_some(())
        });
        assert!(ready.is_some() && self.gateway.is_running(), "not ready:\n{}", self.gateway.log());
    }

    pub fn write(&self, manifest: &ServiceManifest) {
        manifest.write(&self.manifests).unwrap();
    }

    /// A request from the client; which pod answered, and whom it saw.
    pub fn get(&self, to: &str) -> std::io::Result<(String, SocketAddr)> {
        self.get_from(&self.bed.client, to)
    }

    pub fn get_from(&self, from: &Netns, to: &str) -> std::io::Result<(String, SocketAddr)> {
        let body = get(from, at(to), PATIENCE)?;
        let (name, client) = body.split_once(' ').expect("name and address");
        Ok((name.to_owned(), client.parse().unwrap()))
    }

    /// A request that must be answered, with the gateway's log where it is not.
    pub fn must_get(&self, to: &str) -> (String, SocketAddr) {
        self.get(to)
            .unwrap_or_else(|error| panic!("{to}: {error}\n{}\n{}", self.counters(), self.gateway.log()))
    }

    pub fn counters(&self) -> String {
        let config = self.config.to_string_lossy().into_owned();
        Gateway::cli(&self.bed, &["show", "counters", "-c", &config]).unwrap_or_else(|e| e.to_string())
    }

    pub fn cli(&self, arguments: &[&str]) -> String {
        let config = self.config.to_string_lossy().into_owned();
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-c", &config]).collect();
        Gateway::cli(&self.bed, &arguments).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// What `ip netns exec` shows to programs in a namespace as /etc/resolv.conf, until this is dropped.
pub struct ResolvConf(PathBuf);

impl ResolvConf {
    pub fn write(namespace: &Netns, text: &str) -> Self {
        let folder = PathBuf::from(format!("/etc/netns/{}", namespace.name()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("resolv.conf"), text).unwrap();
        Self(folder)
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server on the node that knows one address, over UDP and TCP: what upstreams are in these tests.
pub fn upstream(lab: &Lab, address: &str) {
    let at = std::net::SocketAddr::new(address.parse().unwrap(), 53);
    let reply = |query: &[u8]| {
        let mut reply = query.to_vec();
        (reply[2], reply[3]) = (0x81, 0x80);
        reply.truncate(12 + query[12..].iter().position(|b| *b == 0).unwrap() + 5);
        (reply[7], reply[11]) = (1, 0);
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]);
        reply
    };
    let socket = lab.bed.node.enter(move || std::net::UdpSocket::bind(at).unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&reply(&buffer[..length]), from);
        }
    });
}

fn configuration(bed: &Testbed, ports: Ports, source: &str, services: &str) -> String {
    let (uplink, cluster) = match ports {
        Ports::Tap => ("net_tap0", "net_tap1"),
        Ports::Veth => ("\"net_af_packet0,iface=up0\"", "\"net_af_packet1,iface=cl0\""),
    };
    format!(
        r#"node: edge-1
runtime_dir: {run}
dataplane:
  lcores: [1]
  memory: 128MiB
  huge_pages: never
  flows: 65536
  idle: sleep
  ports:
    - name: uplink
      device: {uplink}
      addresses: [192.0.2.1/24, "2001:db8:1::1/64"]
    - name: cluster
      device: {cluster}
      addresses: [198.51.100.10/24, "2001:db8:2::10/64"]
  routes:
    - {{ to: 10.244.0.0/16, via: 198.51.100.1 }}
    - {{ to: "fd00:10:244::/56", via: "2001:db8:2::1" }}
source:
  {source}
services:
  node_port_addresses: [192.0.2.1, "2001:db8:1::1"]
  cluster_cidrs: [10.244.0.0/16, "fd00:10:244::/56"]
  service_cidrs: [10.96.0.0/12, "fd00:10:96::/112"]
  snat: {{ addresses: auto, ports: 1024-65535 }}
{services}"#,
        run = bed.folder().join("run").display()
    )
}
