//! New flows: policy, backend, source address and port, routes both ways.

use std::net::{IpAddr, SocketAddr};

use sluice_model::{Empty, Scope};
use sluice_wire::PacketBuf;
use sluice_wire::parse::Parsed;

use super::{Context, Worker};
use crate::choice::{bits, endpoint_of, next_hop, scope_of, source_allowed};
use crate::drops::{DropReason, Event};
use crate::flow::FlowRef;
use crate::flow::entry::{Entry, FLAG_EXTERNAL, FLAG_FROM_CLUSTER, FLAG_PRESERVED};
use crate::flow::state::{State, tcp};
use crate::flow::table::{InsertError, NewFlow};
use crate::nat::ports::{PortShare, TRIES};
use crate::nat::pressure::HARD;
use crate::nat::rewrite::{Deltas, deltas4, deltas6};
use crate::snapshot::{AddressClass, Hit, NextHop, ServicePortEntry};
use crate::trace::Stage;
use crate::{Sink, Tuple};

/// An adjacency that exists in no table: to be looked up when the first packet in that direction comes.
pub(super) const NO_ADJACENCY: u16 = u16::MAX;

/// Why no flow was made.
enum Failure {
    Drop(DropReason),
    /// Nobody to serve it: say so to the client.
    Refuse,
    /// The way to the backend has to be found first.
    Unresolved {
        port: crate::PortId,
        ip: IpAddr,
    },
}

impl<B: PacketBuf> Worker<B> {
    /// A packet to a frontend, of no known flow.
    pub(super) fn create(
        &mut self,
        packet: B,
        parsed: &Parsed,
        tuple: Tuple,
        hit: Hit,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        self.trace(Stage::Frontend { slot: hit.slot, kind: hit.kind });
        match self.try_create(parsed, tuple, hit, cx) {
            Ok(flow) => {
                self.counters.add(Event::FlowsCreated, 1);
                self.trace(Stage::NewFlow);
                self.forward(packet, parsed, flow, cx, sink);
            }
            Err(Failure::Drop(reason)) => self.drop_packet(packet, reason),
            Err(Failure::Refuse) => self.refuse(packet, parsed, cx, sink),
            Err(Failure::Unresolved { port, ip }) => self.park_for(packet, port, ip, cx),
        }
    }

    fn try_create(
        &mut self,
        parsed: &Parsed,
        tuple: Tuple,
        hit: Hit,
        cx: &Context<'_>,
    ) -> Result<FlowRef, Failure> {
        let snapshot = cx.snapshot;
        let Some(service) = snapshot.service_port(hit.slot) else {
            return Err(Failure::Drop(DropReason::NoEndpoint));
        };
        // The gateway's own addresses cannot be a client's: whoever sends from one wants replies to loop.
        if !matches!(snapshot.address(tuple.src), AddressClass::Other | AddressClass::ServiceRange) {
            return Err(Failure::Drop(DropReason::SpoofedSource));
        }
        let scope = scope_of(hit, tuple.src, cx.snapshot);
        if !source_allowed(service, hit, scope, tuple.src) {
            return Err(Failure::Drop(DropReason::SourceRange));
        }
        let set = service.set(tuple.is_v6(), scope);
        if let Some(empty) = set.empty() {
            return Err(match empty {
                Empty::Refuse => Failure::Refuse,
                Empty::Drop => Failure::Drop(DropReason::NoLocalEndpoint),
            });
        }
        let preserve = scope == Scope::External && service.preserve_client;
        if parsed.proto == 6 {
            opens(parsed.tcp_flags, preserve).map_err(Failure::Drop)?;
        }
        let Some(backend) = self.backend(service, tuple, scope, cx) else {
            return Err(Failure::Drop(DropReason::NoEndpoint));
        };
        self.trace(Stage::Backend { address: backend });
        let mut flags = match scope {
            Scope::Internal => 0,
            Scope::External => FLAG_EXTERNAL,
            Scope::ExternalFromCluster => FLAG_FROM_CLUSTER,
        };
        let out = match lookup(backend.ip(), cx) {
            NextHop::Adjacency(n) => n,
            NextHop::Unresolved { port, ip } => return Err(Failure::Unresolved { port, ip }),
            NextHop::NoRoute => return Err(Failure::Drop(DropReason::NoRoute)),
        };
        let back = match lookup(tuple.src, cx) {
            NextHop::Adjacency(n) => n,
            NextHop::Unresolved { port, ip } => {
                // Replies will need it soon; no reason to keep the client's packet waiting.
                self.parked.want(port, ip);
                NO_ADJACENCY
            }
            NextHop::NoRoute => return Err(Failure::Drop(DropReason::NoRoute)),
        };
        // A client that is its own backend would get its packet back from itself and not know it.
        let preserve = preserve && backend.ip() != tuple.src;
        if preserve {
            flags |= FLAG_PRESERVED;
        }
        let entry = Entry {
            flags,
            state: State::first(parsed.proto, parsed.tcp_flags) as u8,
            slot: hit.slot,
            epoch: snapshot.epoch(hit.slot),
            fib_epoch: snapshot.fib().epoch(),
            adjacency: [out, back],
            ..Entry::default()
        };
        if preserve {
            let reverse = Tuple {
                src: backend.ip(),
                dst: tuple.src,
                sport: backend.port(),
                dport: tuple.sport,
                protocol: tuple.protocol,
            };
            match self.enter(tuple, reverse, entry, cx) {
                Ok(flow) => return Ok(flow),
                Err(InsertError::Full) => return Err(Failure::Drop(DropReason::FlowTableFull)),
                // The client reaches the same endpoint from the same port through another frontend: only a translated
                // source keeps the two apart.
                Err(InsertError::Taken) => {}
            }
        }
        let entry = Entry { flags: flags & !FLAG_PRESERVED, ..entry };
        self.enter_translated(tuple, backend, entry, cx)
    }

    /// Makes the flow with a source address and port of the gateway's own.
    fn enter_translated(
        &mut self,
        tuple: Tuple,
        backend: SocketAddr,
        entry: Entry,
        cx: &Context<'_>,
    ) -> Result<FlowRef, Failure> {
        let egress = cx.snapshot.fib().adjacency(entry.adjacency[0]).port;
        let addresses = cx.snapshot.snat_addresses(tuple.is_v6(), egress);
        if addresses.is_empty() {
            return Err(Failure::Drop(DropReason::NoSnatAddress));
        }
        let settings = cx.snapshot.settings();
        let share = PortShare::new(settings.snat_ports, self.config.lcore, self.config.lcores);
        // Keyed, so that outsiders cannot tell which port a connection got.
        let hash = self.config.keys.v6(
            bits(tuple.src),
            bits(tuple.dst),
            u32::from(tuple.sport) << 16 | u32::from(tuple.dport),
            tuple.protocol,
        );
        let start = (hash >> 48) as usize;
        let mut oldest: Option<(u32, FlowRef, Tuple)> = None;
        for attempt in 0..TRIES {
            let Some(port) = share.candidate(hash, attempt) else { break };
            let source = addresses[(start + attempt as usize) % addresses.len()];
            let reverse = Tuple {
                src: backend.ip(),
                dst: source,
                sport: backend.port(),
                dport: port,
                protocol: tuple.protocol,
            };
            match self.enter(tuple, reverse, entry, cx) {
                Ok(flow) => {
                    if attempt > HARD {
                        self.pressure.count(entry.slot, true);
                    }
                    return Ok(flow);
                }
                Err(InsertError::Full) => return Err(Failure::Drop(DropReason::FlowTableFull)),
                Err(InsertError::Taken) => self.counters.add(Event::SnatRetries, 1),
            }
            if let Some((seen, flow)) = self.flows.embryonic_with(&reverse)
                && oldest.is_none_or(|(least, _, _)| seen < least)
            {
                oldest = Some((seen, flow, reverse));
            }
        }
        // All tried are taken. One held by a connection that never came to be is worth less than this one: otherwise SYNs
        // of strangers, who need not even answer, keep everybody out for as long as a handshake may take.
        if let Some((_, flow, reverse)) = oldest {
            self.flows.evict_flow(flow);
            if let Ok(flow) = self.enter(tuple, reverse, entry, cx) {
                self.pressure.count(entry.slot, true);
                return Ok(flow);
            }
        }
        self.pressure.count(entry.slot, false);
        Err(Failure::Drop(DropReason::SnatExhausted))
    }

    fn enter(
        &mut self,
        forward: Tuple,
        reverse: Tuple,
        entry: Entry,
        cx: &Context<'_>,
    ) -> Result<FlowRef, InsertError> {
        let deltas = deltas_of(&forward, &reverse.reversed());
        let entry = Entry { l3_delta: deltas.l3.to_bits(), l4_delta: deltas.l4.to_bits(), ..entry };
        self.flows.insert(NewFlow { forward, reverse, entry }, cx.now)
    }

    /// The endpoint for a new flow: the one the client is used to, or the one the hash says.
    pub(super) fn backend(
        &mut self,
        service: &ServicePortEntry,
        tuple: Tuple,
        scope: Scope,
        cx: &Context<'_>,
    ) -> Option<SocketAddr> {
        let Some(affinity) = service.affinity else {
            return endpoint_of(service, &tuple, scope).map(|backend| backend.addr);
        };
        let set = service.set(tuple.is_v6(), scope);
        let (key, client, timeout) = (service.affinity_key, bits(tuple.src), affinity.timeout_seconds);
        if let Some(known) = self.affinity.get(key, client, cx.now, timeout) {
            // Across ports the same endpoint listens on another port for each.
            let found = if affinity.across_ports { set.by_ip(known.ip()) } else { set.by_address(known) };
            if let Some(backend) = found {
                return Some(backend.addr);
            }
        }
        let picked = endpoint_of(service, &tuple, scope)?.addr;
        self.affinity.set(key, client, picked, cx.now);
        Some(picked)
    }
}

/// Where packets to `ip` go next.
pub(super) fn lookup(ip: IpAddr, cx: &Context<'_>) -> NextHop {
    next_hop(cx.snapshot, ip)
}

/// Whether a TCP packet may start a flow. Any gateway can pick up a connection whose source is preserved, since all
/// choose the same endpoint; one with translated source is known to the gateway that translated it alone.
fn opens(flags: u8, preserve: bool) -> Result<(), DropReason> {
    let control = flags & (tcp::SYN | tcp::ACK | tcp::FIN | tcp::RST);
    match control {
        tcp::SYN => Ok(()),
        0 => Err(DropReason::BadTcpFlags),
        c if c & tcp::SYN != 0 && c & (tcp::FIN | tcp::RST) != 0 => Err(DropReason::BadTcpFlags),
        tcp::ACK if preserve => Ok(()),
        _ => Err(DropReason::TcpNoFlow),
    }
}

fn deltas_of(from: &Tuple, to: &Tuple) -> Deltas {
    let ports = |t: &Tuple| u32::from(t.sport) << 16 | u32::from(t.dport);
    match (from.src, from.dst, to.src, to.dst) {
        (IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(c), IpAddr::V4(d)) => {
            let both = |x: std::net::Ipv4Addr, y: std::net::Ipv4Addr| {
                u64::from(x.to_bits()) << 32 | u64::from(y.to_bits())
            };
            deltas4(both(a, b), ports(from), both(c, d), ports(to))
        }
        _ => deltas6([bits(from.src), bits(from.dst)], ports(from), [bits(to.src), bits(to.dst)], ports(to)),
    }
}
