//! ICMP and ICMPv6 errors (RFC 1812 section 4.3.2, RFC 4443 section 2.4).

use std::net::IpAddr;

use super::{Ends, NoReply, TTL};
use crate::buffer::PacketBuf;
use crate::checksum;
use crate::ethernet::swap_macs;
use crate::parse::{Flags, Kind, Parsed};
use crate::protocol::ip;
use crate::{icmp, icmpv6, ipv4, ipv6};

/// Longest IPv4 packet that an error makes, so that it reaches everybody whole (RFC 1812 section 4.3.2.3).
const MAX_V4: usize = 576;
/// Network control precedence, which errors are sent with (RFC 1812 section 4.3.2.5).
const TOS: u8 = 0xc0;

/// What to tell the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The host does not answer on its link.
    Host,
    /// No route.
    Net,
    /// A policy forbids it.
    AdminProhibited,
    /// Larger than the next link's MTU, in bytes: IPv4 "fragmentation needed", IPv6 "packet too big".
    TooBig {
        /// The MTU; for IPv6 at least 1280, for IPv4 at most 65,535.
        mtu: u32,
    },
    /// TTL or hop limit ran out in transit.
    TimeExceeded,
}

impl Unreachable {
    /// Type, code and bytes 4 to 7 of the message.
    fn header(self, kind: Kind) -> (u8, u8, [u8; 4]) {
        use icmp::unreachable as v4;
        use icmpv6::unreachable as v6;
        if kind == Kind::V4 {
            let (code, rest) = match self {
                Self::Port => (v4::PORT, 0),
                Self::Host => (v4::HOST, 0),
                Self::Net => (v4::NET, 0),
                Self::AdminProhibited => (v4::ADMINISTRATIVELY_PROHIBITED, 0),
                Self::TooBig { mtu } => (v4::FRAGMENTATION_NEEDED, mtu.min(u32::from(u16::MAX))),
                Self::TimeExceeded => return (icmp::TIME_EXCEEDED, 0, [0; 4]),
            };
            return (icmp::UNREACHABLE, code, rest.to_be_bytes());
        }
        let code = match self {
            Self::Port => v6::PORT,
            Self::Host => v6::ADDRESS,
            Self::Net => v6::NO_ROUTE,
            Self::AdminProhibited => v6::ADMINISTRATIVELY_PROHIBITED,
            Self::TooBig { mtu } => {
                return (icmpv6::PACKET_TOO_BIG, 0, mtu.max(ipv6::MIN_MTU as u32).to_be_bytes());
            }
            Self::TimeExceeded => return (icmpv6::TIME_EXCEEDED, 0, [0; 4]),
        };
        (icmpv6::UNREACHABLE, code, [0; 4])
    }
}

/// Turns a packet into the ICMP or ICMPv6 error `why` about it, quoting as much of it as may be; from `source`, or from
/// the packet's destination where that is `None`. The packet must not have been translated yet.
///
/// # Errors
/// Never answers ICMP errors and redirects, later fragments, nor what did not go from one host to one host.
pub fn icmp_unreachable<B: PacketBuf>(
    buf: &mut B,
    parsed: &Parsed,
    why: Unreachable,
    source: Option<IpAddr>,
) -> Result<(), NoReply> {
    let ends = Ends::of_unicast(buf.data(), parsed)?;
    if parsed.flags.contains(Flags::FRAGMENT_LATER) {
        return Err(NoReply::Fragment);
    }
    let is_error = match (parsed.kind, parsed.proto) {
        (Kind::V4, ip::ICMP) => icmp::is_error(parsed.icmp_type()),
        (Kind::V6, ip::ICMPV6) => icmpv6::is_error(parsed.icmp_type()),
        _ => false,
    };
    if is_error {
        return Err(NoReply::IsError);
    }
    let (kind, code, rest) = why.header(parsed.kind);
    let message = [kind, code, 0, 0, rest[0], rest[1], rest[2], rest[3]];
    match (ends, source) {
        (Ends::V4(src, dst), None | Some(IpAddr::V4(_))) => {
            let from = match source {
                Some(IpAddr::V4(source)) => source.to_bits(),
                _ => dst,
            };
            let quoted = make_room(buf, parsed, ipv4::HEADER + icmp::HEADER, MAX_V4)?;
            let header = ipv4::header(from, src, ip::ICMP, TOS, TTL, icmp::HEADER + quoted);
            finish(buf, parsed, &header, message, 0)
        }
        (Ends::V6(src, dst), None | Some(IpAddr::V6(_))) => {
            let from = match source {
                Some(IpAddr::V6(source)) => source.to_bits(),
                _ => dst,
            };
            let quoted = make_room(buf, parsed, ipv6::HEADER + icmpv6::HEADER, ipv6::MIN_MTU)?;
            let len = icmpv6::HEADER + quoted;
            let header = ipv6::header(from, src, ip::ICMPV6, TOS, TTL, len);
            finish(buf, parsed, &header, message, checksum::pseudo_v6(from, src, ip::ICMPV6, len as u32))
        }
        _ => Err(NoReply::WrongFamily),
    }
}

/// Cuts the IP packet down to what fits `limit` behind `headers` bytes, and opens a gap of that size between the
/// Ethernet header and it. Gives the length of the quote.
fn make_room<B: PacketBuf>(
    buf: &mut B,
    parsed: &Parsed,
    headers: usize,
    limit: usize,
) -> Result<usize, NoReply> {
    let (l3, end) = (usize::from(parsed.l3), usize::from(parsed.end));
    let quoted = end.saturating_sub(l3).min(limit - headers);
    if buf.data().len() < l3 + quoted {
        return Err(NoReply::Invalid);
    }
    if buf.prepend(headers) {
        buf.truncate(headers + l3 + quoted);
        buf.data_mut().copy_within(headers..headers + l3, 0);
        return Ok(quoted);
    }
    // No headroom: move the quote instead of the Ethernet header. What is cut off makes room at the end too.
    let wanted = headers + l3 + quoted;
    let len = buf.data().len();
    if len < wanted && !buf.append(wanted - len) {
        return Err(NoReply::NoRoom);
    }
    buf.truncate(wanted);
    buf.data_mut().copy_within(l3..l3 + quoted, l3 + headers);
    Ok(quoted)
}

/// Writes the headers into the gap, and the message's checksum, to whose sum the pseudo header adds `pseudo`.
fn finish<B: PacketBuf>(
    buf: &mut B,
    parsed: &Parsed,
    header: &[u8],
    mut message: [u8; icmp::HEADER],
    pseudo: u32,
) -> Result<(), NoReply> {
    let frame = buf.data_mut();
    swap_macs(frame);
    let packet = frame.get_mut(usize::from(parsed.l3)..).unwrap_or_default();
    let (ip_header, rest) = packet.split_at_mut_checked(header.len()).ok_or(NoReply::NoRoom)?;
    let (icmp_header, quote) = rest.split_first_chunk_mut::<{ icmp::HEADER }>().ok_or(NoReply::NoRoom)?;
    ip_header.copy_from_slice(header);
    let sum = pseudo + checksum::sum(&message) + checksum::sum(quote);
    message[2..4].copy_from_slice(&checksum::finish(sum).to_be_bytes());
    *icmp_header = message;
    Ok(())
}
