//! Answers the gateway gives itself, built in the packet they answer and sent back the way it came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sluice_wire::ethernet::MacAddr;
use sluice_wire::parse::{Kind, Parsed};
use sluice_wire::reply::{self, Unreachable};
use sluice_wire::{PacketBuf, tcp};

use super::{Context, Worker};
use crate::drops::{DropReason, Event};
use crate::snapshot::AddressClass;
use crate::trace::Stage;
use crate::{PortId, Sink};

const TCP: u8 = 6;

impl<B: PacketBuf> Worker<B> {
    /// Tells a client at once that nobody serves it: TCP by a reset, others by ICMP port unreachable.
    pub(super) fn refuse(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        if !self.replies.take(cx.now) {
            return self.drop_packet(packet, DropReason::ReplyLimited);
        }
        let built = if parsed.proto == TCP && !parsed.is_fragment() {
            reply::tcp_reset(&mut packet, parsed)
        } else {
            // From the address that was asked for, so that the client's socket learns of it.
            reply::icmp_unreachable(&mut packet, parsed, Unreachable::Port, None)
        };
        match built {
            Ok(()) => {
                self.trace(Stage::Refused);
                self.answer(packet, Event::Refused, cx, sink);
            }
            Err(_) => self.drop_packet(packet, DropReason::NoEndpoint),
        }
    }

    /// Tells the sender that the packet had travelled too far.
    pub(super) fn ttl_exceeded(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        self.counters.dropped(DropReason::TtlExceeded);
        self.trace(Stage::Dropped(DropReason::TtlExceeded));
        let Some(source) = own_address(parsed, cx) else { return };
        if self.replies.take(cx.now)
            && reply::icmp_unreachable(&mut packet, parsed, Unreachable::TimeExceeded, Some(source)).is_ok()
        {
            self.answer(packet, Event::IcmpSent, cx, sink);
        }
    }

    /// Tells the sender the largest packet that fits the way ahead.
    pub(super) fn too_big(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        mtu: u16,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        self.counters.dropped(DropReason::TooBig);
        self.trace(Stage::Dropped(DropReason::TooBig));
        let Some(source) = own_address(parsed, cx) else { return };
        let why = Unreachable::TooBig { mtu: mtu.into() };
        if self.replies.take(cx.now)
            && reply::icmp_unreachable(&mut packet, parsed, why, Some(source)).is_ok()
        {
            self.answer(packet, Event::IcmpSent, cx, sink);
        }
    }

    /// Answers an echo request to a frontend's address.
    pub(super) fn echo(&mut self, mut packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        if !self.replies.take(cx.now) {
            return self.drop_packet(packet, DropReason::ReplyLimited);
        }
        match reply::echo_reply(&mut packet, parsed) {
            Ok(()) => self.answer(packet, Event::EchoReplies, cx, sink),
            Err(_) => self.drop_packet(packet, DropReason::Malformed),
        }
    }

    /// ARP: requests for frontends are answered here, everything else is Linux's.
    pub(super) fn arp(&mut self, mut packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        const REQUEST: u16 = 1;
        let target = IpAddr::V4(Ipv4Addr::from_bits(parsed.dst));
        let for_frontend = parsed.sport == REQUEST && cx.snapshot.address(target) == AddressClass::Vip;
        let Some(mac) = mac_of(cx.port, cx).filter(|_| for_frontend) else {
            return self.punt(packet, parsed, false, cx, sink);
        };
        match reply::arp_reply(&mut packet, mac) {
            Ok(()) => self.answer(packet, Event::NeighborReplies, cx, sink),
            Err(_) => self.drop_packet(packet, DropReason::Malformed),
        }
    }

    /// Neighbour solicitations (RFC 4861) for frontends are answered here, others are Linux's.
    pub(super) fn neighbor_solicitation(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let message = parsed.l4_bytes(packet.data());
        let target = message.get(8..).and_then(|m| m.first_chunk::<16>()).map(|b| Ipv6Addr::from(*b));
        let for_frontend = target.is_some_and(|ip| cx.snapshot.address(ip.into()) == AddressClass::Vip);
        let Some(mac) = mac_of(cx.port, cx).filter(|_| for_frontend) else {
            return self.punt(packet, parsed, false, cx, sink);
        };
        match reply::neighbor_advertisement(&mut packet, parsed, mac) {
            Ok(()) => self.answer(packet, Event::NeighborReplies, cx, sink),
            Err(_) => self.drop_packet(packet, DropReason::Malformed),
        }
    }

    /// Lowers the MSS of a TCP handshake where the settings ask for it.
    pub(super) fn clamp_mss(&mut self, packet: &mut B, parsed: &Parsed, cx: &Context<'_>) {
        const SYN: u8 = 2;
        if let Some(most) = cx.snapshot.settings().mss_clamp
            && parsed.proto == TCP
            && parsed.tcp_flags & SYN != 0
        {
            tcp::clamp_mss(parsed.l4_bytes_mut(packet.data_mut()), most);
        }
    }
}

/// An address of the gateway's on the receiving port, of the packet's family: the source of its ICMP errors.
fn own_address(parsed: &Parsed, cx: &Context<'_>) -> Option<IpAddr> {
    let v6 = parsed.kind == Kind::V6;
    cx.snapshot.snat_addresses(v6, cx.port).first().copied()
}

fn mac_of(port: PortId, cx: &Context<'_>) -> Option<MacAddr> {
    cx.snapshot.fib().port(port).map(|info| MacAddr(info.mac))
}
