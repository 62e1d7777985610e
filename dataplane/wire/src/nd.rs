//! Neighbour discovery (RFC 4861): the messages a gateway answers or sends for its own addresses.

use crate::checksum;
use crate::ethernet::{self, MacAddr};
use crate::icmpv6;
use crate::ipv6::{self, Ipv6};
use crate::parse::{Flags, Kind, Parsed, v6_addrs};
use crate::protocol::{ethertype, ip};
use crate::transport;

/// Hop limit of every message: one that crossed a router cannot have it (RFC 4861 section 3.1).
pub const HOP_LIMIT: u8 = 255;
/// Length of a solicitation or advertisement without options.
pub const NEIGHBOR: usize = 24;
/// The all-nodes group, `ff02::1`.
pub const ALL_NODES: u128 = 0xff02_0000_0000_0000_0000_0000_0000_0001;

const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;

/// A valid neighbour solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Who asks; 0, the unspecified address, in duplicate address detection.
    pub src: u128,
    /// Whose link address is asked for.
    pub target: u128,
    /// The asker's link address, where the option is there.
    pub src_mac: Option<MacAddr>,
}

/// Reads and validates a neighbour solicitation (RFC 4861 section 7.1.1): hop limit, checksum, code, lengths, target,
/// options. `None` for any other packet and for an invalid one, which is to be dropped silently.
pub fn solicitation(frame: &[u8], parsed: &Parsed) -> Option<Solicitation> {
    let message = parsed.l4_bytes(frame);
    let valid = parsed.kind == Kind::V6
        && parsed.proto == ip::ICMPV6
        && parsed.sport == u16::from(icmpv6::NEIGHBOR_SOLICITATION) << 8
        && !parsed.flags.contains(Flags::V6_EXT)
        && parsed.ttl == HOP_LIMIT
        && transport::checksum_ok(frame, parsed);
    let (fixed, options) = message.split_first_chunk::<NEIGHBOR>().filter(|_| valid)?;
    let (src, dst) = v6_addrs(frame, parsed);
    let [_, _, _, _, _, _, _, _, target @ ..] = *fixed;
    let target = u128::from_be_bytes(target);
    let src_mac = link_address(options, SOURCE_LINK_ADDRESS)?;
    let detection = src == 0 && (dst != ipv6::solicited_node(target) || src_mac.is_some());
    if target >> 120 == 0xff || detection {
        return None;
    }
    Some(Solicitation { src, target, src_mac })
}

/// The last link address option of type `wanted`; the outer `None` where an option is empty or runs past the end.
/// A message has at most an MTU of options of eight bytes or more.
fn link_address(mut options: &[u8], wanted: u8) -> Option<Option<MacAddr>> {
    let mut found = None;
    while !options.is_empty() {
        let start = options.first_chunk::<8>()?;
        let len = usize::from(start[1]) * 8;
        if len == 0 {
            return None;
        }
        if start[0] == wanted && len == 8 {
            let [_, _, mac @ ..] = *start;
            found = Some(MacAddr(mac));
        }
        options = options.get(len..)?;
    }
    Some(found)
}

/// The IPv6 packet of an advertisement that `target` is at `mac`: from `target`, sent by a router, overriding what the
/// receiver had cached. `solicited` where it answers one asker, whose address `dst` then is.
pub fn advertisement(mac: MacAddr, target: u128, dst: u128, solicited: bool) -> [u8; 72] {
    const ROUTER: u8 = 0x80;
    const SOLICITED: u8 = 0x40;
    const OVERRIDE: u8 = 0x20;
    let flags = ROUTER | OVERRIDE | if solicited { SOLICITED } else { 0 };
    message(icmpv6::NEIGHBOR_ADVERTISEMENT, flags, target, dst, target, TARGET_LINK_ADDRESS, mac)
}

/// A frame that tells the link that `target` is at `mac`, unasked (RFC 4861 section 7.2.6).
pub fn announcement(mac: MacAddr, target: u128) -> [u8; 86] {
    frame(mac, ALL_NODES, &advertisement(mac, target, ALL_NODES, false))
}

/// A frame that asks who has `target`.
pub fn solicitation_frame(mac: MacAddr, src: u128, target: u128) -> [u8; 86] {
    let dst = ipv6::solicited_node(target);
    let packet = message(icmpv6::NEIGHBOR_SOLICITATION, 0, src, dst, target, SOURCE_LINK_ADDRESS, mac);
    frame(mac, dst, &packet)
}

fn message(kind: u8, flags: u8, src: u128, dst: u128, target: u128, option: u8, mac: MacAddr) -> [u8; 72] {
    let mut packet = [0; 72];
    packet[..40].copy_from_slice(&ipv6::header(src, dst, ip::ICMPV6, 0, HOP_LIMIT, 32));
    packet[40] = kind;
    packet[44] = flags;
    packet[48..64].copy_from_slice(&target.to_be_bytes());
    packet[64..66].copy_from_slice(&[option, 1]);
    packet[66..].copy_from_slice(&mac.0);
    let sum = checksum::pseudo_v6(src, dst, ip::ICMPV6, 32) + checksum::sum(&packet[40..]);
    packet[42..44].copy_from_slice(&checksum::finish(sum).to_be_bytes());
    packet
}

fn frame(src: MacAddr, group: u128, packet: &[u8; 72]) -> [u8; 86] {
    let mut frame = [0; 86];
    ethernet::set_macs(&mut frame, MacAddr::for_ipv6_multicast(group.into()), src);
    frame[12..14].copy_from_slice(&ethertype::IPV6.to_be_bytes());
    frame[14..].copy_from_slice(packet);
    frame
}

/// A neighbour advertisement's target, flags and link address, for tests of what was sent.
pub fn read_advertisement(packet: &[u8]) -> Option<(u128, u8, Option<MacAddr>)> {
    let ipv6 = Ipv6::new(packet)?;
    let (fixed, options) = packet.get(ipv6::HEADER..)?.split_first_chunk::<NEIGHBOR>()?;
    let [kind, 0, _, _, flags, _, _, _, target @ ..] = *fixed else {
        return None;
    };
    let ours = kind == icmpv6::NEIGHBOR_ADVERTISEMENT && ipv6.hop_limit() == HOP_LIMIT;
    let mac = link_address(options, TARGET_LINK_ADDRESS)?;
    ours.then_some((u128::from_be_bytes(target), flags, mac))
}
