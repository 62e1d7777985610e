//! The worker's loop over two `net_pcap` ports: receive, engine, transmit, as the runtime does it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use sluice_dpdk::{Mbuf, Port, PortOptions, RxQueue, tsc};
use sluice_engine::snapshot::Snapshot;
use sluice_engine::{BURST, PortId, Worker};
use sluice_runtime::lcore::{Egress, LcoreShared, Outlet, Tables, now};

use super::Bench;
use crate::stamp::Stamps;

/// Turns between two looks at the clock of the measurement.
const TURNS: usize = 64;

/// Packets, and the ticks that were spent on them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) packets: u64,
    /// In all.
    pub(super) ticks: u64,
    /// Inside the engine, where that was measured.
    pub(super) engine: u64,
}

impl Spent {
    pub(super) fn each(self) -> f64 {
        self.ticks as f64 / self.packets as f64
    }
}

/// A worker and its two ports, each of which receives a file over and over and drops what it is given.
pub(super) struct Polled {
    pub(super) worker: Worker<Mbuf>,
    inlets: Vec<(PortId, RxQueue)>,
    egress: Egress,
    tables: Arc<Tables>,
    version: u64,
    snapshot: Arc<Snapshot>,
    stamps: [Stamps; 2],
    _ports: Vec<Port>,
}

impl Polled {
    pub(super) fn new(
        bench: &Bench,
        files: &[PathBuf; 2],
        worker: Worker<Mbuf>,
        tables: Arc<Tables>,
        stamps: [Stamps; 2],
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (mut inlets, mut outlets, mut ports) = (Vec::new(), Vec::new(), Vec::new());
        for (id, file) in files.iter().enumerate() {
            let name = format!("net_pcap{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            let device = format!("{name},rx_pcap={},infinite_rx=1", file.display());
            bench.eal.attach(&device.parse().unwrap()).unwrap();
            let (port, mut rx, mut tx) =
                Port::open(&bench.eal, &name, &PortOptions::new(1, 1), &bench.pool).unwrap();
            inlets.push((id as PortId, rx.remove(0)));
            outlets.push(Outlet::Queue(tx.remove(0)));
            ports.push(port);
        }
        // No ring to other workers: nothing is to be handed over.
        let egress = Egress::new(outlets, Vec::new(), vec![None, None], Arc::new(LcoreShared::new(2)));
        let (version, snapshot) = (tables.version(), tables.load());
        Self { worker, inlets, egress, tables, version, snapshot, stamps, _ports: ports }
    }

    /// Works for so many ticks. With `SPLIT` the engine's part of them is told apart, which costs a little.
    pub(super) fn run<const SPLIT: bool>(&mut self, ticks: u64) -> Spent {
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        let mut spent = Spent::default();
        let start = tsc();
        while spent.ticks < ticks {
            for _ in 0..TURNS {
                self.turn::<SPLIT>(&mut burst, &mut spent);
            }
            spent.ticks = tsc() - start;
        }
        spent
    }

    #[inline(always)]
    fn turn<const SPLIT: bool>(&mut self, burst: &mut ArrayVec<Mbuf, BURST>, spent: &mut Spent) {
        let now = now();
        if self.tables.version() != self.version {
            self.adopt();
        }
        for (port, queue) in &mut self.inlets {
            spent.packets += queue.receive(burst) as u64;
            self.stamps[usize::from(*port)].put(burst);
            let start = if SPLIT { tsc() } else { 0 };
            self.worker.process(*port, burst, &self.snapshot, now, &mut self.egress);
            spent.engine += if SPLIT { tsc() - start } else { 0 };
        }
        self.worker.tick(&self.snapshot, now, &mut self.egress);
        self.egress.flush();
    }

    #[cold]
    fn adopt(&mut self) {
        self.version = self.tables.version();
        self.snapshot = self.tables.load();
        self.worker.adopt(&self.snapshot);
    }
}
