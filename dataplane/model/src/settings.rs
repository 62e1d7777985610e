//! Gateway-wide settings that packet handling depends on: the `node` and `services` parts of the YAML file.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{DnsSettings, IngressSettings};

/// Everything about the gateway that decides how Services are served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// This gateway's node name (`node`).
    pub node: Box<str>,
    /// Whether a Node object of that name exists. A gateway that is no node uses `local_nodes` and `zone` for Local policies,
    /// and all endpoints where neither is set.
    pub is_node: bool,
    /// `topology.kubernetes.io/zone` of the Node, or the configured one.
    pub zone: Option<Box<str>>,
    /// Nodes that count as local for a gateway that is no node itself.
    pub local_nodes: Vec<Box<str>>,
    /// Addresses on which node ports are served.
    pub node_port_addresses: Vec<IpAddr>,
    /// Sources inside these networks are cluster-internal clients.
    pub cluster_cidrs: Vec<IpNet>,
    /// Service address ranges; an unallocated address in one is dropped, not routed.
    pub service_cidrs: Vec<IpNet>,
    /// Source addresses of full NAT.
    pub snat_addresses: SnatAddresses,
    /// Source ports of full NAT.
    pub snat_ports: PortRange,
    /// Clamp the MSS of TCP handshakes to this value, where a tunnel is on the path.
    pub mss_clamp: Option<u16>,
    /// Idle times of flows.
    pub timeouts: Timeouts,
    /// Cluster DNS, where the gateway answers it.
    pub dns: Option<DnsSettings>,
    /// HTTP, where the proxy serves it.
    pub ingress: Option<IngressSettings>,
}

/// Where full NAT takes its source addresses from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnatAddresses {
    /// The first address of the packet's family on the egress port.
    #[default]
    Auto,
    /// These, of both families.
    List(Vec<IpAddr>),
}

/// An inclusive range of port numbers, never empty and never with 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A range of ports that is empty or holds port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a port range must not be empty nor hold port 0")]
pub struct EmptyRange;

impl TryFrom<(u16, u16)> for PortRange {
    type Error = EmptyRange;

    fn try_from((first, last): (u16, u16)) -> Result<Self, EmptyRange> {
        Self::new(first, last).ok_or(EmptyRange)
    }
}

impl From<PortRange> for (u16, u16) {
    fn from(range: PortRange) -> Self {
        (range.first, range.last)
    }
}

impl PortRange {
    /// `first` to `last`, both included; `None` where `first` is 0 or above `last`.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first != 0 && first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    #[inline]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[inline]
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports there are, 1 to 65,535.
    #[inline]
    pub fn count(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }

    /// Whether `port` is one of them.
    #[inline]
    pub fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl Default for PortRange {
    /// 1024 to 65535: all that are not well-known (RFC 6335 system ports).
    fn default() -> Self {
        Self { first: 1024, last: 65535 }
    }
}

/// Idle times after which a flow is forgotten, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP from the first SYN until the handshake is done.
    pub tcp_handshake: u32,
    /// TCP established; RFC 5382 asks for at least 2 h 4 min.
    pub tcp_established: u32,
    /// TCP after FIN or RST where the endpoint holds TIME_WAIT (Linux: 60 s) and the tuple must not be used again.
    pub tcp_closing: u32,
    /// UDP with packets in one direction only.
    pub udp_one_way: u32,
    /// UDP with packets in both; RFC 4787 asks for at least 2 min.
    pub udp: u32,
    /// SCTP associations.
    pub sctp: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_handshake: 30,
            tcp_established: 7440,
            tcp_closing: 65,
            udp_one_way: 30,
            udp: 180,
            sctp: 7440,
        }
    }
}
