//! Datagrams that answer datagrams.

use super::{Ends, NoReply, TTL};
use crate::buffer::PacketBuf;
use crate::checksum;
use crate::ethernet::swap_macs;
use crate::parse::{Flags, Parsed};
use crate::protocol::ip;
use crate::{ipv4, ipv6};

/// Bytes of a UDP header.
const HEADER: usize = 8;

/// Turns the frame of a datagram round. The answer's payload, of `length` bytes, has been written in the place of the
/// question's.
///
/// # Errors
/// Answers no fragments, no IPv4 options, no IPv6 extension headers, and nothing that did not go from one host to one host.
#[inline]
pub fn udp_reply<B: PacketBuf>(buf: &mut B, parsed: &Parsed, length: usize) -> Result<(), NoReply> {
    const UNUSUAL: Flags =
        Flags::V4_OPTIONS.union(Flags::V6_EXT).union(Flags::FRAGMENT_FIRST).union(Flags::FRAGMENT_LATER);
    if parsed.proto != ip::UDP || parsed.flags.intersects(UNUSUAL) {
        return Err(NoReply::WrongKind);
    }
    let ends = Ends::of_unicast(buf.data(), parsed)?;
    let (l3, l4) = (usize::from(parsed.l3), usize::from(parsed.l4));
    let datagram = HEADER + length;
    buf.truncate(l4 + datagram);
    let frame = buf.data_mut();
    if frame.len() != l4 + datagram || datagram > usize::from(u16::MAX) {
        return Err(NoReply::NoRoom);
    }
    swap_macs(frame);
    let pseudo = match ends {
        Ends::V4(src, dst) => {
            let header = ipv4::header(dst, src, ip::UDP, 0, TTL, datagram);
            if let Some(place) = frame.get_mut(l3..l4) {
                place.copy_from_slice(&header);
            }
            checksum::pseudo_v4(dst, src, ip::UDP, datagram as u16)
        }
        Ends::V6(src, dst) => {
            let header = ipv6::header(dst, src, ip::UDP, 0, TTL, datagram);
            if let Some(place) = frame.get_mut(l3..l4) {
                place.copy_from_slice(&header);
            }
            checksum::pseudo_v6(dst, src, ip::UDP, datagram as u32)
        }
    };
    let udp = frame.get_mut(l4..).unwrap_or_default();
    let Some(header) = udp.first_chunk_mut::<HEADER>() else { return Err(NoReply::NoRoom) };
    let [sport, dport] = [parsed.dport.to_be_bytes(), parsed.sport.to_be_bytes()];
    let len = (datagram as u16).to_be_bytes();
    *header = [sport[0], sport[1], dport[0], dport[1], len[0], len[1], 0, 0];
    let sum = checksum::finish_udp(pseudo + checksum::sum(udp)).to_be_bytes();
    if let Some(header) = udp.first_chunk_mut::<HEADER>() {
        [header[6], header[7]] = sum;
    }
    Ok(())
}
