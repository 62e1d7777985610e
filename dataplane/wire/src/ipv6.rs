//! IPv6 headers and extension headers (RFC 8200).

use std::net::Ipv6Addr;

use crate::checksum::Delta;
use crate::protocol::ip;

/// Length of the fixed header.
pub const HEADER: usize = 40;
/// The least MTU of an IPv6 link, and the longest ICMPv6 error (RFC 4443 section 2.4 c).
pub const MIN_MTU: usize = 1280;

/// The fixed header.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'p>(&'p [u8; HEADER]);

impl<'p> Ipv6<'p> {
    /// The header that `packet` starts with; `None` where it is cut short or is not IPv6. The payload length is not
    /// held against the packet's, so this also reads the quotes in ICMPv6 errors.
    pub fn new(packet: &'p [u8]) -> Option<Self> {
        packet.first_chunk().filter(|header| header[0] >> 4 == 6).map(Self)
    }

    /// Source address.
    pub fn src(&self) -> Ipv6Addr {
        let (addresses, _) = self.0[8..].as_chunks::<16>();
        Ipv6Addr::from(addresses[0])
    }

    /// Destination address.
    pub fn dst(&self) -> Ipv6Addr {
        let (addresses, _) = self.0[8..].as_chunks::<16>();
        Ipv6Addr::from(addresses[1])
    }

    /// Length of what follows the fixed header, in bytes.
    pub const fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// The first header behind this one.
    pub const fn next_header(&self) -> u8 {
        self.0[6]
    }

    /// Hop limit.
    pub const fn hop_limit(&self) -> u8 {
        self.0[7]
    }

    /// Traffic class: DSCP and ECN.
    pub const fn traffic_class(&self) -> u8 {
        (u16::from_be_bytes([self.0[0], self.0[1]]) >> 4) as u8
    }
}

/// Writable view of the fixed header. Setters return the change that transport checksums have to follow.
#[derive(Debug)]
pub struct Ipv6Mut<'p>(&'p mut [u8; HEADER]);

impl<'p> Ipv6Mut<'p> {
    /// The header that `packet` starts with; `None` where it is cut short.
    #[inline]
    pub fn new(packet: &'p mut [u8]) -> Option<Self> {
        packet.first_chunk_mut().map(Self)
    }

    /// Changes the source address.
    #[inline]
    pub fn set_src(&mut self, src: u128) -> Delta {
        let (addresses, _) = self.0[8..].as_chunks_mut::<16>();
        let delta = Delta::u128(u128::from_be_bytes(addresses[0]), src);
        addresses[0] = src.to_be_bytes();
        delta
    }

    /// Changes the destination address.
    #[inline]
    pub fn set_dst(&mut self, dst: u128) -> Delta {
        let (addresses, _) = self.0[8..].as_chunks_mut::<16>();
        let delta = Delta::u128(u128::from_be_bytes(addresses[1]), dst);
        addresses[1] = dst.to_be_bytes();
        delta
    }

    /// Exchanges the addresses; no checksum changes.
    #[inline]
    pub fn swap_addrs(&mut self) {
        let (addresses, _) = self.0[8..].as_chunks_mut::<16>();
        addresses.swap(0, 1);
    }

    /// Changes the hop limit.
    #[inline]
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.0[7] = hop_limit;
    }

    /// Takes one from the hop limit; false, and nothing changed, where that leaves none (RFC 8200 section 3).
    #[inline]
    #[must_use]
    pub fn decrement_hop_limit(&mut self) -> bool {
        if self.0[7] <= 1 {
            return false;
        }
        self.0[7] -= 1;
        true
    }
}

/// A fixed header.
pub fn header(src: u128, dst: u128, next: u8, class: u8, hop_limit: u8, payload: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&(0x6000 | (u16::from(class) << 4)).to_be_bytes());
    header[4..6].copy_from_slice(&u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes());
    header[6] = next;
    header[7] = hop_limit;
    header[8..24].copy_from_slice(&src.to_be_bytes());
    header[24..].copy_from_slice(&dst.to_be_bytes());
    header
}

/// The solicited-node multicast address of `target` (RFC 4291 section 2.7.1).
pub const fn solicited_node(target: u128) -> u128 {
    0xff02_0000_0000_0000_0000_0001_ff00_0000 | (target & 0x00ff_ffff)
}

/// Where an extension chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer {
    /// The first protocol that is no extension header; of a later fragment, what its fragment header names.
    pub protocol: u8,
    /// Where it starts, from the start of the chain, in bytes.
    pub offset: usize,
    /// Whether the chain passed a fragment header with an offset: what starts there is no transport header.
    pub later_fragment: bool,
}

/// Walks the extension headers at the start of `chain`, the first being of type `next`. `None` where the chain is cut
/// short or longer than eight headers: quotes in ICMPv6 errors are cut anywhere.
pub fn upper_layer(chain: &[u8], next: u8) -> Option<UpperLayer> {
    let mut at = UpperLayer { protocol: next, offset: 0, later_fragment: false };
    for _ in 0..=crate::parse::MAX_EXTENSIONS {
        if !crate::parse::is_extension(at.protocol) {
            return Some(at);
        }
        let start = chain.get(at.offset..)?.first_chunk::<4>()?;
        let len = match at.protocol {
            ip::FRAGMENT => 8,
            ip::AUTHENTICATION => (usize::from(start[1]) + 2) * 4,
            _ => (usize::from(start[1]) + 1) * 8,
        };
        let later = at.protocol == ip::FRAGMENT && u16::from_be_bytes([start[2], start[3]]) >> 3 != 0;
        at = UpperLayer { protocol: start[0], offset: at.offset + len, later_fragment: later };
        if later {
            return Some(at);
        }
    }
    None
}

/// Turns a header round, as [`header`] would make it anew: ends exchanged, `payload` bytes behind it.
#[inline(always)]
pub(crate) fn turn(header: &mut [u8; HEADER], next: u8, hop_limit: u8, payload: u16) {
    let (words, _) = header.as_chunks_mut::<8>();
    let [fixed, a, b, c, d] = words else { return };
    let [high, low] = payload.to_be_bytes();
    *fixed = [0x60, 0, 0, 0, high, low, next, hop_limit];
    std::mem::swap(a, c);
    std::mem::swap(b, d);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: u128 = 0x2001_0db8_0001_0000_0000_0000_0000_0002;
    const DST: u128 = 0x2001_0db8_0002_0000_0000_0000_0000_0010;

    #[test]
    fn fields_and_setters() {
        let mut packet = header(SRC, DST, 17, 0xb8, 9, 100);
        let view = Ipv6::new(&packet).unwrap();
        assert_eq!((u128::from(view.src()), u128::from(view.dst())), (SRC, DST));
        assert_eq!(
            (view.payload_len(), view.next_header(), view.hop_limit(), view.traffic_class()),
            (100, 17, 9, 0xb8)
        );
        let mut view = Ipv6Mut::new(&mut packet).unwrap();
        view.swap_addrs();
        assert_eq!(view.set_src(1), Delta::u128(DST, 1));
        assert_eq!(view.set_dst(2), Delta::u128(SRC, 2));
        assert!(view.decrement_hop_limit());
        view.set_hop_limit(1);
        assert!(!view.decrement_hop_limit());
        assert_eq!(packet, header(1, 2, 17, 0xb8, 1, 100));
        assert!(Ipv6::new(&packet[..39]).is_none());
    }

    #[test]
    fn solicited_node_is_of_the_low_24_bits() {
        // The example of RFC 4291 section 2.7.1.
        let target: Ipv6Addr = "4037::01:800:200E:8C6C".parse().unwrap();
        let group: Ipv6Addr = "FF02::1:FF0E:8C6C".parse().unwrap();
        assert_eq!(Ipv6Addr::from(solicited_node(u128::from(target))), group);
    }

    #[test]
    fn chains_are_walked() {
        let hop_by_hop = [ip::AUTHENTICATION, 0, 1, 4, 0, 0, 0, 0];
        let authentication =
            [ip::FRAGMENT, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let fragment = [ip::TCP, 0, 0, 1, 0, 0, 0, 9];
        let chain = [&hop_by_hop[..], &authentication, &fragment].concat();
        let found = UpperLayer { protocol: ip::TCP, offset: 40, later_fragment: false };
        assert_eq!(upper_layer(&chain, ip::HOP_BY_HOP), Some(found));
        assert_eq!(upper_layer(&chain[..33], ip::HOP_BY_HOP), None);
        assert_eq!(
            upper_layer(&[ip::DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0].repeat(9), ip::DESTINATION_OPTIONS),
            None
        );
        let later = [ip::UDP, 0, 0, 0xb9, 0, 0, 0, 9];
        assert!(upper_layer(&later, ip::FRAGMENT).unwrap().later_fragment);
    }
}
