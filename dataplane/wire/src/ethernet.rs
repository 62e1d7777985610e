//! Ethernet II headers and MAC addresses (IEEE 802.3).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::protocol::ethertype;

/// Length of the header without VLAN tags.
pub const HEADER: usize = 14;

/// A 48-bit MAC address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All ones.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// All zeroes: nobody's.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether it addresses a group, broadcast included.
    #[inline(always)]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether it can be one station's address.
    #[inline]
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::ZERO
    }

    /// The group address of an IPv6 multicast address (RFC 2464 section 7).
    pub const fn for_ipv6_multicast(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text that is not six colon-separated pairs of hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMacAddr;

impl fmt::Display for InvalidMacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MAC address is six pairs of hexadecimal digits, as 02:00:5e:10:00:01")
    }
}

impl std::error::Error for InvalidMacAddr {}

impl FromStr for MacAddr {
    type Err = InvalidMacAddr;

    /// Reads `02:00:5e:10:00:01`, with `-` also as the separator.
    fn from_str(text: &str) -> Result<Self, InvalidMacAddr> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut parts = text.split(separator);
        let mut octets = [0; 6];
        for octet in &mut octets {
            let part = parts.next().ok_or(InvalidMacAddr)?;
            // `from_str_radix` alone would take a sign.
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(InvalidMacAddr);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| InvalidMacAddr)?;
        }
        if parts.next().is_some() { Err(InvalidMacAddr) } else { Ok(Self(octets)) }
    }
}

/// An Ethernet header, tags not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Ethernet<'f>(&'f [u8; HEADER]);

impl<'f> Ethernet<'f> {
    /// The header `frame` starts with; `None` where it is too short.
    #[inline]
    pub fn new(frame: &'f [u8]) -> Option<Self> {
        frame.first_chunk().map(Self)
    }

    /// The receiver.
    #[inline]
    pub const fn dst(&self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = *self.0;
        MacAddr([a, b, c, d, e, f])
    }

    /// The sender.
    #[inline]
    pub const fn src(&self) -> MacAddr {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = *self.0;
        MacAddr([a, b, c, d, e, f])
    }

    /// The ethertype, or that of the outermost tag.
    #[inline]
    pub const fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.0[12], self.0[13]])
    }
}

/// Writes both MAC addresses; nothing where `frame` is shorter than a header.
#[inline(always)]
pub fn set_macs(frame: &mut [u8], dst: MacAddr, src: MacAddr) {
    if let Some(header) = frame.first_chunk_mut::<HEADER>() {
        header[..6].copy_from_slice(&dst.0);
        header[6..12].copy_from_slice(&src.0);
    }
}

/// Sends a frame back where it came from; nothing where `frame` is shorter than a header.
#[inline(always)]
pub fn swap_macs(frame: &mut [u8]) {
    if let Some(header) = frame.first_chunk_mut::<HEADER>() {
        let [a, b, c, d, e, f, g, h, i, j, k, l, kind @ ..] = *header;
        *header = [g, h, i, j, k, l, a, b, c, d, e, f, kind[0], kind[1]];
    }
}

/// Offset and ethertype of what follows the header and up to two VLAN tags; `None` where the frame ends before.
pub fn payload(frame: &[u8]) -> Option<(usize, u16)> {
    let mut at = HEADER;
    let mut kind = Ethernet::new(frame)?.ethertype();
    for _ in 0..2 {
        if kind != ethertype::VLAN && kind != ethertype::QINQ {
            break;
        }
        let tag = frame.get(at..)?.first_chunk::<4>()?;
        kind = u16::from_be_bytes([tag[2], tag[3]]);
        at += 4;
    }
    Some((at, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_text_round_trips() {
        let mac = MacAddr([0x02, 0, 0x5e, 0x10, 0xff, 1]);
        assert_eq!(mac.to_string(), "02:00:5e:10:ff:01");
        assert_eq!("02:00:5E:10:ff:01".parse(), Ok(mac));
        assert_eq!("02-00-5e-10-ff-01".parse(), Ok(mac));
        for bad in [
            "",
            "02:00:5e:10:ff",
            "02:00:5e:10:ff:01:02",
            "02:00:5e:10:ff:1",
            "02:00:5e:10:ff:+1",
            "02:00:5e-10:ff:01",
        ] {
            assert_eq!(bad.parse::<MacAddr>(), Err(InvalidMacAddr), "{bad:?}");
        }
    }

    #[test]
    fn groups() {
        assert!(MacAddr::BROADCAST.is_multicast());
        assert!(!MacAddr::ZERO.is_unicast());
        let all_nodes = MacAddr::for_ipv6_multicast(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
        assert_eq!(all_nodes.to_string(), "33:33:00:00:00:01");
    }

    #[test]
    fn swapping() {
        let mut frame = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0, 9];
        swap_macs(&mut frame);
        assert_eq!(frame, [2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 8, 0, 9]);
        swap_macs(&mut frame[..13]);
        assert_eq!(frame[0], 2);
    }

    #[test]
    fn payload_is_behind_the_tags() {
        let mut frame = [0; 22];
        frame[12..].copy_from_slice(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]);
        assert_eq!(payload(&frame), Some((22, ethertype::IPV4)));
        assert_eq!(payload(&frame[..21]), None);
        assert_eq!(payload(&frame[..13]), None);
    }
}
