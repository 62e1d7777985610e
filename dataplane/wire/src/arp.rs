//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::ethernet::MacAddr;
use crate::protocol::ethertype;

/// Length of an ARP packet for IPv4 over Ethernet.
pub const LEN: usize = 28;
/// Operation of a request.
pub const REQUEST: u16 = 1;
/// Operation of a reply.
pub const REPLY: u16 = 2;

/// Hardware type 1, protocol IPv4, lengths 6 and 4.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// An ARP packet's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// [`REQUEST`], [`REPLY`], or something rarer.
    pub operation: u16,
    /// Who sends.
    pub sender_mac: MacAddr,
    /// The sender's address; unspecified in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// In a reply, who asked.
    pub target_mac: MacAddr,
    /// Whose MAC address is asked for, or who asked.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Reads the packet that `bytes` start with; `None` where it is short or not for IPv4 over Ethernet.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let packet = bytes.first_chunk::<LEN>()?;
        let [h0, h1, h2, h3, h4, h5, o0, o1, rest @ ..] = *packet;
        if [h0, h1, h2, h3, h4, h5] != ETHERNET_IPV4 {
            return None;
        }
        let (sender, target) = rest.split_at(10);
        let (sender_mac, sender_ip) = station(sender)?;
        let (target_mac, target_ip) = station(target)?;
        Some(Self { operation: u16::from_be_bytes([o0, o1]), sender_mac, sender_ip, target_mac, target_ip })
    }

    /// The packet's bytes.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut packet = [0; LEN];
        packet[..6].copy_from_slice(&ETHERNET_IPV4);
        packet[6..8].copy_from_slice(&self.operation.to_be_bytes());
        packet[8..14].copy_from_slice(&self.sender_mac.0);
        packet[14..18].copy_from_slice(&self.sender_ip.octets());
        packet[18..24].copy_from_slice(&self.target_mac.0);
        packet[24..].copy_from_slice(&self.target_ip.octets());
        packet
    }

    /// The whole frame of this packet, from its sender.
    pub fn to_frame(self, dst: MacAddr) -> [u8; 14 + LEN] {
        let mut frame = [0; 14 + LEN];
        crate::ethernet::set_macs(&mut frame, dst, self.sender_mac);
        frame[12..14].copy_from_slice(&ethertype::ARP.to_be_bytes());
        frame[14..].copy_from_slice(&self.to_bytes());
        frame
    }

    /// Asks who has `target`.
    pub fn request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Self {
        Self { operation: REQUEST, sender_mac, sender_ip, target_mac: MacAddr::ZERO, target_ip }
    }

    /// Tells the link that `ip` is at `mac`: a request for itself (RFC 5227 section 2.3), to be broadcast.
    pub fn announcement(mac: MacAddr, ip: Ipv4Addr) -> Self {
        Self::request(mac, ip, ip)
    }
}

fn station(bytes: &[u8]) -> Option<(MacAddr, Ipv4Addr)> {
    let [m0, m1, m2, m3, m4, m5, a, b, c, d] = *bytes.first_chunk::<10>()?;
    Some((MacAddr([m0, m1, m2, m3, m4, m5]), Ipv4Addr::new(a, b, c, d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let arp = Arp {
            operation: REPLY,
            sender_mac: MacAddr([1, 2, 3, 4, 5, 6]),
            sender_ip: Ipv4Addr::new(192, 0, 2, 1),
            target_mac: MacAddr([7, 8, 9, 10, 11, 12]),
            target_ip: Ipv4Addr::new(192, 0, 2, 2),
        };
        assert_eq!(Arp::read(&arp.to_bytes()), Some(arp));
        assert_eq!(Arp::read(&arp.to_bytes()[..27]), None);
        let mut other = arp.to_bytes();
        other[1] = 6;
        assert_eq!(Arp::read(&other), None);
    }

    #[test]
    fn an_announcement_asks_for_itself() {
        let arp = Arp::announcement(MacAddr([2; 6]), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!((arp.sender_ip, arp.operation), (arp.target_ip, REQUEST));
        let parsed = crate::parse(&arp.to_frame(MacAddr::BROADCAST)).unwrap();
        assert_eq!((parsed.kind, parsed.src, parsed.sport), (crate::Kind::Arp, 0xc000_0209, REQUEST));
    }
}
