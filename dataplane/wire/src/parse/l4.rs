//! Transport headers and fragments, for both IP versions.

use super::{Flags, Kind, ParseError, Parsed};
use crate::protocol::ip;

/// Bytes that must be there of a transport's header.
pub(super) const fn fixed_header(proto: u8) -> usize {
    match proto {
        ip::TCP => 20,
        ip::SCTP => 12,
        ip::UDP | ip::ICMP => 8,
        ip::ICMPV6 => 4,
        _ => 0,
    }
}

/// Reads the transport header at the start of `payload` into `parsed`; of a later fragment, nothing.
#[inline]
pub(super) fn parse(parsed: &mut Parsed, payload: &[u8]) -> Result<(), ParseError> {
    if parsed.flags.contains(Flags::FRAGMENT_LATER) {
        return Ok(());
    }
    let good = match parsed.proto {
        ip::TCP => tcp(parsed, payload),
        ip::UDP => udp(parsed, payload),
        ip::SCTP => match payload.first_chunk::<12>() {
            Some(header) => {
                ports(parsed, [header[0], header[1], header[2], header[3]]);
                Ok(())
            }
            None => Err(ParseError::L4Truncated),
        },
        // Each family's own: the other's number is just an unknown protocol there.
        ip::ICMP if parsed.kind == Kind::V4 => match payload.first_chunk::<8>() {
            Some(header) => {
                icmp(parsed, header, matches!(header[0], 0 | 8));
                Ok(())
            }
            None => Err(ParseError::L4Truncated),
        },
        ip::ICMPV6 if parsed.kind == Kind::V6 => icmpv6(parsed, payload),
        _ => Ok(()),
    };
    match good {
        // RFC 7112 for IPv6, RFC 1858 for IPv4: the first fragment has the headers, all of them.
        Err(_) if parsed.flags.contains(Flags::FRAGMENT_FIRST) => Err(ParseError::TinyFragment),
        good => good,
    }
}

#[inline(always)]
fn tcp(parsed: &mut Parsed, payload: &[u8]) -> Result<(), ParseError> {
    let Some(header) = payload.first_chunk::<20>() else {
        return Err(ParseError::L4Truncated);
    };
    let len = usize::from(header[12] >> 4) * 4;
    if len < 20 || len > payload.len() {
        return Err(ParseError::TcpDataOffset);
    }
    ports(parsed, [header[0], header[1], header[2], header[3]]);
    parsed.tcp_flags = header[13];
    Ok(())
}

#[inline(always)]
fn udp(parsed: &mut Parsed, payload: &[u8]) -> Result<(), ParseError> {
    let Some(header) = payload.first_chunk::<8>() else {
        return Err(ParseError::L4Truncated);
    };
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // A first fragment's datagram ends in a later one. Bytes behind the UDP length are allowed (RFC 9868).
    if len < 8 || (len > payload.len() && !parsed.flags.contains(Flags::FRAGMENT_FIRST)) {
        return Err(ParseError::UdpLength);
    }
    ports(parsed, [header[0], header[1], header[2], header[3]]);
    Ok(())
}

fn icmpv6(parsed: &mut Parsed, payload: &[u8]) -> Result<(), ParseError> {
    let Some(header) = payload.first_chunk::<4>() else {
        return Err(ParseError::L4Truncated);
    };
    let mut start = [0; 8];
    start[..4].copy_from_slice(header);
    let echo = matches!(header[0], 128 | 129);
    if echo {
        start = *payload.first_chunk::<8>().ok_or(ParseError::L4Truncated)?;
    }
    icmp(parsed, &start, echo);
    Ok(())
}

#[inline(always)]
fn icmp(parsed: &mut Parsed, header: &[u8; 8], echo: bool) {
    parsed.sport = u16::from_be_bytes([header[0], header[1]]);
    if echo {
        parsed.dport = u16::from_be_bytes([header[4], header[5]]);
    }
}

#[inline(always)]
fn ports(parsed: &mut Parsed, [a, b, c, d]: [u8; 4]) {
    parsed.sport = u16::from_be_bytes([a, b]);
    parsed.dport = u16::from_be_bytes([c, d]);
}

/// Notes what a fragment field says: `offset` in units of eight bytes, whether more follow, `len` bytes of payload here.
/// `parsed.proto` is what the fragment carries.
pub(super) fn note_fragment(
    parsed: &mut Parsed,
    offset: u16,
    more: bool,
    len: usize,
) -> Result<(), ParseError> {
    if offset == 0 && !more {
        return Ok(());
    }
    let start = usize::from(offset) * 8;
    if len == 0 || (more && !len.is_multiple_of(8)) || start + len > usize::from(u16::MAX) {
        return Err(ParseError::BadFragment);
    }
    parsed.frag_off = start as u16;
    if offset == 0 {
        parsed.flags |= Flags::FRAGMENT_FIRST;
        return Ok(());
    }
    // No path has an MTU that makes eight bytes a fragment; it is there to overwrite ports and flags on reassembly.
    if start == 8 || start < fixed_header(parsed.proto) {
        return Err(ParseError::OverlappingFragment);
    }
    parsed.flags |= Flags::FRAGMENT_LATER;
    Ok(())
}
