//! Answers made in the buffer of the packet they answer: refusals, errors, echoes, ARP and neighbour replies.
//!
//! Every function turns the frame round: MAC addresses exchanged, VLAN tags kept, the IP header new. They change
//! the buffer only when they succeed (but for padding, which may be cut off), allocate nothing, and refuse to answer
//! what must not be answered, so that two machines never argue for ever and nobody's flood is amplified. How often they
//! may be called is the caller's to limit.

mod echo;
mod icmp;
mod neighbor;
mod tcp;
mod udp;

pub use echo::echo_reply;
pub use icmp::{Unreachable, icmp_unreachable};
pub use neighbor::{arp_reply, neighbor_advertisement};
pub use tcp::tcp_reset;
pub use udp::{udp_reply, udp_reply_changed};

use crate::buffer::PacketBuf;
use crate::ethernet::swap_macs;
use crate::parse::{self, Flags, Kind, Parsed, v6_addrs};
use crate::protocol::ip;

/// TTL and hop limit of what is made here.
pub const TTL: u8 = 64;

/// Why a packet is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoReply {
    /// Not the kind of packet this answers.
    WrongKind,
    /// A reset, an ICMP error or a redirect: those are never answered.
    IsError,
    /// A fragment, which does not show what it takes to answer.
    Fragment,
    /// Sent to a group or to everybody, or from an address that is no single host's.
    NotUnicast,
    /// Invalid in a way that is to be ignored silently.
    Invalid,
    /// The given source address is of the other IP version.
    WrongFamily,
    /// The buffer has no room for the answer.
    NoRoom,
}

impl std::fmt::Display for NoReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WrongKind => "not the kind of packet that is answered so",
            Self::IsError => "an error, a reset or a redirect is never answered",
            Self::Fragment => "a fragment cannot be answered",
            Self::NotUnicast => "not from one host to one host",
            Self::Invalid => "invalid, to be ignored",
            Self::WrongFamily => "the source given is of the other IP version",
            Self::NoRoom => "no room in the buffer",
        })
    }
}

impl std::error::Error for NoReply {}

/// Source and destination of the packet to be answered, as they are in it.
#[derive(Clone, Copy)]
enum Ends {
    V4(u32, u32),
    V6(u128, u128),
}

impl Ends {
    /// The ends of an IP packet from one host to one host.
    fn of_unicast(frame: &[u8], parsed: &Parsed) -> Result<Self, NoReply> {
        if parsed.flags.contains(Flags::MULTICAST_L2) {
            return Err(NoReply::NotUnicast);
        }
        let (ends, unicast) = match parsed.kind {
            // The parser has seen to the source. The destination becomes one, and has to be as good.
            Kind::V4 => (Self::V4(parsed.src, parsed.dst), !parse::v4_is_martian(parsed.dst)),
            Kind::V6 => {
                let (src, dst) = v6_addrs(frame, parsed);
                (Self::V6(src, dst), src != 0 && !parse::v6_is_martian(dst, ip::NO_NEXT))
            }
            Kind::Arp | Kind::Other => return Err(NoReply::WrongKind),
        };
        if unicast { Ok(ends) } else { Err(NoReply::NotUnicast) }
    }
}

/// Replaces everything behind the Ethernet header and its tags by `packet`, and turns the frame round.
fn send_back<B: PacketBuf>(buf: &mut B, parsed: &Parsed, packet: &[u8]) -> Result<(), NoReply> {
    let l3 = usize::from(parsed.l3);
    let wanted = l3 + packet.len();
    let len = buf.data().len();
    if len < wanted && !buf.append(wanted - len) {
        return Err(NoReply::NoRoom);
    }
    buf.truncate(wanted);
    match buf.data_mut().get_mut(l3..) {
        Some(room) if room.len() == packet.len() => room.copy_from_slice(packet),
        _ => return Err(NoReply::NoRoom),
    }
    swap_macs(buf.data_mut());
    Ok(())
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
