//! The loop.

use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrayvec::ArrayVec;
use rustix::time::{ClockId, clock_gettime};
use sluice_dpdk::{Mbuf, RingReceiver, RxQueue};
use sluice_engine::snapshot::Snapshot;
use sluice_engine::trace::TraceRecord;
use sluice_engine::{BURST, Now, PortId, Worker};
use sluice_wire::PacketBuf;

use super::egress::Egress;
use super::mailbox::{Mailbox, Request};
use super::shared::{LcoreShared, Tables};
use crate::config::Idle;
use crate::netlink::resolve::Asker;
use crate::publish::View;
use crate::stop::Stop;

/// Milliseconds between two publications of the counters.
const PUBLISH: u64 = 100;
/// Next hops asked for in one turn.
const ASKS: usize = 16;
/// Milliseconds between two requests for one next hop.
const ASK_PAUSE: u64 = 200;
/// Turns without packets before a worker that may sleep does so, and how long it sleeps then: longer the longer nothing
/// has come, but never so long that a device's queue of 1024 overflows at a million packets a second.
const NAPS: [(u32, Duration); 3] = [
    (64, Duration::from_micros(10)),
    (2_000, Duration::from_micros(100)),
    (20_000, Duration::from_micros(500)),
];

/// Where a worker's packets come from.
pub enum Inlet {
    /// A receive queue.
    Queue(RxQueue),
    /// A ring that other workers fill.
    Ring(RingReceiver),
}

/// What happens to packets from an inlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Received by a port: the engine's.
    Port(PortId),
    /// Handed over by other lcores: the engine's; each packet knows its port.
    HandedOver,
    /// For a device, by its number among all: from Linux, or from lcores that have no queue of that device.
    Through(usize),
}

/// Everything a worker's thread owns.
pub struct WorkerThread {
    /// The engine.
    pub worker: Worker<Mbuf>,
    /// Where packets come from.
    pub inlets: Vec<(Polled, Inlet)>,
    /// Where they go.
    pub egress: Egress,
    /// The ports by their numbers in DPDK, which packets handed over carry.
    pub ports_by_dpdk_id: Vec<Option<PortId>>,
    /// The tables in effect.
    pub tables: Arc<Tables>,
    /// What it shows.
    pub shared: Arc<LcoreShared>,
    /// What it is asked.
    pub mailbox: Arc<Mailbox>,
    /// Where it says which services' source ports are scarce.
    pub view: Arc<Mutex<View>>,
    /// Whom it asks for next hops.
    pub asker: Asker,
    /// What it does while there is nothing to do.
    pub idle: Idle,
}

impl WorkerThread {
    /// Works until told to stop.
    pub fn run(self, stop: &Stop) {
        let Self { worker, inlets, egress, ports_by_dpdk_id, tables, shared, mailbox, view, asker, idle } =
            self;
        let snapshot = tables.load();
        let mut state = State {
            worker,
            egress,
            ports_by_dpdk_id,
            tables,
            shared,
            mailbox,
            view,
            asker,
            asked: Box::new([(None, 0); 256]),
            snapshot,
            version: 0,
            trace: None,
            published: 0,
            turns: 0,
            busy_turns: 0,
        };
        let mut inlets = inlets;
        let mut burst = ArrayVec::new();
        let mut idle_turns = 0_u32;
        while !stop.is_set() {
            if state.turn(&mut inlets, &mut burst) {
                idle_turns = 0;
                continue;
            }
            idle_turns = idle_turns.saturating_add(1);
            if idle == Idle::Sleep
                && let Some((_, nap)) = NAPS.iter().rev().find(|(turns, _)| idle_turns >= *turns)
            {
                std::thread::sleep(*nap);
            } else {
                std::hint::spin_loop();
            }
        }
        state.egress.flush();
        state.publish();
    }
}

/// A next hop and the milliseconds at which it was asked for.
type Asked = (Option<(PortId, IpAddr)>, u64);

struct State {
    worker: Worker<Mbuf>,
    egress: Egress,
    ports_by_dpdk_id: Vec<Option<PortId>>,
    tables: Arc<Tables>,
    shared: Arc<LcoreShared>,
    mailbox: Arc<Mailbox>,
    view: Arc<Mutex<View>>,
    asker: Asker,
    /// Next hops asked for, and when, by the last byte of their address.
    asked: Box<[Asked; 256]>,
    snapshot: Arc<Snapshot>,
    version: u64,
    trace: Option<SyncSender<Vec<TraceRecord>>>,
    published: u64,
    turns: u64,
    busy_turns: u64,
}

impl State {
    /// One turn over all inlets; true where there was something to do.
    #[inline]
    fn turn(&mut self, inlets: &mut [(Polled, Inlet)], burst: &mut ArrayVec<Mbuf, BURST>) -> bool {
        let now = now();
        if self.tables.version() != self.version {
            self.adopt();
        }
        let open = self.tables.is_open();
        let mut busy = false;
        for (polled, inlet) in inlets {
            if !open && matches!(polled, Polled::Port(_)) {
                continue;
            }
            match inlet {
                Inlet::Queue(queue) => queue.receive(burst),
                Inlet::Ring(ring) => ring.receive(burst),
            };
            if burst.is_empty() {
                continue;
            }
            busy = true;
            match *polled {
                Polled::Port(port) => self.worker.process(port, burst, &self.snapshot, now, &mut self.egress),
                Polled::HandedOver => self.handed_over(burst, now),
                Polled::Through(device) => {
                    for packet in burst.drain(..) {
                        self.worker.overhear(packet.data(), &self.snapshot, now);
                        self.egress.send(device, packet);
                    }
                }
            }
        }
        self.worker.tick(&self.snapshot, now, &mut self.egress);
        self.egress.flush();
        for _ in 0..ASKS {
            let Some((port, ip)) = self.worker.unresolved() else { break };
            self.ask(port, ip, now);
        }
        self.turns += 1;
        self.busy_turns += u64::from(busy);
        for request in self.mailbox.take() {
            self.answer(request, now);
        }
        if now.0.wrapping_sub(self.published) >= PUBLISH {
            self.published = now.0;
            self.publish();
        }
        busy
    }

    #[cold]
    fn adopt(&mut self) {
        // The version first: a snapshot stored between the two is then looked at once more, never missed.
        self.version = self.tables.version();
        self.snapshot = self.tables.load();
        self.worker.adopt(&self.snapshot);
        self.shared.adopted(self.version, self.snapshot.generation());
    }

    /// Gives the engine runs of packets that the same port received.
    fn handed_over(&mut self, burst: &mut ArrayVec<Mbuf, BURST>, now: Now) {
        let mut run = ArrayVec::<Mbuf, BURST>::new();
        let mut of = None;
        for packet in burst.drain(..) {
            let Some(port) = self.ports_by_dpdk_id.get(usize::from(packet.port())).copied().flatten() else {
                continue;
            };
            if of.is_some_and(|of| of != port)
                && let Some(of) = of
            {
                self.worker.process_handed_over(of, &mut run, &self.snapshot, now, &mut self.egress);
            }
            of = Some(port);
            let _ = run.try_push(packet);
        }
        if let Some(of) = of {
            self.worker.process_handed_over(of, &mut run, &self.snapshot, now, &mut self.egress);
        }
    }

    /// Asks Linux for a next hop, unless that has just been done: every packet that waits wants its own.
    #[cold]
    fn ask(&mut self, port: PortId, ip: IpAddr, now: Now) {
        let last = match ip {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        };
        let place = self.asked.get_mut(usize::from(last ^ port));
        if let Some(place) = place {
            if place.0 == Some((port, ip)) && now.0.wrapping_sub(place.1) < ASK_PAUSE {
                return;
            }
            *place = (Some((port, ip)), now.0);
        }
        // Where the queue is full the packet's sender tries again, and so do we.
        let _ = self.asker.neighbor(port, ip);
    }

    #[cold]
    fn answer(&mut self, request: Request, now: Now) {
        match request {
            Request::Dump { from, most, answer } => {
                let mut flows = Vec::new();
                let next = self.worker.dump(from, most, now, &mut flows);
                let _ = answer.try_send((flows, next));
            }
            Request::Clients { answer } => drop(answer.try_send(self.worker.top_clients(now))),
            Request::QueryLog { ring } => self.worker.set_query_log(ring),
            Request::Trace { filter, records } => {
                self.worker.set_trace(Some(filter));
                self.trace = Some(records);
            }
        }
    }

    #[cold]
    fn publish(&mut self) {
        self.shared.counted(&self.worker, self.turns, self.busy_turns);
        self.tell_scarcity();
        if let Some(trace) = &self.trace {
            // An empty message finds out whether anybody still listens.
            match trace.try_send(self.worker.take_trace()) {
                Ok(()) => {}
                Err(TrySendError::Full(records)) => self.worker.trace_lost(&records),
                Err(TrySendError::Disconnected(_)) => {
                    self.worker.set_trace(None);
                    self.trace = None;
                }
            }
        }
    }
}

impl State {
    /// Says whose source ports are scarce, unless somebody is looking at the view just now: then the next time.
    fn tell_scarcity(&mut self) {
        if self.worker.pressure().counts().is_empty() {
            return;
        }
        let Ok(mut view) = self.view.try_lock() else { return };
        for (slot, scarcity) in self.worker.pressure().counts() {
            if let Some(port) = self.snapshot.service_port(*slot) {
                view.add_scarcity(&port.name, &port.port_name, *scarcity);
            }
        }
        self.worker.clear_pressure();
    }
}

/// Milliseconds of `CLOCK_MONOTONIC`, which goes on across processes of one boot, as flows that are taken over need it.
#[inline]
pub fn now() -> Now {
    let time = clock_gettime(ClockId::Monotonic);
    Now(time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000)
}
