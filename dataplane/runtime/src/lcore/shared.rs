//! What workers show to the other threads, and what they are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use sluice_engine::flow::FlowStats;
use sluice_engine::punt::PuntClass;
use sluice_engine::snapshot::Snapshot;
use sluice_engine::{DropReason, Event, QueryType, Worker};
use sluice_model::Generation;
use sluice_wire::PacketBuf;

/// The tables in effect. The publisher writes, workers look once per turn.
#[derive(Debug)]
pub struct Tables {
    current: ArcSwap<Snapshot>,
    version: AtomicU64,
    /// Whether workers may take packets; see [`Tables::open`].
    open: AtomicBool,
}

impl Tables {
    /// These tables, to start with. Workers do not yet take packets.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { current: ArcSwap::new(snapshot), version: AtomicU64::new(1), open: AtomicBool::new(false) }
    }

    /// Puts a snapshot into effect and gives its version, which workers report once they use it.
    pub fn store(&self, snapshot: Arc<Snapshot>) -> u64 {
        self.current.store(snapshot);
        self.version.fetch_add(1, Ordering::Release) + 1
    }

    /// The version in effect: what [`Tables::store`] gave last.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The tables in effect.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Lets workers take packets. Before, frames wait in the devices' queues: without the Services' tables the packets of
    /// connections that the former process made would go to Linux, which would reset them.
    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// Whether workers take packets.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

/// What one worker shows. Written by it alone, now and then; all numbers only grow, but for the flows.
#[derive(Debug)]
pub struct LcoreShared {
    /// The version of the tables that it uses.
    version: AtomicU64,
    generation: AtomicU64,
    turns: AtomicU64,
    busy_turns: AtomicU64,
    drops: [AtomicU64; DropReason::COUNT],
    events: [AtomicU64; Event::COUNT],
    queries: [[AtomicU64; QueryType::COUNT]; 2],
    /// By class: given to Linux, kept back.
    punts: [[AtomicU64; 2]; PuntClass::COUNT],
    flows: [AtomicU32; 4],
    /// Packets dropped for want of room on the way out, by device: ports, then their kernel interfaces.
    full: Vec<AtomicU64>,
    /// Packets dropped for want of room on the way to another lcore.
    hand_over_full: AtomicU64,
}

impl LcoreShared {
    /// All zero, for a worker that sends to so many devices.
    pub fn new(devices: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            version: zero(),
            generation: zero(),
            turns: zero(),
            busy_turns: zero(),
            drops: std::array::from_fn(|_| zero()),
            events: std::array::from_fn(|_| zero()),
            queries: std::array::from_fn(|_| std::array::from_fn(|_| zero())),
            punts: std::array::from_fn(|_| [zero(), zero()]),
            flows: std::array::from_fn(|_| AtomicU32::new(0)),
            full: (0..devices).map(|_| zero()).collect(),
            hand_over_full: zero(),
        }
    }

    /// The worker has begun to use these tables.
    pub(super) fn adopted(&self, version: u64, generation: Generation) {
        self.generation.store(generation.0, Ordering::Relaxed);
        self.version.store(version, Ordering::Release);
    }

    pub(super) fn counted<B: PacketBuf>(&self, worker: &Worker<B>, turns: u64, busy_turns: u64) {
        let counters = worker.counters();
        for (shared, own) in self.drops.iter().zip(&counters.drops) {
            shared.store(*own, Ordering::Relaxed);
        }
        for (shared, own) in self.events.iter().zip(&counters.events) {
            shared.store(*own, Ordering::Relaxed);
        }
        for (v6, kinds) in [false, true].into_iter().zip(&self.queries) {
            for (shared, kind) in kinds.iter().zip(QueryType::ALL) {
                shared.store(counters.queries(v6, kind), Ordering::Relaxed);
            }
        }
        for ([passed, limited], (_, own_passed, own_limited)) in
            self.punts.iter().zip(worker.punts().counts())
        {
            passed.store(own_passed, Ordering::Relaxed);
            limited.store(own_limited, Ordering::Relaxed);
        }
        let flows = worker.flows();
        let own = [flows.capacity, flows.embryonic, flows.transient, flows.established];
        for (shared, own) in self.flows.iter().zip(own) {
            shared.store(own, Ordering::Relaxed);
        }
        self.turns.store(turns, Ordering::Relaxed);
        self.busy_turns.store(busy_turns, Ordering::Relaxed);
    }

    /// A packet for this device found no room; only the worker calls this.
    #[cold]
    pub(super) fn device_full(&self, device: usize, packets: usize) {
        if let Some(counter) = self.full.get(device) {
            counter.fetch_add(packets as u64, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(super) fn ring_full(&self, packets: usize) {
        self.hand_over_full.fetch_add(packets as u64, Ordering::Relaxed);
    }

    /// The version of the tables that the worker uses; 0 before it runs.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The generation of Services that it uses.
    pub fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Relaxed))
    }

    /// Loop turns, and those that found packets.
    pub fn turns(&self) -> [u64; 2] {
        [self.turns.load(Ordering::Relaxed), self.busy_turns.load(Ordering::Relaxed)]
    }

    /// Packets dropped for a reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// How often something happened.
    pub fn events(&self, event: Event) -> u64 {
        self.events.get(event as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// DNS queries that were answered, over IPv4 or IPv6, of a type.
    pub fn queries(&self, v6: bool, kind: QueryType) -> u64 {
        let counter = self.queries.get(usize::from(v6)).and_then(|kinds| kinds.get(kind as usize));
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Packets of a class: given to Linux, kept back by the class's limit.
    pub fn punts(&self, class: PuntClass) -> [u64; 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.punts.get(class as usize).map_or([0; 2], |[passed, limited]| [read(passed), read(limited)])
    }

    /// Its flow table.
    pub fn flows(&self) -> FlowStats {
        let [capacity, embryonic, transient, established] =
            std::array::from_fn(|n| self.flows.get(n).map_or(0, |counter| counter.load(Ordering::Relaxed)));
        FlowStats { capacity, embryonic, transient, established }
    }

    /// Packets that found no room on the way out of a device.
    pub fn full(&self, device: usize) -> u64 {
        self.full.get(device).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Packets that found no room on the way to another lcore.
    pub fn hand_over_full(&self) -> u64 {
        self.hand_over_full.load(Ordering::Relaxed)
    }
}
