//! What the data plane is told at its start.
//!
//! Plain data: the YAML file is read elsewhere, and whoever fills this in has only to call [`DataplaneConfig::check`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

mod check;
mod eal;

pub use check::ConfigError;
pub use eal::EalArgument;

/// Everything about this gateway's packet path that is decided before it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataplaneConfig {
    /// CPUs that poll, one worker each.
    pub lcores: Vec<u32>,
    /// Memory for packet buffers and DPDK itself, in MiB.
    pub memory_mib: u32,
    /// Whether that memory comes from huge pages.
    pub huge_pages: HugePages,
    /// Flows that each lcore can hold.
    pub flows: u32,
    /// What a worker does while there is nothing to do.
    pub idle: Idle,
    /// The ports; their order numbers them.
    pub ports: Vec<PortConfig>,
    /// Static routes, given to Linux.
    pub routes: Vec<RouteConfig>,
    /// Where the admin socket, the lock and, unless `state_dir` says otherwise, the flows live; on tmpfs.
    pub runtime_dir: PathBuf,
    /// Where flows live so that a restarted process takes them over; `None`: in `runtime_dir`.
    pub state_dir: Option<PathBuf>,
    /// The socket on which the control process serves the feed.
    pub feed: PathBuf,
    /// Id of the group that may use the admin socket, beside root and this process's own user.
    pub admin_group: Option<u32>,
    /// Where metrics and health are served over HTTP; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// The file of the query log. Whether there is a log control says, which has fewer rights than this process: where it may
    /// write is not control's to say.
    pub query_log: Option<PathBuf>,
    /// Arguments for DPDK's EAL, of those that [`EalArgument`] knows.
    pub eal_arguments: Vec<String>,
    /// How long packets wait in the devices' queues after the start until control has told the Services; then they go to
    /// Linux.
    pub feed_patience: Duration,
}

impl Default for DataplaneConfig {
    fn default() -> Self {
        Self {
            lcores: Vec::new(),
            memory_mib: 256,
            huge_pages: HugePages::Auto,
            flows: 1 << 20,
            idle: Idle::Poll,
            ports: Vec::new(),
            routes: Vec::new(),
            runtime_dir: PathBuf::from("/run/sluice"),
            state_dir: None,
            feed: PathBuf::from("/run/sluice/feed.sock"),
            admin_group: None,
            metrics: None,
            query_log: None,
            eal_arguments: Vec::new(),
            feed_patience: Duration::from_secs(3),
        }
    }
}

impl DataplaneConfig {
    /// The directory of the flow files.
    pub fn flows_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| self.runtime_dir.clone()).join("flows")
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.runtime_dir.join("dataplane.sock")
    }
}

/// Where packet memory comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HugePages {
    /// Huge pages where enough are free, ordinary ones otherwise.
    #[default]
    Auto,
    /// Huge pages, or no start.
    Required,
    /// Ordinary pages.
    Never,
}

/// What a worker does while there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// Polls on: lowest latency, a whole CPU.
    #[default]
    Poll,
    /// Sleeps for some tens of microseconds after a while without packets: for machines that share their CPUs.
    Sleep,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortConfig {
    /// Its name; the kernel interface is called `sl-` and this.
    pub name: String,
    /// A PCI address, or a DPDK virtual device with its arguments: `0000:01:00.0`, `net_tap0,iface=uplink0`.
    pub device: String,
    /// How many receive and transmit queues.
    #[serde(default)]
    pub queues: Queues,
    /// Addresses of its kernel interface, with their prefixes.
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    /// Its MTU in bytes.
    #[serde(default = "ethernet_mtu")]
    pub mtu: u16,
}

impl PortConfig {
    /// The name of the kernel interface.
    pub fn interface(&self) -> String {
        format!("sl-{}", self.name)
    }

    /// The driver's part of a virtual device's name: `net_tap` of `net_tap0,iface=x`; `None` for other devices.
    pub fn driver(&self) -> Option<&str> {
        let name = self.device_name();
        (!name.contains(':')).then(|| name.trim_end_matches(|c: char| c.is_ascii_digit()))
    }

    /// The device without its arguments, which is also its name in DPDK.
    pub fn device_name(&self) -> &str {
        self.device.split(',').next().unwrap_or_default()
    }

    /// The value of one of the device's arguments.
    pub fn argument(&self, key: &str) -> Option<&str> {
        self.device
            .split(',')
            .skip(1)
            .filter_map(|pair| pair.split_once('='))
            .find(|(k, _)| *k == key)
            .map(|(_, v)| v)
    }
}

/// The MTU of an Ethernet without jumbo frames.
pub const fn ethernet_mtu() -> u16 {
    1500
}

/// How many queues a port gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queues {
    /// One for each lcore, or as many as the device has.
    #[default]
    Auto,
    /// This many.
    #[serde(untagged)]
    Count(u16),
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The prefix.
    pub to: IpNet,
    /// The next hop.
    pub via: IpAddr,
    /// The port; `None`: the one on whose subnet the next hop lies.
    #[serde(default)]
    pub port: Option<String>,
}
