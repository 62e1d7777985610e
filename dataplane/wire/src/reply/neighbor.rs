//! Answers to "who has this address": ARP (RFC 826) and neighbour discovery (RFC 4861).

use super::{NoReply, send_back};
use crate::arp::{self, Arp};
use crate::buffer::PacketBuf;
use crate::ethernet::{self, Ethernet, MacAddr, set_macs};
use crate::nd;
use crate::parse::{Kind, Parsed};
use crate::protocol::ethertype;

/// Turns an ARP request into the reply that its target address is at `our_mac`. Whether the address is ours is for the
/// caller to know. Probes (RFC 5227), which have no sender address, are answered as well.
///
/// # Errors
/// Answers requests only, and only of senders whose MAC address is one station's.
pub fn arp_reply<B: PacketBuf>(buf: &mut B, our_mac: MacAddr) -> Result<(), NoReply> {
    let frame = buf.data();
    let (l3, kind) = ethernet::payload(frame).ok_or(NoReply::WrongKind)?;
    if kind != ethertype::ARP {
        return Err(NoReply::WrongKind);
    }
    let packet = frame.get(l3..).unwrap_or_default();
    let request = Arp::read(packet).filter(|arp| arp.operation == arp::REQUEST).ok_or(NoReply::WrongKind)?;
    // The frame's own source may differ from it, as with VRRP; the answer goes to the one in the packet.
    if !request.sender_mac.is_unicast() {
        return Err(NoReply::Invalid);
    }
    // A gratuitous request announces; there is nothing to answer.
    if request.sender_ip == request.target_ip {
        return Err(NoReply::WrongKind);
    }
    let reply = Arp {
        operation: arp::REPLY,
        sender_mac: our_mac,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
    };
    let parsed = Parsed { l3: l3 as u8, kind: Kind::Arp, ..Parsed::default() };
    send_back(buf, &parsed, &reply.to_bytes())?;
    set_macs(buf.data_mut(), request.sender_mac, our_mac);
    Ok(())
}

/// Turns a neighbour solicitation into the advertisement that its target is at `our_mac`. Whether the target is ours is
/// for the caller to know. Duplicate address detection, which has no source, is answered to all nodes.
///
/// # Errors
/// [`NoReply::Invalid`] for what is no solicitation or fails a check of RFC 4861 section 7.1.1; [`NoReply::NoRoom`].
pub fn neighbor_advertisement<B: PacketBuf>(
    buf: &mut B,
    parsed: &Parsed,
    our_mac: MacAddr,
) -> Result<(), NoReply> {
    let frame = buf.data();
    let asked = nd::solicitation(frame, parsed).ok_or(NoReply::Invalid)?;
    let sender = Ethernet::new(frame).map_or(MacAddr::ZERO, |header| header.src());
    let (dst, mac) = match asked.src {
        0 => (nd::ALL_NODES, MacAddr::for_ipv6_multicast(nd::ALL_NODES.into())),
        src => (src, asked.src_mac.unwrap_or(sender)),
    };
    if asked.src != 0 && !mac.is_unicast() {
        return Err(NoReply::Invalid);
    }
    send_back(buf, parsed, &nd::advertisement(our_mac, asked.target, dst, asked.src != 0))?;
    set_macs(buf.data_mut(), mac, our_mac);
    Ok(())
}
