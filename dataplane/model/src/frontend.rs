//! Frontends: the addresses and ports at which Services are reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Service, Settings};

/// A transport that Services balance. The numbers are IANA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Protocol {
    /// RFC 9293.
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
    /// RFC 9260.
    Sctp = 132,
}

impl Protocol {
    /// The transport with this IANA number, where it is one of ours.
    #[inline]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Its IANA number.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Which field of a Service a frontend comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrontendKind {
    /// `spec.clusterIPs`.
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// `nodePort` on one of the gateway's node addresses.
    NodePort,
    /// `status.loadBalancer.ingress`.
    LoadBalancer,
    /// `spec.externalIPs`.
    #[serde(rename = "ExternalIP")]
    ExternalIp,
}

impl FrontendKind {
    /// Whether `externalTrafficPolicy` and source ranges are what decides here.
    #[inline]
    pub fn is_external(self) -> bool {
        !matches!(self, Self::ClusterIp)
    }
}

impl fmt::Display for FrontendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
            Self::ExternalIp => "ExternalIP",
        })
    }
}

/// An address, port and transport that clients of a Service use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Frontend {
    /// Where clients connect to.
    pub address: SocketAddr,
    /// The transport.
    pub protocol: Protocol,
    /// The field it comes from.
    pub kind: FrontendKind,
    /// Index into [`Service::ports`].
    pub port_index: u16,
}

impl Service {
    /// All frontends of this Service on a gateway with these settings, in the order of kinds above.
    ///
    /// An address that stands in several fields yields a frontend for each; the first one claims it.
    pub fn frontends(&self, settings: &Settings) -> Vec<Frontend> {
        let mut all = Vec::new();
        for (index, port) in self.ports.iter().enumerate() {
            let Ok(port_index) = u16::try_from(index) else {
                break;
            };
            let mut add = |kind, ips: &[IpAddr], number| {
                all.extend(ips.iter().map(|&ip| Frontend {
                    address: SocketAddr::new(ip, number),
                    protocol: port.protocol,
                    kind,
                    port_index,
                }));
            };
            add(FrontendKind::ClusterIp, &self.cluster_ips, port.port);
            add(FrontendKind::LoadBalancer, &self.load_balancer_ips, port.port);
            add(FrontendKind::ExternalIp, &self.external_ips, port.port);
            if let Some(node_port) = port.node_port {
                let ips: Vec<IpAddr> = settings
                    .node_port_addresses
                    .iter()
                    .copied()
                    .filter(|ip| self.has_family(ip.is_ipv6()))
                    .collect();
                add(FrontendKind::NodePort, &ips, node_port);
            }
        }
        all
    }

    /// Whether the Service is of this family (`spec.ipFamilies`, which its cluster addresses mirror). One without cluster
    /// addresses, as a hand-written manifest may be, is of both.
    pub fn has_family(&self, v6: bool) -> bool {
        self.cluster_ips.is_empty() || self.cluster_ips.iter().any(|ip| ip.is_ipv6() == v6)
    }
}
