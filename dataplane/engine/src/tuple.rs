//! Addresses and ports of a flow's packets, in the form the slow path uses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sluice_model::Protocol;

/// Source, destination and transport of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// IANA protocol number.
    pub protocol: u8,
}

impl Tuple {
    /// The tuple of a packet in the other direction.
    pub fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport, protocol: self.protocol }
    }

    /// Whether it is IPv6.
    pub fn is_v6(&self) -> bool {
        self.src.is_ipv6()
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, protocol, .. } = self;
        match (Protocol::from_number(*protocol), protocol) {
            (Some(protocol), _) => {
                let (src, dst) = (SocketAddr::new(*src, self.sport), SocketAddr::new(*dst, self.dport));
                write!(f, "{src} > {dst} {protocol}")
            }
            (None, 1) => write!(f, "{src} > {dst} ICMP"),
            (None, 58) => write!(f, "{src} > {dst} ICMPv6"),
            (None, number) => write!(f, "{src} > {dst} protocol {number}"),
        }
    }
}
