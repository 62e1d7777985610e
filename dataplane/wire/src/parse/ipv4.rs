//! IPv4 headers (RFC 791, RFC 1812 section 5.2.2).

use super::{ETHERNET, PLAIN_V4};
use super::{Flags, Kind, ParseError, Parsed, l4};
use crate::checksum;
use crate::protocol::ip;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// An untagged, whole TCP or UDP packet without options. `None` for anything else, and for anything wrong, which the
/// general parser then names.
#[inline(always)]
pub(super) fn plain(frame: &[u8], head: &[u8; 54]) -> Option<Parsed> {
    let header: &[u8; 20] = head[ETHERNET..].first_chunk()?;
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let end = ETHERNET + usize::from(u16::from_be_bytes([header[2], header[3]]));
    let src = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
    let tcp_or_udp: &[u8; 20] = head[PLAIN_V4..].first_chunk()?;
    let proto = header[9];
    let usable = end <= frame.len()
        && fragment & (MORE_FRAGMENTS | OFFSET) == 0
        && checksum::ipv4_header_ok(header)
        && !is_martian(src);
    if !usable {
        return None;
    }
    let (good, tcp_flags) = match proto {
        ip::TCP => {
            let header_len = usize::from(tcp_or_udp[12] >> 4) * 4;
            (header_len >= 20 && PLAIN_V4 + header_len <= end, tcp_or_udp[13])
        }
        ip::UDP => {
            let len = usize::from(u16::from_be_bytes([tcp_or_udp[4], tcp_or_udp[5]]));
            (len >= 8 && PLAIN_V4 + len <= end, 0)
        }
        _ => (false, 0),
    };
    if !good {
        return None;
    }
    Some(Parsed {
        src,
        dst: u32::from_be_bytes([header[16], header[17], header[18], header[19]]),
        frag_id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        l4: PLAIN_V4 as u16,
        end: end as u16,
        sport: u16::from_be_bytes([tcp_or_udp[0], tcp_or_udp[1]]),
        dport: u16::from_be_bytes([tcp_or_udp[2], tcp_or_udp[3]]),
        vlan: 0,
        frag_off: 0,
        flags: dont_fragment(fragment),
        l3: ETHERNET as u8,
        kind: Kind::V4,
        proto,
        tcp_flags,
        ttl: header[8],
    })
}

/// Any IPv4 packet, with its header at `l3`.
pub(super) fn parse(
    frame: &[u8],
    l3: usize,
    flags: Flags,
    vlan: u16,
    to: &mut Parsed,
) -> Result<(), ParseError> {
    let packet = frame.get(l3..).unwrap_or_default();
    let Some(header) = packet.first_chunk::<20>() else {
        return Err(ParseError::Ipv4Truncated);
    };
    if header[0] >> 4 != 4 {
        return Err(ParseError::Ipv4Version);
    }
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header_len < 20 {
        return Err(ParseError::Ipv4HeaderLength);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if total < header_len {
        return Err(ParseError::Ipv4TotalLength);
    }
    let Some((whole_header, payload)) = packet.get(..total).and_then(|p| p.split_at_checked(header_len))
    else {
        return Err(ParseError::Ipv4Truncated);
    };
    let sums = match header_len {
        20 => checksum::ipv4_header_ok(header),
        _ => checksum::ipv4_header_with_options_ok(whole_header),
    };
    if !sums {
        return Err(ParseError::Ipv4Checksum);
    }
    let src = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
    if is_martian(src) {
        return Err(ParseError::MartianSource);
    }

    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let mut flags = flags | dont_fragment(fragment);
    if header_len > 20 {
        check_options(whole_header.get(20..).unwrap_or_default())?;
        flags |= Flags::V4_OPTIONS;
    }
    *to = Parsed {
        src,
        dst: u32::from_be_bytes([header[16], header[17], header[18], header[19]]),
        frag_id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        l4: (l3 + header_len) as u16,
        end: (l3 + total) as u16,
        vlan,
        flags,
        l3: l3 as u8,
        kind: Kind::V4,
        proto: header[9],
        ttl: header[8],
        ..Parsed::default()
    };
    let more = fragment & MORE_FRAGMENTS != 0;
    l4::note_fragment(to, fragment & OFFSET, more, payload.len())?;
    l4::parse(to, payload)
}

/// Whether no single host can be the sender (RFC 1812 section 5.3.7): 0/8, 127/8, 224/4, and limited broadcast. The
/// rest of 240/4 is in use in private networks.
#[inline(always)]
pub(crate) const fn is_martian(src: u32) -> bool {
    let top = src >> 24;
    // 1 to 223 but 127: ordinary unicast, with one subtraction and two comparisons.
    (top.wrapping_sub(1) >= 223 || top == 127) && (top < 240 || src == u32::MAX)
}

#[inline(always)]
const fn dont_fragment(field: u16) -> Flags {
    if field & DONT_FRAGMENT != 0 { Flags::DONT_FRAGMENT } else { Flags::NONE }
}

/// Options must fit, and must not route: a header has at most 40 bytes of them, so the loop is bounded.
fn check_options(mut options: &[u8]) -> Result<(), ParseError> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let Some((kind, rest)) = options.split_first() {
        options = match *kind {
            END => return Ok(()),
            NO_OPERATION => rest,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(ParseError::Ipv4SourceRoute),
            _ => match rest.first() {
                Some(len @ 2..) => options.get(usize::from(*len)..).ok_or(ParseError::Ipv4Options)?,
                _ => return Err(ParseError::Ipv4Options),
            },
        };
    }
    Ok(())
}
