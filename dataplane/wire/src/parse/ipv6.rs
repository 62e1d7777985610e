//! IPv6 headers and their extension chain (RFC 8200).

use super::{Flags, Kind, ParseError, Parsed, l4};
use crate::protocol::ip;

/// Extension headers accepted in front of the transport: RFC 8504 section 5.3 asks hosts to limit them.
pub(crate) const MAX_EXTENSIONS: usize = 8;

/// An IPv6 packet with its header at `l3`.
#[inline]
pub(super) fn parse(
    frame: &[u8],
    l3: usize,
    flags: Flags,
    vlan: u16,
    to: &mut Parsed,
) -> Result<(), ParseError> {
    let Some((header, payload)) = frame.get(l3..).and_then(|packet| packet.split_first_chunk::<40>()) else {
        return Err(ParseError::Ipv6Truncated);
    };
    if header[0] >> 4 != 6 {
        return Err(ParseError::Ipv6Version);
    }
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let Some(payload) = payload.get(..len) else {
        return Err(ParseError::Ipv6Truncated);
    };
    let proto = header[6];
    *to = Parsed {
        src: 0,
        dst: 0,
        frag_id: 0,
        l4: (l3 + 40) as u16,
        end: (l3 + 40 + len) as u16,
        sport: 0,
        dport: 0,
        vlan,
        frag_off: 0,
        flags: flags.union(Flags::DONT_FRAGMENT),
        l3: l3 as u8,
        kind: Kind::V6,
        proto,
        tcp_flags: 0,
        ttl: header[7],
    };
    if is_extension(proto) {
        extensions(to, payload)?;
    } else {
        l4::parse(to, payload)?;
    }
    let (addresses, _) = header[8..].as_chunks::<16>();
    // Duplicate address detection and listener reports are sent from the unspecified address (RFC 4861 section 4.3).
    let martian = addresses.first().is_some_and(|src| is_martian(u128::from_be_bytes(*src), to.proto));
    if martian { Err(ParseError::MartianSource) } else { Ok(()) }
}

/// Whether no single host can be the sender: multicast, loopback, IPv4-mapped, or unspecified in anything but ICMPv6.
#[inline(always)]
pub(crate) const fn is_martian(src: u128, proto: u8) -> bool {
    match (src >> 64) as u64 {
        0 => {
            let low = src as u64;
            (low == 0 && proto != ip::ICMPV6) || low == 1 || low >> 32 == 0xffff
        }
        high => high >> 56 == 0xff,
    }
}

/// Whether a next-header value is walked over: those of IANA's registry that have the common format, and AH.
#[inline(always)]
pub(crate) const fn is_extension(next: u8) -> bool {
    matches!(
        next,
        ip::HOP_BY_HOP
            | ip::ROUTING
            | ip::FRAGMENT
            | ip::AUTHENTICATION
            | ip::DESTINATION_OPTIONS
            | ip::MOBILITY
            | ip::HIP
            | ip::SHIM6
    )
}

/// Walks the chain, then parses the transport.
#[inline(never)]
fn extensions(parsed: &mut Parsed, payload: &[u8]) -> Result<(), ParseError> {
    parsed.flags |= Flags::V6_EXT;
    let mut rest = payload;
    let mut fragmented = false;
    for position in 0..=MAX_EXTENSIONS {
        if !is_extension(parsed.proto) {
            return l4::parse(parsed, rest);
        }
        if position == MAX_EXTENSIONS {
            break;
        }
        let Some(start) = rest.first_chunk::<8>() else {
            return Err(ParseError::Ipv6ExtensionTruncated);
        };
        let len = match parsed.proto {
            ip::FRAGMENT => 8,
            ip::AUTHENTICATION => (usize::from(start[1]) + 2) * 4,
            _ => (usize::from(start[1]) + 1) * 8,
        };
        let Some(behind) = rest.get(len..) else {
            return Err(ParseError::Ipv6ExtensionTruncated);
        };
        match parsed.proto {
            ip::HOP_BY_HOP if position > 0 => return Err(ParseError::Ipv6ExtensionOrder),
            ip::ROUTING if start[2] == 0 => return Err(ParseError::Ipv6RoutingType0),
            ip::FRAGMENT if fragmented => return Err(ParseError::Ipv6ExtensionOrder),
            _ => {}
        }
        parsed.l4 += len as u16;
        rest = behind;
        if parsed.proto == ip::FRAGMENT {
            fragmented = true;
            let field = u16::from_be_bytes([start[2], start[3]]);
            parsed.frag_id = u32::from_be_bytes([start[4], start[5], start[6], start[7]]);
            parsed.proto = start[0];
            l4::note_fragment(parsed, field >> 3, field & 1 != 0, rest.len())?;
            if parsed.flags.contains(Flags::FRAGMENT_LATER) {
                return Ok(());
            }
        } else {
            parsed.proto = start[0];
        }
    }
    Err(ParseError::Ipv6ExtensionChain)
}
