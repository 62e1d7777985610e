//! Echo replies (RFC 792, RFC 4443 section 4.2).

use super::{Ends, NoReply, TTL};
use crate::buffer::PacketBuf;
use crate::checksum::Delta;
use crate::ethernet::swap_macs;
use crate::ipv4::Ipv4Mut;
use crate::ipv6::Ipv6Mut;
use crate::parse::{Flags, Kind, Parsed};
use crate::protocol::ip;
use crate::{icmp, icmpv6};

/// Turns an echo request into its reply, from the address it was sent to. A wrong checksum stays wrong, for the asker to
/// see.
///
/// # Errors
/// Answers no fragments, no IPv6 extension headers, and nothing that did not go from one host to one host.
pub fn echo_reply<B: PacketBuf>(buf: &mut B, parsed: &Parsed) -> Result<(), NoReply> {
    let (request, reply) = match (parsed.kind, parsed.proto) {
        (Kind::V4, ip::ICMP) => (icmp::ECHO, icmp::ECHO_REPLY),
        (Kind::V6, ip::ICMPV6) => (icmpv6::ECHO, icmpv6::ECHO_REPLY),
        _ => return Err(NoReply::WrongKind),
    };
    if parsed.is_fragment() {
        return Err(NoReply::Fragment);
    }
    // Code 0 is the only one there is.
    if parsed.sport != u16::from(request) << 8 || parsed.flags.contains(Flags::V6_EXT) {
        return Err(NoReply::WrongKind);
    }
    Ends::of_unicast(buf.data(), parsed)?;

    buf.truncate(usize::from(parsed.end));
    let frame = buf.data_mut();
    swap_macs(frame);
    let packet = frame.get_mut(usize::from(parsed.l3)..).unwrap_or_default();
    if parsed.kind == Kind::V4 {
        let mut header = Ipv4Mut::new(packet).ok_or(NoReply::Invalid)?;
        header.swap_addrs();
        header.set_ttl(TTL);
    } else {
        let mut header = Ipv6Mut::new(packet).ok_or(NoReply::Invalid)?;
        header.swap_addrs();
        header.set_hop_limit(TTL);
    }
    if let Some(message) = parsed.l4_bytes_mut(frame).first_chunk_mut::<4>() {
        let change = Delta::u16(u16::from(request) << 8, u16::from(reply) << 8);
        let fixed = change.apply(u16::from_be_bytes([message[2], message[3]]));
        message[0] = reply;
        message[2..].copy_from_slice(&fixed.to_be_bytes());
    }
    Ok(())
}
