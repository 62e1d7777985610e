//! Fragmented datagrams: only the first fragment has ports, the later ones follow it.
//!
//! With several lcores all fragments of a datagram first meet on one, its home, by a hash of addresses and
//! identification. The home learns from the first fragment which lcore owns the flow, and passes the others on there.

use std::net::IpAddr;

use sluice_wire::PacketBuf;
use sluice_wire::parse::{Flags, Parsed};

use super::hit::deltas_for;
use super::slow::{addresses_of, tuple_of};
use super::{Context, Worker};
use crate::choice::bits;
use crate::drops::{DropReason, Event};
use crate::flow::{Class, FlowRef, HashKeys};
use crate::fragment::{FragmentKey, FragmentTable, Waiting};
use crate::nat::rewrite::{addresses4, addresses6};
use crate::punt::PuntClass;
use crate::snapshot::AddressClass;
use crate::trace::Stage;
use crate::{Now, Sink};

/// Where the later fragments of a datagram go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// As the first did: with this flow.
    Flow(FlowRef),
    /// To the lcore that owns the flow.
    Lcore(u16),
    /// To Linux, of a class that not every fragment shows.
    Punt(Option<PuntClass>),
}

/// Datagrams followed, and later fragments that came before their first.
#[derive(Debug)]
pub(super) struct Fragments<B> {
    table: FragmentTable<Route>,
    waiting: Waiting<B>,
}

impl<B> Fragments<B> {
    pub(super) fn new(capacity: u32, keys: HashKeys) -> Self {
        Self { table: FragmentTable::new(capacity, keys), waiting: Waiting::new() }
    }
}

impl<B: PacketBuf> Worker<B> {
    /// On the home of a fragmented datagram: passes fragments whose flow another lcore owns on to it. Gives back those
    /// that are to be worked on here.
    pub(super) fn at_home(
        &mut self,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) -> Option<B> {
        let key = key_of(packet.data(), parsed);
        if parsed.flags.contains(Flags::FRAGMENT_FIRST) {
            let owner = self.owner_of(&tuple_of(packet.data(), parsed), cx);
            if owner == self.config.lcore {
                return Some(packet);
            }
            self.fragments.table.first(key, Route::Lcore(owner), cx.now);
            self.pass_on(owner, packet, cx, sink);
            while let Some((port, later)) = self.fragments.waiting.take(&key) {
                self.counters.add(Event::HandedOver, 1);
                sink.hand_over(owner, port, later);
            }
            return None;
        }
        match self.fragments.table.later(&key, cx.now) {
            Some(Route::Lcore(owner)) => {
                self.pass_on(owner, packet, cx, sink);
                None
            }
            _ => Some(packet),
        }
    }

    /// To another lcore.
    pub(super) fn pass_on(&mut self, owner: u16, packet: B, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        self.counters.add(Event::HandedOver, 1);
        self.trace_handed_over(owner);
        sink.hand_over(owner, cx.port, packet);
    }

    /// A fragment without ports.
    pub(super) fn later_fragment(
        &mut self,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let (_, dst) = addresses_of(packet.data(), parsed);
        if !self.may_be_ours(dst, cx) {
            return self.punt(packet, parsed, false, cx, sink);
        }
        let key = key_of(packet.data(), parsed);
        match self.fragments.table.later(&key, cx.now) {
            Some(Route::Flow(flow)) => self.translate_fragment(packet, parsed, flow, cx, sink),
            Some(Route::Lcore(owner)) => self.pass_on(owner, packet, cx, sink),
            Some(Route::Punt(Some(class))) => self.punt_as(packet, class, cx, sink),
            Some(Route::Punt(None)) => self.punt(packet, parsed, true, cx, sink),
            None => {
                self.trace(Stage::Parked);
                if let Err(packet) = self.fragments.waiting.hold(key, cx.port, packet, cx.now) {
                    self.drop_packet(packet, DropReason::FragmentWaitFull);
                }
            }
        }
    }

    /// Whether a datagram to `dst` can belong to a flow: it goes to a frontend or one of our source addresses, or to a
    /// client whose address is preserved, which is everyone.
    fn may_be_ours(&self, dst: IpAddr, cx: &Context<'_>) -> bool {
        !matches!(cx.snapshot.address(dst), AddressClass::Other) || cx.snapshot.preserves_clients()
    }

    /// Remembers where the first fragment of a datagram went.
    pub(super) fn note_fragment(&mut self, flow: FlowRef, frame: &[u8], parsed: &Parsed, cx: &Context<'_>) {
        if parsed.flags.contains(Flags::FRAGMENT_FIRST) {
            self.fragments.table.first(key_of(frame, parsed), Route::Flow(flow), cx.now);
        }
    }

    /// The first fragment of a datagram for Linux: the later ones follow it.
    pub(super) fn note_punted(
        &mut self,
        frame: &[u8],
        parsed: &Parsed,
        class: Option<PuntClass>,
        cx: &Context<'_>,
    ) {
        if parsed.flags.contains(Flags::FRAGMENT_FIRST) {
            self.fragments.table.first(key_of(frame, parsed), Route::Punt(class), cx.now);
        }
    }

    /// Translates the later fragments that came before the first, which `key` describes as it was received.
    pub(super) fn release_fragments(&mut self, key: FragmentKey, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        while let Some((port, packet)) = self.fragments.waiting.take(&key) {
            let Ok(parsed) = sluice_wire::parse::parse(packet.data()) else { continue };
            let cx = Context { port, ..*cx };
            self.later_fragment(packet, &parsed, &cx, sink);
        }
    }

    fn translate_fragment(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        flow: FlowRef,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let direction = flow.direction();
        let (src, dst) = addresses_of(packet.data(), parsed);
        let as_received = self.flows.tuple(flow, direction);
        // The flow may have ended and its entry serve another one since the first fragment.
        if self.flows.entry(flow).class() == Class::Free || (as_received.src, as_received.dst) != (src, dst) {
            return self.drop_packet(packet, DropReason::FragmentOrphan);
        }
        if parsed.ttl <= 1 {
            // RFC 792: only the first fragment is answered.
            return self.drop_packet(packet, DropReason::TtlExceeded);
        }
        let Some(adjacency) = self.adjacency_of(flow, cx) else {
            return self.park(packet, flow, cx);
        };
        if parsed.end - u16::from(parsed.l3) > adjacency.mtu {
            return self.drop_packet(packet, DropReason::TooBig);
        }
        let to = self.flows.tuple(flow, direction.opposite()).reversed();
        let done = match (to.src, to.dst) {
            (IpAddr::V4(new_src), IpAddr::V4(new_dst)) => {
                let both = u64::from(new_src.to_bits()) << 32 | u64::from(new_dst.to_bits());
                let l3 = deltas_for(self.flows.entry(flow).l3_delta, 0, direction).l3;
                addresses4(packet.data_mut(), parsed, &adjacency.header, both, l3)
            }
            _ => addresses6(packet.data_mut(), parsed, &adjacency.header, [bits(to.src), bits(to.dst)]),
        };
        if !done {
            return self.drop_packet(packet, DropReason::Malformed);
        }
        self.flows.entry_mut(flow).last_seen = Self::tick_of(cx);
        self.counters.add(Event::Fragments, 1);
        self.counters.add(Event::Transmitted, 1);
        self.trace(Stage::Transmitted { port: adjacency.port });
        sink.transmit(adjacency.port, packet);
    }

    /// Lets go of later fragments whose first one does not come.
    pub(super) fn expire_fragments(&mut self, now: Now) {
        while let Some(packet) = self.fragments.waiting.expired(now) {
            self.drop_packet(packet, DropReason::FragmentOrphan);
        }
    }
}

/// What all fragments of a datagram have in common.
pub(super) fn key_of(frame: &[u8], parsed: &Parsed) -> FragmentKey {
    let (src, dst) = addresses_of(frame, parsed);
    FragmentKey::new(src, dst, parsed.frag_id, parsed.proto)
}
