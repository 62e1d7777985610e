//! Transport checksums over whole packets, pseudo header included: for tests, replies and the slow path. A NAT uses
//! [`crate::checksum::Delta`] instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::{self, crc32c};
use crate::parse::{Kind, Parsed, v6_addrs};
use crate::protocol::ip;
use crate::udp::Udp;

/// Whether the packet's transport checksum is right. Also true where there is none to check: fragments, unknown
/// protocols, and UDP over IPv4 with checksum 0. UDP over IPv6 without a checksum is wrong (RFC 8200 section 8.1).
pub fn checksum_ok(frame: &[u8], parsed: &Parsed) -> bool {
    let l4 = parsed.l4_bytes(frame);
    if parsed.is_fragment() {
        return true;
    }
    if parsed.proto == ip::UDP && Udp::new(l4).is_some_and(|udp| udp.checksum() == 0) {
        return parsed.kind == Kind::V4;
    }
    let Some((src, dst)) = addresses(frame, parsed) else {
        return true;
    };
    let Some(expected) = Expected::of(src, dst, parsed.proto, l4) else {
        return true;
    };
    let stored = l4.get(expected.at..).unwrap_or_default();
    match expected.bytes {
        // Both ones' complement zeroes verify, whichever the sender stored.
        Stored::Sum([0xff, 0xff] | [0, 0]) => stored.starts_with(&[0; 2]) || stored.starts_with(&[0xff; 2]),
        Stored::Sum(bytes) => stored.starts_with(&bytes),
        Stored::Crc(bytes) => stored.starts_with(&bytes),
    }
}

/// As [`checksum_ok`], for a packet that is known to carry a whole UDP datagram: without looking what it carries.
#[inline]
pub fn udp_checksum_ok(frame: &[u8], parsed: &Parsed) -> bool {
    let l4 = parsed.l4_bytes(frame);
    let Some([_, _, _, _, high, low, stored @ ..]) = l4.first_chunk::<8>() else { return false };
    let length = u16::from_be_bytes([*high, *low]);
    if *stored == [0; 2] {
        return parsed.kind == Kind::V4;
    }
    // Addresses stand right before the datagram, mostly: one sum for both.
    let addresses = match (parsed.kind, parsed.l4.wrapping_sub(u16::from(parsed.l3))) {
        (Kind::V4, 20) => 8,
        (Kind::V6, 40) => 32,
        _ => 0,
    };
    if addresses != 0 && usize::from(length) <= l4.len() {
        let start = usize::from(parsed.l4) - addresses;
        let bytes = frame.get(start..start + addresses + usize::from(length)).unwrap_or_default();
        return checksum::finish(u32::from(ip::UDP) + u32::from(length) + checksum::sum(bytes)) == 0;
    }
    let Some(datagram) = l4.get(..usize::from(length)) else { return false };
    let pseudo = if parsed.kind == Kind::V4 {
        checksum::pseudo_v4(parsed.src, parsed.dst, ip::UDP, length)
    } else {
        let (src, dst) = v6_addrs(frame, parsed);
        checksum::pseudo_v6(src, dst, ip::UDP, length.into())
    };
    // With the stored checksum in it, the sum is ones' complement zero.
    checksum::finish(pseudo + checksum::sum(datagram)) == 0
}

/// The sum of a UDP header and its pseudo header, in front of a payload whose sum is known otherwise: with that, it folds to all
/// ones where the checksum is right. Words are read with the lowest byte first (RFC 1071, section 2 B). None where there is no
/// checksum, or something between the IP header and UDP's.
#[inline(always)]
pub fn udp_header_sum(frame: &[u8], parsed: &Parsed) -> Option<u64> {
    let (l3, l4) = (usize::from(parsed.l3), usize::from(parsed.l4));
    let ends = match parsed.kind {
        Kind::V4 if l4 == l3 + 20 => 8,
        Kind::V6 if l4 == l3 + 40 => 32,
        _ => return None,
    };
    let halves = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word & 0xffff_ffff) + (word >> 32)
    };
    let (ends, header) = frame.get(l4 - ends..l4 + 8)?.split_last_chunk::<8>()?;
    let ends: u64 = ends.as_chunks().0.iter().map(halves).sum();
    let [.., a, b, c, d] = *header;
    let length = u64::from(u16::from_le_bytes([a, b]));
    let protocol = u64::from(ip::UDP) << 8;
    ([c, d] != [0; 2]).then_some(ends + halves(header) + length + protocol)
}

/// Computes and stores the packet's transport checksum; fragments and unknown protocols are left alone.
pub fn set_checksum(frame: &mut [u8], parsed: &Parsed) {
    if let Some((src, dst)) = addresses(frame, parsed).filter(|_| !parsed.is_fragment()) {
        set_checksum_between(src, dst, parsed.proto, parsed.l4_bytes_mut(frame));
    }
}

/// Computes and stores the checksum of a whole transport packet `l4`; unknown protocols are left alone.
pub fn set_checksum_between(src: IpAddr, dst: IpAddr, proto: u8, l4: &mut [u8]) {
    let Some(expected) = Expected::of(src, dst, proto, l4) else {
        return;
    };
    let bytes: &[u8] = match &expected.bytes {
        Stored::Sum(bytes) => bytes,
        Stored::Crc(bytes) => bytes,
    };
    for (to, from) in l4.iter_mut().skip(expected.at).zip(bytes) {
        *to = *from;
    }
}

fn addresses(frame: &[u8], parsed: &Parsed) -> Option<(IpAddr, IpAddr)> {
    match parsed.kind {
        Kind::V4 => Some((Ipv4Addr::from(parsed.src).into(), Ipv4Addr::from(parsed.dst).into())),
        Kind::V6 => {
            let (src, dst) = v6_addrs(frame, parsed);
            Some((Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into()))
        }
        Kind::Arp | Kind::Other => None,
    }
}

/// Where a transport keeps its checksum, and what it should be.
struct Expected {
    at: usize,
    bytes: Stored,
}

enum Stored {
    Sum([u8; 2]),
    Crc([u8; 4]),
}

impl Expected {
    fn of(src: IpAddr, dst: IpAddr, proto: u8, l4: &[u8]) -> Option<Self> {
        let (at, covered) = match proto {
            ip::TCP => (16, l4),
            ip::UDP => (6, l4.get(..usize::from(Udp::new(l4)?.length()))?),
            ip::ICMP if src.is_ipv4() => (2, l4),
            ip::ICMPV6 if src.is_ipv6() => (2, l4),
            ip::SCTP => {
                return Some(Self { at: 8, bytes: Stored::Crc(crc32c::sctp(l4).to_le_bytes()) });
            }
            _ => return None,
        };
        let len = covered.len() as u32;
        let pseudo = match (src, dst) {
            _ if proto == ip::ICMP => 0,
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                checksum::pseudo_v4(src.to_bits(), dst.to_bits(), proto, len as u16)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                checksum::pseudo_v6(src.to_bits(), dst.to_bits(), proto, len)
            }
            _ => return None,
        };
        // The stored checksum is taken out of the sum again: it counts as zero.
        let stored = checksum::sum(covered.get(at..at + 2)?);
        let sum = pseudo + checksum::sum(covered) + (!stored & 0xffff);
        let checksum = if proto == ip::UDP { checksum::finish_udp(sum) } else { checksum::finish(sum) };
        Some(Self { at, bytes: Stored::Sum(checksum.to_be_bytes()) })
    }
}
