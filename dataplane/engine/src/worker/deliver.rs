//! Where packets end up: dropped and counted, given to Linux, or recorded for a trace on the way.

use sluice_wire::PacketBuf;
use sluice_wire::parse::{Kind, Parsed};

use super::slow::addresses_of;
use super::{Context, Worker};
use crate::Sink;
use crate::drops::{DropReason, Event};
use crate::punt::{PuntClass, classify};
use crate::trace::Stage;

const UDP: u8 = 17;

impl<B: PacketBuf> Worker<B> {
    /// Drops a packet under its reason's name.
    #[inline]
    pub(super) fn drop_packet(&mut self, packet: B, reason: DropReason) {
        self.counters.dropped(reason);
        self.trace(Stage::Dropped(reason));
        drop(packet);
    }

    /// Drops a frame that the parser or the port refuses.
    #[inline(never)]
    pub(super) fn refuse_frame(&mut self, packet: B, reason: DropReason, cx: &Context<'_>) {
        if let Some(tracer) = &mut self.tracer {
            tracer.begin_unparsed(cx.now, self.config.lcore, cx.port);
        }
        self.drop_packet(packet, reason);
    }

    /// Gives a packet to Linux, within its class's limit. `own` says that it is for an address of the gateway itself.
    pub(super) fn punt(
        &mut self,
        packet: B,
        parsed: &Parsed,
        own: bool,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        // Linux routes IPv6 packets that come from its own addresses: on its way out one would pass for the resolver's answer,
        // and be kept.
        if parsed.proto == UDP && resolver_sends(packet.data(), parsed, cx) {
            return self.drop_packet(packet, DropReason::SpoofedSource);
        }
        self.punt_as(packet, classify(parsed, own), cx, sink);
    }

    /// Gives a packet to Linux, within this class's limit.
    pub(super) fn punt_as(&mut self, packet: B, class: PuntClass, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        if !self.punts.admit(class, cx.now) {
            return self.drop_packet(packet, DropReason::PuntLimited);
        }
        self.counters.add(Event::Punted, 1);
        self.trace(Stage::Punted(class));
        sink.punt(cx.port, packet);
    }

    /// Sends a packet back out of the port it came from.
    #[inline]
    pub(super) fn answer(&mut self, packet: B, event: Event, cx: &Context<'_>, sink: &mut impl Sink<B>) {
        self.counters.add(event, 1);
        self.counters.add(Event::Transmitted, 1);
        if event != Event::Refused {
            self.trace(Stage::Answered);
        }
        self.trace(Stage::Transmitted { port: cx.port });
        sink.transmit(cx.port, packet);
    }

    /// Records a stage of the packet being worked on, if it is traced.
    #[inline(always)]
    pub(super) fn trace(&mut self, stage: Stage) {
        if let Some(tracer) = &mut self.tracer {
            tracer.stage(stage);
        }
    }

    /// A new packet is being worked on: records it if it matches.
    pub(super) fn trace_begin(&mut self, packet: &B, parsed: &Parsed, cx: &Context<'_>) {
        if let Some(tracer) = &mut self.tracer {
            let place = (cx.now, self.config.lcore, cx.port);
            let flows = &self.flows;
            tracer.begin(packet.data(), parsed, place, |tuple| Some(flows.find(tuple)?.direction()));
        }
    }

    /// The packet being worked on goes to another lcore.
    pub(super) fn trace_handed_over(&mut self, owner: u16) {
        self.trace(Stage::HandedOver { lcore: owner });
    }
}

/// Whether a datagram comes from where answers to queries come from, as far as a fragment shows it.
fn resolver_sends(frame: &[u8], parsed: &Parsed, cx: &Context<'_>) -> bool {
    let zones = cx.snapshot.dns();
    let port = if parsed.is_fragment() { zones.port() } else { parsed.sport };
    matches!(parsed.kind, Kind::V4 | Kind::V6) && zones.listens(addresses_of(frame, parsed).0, port)
}
