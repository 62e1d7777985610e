//! The parser every packet goes through: one pass, no allocation, no copy, every length checked.
//!
//! [`parse`] classifies a frame up to its transport header and refuses what no honest stack sends. What it accepts can
//! be relied on: `l3 ≤ l4 ≤ end ≤ frame.len()`, the IP header and its options or extension headers lie in `l3..l4`, and
//! for TCP, UDP, SCTP, ICMP and ICMPv6 that are no later fragments the transport's fixed header lies in `l4..end`.
//! Transport checksums are not checked here; a NAT keeps wrong ones wrong (see [`crate::checksum::Delta`]).

mod error;
mod ipv4;
mod ipv6;
mod l4;
mod parsed;

pub use error::ParseError;
pub(crate) use ipv4::is_martian as v4_is_martian;
pub(crate) use ipv6::{MAX_EXTENSIONS, is_extension, is_martian as v6_is_martian};
pub use parsed::{Flags, Kind, Parsed, v6_addrs};

use crate::protocol::ethertype;

/// Length of an Ethernet header without tags.
const ETHERNET: usize = 14;
/// Where an untagged IPv4 header without options ends.
const PLAIN_V4: usize = ETHERNET + 20;
/// VLAN tags accepted on a frame: one 802.1Q, or two of 802.1ad.
const MAX_VLAN_TAGS: usize = 2;

/// Classifies `frame`, which starts at its Ethernet header and has no frame check sequence.
///
/// # Errors
/// Says what is wrong with the frame; nothing that is accepted lacks a header that [`Parsed`] speaks of.
#[inline]
pub fn parse(frame: &[u8]) -> Result<Parsed, ParseError> {
    let mut parsed = Parsed::default();
    parse_into(frame, &mut parsed)?;
    Ok(parsed)
}

/// As [`parse`], into an element of a burst's array: half the cycles, for the fields are stored one by one, and copying
/// them on in one piece would have to wait for all those stores.
///
/// # Errors
/// Those of [`parse`]; `to` then holds nothing of use.
#[inline(always)]
pub fn parse_into(frame: &[u8], to: &mut Parsed) -> Result<(), ParseError> {
    // 54 bytes hold Ethernet, IPv4 and TCP, or Ethernet and IPv6, and every unpadded frame worth hurrying for.
    if let Some(head) = frame.first_chunk::<54>()
        && frame.len() <= Parsed::MAX_FRAME
        && head[0] & 1 == 0
    {
        match u16::from_be_bytes([head[12], head[13]]) {
            ethertype::IPV4 if head[14] == 0x45 => {
                if let Some(parsed) = ipv4::plain(frame, head) {
                    *to = parsed;
                    return Ok(());
                }
            }
            ethertype::IPV6 => return ipv6::parse(frame, ETHERNET, Flags::NONE, 0, to),
            _ => {}
        }
    }
    general(frame, to)
}

/// Everything that is not a whole, plain IPv4 packet, or is one with something wrong.
#[inline(never)]
fn general(frame: &[u8], to: &mut Parsed) -> Result<(), ParseError> {
    if frame.len() > Parsed::MAX_FRAME {
        return Err(ParseError::FrameTooLong);
    }
    let Some((ethernet, mut rest)) = frame.split_first_chunk::<ETHERNET>() else {
        return Err(ParseError::EthernetTruncated);
    };
    let [d0, d1, d2, d3, d4, d5, ..] = *ethernet;
    let mut flags = Flags::NONE;
    if d0 & 1 == 1 {
        flags |= Flags::MULTICAST_L2;
        if [d0, d1, d2, d3, d4, d5] == [0xff; 6] {
            flags |= Flags::BROADCAST;
        }
    }

    let mut kind = u16::from_be_bytes([ethernet[12], ethernet[13]]);
    let mut l3 = ETHERNET;
    let mut vlan = 0;
    let mut tags = 0;
    while kind == ethertype::VLAN || kind == ethertype::QINQ {
        let Some((tag, behind)) = rest.split_first_chunk::<4>() else {
            return Err(ParseError::EthernetTruncated);
        };
        if tags == MAX_VLAN_TAGS {
            return Err(ParseError::VlanStackTooDeep);
        }
        if tags == 0 {
            vlan = u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff;
        }
        tags += 1;
        flags |= Flags::VLAN;
        kind = u16::from_be_bytes([tag[2], tag[3]]);
        l3 += 4;
        rest = behind;
    }

    match kind {
        ethertype::IPV4 => ipv4::parse(frame, l3, flags, vlan, to),
        ethertype::IPV6 => ipv6::parse(frame, l3, flags, vlan, to),
        ethertype::ARP => {
            *to = arp(rest, l3, flags, vlan)?;
            Ok(())
        }
        other => {
            *to = Parsed {
                l3: l3 as u8,
                l4: l3 as u16,
                end: frame.len() as u16,
                dport: other,
                vlan,
                flags,
                ..Parsed::default()
            };
            Ok(())
        }
    }
}

/// ARP for IPv4 over Ethernet (RFC 826); other address families are an error, no kernel here would know them either.
fn arp(packet: &[u8], l3: usize, flags: Flags, vlan: u16) -> Result<Parsed, ParseError> {
    let Some(arp) = packet.first_chunk::<28>() else {
        return Err(ParseError::ArpTruncated);
    };
    if arp[..6] != [0, 1, 8, 0, 6, 4] {
        return Err(ParseError::ArpUnknown);
    }
    Ok(Parsed {
        kind: Kind::Arp,
        src: u32::from_be_bytes([arp[14], arp[15], arp[16], arp[17]]),
        dst: u32::from_be_bytes([arp[24], arp[25], arp[26], arp[27]]),
        sport: u16::from_be_bytes([arp[6], arp[7]]),
        l3: l3 as u8,
        l4: l3 as u16,
        end: (l3 + 28) as u16,
        vlan,
        flags,
        ..Parsed::default()
    })
}

/// What a fuzzer calls: whatever the bytes, [`parse`] returns, and what it accepts keeps its promises.
///
/// # Panics
/// Where a promise of this module is broken.
#[cfg(any(test, feature = "fuzz"))]
#[allow(clippy::panic)]
pub fn fuzz_parse(data: &[u8]) {
    use crate::protocol::ip;
    if let Ok(parsed) = parse(data) {
        let (l3, l4, end) = (usize::from(parsed.l3), usize::from(parsed.l4), usize::from(parsed.end));
        assert!(l3 <= l4 && l4 <= end && end <= data.len(), "{parsed:?} of {} bytes", data.len());
        if matches!(parsed.kind, Kind::V4 | Kind::V6) && !parsed.flags.contains(Flags::FRAGMENT_LATER) {
            let fixed = match (parsed.kind, parsed.proto) {
                (Kind::V4, ip::ICMPV6) | (Kind::V6, ip::ICMP) => 0,
                (_, proto) => l4::fixed_header(proto),
            };
            assert!(end - l4 >= fixed, "{parsed:?} lacks its transport header");
        }
        let _ = v6_addrs(data, &parsed);
    }
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
