//! IPv4 headers (RFC 791).

use std::net::Ipv4Addr;

use crate::checksum::{self, Delta};

/// Length of a header without options.
pub const HEADER: usize = 20;

/// The fixed part of a header and its options.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'p> {
    header: &'p [u8; HEADER],
    options: &'p [u8],
}

impl<'p> Ipv4<'p> {
    /// The header that `packet` starts with; `None` where it is cut short or is not IPv4. Neither the total length nor
    /// the checksum is looked at, so this also reads the quotes in ICMP errors.
    pub fn new(packet: &'p [u8]) -> Option<Self> {
        let (header, rest) = packet.split_first_chunk::<HEADER>()?;
        let options = (usize::from(header[0] & 0x0f) * 4).checked_sub(HEADER)?;
        if header[0] >> 4 != 4 {
            return None;
        }
        Some(Self { header, options: rest.get(..options)? })
    }

    /// Source address.
    pub const fn src(&self) -> Ipv4Addr {
        let [.., a, b, c, d, _, _, _, _] = *self.header;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    pub const fn dst(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = *self.header;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Length of the header with its options, in bytes.
    pub const fn header_len(&self) -> usize {
        HEADER + self.options.len()
    }

    /// The options.
    pub const fn options(&self) -> &'p [u8] {
        self.options
    }

    /// Length of the whole packet as the header says, in bytes.
    pub const fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Identification.
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Whether the packet may not be fragmented.
    pub const fn dont_fragment(&self) -> bool {
        self.header[6] & 0x40 != 0
    }

    /// Whether more fragments follow.
    pub const fn more_fragments(&self) -> bool {
        self.header[6] & 0x20 != 0
    }

    /// Offset of this fragment, in bytes.
    pub const fn fragment_offset(&self) -> u16 {
        (u16::from_be_bytes([self.header[6], self.header[7]]) & 0x1fff) << 3
    }

    /// Time to live.
    pub const fn ttl(&self) -> u8 {
        self.header[8]
    }

    /// Type of service: DSCP and ECN.
    pub const fn tos(&self) -> u8 {
        self.header[1]
    }

    /// What the packet carries.
    pub const fn protocol(&self) -> u8 {
        self.header[9]
    }

    /// The stored checksum.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[10], self.header[11]])
    }
}

/// Writable view of a header's fixed part. Setters keep the header checksum right and return the change that a
/// transport checksum over the pseudo header has to follow.
#[derive(Debug)]
pub struct Ipv4Mut<'p>(&'p mut [u8; HEADER]);

impl<'p> Ipv4Mut<'p> {
    /// The header that `packet` starts with; `None` where it is cut short.
    #[inline]
    pub fn new(packet: &'p mut [u8]) -> Option<Self> {
        packet.first_chunk_mut().map(Self)
    }

    /// Changes the source address.
    #[inline]
    pub fn set_src(&mut self, src: u32) -> Delta {
        let [.., a, b, c, d, _, _, _, _] = *self.0;
        let delta = Delta::u32(u32::from_be_bytes([a, b, c, d]), src);
        self.0[12..16].copy_from_slice(&src.to_be_bytes());
        self.fix(delta);
        delta
    }

    /// Changes the destination address.
    #[inline]
    pub fn set_dst(&mut self, dst: u32) -> Delta {
        let [.., a, b, c, d] = *self.0;
        let delta = Delta::u32(u32::from_be_bytes([a, b, c, d]), dst);
        self.0[16..].copy_from_slice(&dst.to_be_bytes());
        self.fix(delta);
        delta
    }

    /// Exchanges the addresses; no checksum changes.
    #[inline]
    pub fn swap_addrs(&mut self) {
        let (src, dst) = self.0[12..].split_at_mut(4);
        src.swap_with_slice(dst);
    }

    /// Changes the TTL, which no transport checksum covers.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        let delta = Delta::u16(u16::from(self.0[8]) << 8, u16::from(ttl) << 8);
        self.0[8] = ttl;
        self.fix(delta);
    }

    /// Takes one from the TTL; false, and nothing changed, where that leaves none (RFC 1812 section 5.3.1).
    #[inline]
    #[must_use]
    pub fn decrement_ttl(&mut self) -> bool {
        if self.0[8] <= 1 {
            return false;
        }
        self.0[8] -= 1;
        self.fix(Delta::TTL_DECREMENT);
        true
    }

    #[inline(always)]
    fn fix(&mut self, delta: Delta) {
        let fixed = delta.apply(u16::from_be_bytes([self.0[10], self.0[11]]));
        self.0[10..12].copy_from_slice(&fixed.to_be_bytes());
    }
}

/// A header without options, "don't fragment" set and identification zero (RFC 6864 section 4.1), checksummed.
#[inline]
pub fn header(src: u32, dst: u32, protocol: u8, tos: u8, ttl: u8, payload: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let total = u16::try_from(HEADER + payload).unwrap_or(u16::MAX);
    header[0] = 0x45;
    header[1] = tos;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[6] = 0x40;
    header[8] = ttl;
    header[9] = protocol;
    header[12..16].copy_from_slice(&src.to_be_bytes());
    header[16..].copy_from_slice(&dst.to_be_bytes());
    let words = 0x4500 + u32::from(tos) + 0x4000 + (u32::from(ttl) << 8);
    let checksum = checksum::finish(words + checksum::pseudo_v4(src, dst, protocol, total));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// Turns a header without options round, as [`header`] would make it anew: ends exchanged, `payload` bytes behind it.
#[inline(always)]
pub(crate) fn turn(header: &mut [u8; HEADER], protocol: u8, ttl: u8, payload: u16) {
    let (words, _) = header.as_chunks_mut::<4>();
    let [lengths, fragment, kind, src, dst] = words else { return };
    let total = payload.saturating_add(HEADER as u16);
    let [high, low] = total.to_be_bytes();
    *lengths = [0x45, 0, high, low];
    *fragment = [0, 0, 0x40, 0];
    // Sums do not care about byte order (RFC 1071, section 2 B).
    let kinds = u16::from_le_bytes([ttl, protocol]);
    let fixed = 0x45 + 0x40 + u64::from(total.swap_bytes()) + u64::from(kinds);
    let ends = u64::from(u32::from_le_bytes(*src)) + u64::from(u32::from_le_bytes(*dst));
    let [a, b] = (!checksum::fold64(fixed + ends)).to_le_bytes();
    *kind = [ttl, protocol, a, b];
    std::mem::swap(src, dst);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn setters_keep_the_checksum(src: u32, dst: u32, new_src: u32, new_dst: u32, ttl in 2..=255_u8, len in 0..9000_usize) {
            let mut packet = header(src, dst, 17, 0, ttl, len);
            let mut view = Ipv4Mut::new(&mut packet).unwrap();
            let delta = view.set_src(new_src) + view.set_dst(new_dst);
            prop_assert!(view.decrement_ttl());
            prop_assert_eq!(packet, header(new_src, new_dst, 17, 0, ttl - 1, len));
            prop_assert!(checksum::ipv4_header_ok(&packet));
            prop_assert_eq!(delta, Delta::u32(src, new_src) + Delta::u32(dst, new_dst));
            Ipv4Mut::new(&mut packet).unwrap().swap_addrs();
            Ipv4Mut::new(&mut packet).unwrap().set_ttl(77);
            prop_assert_eq!(packet, header(new_dst, new_src, 17, 0, 77, len));
        }
    }

    proptest! {
        #[test]
        fn turned_headers_are_new_ones(src: u32, dst: u32, tos: u8, ttl: u8, was in 0..9000_usize, payload in 0..9000_u16) {
            let mut packet = header(src, dst, 17, tos, ttl, was);
            turn(&mut packet, 17, 64, payload);
            prop_assert_eq!(packet, header(dst, src, 17, 0, 64, payload.into()));
        }
    }

    #[test]
    fn fields() {
        let packet = header(0x0102_0304, 0x0506_0708, 6, 0xb8, 9, 100);
        let view = Ipv4::new(&packet).unwrap();
        assert_eq!((view.src(), view.dst()), (Ipv4Addr::new(1, 2, 3, 4), Ipv4Addr::new(5, 6, 7, 8)));
        assert_eq!((view.total_len(), view.header_len(), view.ttl(), view.protocol()), (120, 20, 9, 6));
        assert_eq!((view.tos(), view.id(), view.fragment_offset()), (0xb8, 0, 0));
        assert!(view.dont_fragment() && !view.more_fragments() && view.options().is_empty());
        assert_eq!(view.checksum(), checksum::ipv4_header_checksum(&packet));
    }

    #[test]
    fn a_last_hop_is_not_taken() {
        let mut packet = header(1, 2, 6, 0, 1, 0);
        assert!(!Ipv4Mut::new(&mut packet).unwrap().decrement_ttl());
        assert_eq!(packet, header(1, 2, 6, 0, 1, 0));
    }

    #[test]
    fn short_headers_are_none() {
        let mut packet = header(1, 2, 6, 0, 1, 0);
        assert!(Ipv4::new(&packet[..19]).is_none());
        packet[0] = 0x46;
        assert!(Ipv4::new(&packet).is_none());
        packet[0] = 0x44;
        assert!(Ipv4::new(&packet).is_none());
        packet[0] = 0x65;
        assert!(Ipv4::new(&packet).is_none());
    }
}
