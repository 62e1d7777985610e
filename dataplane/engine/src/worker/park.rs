//! Packets that wait for Linux to resolve their next hop.

use std::collections::VecDeque;
use std::net::IpAddr;

use arrayvec::ArrayVec;
use sluice_wire::PacketBuf;

use super::{Context, Worker};
use crate::drops::{DropReason, Event};
use crate::flow::FlowRef;
use crate::snapshot::{NextHop, Snapshot};
use crate::trace::Stage;
use crate::{BURST, Now, PortId, Sink};

use super::create::lookup;

/// Packets that wait at once. They hold buffers that receiving needs, so this is small against any pool.
const MOST: usize = 128;
/// Of them for one next hop: Linux itself queues as much per neighbour by default (`unres_qlen_bytes`, 101 packets).
const MOST_PER_HOP: usize = 16;
/// Milliseconds a packet waits at most: Linux gives up on a neighbour after three tries of a second.
const PATIENCE_MS: u64 = 3000;
/// Next hops to be asked for that are remembered at once.
const WANTED: usize = 64;

#[derive(Debug)]
struct Waiting<B> {
    packet: B,
    port: PortId,
    hop: (PortId, IpAddr),
    handed_over: bool,
    until: u64,
}

/// Waiting packets and the next hops they want.
#[derive(Debug)]
pub(super) struct Parked<B> {
    waiting: VecDeque<Waiting<B>>,
    wanted: ArrayVec<(PortId, IpAddr), WANTED>,
    /// New tables have come since the packets were last tried; of the same generation, where they hold news from Linux.
    renewed: bool,
    /// While a packet is tried again: until when it may go on waiting.
    deadline: Option<u64>,
}

impl<B> Default for Parked<B> {
    fn default() -> Self {
        Self {
            // All it will ever hold, so that waiting allocates nothing.
            waiting: VecDeque::with_capacity(MOST),
            wanted: ArrayVec::new(),
            renewed: false,
            deadline: None,
        }
    }
}

impl<B> Parked<B> {
    /// Whether nothing waits.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// New tables have come: waiting packets are tried again with the next tick.
    pub(super) fn renew(&mut self) {
        self.renewed = true;
    }

    /// Remembers that the address of this next hop is wanted.
    pub(super) fn want(&mut self, port: PortId, ip: IpAddr) {
        if !self.wanted.contains(&(port, ip)) {
            // Full: the next packet asks again.
            let _ = self.wanted.try_push((port, ip));
        }
    }
}

impl<B: PacketBuf> Worker<B> {
    /// A next hop whose address Linux should be asked to resolve.
    pub fn unresolved(&mut self) -> Option<(PortId, IpAddr)> {
        self.parked.wanted.pop()
    }

    /// Lets a packet of a known flow wait for the way it leaves by.
    pub(super) fn park(&mut self, packet: B, flow: FlowRef, cx: &Context<'_>) {
        let to = self.flows.tuple(flow, flow.direction().opposite()).src;
        match lookup(to, cx) {
            NextHop::Unresolved { port, ip } => self.park_for(packet, port, ip, cx),
            NextHop::NoRoute => self.drop_packet(packet, DropReason::NoRoute),
            NextHop::Adjacency(n) => {
                let adjacency = cx.snapshot.fib().adjacency(n);
                self.park_for(packet, adjacency.port, adjacency.next_hop, cx);
            }
        }
    }

    /// Lets a packet wait until `ip`, on `port`, is resolved.
    pub(super) fn park_for(&mut self, packet: B, port: PortId, ip: IpAddr, cx: &Context<'_>) {
        self.parked.want(port, ip);
        let hop = (port, ip);
        let same = self.parked.waiting.iter().filter(|w| w.hop == hop).count();
        if self.parked.waiting.len() >= MOST || same >= MOST_PER_HOP {
            return self.drop_packet(packet, DropReason::ParkFull);
        }
        if self.parked.deadline.is_none() {
            self.counters.add(Event::Parked, 1);
        }
        self.trace(Stage::Parked);
        let until = self.parked.deadline.unwrap_or(cx.now.0 + PATIENCE_MS);
        let handed_over = cx.handed_over;
        self.parked.waiting.push_back(Waiting { packet, port: cx.port, hop, handed_over, until });
    }

    /// Tries waiting packets again where a new snapshot came, and lets go of those that waited too long.
    pub(super) fn retry_parked(&mut self, snapshot: &Snapshot, now: Now, sink: &mut impl Sink<B>) {
        let overdue = self.parked.waiting.front().is_some_and(|first| first.until <= now.0);
        if !self.parked.renewed && !overdue {
            return;
        }
        self.parked.renewed = false;
        for _ in 0..self.parked.waiting.len() {
            let Some(waiting) = self.parked.waiting.pop_front() else { break };
            if waiting.until <= now.0 {
                self.drop_packet(waiting.packet, DropReason::NeighborUnresolved);
                continue;
            }
            let handed_over = waiting.handed_over;
            let cx = Context { handed_over, ..Context::of(snapshot, waiting.port, now) };
            self.parked.deadline = Some(waiting.until);
            let mut burst: ArrayVec<B, BURST> = ArrayVec::new();
            burst.push(waiting.packet);
            self.run(&cx, &mut burst, sink);
        }
        self.parked.deadline = None;
    }
}
