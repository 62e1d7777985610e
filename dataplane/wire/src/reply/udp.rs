//! Datagrams that answer datagrams.

use super::{Ends, NoReply, TTL};
use crate::buffer::PacketBuf;
use crate::checksum;
use crate::parse::{Flags, Kind, Parsed};
use crate::protocol::ip;
use crate::{ethernet, ipv4, ipv6};

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
    buf.truncate(usize::from(parsed.l4) + HEADER + length);
    turn(buf.data_mut(), parsed, |udp, datagram| {
        let pseudo = match ends {
            Ends::V4(src, dst) => checksum::pseudo_v4(src, dst, ip::UDP, datagram),
            Ends::V6(src, dst) => checksum::pseudo_v6(src, dst, ip::UDP, datagram.into()),
        };
        whole(udp, pseudo, datagram)
    })
}

/// As [`udp_reply`], for a question without options or extension headers that went from one host to one host, and whose
/// checksum is right. The frame ends where the answer does. `gone` and `come` are the sums of the words that are in the question
/// alone and in the answer alone, read with the lowest byte first, UDP's length in both headers included: its checksum follows
/// from the question's.
///
/// # Errors
/// The frame is not the one that was parsed.
#[inline(always)]
pub fn udp_reply_changed(frame: &mut [u8], parsed: &Parsed, (gone, come): (u32, u32)) -> Result<(), NoReply> {
    turn(
        frame,
        parsed,
        #[inline(always)]
        |udp, datagram| match udp {
            // Without a checksum over IPv4.
            [_, _, _, _, _, _, 0, 0, ..] => {
                let pseudo = checksum::pseudo_v4(parsed.src, parsed.dst, ip::UDP, datagram);
                whole(udp, pseudo, datagram)
            }
            // Ends that changed places are the same sum.
            [_, _, _, _, _, _, high, low, ..] => {
                checksum::replaced_udp(u16::from_le_bytes([*high, *low]), gone, come).swap_bytes()
            }
            _ => 0,
        },
    )
}

/// The checksum of a datagram whose header is still the question's.
#[inline(never)]
fn whole(udp: &mut [u8], pseudo: u32, datagram: u16) -> u16 {
    let [_, _, _, _, a, b, c, d, ..] = udp else { return 0 };
    [*a, *b] = datagram.to_be_bytes();
    [*c, *d] = [0; 2];
    checksum::finish_udp(pseudo + checksum::sum(udp))
}

/// Exchanges both ends in all headers, and renews the rest of them. `checksum` gets the datagram, with the question's checksum
/// in it, and its length.
#[inline(always)]
fn turn(
    frame: &mut [u8],
    parsed: &Parsed,
    checksum: impl FnOnce(&mut [u8], u16) -> u16,
) -> Result<(), NoReply> {
    let length = frame.len().wrapping_sub(usize::from(parsed.l4));
    let datagram = u16::try_from(length).map_err(|_| NoReply::NoRoom)?;
    ethernet::swap_macs(frame);
    let packet = frame.get_mut(usize::from(parsed.l3)..).unwrap_or_default();
    let udp = match parsed.kind {
        Kind::V4 => {
            let Some((head, udp)) = packet.split_first_chunk_mut() else { return Err(NoReply::NoRoom) };
            ipv4::turn(head, ip::UDP, TTL, datagram);
            udp
        }
        _ => {
            let Some((head, udp)) = packet.split_first_chunk_mut() else { return Err(NoReply::NoRoom) };
            ipv6::turn(head, ip::UDP, TTL, datagram);
            udp
        }
    };
    let sum = checksum(udp, datagram).to_be_bytes();
    let Some(header) = udp.first_chunk_mut::<HEADER>() else { return Err(NoReply::NoRoom) };
    let [a, b, c, d, ..] = *header;
    let [high, low] = datagram.to_be_bytes();
    *header = [c, d, a, b, high, low, sum[0], sum[1]];
    Ok(())
}
