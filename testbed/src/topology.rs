//! The network around a gateway.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cleanup::{Guardian, PREFIX, sweep_dead_runs};
use crate::netns::Netns;
use crate::run::RunError;

/// The client's addresses.
pub const CLIENT: [&str; 2] = ["192.0.2.100", "2001:db8:1::100"];
/// The gateway's addresses towards clients.
pub const GATEWAY_UPLINK: [&str; 2] = ["192.0.2.1", "2001:db8:1::1"];
/// The gateway's addresses towards the nodes.
pub const GATEWAY_CLUSTER: [&str; 2] = ["198.51.100.10", "2001:db8:2::10"];
/// The node's addresses towards the gateway.
pub const NODE: [&str; 2] = ["198.51.100.1", "2001:db8:2::1"];
/// Where load-balancer addresses of the demonstration are taken from.
pub const VIPS: [&str; 2] = ["203.0.113.0/24", "2001:db8:ff::/64"];
/// Cluster addresses.
pub const SERVICES: [&str; 2] = ["10.96.0.0/12", "fd00:10:96::/112"];

/// Namespaces for a client, a gateway and a node with pods, and a folder for the gateway's files.
#[derive(Debug)]
pub struct Testbed {
    /// Where clients are.
    pub client: Netns,
    /// Where the gateway runs.
    pub gateway: Netns,
    /// Where pods are.
    pub node: Netns,
    folder: PathBuf,
    // Last: it takes the rest away.
    _guardian: Guardian,
}

impl Testbed {
    /// Makes the namespaces. The links between them come with the gateway's ports.
    ///
    /// # Errors
    /// Those of `ip`; making namespaces takes root.
    pub fn new() -> Result<Self, RunError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        sweep_dead_runs()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stem = format!("{PREFIX}{}-{number}", std::process::id());
        let names = ["client", "gw", "node"].map(|part| format!("{stem}-{part}"));
        let folder = std::env::temp_dir().join(&stem);
        let guardian = Guardian::start(&names, &folder)?;
        std::fs::create_dir_all(&folder)
            .map_err(|source| RunError::Start { program: format!("mkdir {}", folder.display()), source })?;
        let [client, gateway, node] = &names;
        let this = Self {
            client: Netns::create(client)?,
            gateway: Netns::create(gateway)?,
            node: Netns::create(node)?,
            folder,
            _guardian: guardian,
        };
        for namespace in [&this.client, &this.gateway, &this.node] {
            // Without a neighbour to hear of it, waiting for duplicates only delays the first packets.
            namespace.sysctl("net/ipv6/conf/all/accept_dad", "0")?;
            namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        }
        this.node.sysctl("net/ipv4/ip_forward", "1")?;
        this.node.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        Ok(this)
    }

    /// A folder for this run's files; it goes with the testbed.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the client its addresses and routes on `interface`, which is in its namespace already.
    ///
    /// # Errors
    /// Those of `ip`.
    pub fn attach_client(&self, interface: &str) -> Result<(), RunError> {
        let ns = &self.client;
        // A TAP starts with the address of the port it belongs to; two hosts of one address cannot talk.
        ns.ip(&format!("link set {interface} address 02:00:00:00:01:64"))?;
        ns.ip(&format!("addr add {}/24 dev {interface}", CLIENT[0]))?;
        ns.ip(&format!("addr add {}/64 dev {interface} nodad", CLIENT[1]))?;
        ns.ip(&format!("link set {interface} up"))?;
        for (net, via) in [VIPS, SERVICES].iter().flat_map(|nets| nets.iter().zip(GATEWAY_UPLINK)) {
            ns.ip(&format!("route replace {net} via {via} dev {interface}"))?;
        }
        Ok(())
    }

    /// Gives the node its addresses and routes on `interface`, which is in its namespace already.
    ///
    /// # Errors
    /// Those of `ip`.
    pub fn attach_node(&self, interface: &str) -> Result<(), RunError> {
        let ns = &self.node;
        ns.ip(&format!("link set {interface} address 02:00:00:00:02:01"))?;
        ns.ip(&format!("addr add {}/24 dev {interface}", NODE[0]))?;
        ns.ip(&format!("addr add {}/64 dev {interface} nodad", NODE[1]))?;
        ns.ip(&format!("link set {interface} up"))?;
        ns.ip(&format!("route replace default via {} dev {interface}", GATEWAY_CLUSTER[0]))?;
        ns.ip(&format!("route replace default via {} dev {interface}", GATEWAY_CLUSTER[1]))?;
        Ok(())
    }

    /// Gives a pod its address, on the node.
    ///
    /// # Errors
    /// Those of `ip`.
    pub fn add_pod_address(&self, address: std::net::IpAddr) -> Result<(), RunError> {
        let (len, nodad) = if address.is_ipv6() { (128, "nodad") } else { (32, "") };
        self.node.ip(&format!("addr add {address}/{len} dev lo {nodad}")).map(drop)
    }
}
