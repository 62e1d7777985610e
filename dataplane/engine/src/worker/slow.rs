//! Packets that are no plain packets of a known flow: sorted here, handled in the modules beside this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sluice_model::FrontendKind;
use sluice_wire::PacketBuf;
use sluice_wire::parse::{Flags, Kind, Parsed, parse, v6_addrs};

use super::ingress::is_ingress;
use super::{Context, Worker, drop_reason};
use crate::choice::frontend_of;
use crate::drops::DropReason;
use crate::punt::PuntClass;
use crate::snapshot::{AddressClass, Hit};
use crate::{Sink, Tuple};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;

impl<B: PacketBuf> Worker<B> {
    /// Sorts a packet that is not known to belong to a flow.
    #[inline(never)]
    pub(super) fn slow(&mut self, mut packet: B, parsed: Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        let mut parsed = parsed;
        if parsed.flags.contains(Flags::VLAN) {
            if parsed.vlan != 0 {
                // A VLAN is an interface of Linux's, if it is anything.
                return self.punt(packet, &parsed, false, cx, sink);
            }
            match strip_priority_tag(&mut packet, &parsed) {
                Ok(untagged) => parsed = untagged,
                Err(reason) => return self.drop_packet(packet, reason),
            }
        }
        match parsed.kind {
            Kind::Arp => return self.arp(packet, &parsed, cx, sink),
            Kind::Other => return self.punt(packet, &parsed, false, cx, sink),
            Kind::V4 | Kind::V6 => {}
        }
        if parsed.proto == ICMPV6 && parsed.kind == Kind::V6 && !parsed.is_fragment() {
            return self.icmp(packet, &parsed, cx, sink);
        }
        if parsed.flags.contains(Flags::MULTICAST_L2) {
            return self.punt(packet, &parsed, true, cx, sink);
        }
        if parsed.flags.contains(Flags::FRAGMENT_LATER) {
            return self.later_fragment(packet, &parsed, cx, sink);
        }
        match parsed.proto {
            6 | 17 | 132 => {
                let tuple = tuple_of(packet.data(), &parsed);
                match self.flows.find(&tuple) {
                    Some(flow) => self.cold(packet, &parsed, flow, cx, sink),
                    None => self.no_flow(packet, &parsed, tuple, cx, sink),
                }
            }
            ICMP if parsed.kind == Kind::V4 && !parsed.is_fragment() => self.icmp(packet, &parsed, cx, sink),
            _ => self.not_balanced(packet, &parsed, cx, sink),
        }
    }

    /// A plain packet for which [`Worker::fast4`] and its like found no flow.
    #[inline(never)]
    pub(super) fn missed(&mut self, packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        let tuple = tuple_of(packet.data(), parsed);
        self.no_flow(packet, parsed, tuple, cx, sink);
    }

    /// TCP, UDP or SCTP of no known flow.
    fn no_flow(
        &mut self,
        packet: B,
        parsed: &Parsed,
        tuple: Tuple,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let mut packet = packet;
        if parsed.dport == cx.snapshot.dns().port() {
            match self.slow_dns(packet, parsed, cx, sink) {
                Some(other) => packet = other,
                None => return,
            }
        }
        if cx.ingress && is_ingress(&tuple, cx) {
            return self.ingress(packet, parsed, cx, sink);
        }
        // The fragments of a datagram have met here, wherever its flow belongs.
        if self.is_shared(cx) && !parsed.is_fragment() {
            match self.keep(packet, parsed, cx, sink) {
                Some(kept) => packet = kept,
                None => return,
            }
        }
        // Whoever may write Services may write externalIPs: not the addresses by which the gateway itself is administered.
        let taken = |hit: &Hit| {
            hit.kind == FrontendKind::ExternalIp
                && matches!(cx.snapshot.address(tuple.dst), AddressClass::Own(_))
        };
        if let Some(hit) = frontend_of(cx.snapshot, &tuple).filter(|hit| !taken(hit)) {
            return self.create(packet, parsed, tuple, hit, cx, sink);
        }
        self.note_punted(packet.data(), parsed, None, cx);
        match cx.snapshot.address(tuple.dst) {
            AddressClass::Own(_) => self.punt(packet, parsed, true, cx, sink),
            // DNS over TLS and HTTPS.
            AddressClass::Vip if parsed.proto == TCP && cx.snapshot.dns().secure(tuple.dst, parsed.dport) => {
                self.punt_as(packet, PuntClass::Resolver, cx, sink);
            }
            // A service address, but a port nobody serves.
            AddressClass::Vip => self.refuse(packet, parsed, cx, sink),
            AddressClass::ServiceRange => self.drop_packet(packet, DropReason::UnallocatedService),
            AddressClass::Other => self.punt(packet, parsed, false, cx, sink),
        }
    }

    /// An IP packet of a protocol that no Service has.
    pub(super) fn not_balanced(
        &mut self,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        self.note_punted(packet.data(), parsed, None, cx);
        match cx.snapshot.address(destination(packet.data(), parsed)) {
            AddressClass::Own(_) => self.punt(packet, parsed, true, cx, sink),
            AddressClass::Vip | AddressClass::ServiceRange => {
                self.drop_packet(packet, DropReason::UnallocatedService);
            }
            AddressClass::Other => self.punt(packet, parsed, false, cx, sink),
        }
    }
}

/// Source and destination of an IP packet.
pub(super) fn tuple_of(frame: &[u8], parsed: &Parsed) -> Tuple {
    let (src, dst) = addresses_of(frame, parsed);
    Tuple { src, dst, sport: parsed.sport, dport: parsed.dport, protocol: parsed.proto }
}

/// Both addresses of an IP packet.
pub(super) fn addresses_of(frame: &[u8], parsed: &Parsed) -> (IpAddr, IpAddr) {
    if parsed.kind == Kind::V6 {
        let (src, dst) = v6_addrs(frame, parsed);
        (Ipv6Addr::from_bits(src).into(), Ipv6Addr::from_bits(dst).into())
    } else {
        (Ipv4Addr::from_bits(parsed.src).into(), Ipv4Addr::from_bits(parsed.dst).into())
    }
}

/// The destination of an IP packet.
pub(super) fn destination(frame: &[u8], parsed: &Parsed) -> IpAddr {
    addresses_of(frame, parsed).1
}

/// Takes 802.1Q tags that carry no VLAN (IEEE 802.1Q, priority tags) off the frame.
fn strip_priority_tag<B: PacketBuf>(packet: &mut B, parsed: &Parsed) -> Result<Parsed, DropReason> {
    let tags = usize::from(parsed.l3).saturating_sub(14);
    let frame = packet.data_mut();
    if frame.len() < 12 + tags {
        return Err(DropReason::Truncated);
    }
    frame.copy_within(0..12, tags);
    if !packet.trim_front(tags) {
        return Err(DropReason::Truncated);
    }
    parse(packet.data()).map_err(drop_reason)
}
