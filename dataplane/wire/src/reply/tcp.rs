//! Resets (RFC 9293 section 3.10.7.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Ends, NoReply, TTL, send_back};
use crate::buffer::PacketBuf;
use crate::parse::{Flags, Parsed};
use crate::protocol::ip;
use crate::tcp::{ACK, FIN, HEADER, RST, SYN, Tcp};
use crate::{ipv4, ipv6, transport};

/// Turns a TCP segment into the reset that a closed port answers it with: from the segment's destination, its ports
/// exchanged, in sequence for the sender.
///
/// # Errors
/// Does not answer a reset, a fragment (but for one that has an acknowledgement number and its header), nor what did
/// not go from one host to one host.
pub fn tcp_reset<B: PacketBuf>(buf: &mut B, parsed: &Parsed) -> Result<(), NoReply> {
    if parsed.proto != ip::TCP {
        return Err(NoReply::WrongKind);
    }
    if parsed.flags.contains(Flags::FRAGMENT_LATER) {
        return Err(NoReply::Fragment);
    }
    let segment = parsed.l4_bytes(buf.data());
    let tcp = Tcp::new(segment).ok_or(NoReply::Invalid)?;
    let flags = tcp.flags();
    if flags & RST != 0 {
        return Err(NoReply::IsError);
    }
    let (seq, ack, answer) = if flags & ACK != 0 {
        (tcp.ack(), 0, RST)
    } else {
        if parsed.is_fragment() {
            return Err(NoReply::Fragment);
        }
        let data = (segment.len() - tcp.header_len()) as u32;
        let controls = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        (0, tcp.seq().wrapping_add(data).wrapping_add(controls), RST | ACK)
    };
    let mut reset = [0; HEADER];
    reset[..2].copy_from_slice(&tcp.dport().to_be_bytes());
    reset[2..4].copy_from_slice(&tcp.sport().to_be_bytes());
    reset[4..8].copy_from_slice(&seq.to_be_bytes());
    reset[8..12].copy_from_slice(&ack.to_be_bytes());
    reset[12] = 5 << 4;
    reset[13] = answer;

    match Ends::of_unicast(buf.data(), parsed)? {
        Ends::V4(src, dst) => {
            let (from, to) = (Ipv4Addr::from(dst).into(), Ipv4Addr::from(src).into());
            transport::set_checksum_between(from, to, ip::TCP, &mut reset);
            let mut packet = [0; ipv4::HEADER + HEADER];
            packet[..ipv4::HEADER].copy_from_slice(&ipv4::header(dst, src, ip::TCP, 0, TTL, HEADER));
            packet[ipv4::HEADER..].copy_from_slice(&reset);
            send_back(buf, parsed, &packet)
        }
        Ends::V6(src, dst) => {
            let (from, to) = (Ipv6Addr::from(dst).into(), Ipv6Addr::from(src).into());
            transport::set_checksum_between(from, to, ip::TCP, &mut reset);
            let mut packet = [0; ipv6::HEADER + HEADER];
            packet[..ipv6::HEADER].copy_from_slice(&ipv6::header(dst, src, ip::TCP, 0, TTL, HEADER));
            packet[ipv6::HEADER..].copy_from_slice(&reset);
            send_back(buf, parsed, &packet)
        }
    }
}
