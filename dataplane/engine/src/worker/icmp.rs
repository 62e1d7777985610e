//! ICMP and ICMPv6: errors about flows, echo requests to frontends, neighbour discovery for them.

use std::net::{IpAddr, Ipv4Addr};

use sluice_wire::parse::{Kind, Parsed};
use sluice_wire::{PacketBuf, icmp, icmpv6};

use sluice_wire::checksum::Delta;
use sluice_wire::quote::Quote;

use super::ingress::is_ingress;
use super::slow::{addresses_of, destination};
use super::{Context, Worker};
use crate::choice::bits;
use crate::drops::{DropReason, Event};
use crate::flow::FlowRef;
use crate::nat::rewrite::{addresses4, addresses6, deltas4, deltas6};
use crate::snapshot::AddressClass;
use crate::trace::Stage;
use crate::{Sink, Tuple};

const TCP: u8 = 6;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const NEIGHBOR_SOLICITATION: u8 = 135;

impl<B: PacketBuf> Worker<B> {
    /// An ICMP or ICMPv6 message that is no fragment.
    pub(super) fn icmp(&mut self, packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        if is_error(parsed) {
            return self.icmp_error(packet, parsed, cx, sink);
        }
        if parsed.kind == Kind::V6 && parsed.icmp_type() == NEIGHBOR_SOLICITATION {
            return self.neighbor_solicitation(packet, parsed, cx, sink);
        }
        let echo = if parsed.kind == Kind::V6 { ECHO_REQUEST_V6 } else { ECHO_REQUEST };
        match cx.snapshot.address(destination(packet.data(), parsed)) {
            AddressClass::Vip if parsed.icmp_type() == echo => self.echo(packet, parsed, cx, sink),
            AddressClass::Vip | AddressClass::ServiceRange => {
                self.drop_packet(packet, DropReason::UnallocatedService);
            }
            AddressClass::Own(_) => self.punt(packet, parsed, true, cx, sink),
            AddressClass::Other => self.punt(packet, parsed, false, cx, sink),
        }
    }

    fn icmp_error(&mut self, packet: B, parsed: &Parsed, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        // An error goes to who sent the packet it quotes (RFC 1122, section 3.2.2); any other is forged.
        let to = destination(packet.data(), parsed);
        if let Some(quote) = Quote::find(packet.data(), parsed).filter(|quote| quote.src == to) {
            // The quoted packet is one we sent; the flow is found by what its answer would look like.
            let answer = answer_to(&quote);
            if let Some(flow) = self.flows.find(&answer) {
                return self.translate_error(packet, parsed, &quote, flow, cx, sink);
            }
            // The proxy's sockets have to learn how large packets may be (RFC 1191, RFC 8201).
            if is_proxys(&answer, cx) {
                return self.punt(packet, parsed, true, cx, sink);
            }
        }
        match cx.snapshot.address(to) {
            AddressClass::Own(_) => self.punt(packet, parsed, true, cx, sink),
            AddressClass::Other => self.punt(packet, parsed, false, cx, sink),
            AddressClass::Vip | AddressClass::ServiceRange => {
                self.drop_packet(packet, DropReason::IcmpNoFlow)
            }
        }
    }

    /// Brings an error to the sender of the packet it is about, as an error about the packet it had sent.
    fn translate_error(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        quote: &Quote,
        flow: FlowRef,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        if parsed.ttl <= 1 {
            return self.drop_packet(packet, DropReason::TtlExceeded);
        }
        let direction = flow.direction();
        let received = self.flows.tuple(flow, direction);
        // What the sender had sent is what the other direction's packets look like when received.
        let inner = self.flows.tuple(flow, direction.opposite());
        let Some(adjacency) = self.adjacency_of(flow, cx) else {
            return self.park(packet, flow, cx);
        };
        let (src, dst) = addresses_of(packet.data(), parsed);
        // From the other end itself: the sender knows it by its translated address. Routers on the way keep theirs.
        let new_src = if src == received.src { inner.dst } else { src };
        let frame = packet.data_mut();
        let done = quote.rewrite(frame, parsed, (inner.src, inner.sport), (inner.dst, inner.dport))
            && outer(frame, parsed, &adjacency.header, (src, dst), (new_src, inner.src));
        if !done {
            return self.drop_packet(packet, DropReason::Malformed);
        }
        self.counters.add(Event::IcmpTranslated, 1);
        self.counters.add(Event::Transmitted, 1);
        self.trace(Stage::Transmitted { port: adjacency.port });
        sink.transmit(adjacency.port, packet);
    }
}

/// Whether packets like this are for TCP sockets of the proxy.
fn is_proxys(tuple: &Tuple, cx: &Context<'_>) -> bool {
    let dns = cx.snapshot.dns();
    let of_dns = dns.listens(tuple.dst, tuple.dport) || dns.secure(tuple.dst, tuple.dport);
    is_ingress(tuple, cx) || (tuple.protocol == TCP && of_dns)
}

/// What an answer to the quoted packet would look like.
pub(super) fn answer_to(quote: &Quote) -> Tuple {
    Tuple { src: quote.dst, dst: quote.src, sport: quote.dport, dport: quote.sport, protocol: quote.proto }
}

fn is_error(parsed: &Parsed) -> bool {
    if parsed.kind == Kind::V6 {
        icmpv6::is_error(parsed.icmp_type())
    } else {
        icmp::is_error(parsed.icmp_type())
    }
}

/// Rewrites the error's own addresses; an ICMPv6 checksum follows them.
fn outer(
    frame: &mut [u8],
    parsed: &Parsed,
    ethernet: &[u8; 12],
    from: (IpAddr, IpAddr),
    to: (IpAddr, IpAddr),
) -> bool {
    match (from, to) {
        ((IpAddr::V4(src), IpAddr::V4(dst)), (IpAddr::V4(new_src), IpAddr::V4(new_dst))) => {
            let both = |a: Ipv4Addr, b: Ipv4Addr| u64::from(a.to_bits()) << 32 | u64::from(b.to_bits());
            let l3 = deltas4(both(src, dst), 0, both(new_src, new_dst), 0).l3;
            addresses4(frame, parsed, ethernet, both(new_src, new_dst), l3)
        }
        _ => {
            let (old, new) = ([bits(from.0), bits(from.1)], [bits(to.0), bits(to.1)]);
            let change: Delta = deltas6(old, 0, new, 0).l4;
            let message = parsed.l4_bytes_mut(frame);
            let Some(head) = message.first_chunk_mut::<4>() else { return false };
            let fixed = change.apply(u16::from_be_bytes([head[2], head[3]]));
            head[2..].copy_from_slice(&fixed.to_be_bytes());
            addresses6(frame, parsed, ethernet, new)
        }
    }
}
