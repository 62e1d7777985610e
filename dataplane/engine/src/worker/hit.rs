//! Packets of known flows: the way nearly all packets take.

use sluice_wire::PacketBuf;
use sluice_wire::checksum::Delta;
use sluice_wire::parse::{Parsed, v6_addrs};

use super::fragments::key_of;
use super::revalidate::Verdict;
use super::{Context, Worker, addresses4, ports};
use crate::drops::{DropReason, Event};
use crate::flow::state::State;
use crate::flow::{Direction, FlowRef};
use crate::nat::rewrite::{Deltas, rewrite4, rewrite6};
use crate::snapshot::Adjacency;
use crate::trace::Stage;
use crate::{PortId, Sink};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

impl<B: PacketBuf> Worker<B> {
    /// An unfragmented TCP, UDP or SCTP packet over IPv4.
    #[inline(always)]
    pub(super) fn fast4(
        &mut self,
        i: usize,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let (addresses, ports) = (addresses4(parsed), ports(parsed));
        let flow = match self.scratch.candidates[i] {
            Some(flow) if self.flows.is4(flow, addresses, ports, parsed.proto) => flow,
            _ => match self.flows.find4(self.scratch.hashes[i], addresses, ports, parsed.proto) {
                Some(flow) => flow,
                None => return self.missed(packet, parsed, cx, sink),
            },
        };
        let Some(adjacency) = self.hot(flow, parsed, cx) else {
            return self.cold(packet, parsed, flow, cx, sink);
        };
        let entry = self.flows.entry_mut(flow);
        let direction = flow.direction();
        let other = direction.opposite() as usize;
        let deltas = deltas_for(entry.l3_delta, entry.l4_delta, direction);
        // A packet leaves as the reverse of what the other direction's packets look like.
        let (to, to_ports) = (entry.addresses[other].rotate_left(32), entry.ports[other].rotate_left(16));
        if rewrite4(packet.data_mut(), parsed, &adjacency.header, to, to_ports, deltas) {
            self.sent(adjacency.port, packet, parsed, sink);
        } else {
            self.drop_packet(packet, DropReason::Malformed);
        }
    }

    /// As [`Worker::fast4`], over IPv6.
    #[inline(always)]
    pub(super) fn fast6(
        &mut self,
        i: usize,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let (src, dst) = v6_addrs(packet.data(), parsed);
        let ports = ports(parsed);
        let flow = match self.scratch.candidates[i] {
            Some(flow) if self.flows.is6(flow, src, dst, ports, parsed.proto) => flow,
            _ => match self.flows.find6(self.scratch.hashes[i], src, dst, ports, parsed.proto) {
                Some(flow) => flow,
                None => return self.missed(packet, parsed, cx, sink),
            },
        };
        let Some(adjacency) = self.hot(flow, parsed, cx) else {
            return self.cold(packet, parsed, flow, cx, sink);
        };
        let direction = flow.direction();
        let other = direction.opposite() as usize;
        let [src, dst] = self.flows.addresses6(flow).addresses[other];
        let entry = self.flows.entry(flow);
        let deltas = deltas_for(entry.l3_delta, entry.l4_delta, direction);
        let to_ports = entry.ports[other].rotate_left(16);
        if rewrite6(packet.data_mut(), parsed, &adjacency.header, [dst, src], to_ports, deltas.l4) {
            self.sent(adjacency.port, packet, parsed, sink);
        } else {
            self.drop_packet(packet, DropReason::Malformed);
        }
    }

    /// Where a packet of a flow leaves, if nothing about it needs a second look; the flow is refreshed.
    #[inline(always)]
    fn hot<'s>(&mut self, flow: FlowRef, parsed: &Parsed, cx: &Context<'s>) -> Option<&'s Adjacency> {
        let fib = cx.snapshot.fib();
        let entry = self.flows.entry_mut(flow);
        let direction = flow.direction();
        let current = (entry.epoch == cx.snapshot.epoch(entry.slot)) & (entry.fib_epoch == fib.epoch());
        let steady = match parsed.proto {
            TCP => State::is_steady(entry.state, parsed.tcp_flags),
            UDP => entry.state == State::BothWays as u8 || direction == Direction::Forward,
            _ => false,
        };
        let adjacency = fib.adjacency(entry.adjacency[direction as usize]);
        let fits = parsed.end - u16::from(parsed.l3) <= adjacency.mtu;
        if !(current & steady & fits & adjacency.resolved & (parsed.ttl > 1)) {
            return None;
        }
        entry.last_seen = Self::tick_of(cx);
        self.counters.add(Event::FlowHits, 1);
        Some(adjacency)
    }

    /// A packet of a known flow about which something is not as usual.
    #[inline(never)]
    pub(super) fn cold(
        &mut self,
        packet: B,
        parsed: &Parsed,
        flow: FlowRef,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        self.trace(Stage::FlowHit { reverse: flow.direction() == Direction::Reverse });
        match self.revalidate(flow, parsed, cx) {
            Verdict::Keep => {}
            Verdict::DropOnly(reason) => return self.drop_packet(packet, reason),
            Verdict::New => {
                self.flows.remove(flow);
                return self.slow(packet, *parsed, cx, sink);
            }
            Verdict::End(reason) => {
                self.flows.remove(flow);
                return match reason {
                    DropReason::NoEndpoint => self.slow(packet, *parsed, cx, sink),
                    reason => self.drop_packet(packet, reason),
                };
            }
        }
        self.follow_state(flow, packet.data(), parsed, cx);
        self.counters.add(Event::FlowHits, 1);
        let entry = self.flows.entry_mut(flow);
        entry.last_seen = Self::tick_of(cx);
        self.forward(packet, parsed, flow, cx, sink);
    }

    /// Translates a packet of a checked flow and sends it on, or says why not.
    pub(super) fn forward(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        flow: FlowRef,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let direction = flow.direction();
        let other = direction.opposite() as usize;
        if parsed.ttl <= 1 {
            return self.ttl_exceeded(packet, parsed, cx, sink);
        }
        if parsed.proto == SCTP && parsed.is_fragment() {
            // Its checksum depends on how much is to come.
            return self.drop_packet(packet, DropReason::BadFragment);
        }
        let Some(adjacency) = self.adjacency_of(flow, cx) else {
            return self.park(packet, flow, cx);
        };
        if parsed.end - u16::from(parsed.l3) > adjacency.mtu {
            return self.too_big(packet, parsed, adjacency.mtu, cx, sink);
        }
        let fragments = parsed.is_fragment().then(|| key_of(packet.data(), parsed));
        self.note_fragment(flow, packet.data(), parsed, cx);
        self.clamp_mss(&mut packet, parsed, cx);
        let entry = self.flows.entry(flow);
        let deltas = deltas_for(entry.l3_delta, entry.l4_delta, direction);
        let to_ports = entry.ports[other].rotate_left(16);
        let done = if entry.is_v6() {
            let [src, dst] = self.flows.addresses6(flow).addresses[other];
            rewrite6(packet.data_mut(), parsed, &adjacency.header, [dst, src], to_ports, deltas.l4)
        } else {
            let to = entry.addresses[other].rotate_left(32);
            rewrite4(packet.data_mut(), parsed, &adjacency.header, to, to_ports, deltas)
        };
        if !done {
            return self.drop_packet(packet, DropReason::Malformed);
        }
        self.trace(Stage::Rewritten);
        self.sent(adjacency.port, packet, parsed, sink);
        if let Some(key) = fragments {
            self.release_fragments(key, cx, sink);
        }
    }

    /// Counts and sends. Ethernet trailers are not ours to forward, but cutting them would cost every packet.
    #[inline(always)]
    fn sent(&mut self, port: PortId, packet: B, _parsed: &Parsed, sink: &mut impl Sink<B>) {
        self.counters.add(Event::Transmitted, 1);
        if self.tracer.is_some() {
            self.trace(Stage::Transmitted { port });
        }
        sink.transmit(port, packet);
    }
}

/// The checksum differences for packets of this direction.
#[inline(always)]
pub(super) fn deltas_for(l3: u16, l4: u16, direction: Direction) -> Deltas {
    // Ones' complement: the reverse change is the bitwise complement.
    let flip = if direction == Direction::Forward { 0 } else { 0xFFFF };
    Deltas { l3: Delta::from_bits(l3 ^ flip), l4: Delta::from_bits(l4 ^ flip) }
}
