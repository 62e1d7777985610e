//! Flows whose service or routes changed since their last packet, and the state their packets bring them to.

use sluice_model::{Empty, Scope};
use sluice_wire::PacketBuf;
use sluice_wire::parse::Parsed;

use super::create::{NO_ADJACENCY, lookup};
use super::{Context, Worker};
use crate::choice::source_allowed;
use crate::drops::{DropReason, Event};
use crate::flow::entry::{FLAG_EXTERNAL, FLAG_FROM_CLUSTER, NO_SLOT};
use crate::flow::state::{State, tcp};
use crate::flow::{Class, Direction, FlowRef};
use crate::snapshot::{Adjacency, Hit, NextHop};

const TCP: u8 = 6;
const SCTP: u8 = 132;
/// Epoch of a flow whose service is gone: never a service's, so each of its packets is checked again.
const NO_EPOCH: u32 = u32::MAX;

/// What becomes of a flow after a check.
pub(super) enum Verdict {
    /// It goes on.
    Keep,
    /// It ends, and the packet may start another one.
    New,
    /// It ends, and the packet with it.
    End(DropReason),
    /// It goes on, without this packet.
    DropOnly(DropReason),
}

/// Whether a TCP packet is a client's first, or its repetition.
fn opens(parsed: &Parsed, flow: FlowRef) -> bool {
    parsed.tcp_flags & (tcp::SYN | tcp::FIN | tcp::RST | tcp::ACK) == tcp::SYN
        && flow.direction() == Direction::Forward
}

impl<B: PacketBuf> Worker<B> {
    /// Checks a flow against the snapshot before another of its packets is translated.
    pub(super) fn revalidate(&mut self, flow: FlowRef, parsed: &Parsed, cx: &Context<'_>) -> Verdict {
        if self.is_shared(cx) && self.is_left_behind(flow, cx) {
            return Verdict::New;
        }
        let entry = self.flows.entry(flow);
        let mut reopens = false;
        if parsed.proto == TCP {
            let control = parsed.tcp_flags & (tcp::SYN | tcp::FIN | tcp::RST | tcp::ACK);
            if control == 0 || (control & tcp::SYN != 0 && control & (tcp::FIN | tcp::RST) != 0) {
                // Not the flow's end: anyone could forge such a packet.
                return Verdict::DropOnly(DropReason::BadTcpFlags);
            }
            // The client's port comes round again: a new connection, for which the endpoint must be a valid choice. The
            // tuple towards it is kept where it is one, as the endpoint can tell the two connections apart by it.
            reopens = opens(parsed, flow) && State::from_byte(entry.state).is_some_and(State::is_closed);
        }
        if !reopens && entry.epoch == cx.snapshot.epoch(entry.slot) && entry.slot != NO_SLOT {
            return Verdict::Keep;
        }
        self.counters.add(Event::Revalidated, 1);
        // A connection belongs to its two ends: only they end it, even if it is still being set up. While its endpoint
        // has not answered the client may be sent to another one, by the client's own repetition and nothing else: any
        // other packet would meet an endpoint that knows nothing of the connection.
        let state = State::from_byte(entry.state).unwrap_or(State::OneWay);
        let connected = match parsed.proto {
            TCP => !reopens && (state != State::SynSent || !opens(parsed, flow)),
            _ => state.class() == Class::Established || state.is_closed(),
        };
        self.check_service(flow, connected, cx)
    }

    /// Whether a flow's connection has ended, and its client's next one is another lcore's, since the service changed in what
    /// says whose its connections are.
    fn is_left_behind(&self, flow: FlowRef, cx: &Context<'_>) -> bool {
        let state = State::from_byte(self.flows.entry(flow).state);
        flow.direction() == Direction::Forward
            && state.is_some_and(State::is_closed)
            && self.owner_of(&self.flows.tuple(flow, Direction::Forward), cx) != self.config.lcore
    }

    fn check_service(&mut self, flow: FlowRef, connected: bool, cx: &Context<'_>) -> Verdict {
        let forward = self.flows.tuple(flow, Direction::Forward);
        let backend = self.flows.tuple(flow, Direction::Reverse);
        let backend = std::net::SocketAddr::new(backend.src, backend.sport);
        let entry = self.flows.entry_mut(flow);
        let hit: Option<Hit> = match forward.dst {
            std::net::IpAddr::V4(ip) => cx.snapshot.frontend4(forward.protocol, ip.to_bits(), forward.dport),
            std::net::IpAddr::V6(ip) => cx.snapshot.frontend6(forward.protocol, ip.to_bits(), forward.dport),
        };
        let Some((hit, service)) = hit.and_then(|hit| Some((hit, cx.snapshot.service_port(hit.slot)?)))
        else {
            (entry.slot, entry.epoch) = (NO_SLOT, NO_EPOCH);
            return if connected { Verdict::Keep } else { Verdict::New };
        };
        let scope = match entry.flags & (FLAG_EXTERNAL | FLAG_FROM_CLUSTER) {
            FLAG_EXTERNAL => Scope::External,
            FLAG_FROM_CLUSTER => Scope::ExternalFromCluster,
            _ => Scope::Internal,
        };
        if !source_allowed(service, hit, scope, forward.src) {
            return Verdict::End(DropReason::SourceRange);
        }
        let set = service.set(forward.is_v6(), scope);
        let valid = set.by_address(backend).is_some() || (forward.protocol != TCP && service.serves(backend));
        if valid || connected {
            entry.slot = hit.slot;
            // An endpoint that is gone and has not answered yet: the client's next SYN is to be checked again.
            let settled = valid || entry.state != State::SynSent as u8;
            entry.epoch = if settled { cx.snapshot.epoch(hit.slot) } else { NO_EPOCH };
            return Verdict::Keep;
        }
        match (set.empty(), flow.direction()) {
            // The endpoint it came from is gone, and with it the flow.
            (_, Direction::Reverse) => Verdict::End(DropReason::FlowEnded),
            (Some(Empty::Drop), _) => Verdict::End(DropReason::NoLocalEndpoint),
            (Some(Empty::Refuse), _) => Verdict::End(DropReason::NoEndpoint),
            (None, _) => {
                self.counters.add(Event::FlowsMoved, 1);
                Verdict::New
            }
        }
    }

    /// Moves the flow's state on by a packet that is about to be translated.
    pub(super) fn follow_state(&mut self, flow: FlowRef, frame: &[u8], parsed: &Parsed, cx: &Context<'_>) {
        let entry = self.flows.entry(flow);
        let Some(state) = State::from_byte(entry.state) else { return };
        let direction = flow.direction();
        if direction == Direction::Reverse && !self.may_answer(flow, cx) {
            return;
        }
        let entry = self.flows.entry(flow);
        let next = match parsed.proto {
            TCP => {
                let segment = parsed.l4_bytes(frame);
                let number = |at: usize| {
                    segment.get(at..).and_then(|s| s.first_chunk::<4>()).map_or(0, |b| u32::from_be_bytes(*b))
                };
                let completes = parsed.tcp_flags & tcp::ACK != 0 && number(8) as u16 == entry.handshake;
                let next = state.after_tcp(direction, parsed.tcp_flags, completes);
                if next == State::SynReceived && direction == Direction::Reverse {
                    self.flows.entry_mut(flow).handshake = number(4).wrapping_add(1) as u16;
                }
                next
            }
            SCTP => {
                let chunk = parsed.l4_bytes(frame).get(12).copied().unwrap_or(0);
                state.after_sctp(direction, chunk)
            }
            _ => state.after_datagram(direction),
        };
        if next != state {
            // Ageing starts from this packet.
            let tick = Self::tick_of(cx);
            self.flows.entry_mut(flow).last_seen = tick;
            self.flows.set_state(flow, next);
        }
    }

    /// Whether a packet that looks like the backend's came from where the backend may be: anywhere but the side that only
    /// the client is on, from where anyone can forge it.
    fn may_answer(&self, flow: FlowRef, cx: &Context<'_>) -> bool {
        let entry = self.flows.entry(flow);
        let [backend, client] = entry.adjacency;
        let port = |n| cx.snapshot.fib().adjacency(n).port;
        client == NO_ADJACENCY
            || entry.fib_epoch != cx.snapshot.fib().epoch()
            || cx.port != port(client)
            || port(backend) == port(client)
    }

    /// The adjacency for packets of this direction, looked up anew where routes changed. `None` where the next hop's
    /// address is not resolved: resolution is asked for.
    pub(super) fn adjacency_of<'s>(&mut self, flow: FlowRef, cx: &Context<'s>) -> Option<&'s Adjacency> {
        let fib = cx.snapshot.fib();
        let d = flow.direction() as usize;
        let entry = self.flows.entry_mut(flow);
        if entry.fib_epoch != fib.epoch() {
            // Numbers may mean other next hops now, in both directions.
            entry.adjacency = [NO_ADJACENCY; 2];
            entry.fib_epoch = fib.epoch();
        }
        if entry.adjacency[d] == NO_ADJACENCY {
            let to = self.flows.tuple(flow, flow.direction().opposite()).src;
            match lookup(to, cx) {
                NextHop::Adjacency(n) => self.flows.entry_mut(flow).adjacency[d] = n,
                NextHop::Unresolved { port, ip } => {
                    self.parked.want(port, ip);
                    return None;
                }
                NextHop::NoRoute => return None,
            }
        }
        let adjacency = fib.adjacency(self.flows.entry(flow).adjacency[d]);
        if !adjacency.resolved {
            self.parked.want(adjacency.port, adjacency.next_hop);
            return None;
        }
        Some(adjacency)
    }
}
