//! TCP headers (RFC 9293) and the maximum segment size option.

use crate::checksum::Delta;

/// Length of a header without options.
pub const HEADER: usize = 20;
/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Opens a connection.
pub const SYN: u8 = 0x02;
/// Aborts a connection.
pub const RST: u8 = 0x04;
/// Push.
pub const PSH: u8 = 0x08;
/// The acknowledgement number counts.
pub const ACK: u8 = 0x10;
/// The urgent pointer counts.
pub const URG: u8 = 0x20;
/// ECN echo (RFC 3168).
pub const ECE: u8 = 0x40;
/// Congestion window reduced (RFC 3168).
pub const CWR: u8 = 0x80;

/// Whether `flags` is a combination that no stack sends: null, Christmas tree, SYN with FIN or RST, FIN without ACK.
///
/// PSH, ECE and CWR are not looked at; the rest must be one of the combinations Linux' connection tracking accepts.
#[inline(always)]
pub const fn invalid_flags(flags: u8) -> bool {
    const fn bit(flags: u8) -> u64 {
        1 << flags
    }
    const VALID: u64 = bit(SYN)
        | bit(SYN | URG)
        | bit(SYN | ACK)
        | bit(RST)
        | bit(RST | ACK)
        | bit(FIN | ACK)
        | bit(FIN | ACK | URG)
        | bit(ACK)
        | bit(ACK | URG);
    VALID >> (flags & (FIN | SYN | RST | ACK | URG)) & 1 == 0
}

/// A header and its options.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'p> {
    header: &'p [u8; HEADER],
    options: &'p [u8],
}

impl<'p> Tcp<'p> {
    /// The header that `segment` starts with; `None` where it is cut short.
    pub fn new(segment: &'p [u8]) -> Option<Self> {
        let (header, rest) = segment.split_first_chunk::<HEADER>()?;
        let options = (usize::from(header[12] >> 4) * 4).checked_sub(HEADER)?;
        Some(Self { header, options: rest.get(..options)? })
    }

    /// Source port.
    pub const fn sport(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// Destination port.
    pub const fn dport(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Sequence number.
    pub const fn seq(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// Acknowledgement number.
    pub const fn ack(&self) -> u32 {
        u32::from_be_bytes([self.header[8], self.header[9], self.header[10], self.header[11]])
    }

    /// The flag byte, CWR to FIN.
    pub const fn flags(&self) -> u8 {
        self.header[13]
    }

    /// Window, unscaled.
    pub const fn window(&self) -> u16 {
        u16::from_be_bytes([self.header[14], self.header[15]])
    }

    /// The stored checksum.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[16], self.header[17]])
    }

    /// Length of the header with its options, in bytes.
    pub const fn header_len(&self) -> usize {
        HEADER + self.options.len()
    }

    /// The options.
    pub const fn options(&self) -> &'p [u8] {
        self.options
    }

    /// The maximum segment size the sender announces.
    pub fn mss(&self) -> Option<u16> {
        let at = mss_offset(self.options)?;
        self.options.get(at..)?.first_chunk().map(|value| u16::from_be_bytes(*value))
    }
}

/// Writable view of a header from the ports to the checksum: quotes in ICMP errors may end there.
#[derive(Debug)]
pub struct TcpMut<'p>(&'p mut [u8; 18]);

impl<'p> TcpMut<'p> {
    /// The header that `segment` starts with; `None` where it is cut short.
    #[inline]
    pub fn new(segment: &'p mut [u8]) -> Option<Self> {
        segment.first_chunk_mut().map(Self)
    }

    /// Writes both ports and corrects the checksum for them and for `addresses`, what the IP addresses changed by.
    #[inline]
    pub fn set_ports(&mut self, sport: u16, dport: u16, addresses: Delta) {
        let [a, b, c, d, ..] = *self.0;
        let new = (u32::from(sport) << 16) | u32::from(dport);
        let delta = addresses + Delta::u32(u32::from_be_bytes([a, b, c, d]), new);
        self.0[..4].copy_from_slice(&new.to_be_bytes());
        let fixed = delta.apply(u16::from_be_bytes([self.0[16], self.0[17]]));
        self.0[16..].copy_from_slice(&fixed.to_be_bytes());
    }
}

/// Lowers the maximum segment size that a SYN announces to `most`, in place, checksum included. True where it did.
///
/// A SYN without the option means 536 (RFC 9293 section 3.7.1), which is never raised.
pub fn clamp_mss(segment: &mut [u8], most: u16) -> bool {
    let Some(tcp) = Tcp::new(segment) else {
        return false;
    };
    let Some(at) = mss_offset(tcp.options()).filter(|_| tcp.flags() & SYN != 0) else {
        return false;
    };
    let Some(old) = tcp.mss().filter(|old| *old > most) else {
        return false;
    };
    // A value at an odd offset lies across two words of the sum, its bytes exchanged.
    let delta =
        if at % 2 == 0 { Delta::u16(old, most) } else { Delta::u16(old.swap_bytes(), most.swap_bytes()) };
    let fixed = delta.apply(tcp.checksum());
    if let Some(value) = segment.get_mut(HEADER + at..).and_then(|rest| rest.first_chunk_mut()) {
        *value = most.to_be_bytes();
    }
    if let Some(header) = segment.first_chunk_mut::<HEADER>() {
        header[16..18].copy_from_slice(&fixed.to_be_bytes());
    }
    true
}

/// Offset of the MSS option's two value bytes. At most 40 bytes of options bound the walk.
fn mss_offset(options: &[u8]) -> Option<usize> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const MSS: u8 = 2;
    let mut at = 0;
    loop {
        match *options.get(at)? {
            END => return None,
            NO_OPERATION => at += 1,
            kind => match *options.get(at + 1)? {
                4 if kind == MSS && at + 4 <= options.len() => return Some(at + 2),
                len @ 2.. => at += usize::from(len),
                _ => return None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::build::Packet;
    use crate::build::generate::{other_ends, packets_with_ports};
    use crate::ipv4::Ipv4Mut;
    use crate::ipv6::Ipv6Mut;
    use crate::protocol::ip;
    use crate::udp::UdpMut;
    use crate::{parse, transport};

    #[test]
    fn flag_combinations() {
        for good in [
            SYN,
            SYN | ACK,
            SYN | ECE | CWR,
            ACK,
            ACK | PSH,
            FIN | ACK,
            FIN | PSH | ACK | URG,
            RST,
            RST | ACK,
        ] {
            assert!(!invalid_flags(good), "{good:#x}");
        }
        for bad in [
            0,
            PSH,
            FIN,
            FIN | PSH | URG,
            SYN | FIN,
            SYN | RST,
            SYN | FIN | ACK,
            FIN | RST,
            0xff,
            URG,
            ECE | CWR,
        ] {
            assert!(invalid_flags(bad), "{bad:#x}");
        }
    }

    proptest! {
        #[test]
        fn a_clamped_mss_is_checksummed(mss: u16, most: u16, shift in 0..3_usize, flags: u8, v6: bool) {
            let options = [&[1; 3][..shift], &[2, 4], &mss.to_be_bytes(), &[1, 3, 3, 7]].concat();
            let packet = if v6 { Packet::v6(7_u128 << 100, 8_u128 << 100) } else { Packet::v4([1; 4], [2; 4]) };
            let mut frame = packet.tcp_segment(1, 2, flags, (3, 4), &options).payload(*b"data!").frame();
            let parsed = parse(&frame).unwrap();
            let before = frame.clone();
            let clamped = clamp_mss(parsed.l4_bytes_mut(&mut frame), most);
            prop_assert_eq!(clamped, flags & SYN != 0 && mss > most);
            prop_assert!(transport::checksum_ok(&frame, &parsed));
            let expected = if clamped { most } else { mss };
            prop_assert_eq!(Tcp::new(parsed.l4_bytes(&frame)).unwrap().mss(), Some(expected));
            prop_assert!(clamped || frame == before);
        }

        #[test]
        fn any_segment_can_be_clamped(mut segment in prop::collection::vec(any::<u8>(), 0..80), most: u16) {
            if let Some(flags) = segment.get_mut(13) {
                *flags |= SYN;
            }
            clamp_mss(&mut segment, most);
        }

        #[test]
        fn ports_are_rewritten_as_by_recomputation(made in packets_with_ports(), sport: u16, dport: u16, other in other_ends()) {
            let other = other.like(made.src);
            let mut frame = made.packet.frame();
            let parsed = parse(&frame).unwrap();
            let l3 = usize::from(parsed.l3);
            let addresses = match other {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    let mut header = Ipv4Mut::new(&mut frame[l3..]).unwrap();
                    header.set_src(src.to_bits()) + header.set_dst(dst.to_bits())
                }
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    let mut header = Ipv6Mut::new(&mut frame[l3..]).unwrap();
                    header.set_src(src.to_bits()) + header.set_dst(dst.to_bits())
                }
                _ => return Ok(()),
            };
            let l4 = parsed.l4_bytes_mut(&mut frame);
            if made.proto == ip::TCP {
                TcpMut::new(l4).unwrap().set_ports(sport, dport, addresses);
            } else if made.proto == ip::UDP {
                UdpMut::new(l4).unwrap().set_ports(sport, dport, addresses);
            } else {
                let len = l4.len() as u16;
                prop_assert!(crate::sctp::set_ports(l4, sport, dport, len));
            }
            prop_assert_eq!(frame, made.packet.readdressed((other.0, sport), (other.1, dport)).frame());
        }
    }

    #[test]
    fn mss_is_found_behind_other_options() {
        assert_eq!(mss_offset(&[2, 4, 5, 0xb4]), Some(2));
        assert_eq!(mss_offset(&[1, 3, 3, 7, 1, 2, 4, 5, 0xb4, 0, 0, 0]), Some(7));
        for without in [
            &[][..],
            &[0, 2, 4, 5, 0xb4],
            &[3, 0, 2, 4],
            &[2, 4, 5],
            &[2, 3, 5, 2, 4],
            &[3, 200, 2, 4],
            &[3],
            &[1, 2],
        ] {
            assert_eq!(mss_offset(without), None, "{without:?}");
        }
    }
}
