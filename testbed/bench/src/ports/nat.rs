//! What packets of known and of new connections cost.

use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use sluice_dpdk::{Lcore, Mbuf, tsc};
use sluice_engine::{BURST, Event, PortId, Sink, Worker};
use sluice_runtime::lcore::{Tables, now};

use super::polled::{Polled, Spent};
use super::{Bench, IN_FILE, WORKER_CPU, captures};
use crate::gateway::{self, CLUSTER, UPLINK};
use crate::stamp::Stamps;
use crate::traffic::{self, Ends};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Established connections, packets of which come in turn from both sides.
    pub connections: u32,
    /// IPv6.
    pub v6: bool,
    /// Stamp packets even if the capture files hold all connections: what stamping costs.
    pub stamped: bool,
    /// Bytes of each frame with its check sequence; 64: the shortest.
    pub size: usize,
    /// Connections are to the cluster addresses of so many Services of ten endpoints, and no others are there, instead
    /// of to one Service of 100 endpoints beside 100 others.
    pub services: Option<u32>,
}

impl Default for Load {
    /// 1,024 connections over IPv4 to one Service, in the shortest frames.
    fn default() -> Self {
        Self { connections: 1024, v6: false, stamped: false, size: 64, services: None }
    }
}

impl Load {
    fn client(self, n: u32) -> Ends {
        match self.services {
            Some(services) => traffic::client_of(n, services),
            None => traffic::client(n, self.v6, gateway::PORT),
        }
    }
}

impl Bench {
    /// Cycles of each packet of established connections, everything included.
    ///
    /// # Panics
    /// Where packets do not fare as they should.
    pub fn established(&self, load: Load, time: Duration) -> f64 {
        self.known::<false>(load, time).each()
    }

    /// The engine's part of the cycles of [`Bench::established`]: without ports, their buffers and the loop around it.
    ///
    /// # Panics
    /// As that.
    pub fn engine(&self, load: Load, time: Duration) -> f64 {
        let spent = self.known::<true>(load, time);
        spent.engine as f64 / spent.packets as f64
    }

    fn known<const SPLIT: bool>(&self, load: Load, time: Duration) -> Spent {
        let snapshot = gateway::snapshot(&mut gateway::publisher(load.services.unwrap_or(100)));
        let mut worker = gateway::worker::<Mbuf>((load.connections * 2).max(1 << 16), now());
        let lend = |frame: &[u8]| self.pool.copy_of(frame).unwrap();
        let client = |n| load.client(n);
        let all = traffic::connect(&mut worker, &snapshot, now(), load.connections, client, lend);
        let folder = tempfile::tempdir().unwrap();
        let in_file = &all[..IN_FILE.min(load.connections) as usize];
        let files = captures(folder.path(), in_file, load.size);
        let stamps = if load.connections > IN_FILE || load.stamped {
            // Connections that were made one after the other lie side by side in the table: take them in another order.
            let order = || (0..all.len()).map(|n| all[n.wrapping_mul(611_953) % all.len()]);
            [Stamps::new(order().map(|c| c.client), UPLINK), Stamps::new(order().map(|c| c.pod), CLUSTER)]
        } else {
            [Stamps::default(), Stamps::default()]
        };
        drop(all);
        let before = misses(&worker);
        let mut polled = Polled::new(self, &files, worker, Arc::new(Tables::new(snapshot)), stamps);
        let _lcore = Lcore::attach(&self.eal, WORKER_CPU).unwrap();
        polled.run::<SPLIT>(self.ticks(0.2));
        let spent = polled.run::<SPLIT>(self.ticks(time.as_secs_f64()));
        let worker = &polled.worker;
        assert_eq!(misses(worker), before, "every packet must be a connection's: {:?}", worker.counters());
        spent
    }

    /// New connections that one lcore sets up in a second: from an empty table to `count` of them, received as SYNs.
    ///
    /// # Panics
    /// Where one is not set up.
    pub fn new_flows(&self, count: u32, services: Option<u32>) -> f64 {
        let load = Load { services, ..Load::default() };
        let snapshot = gateway::snapshot(&mut gateway::publisher(services.unwrap_or(100)));
        // Connections that are only begun may fill a quarter of a table.
        let mut worker = gateway::worker::<Mbuf>(count * 4, now());
        let mut sink = Dropped;
        let frames: Vec<Vec<u8>> = (0..count).map(|n| traffic::syn(load.client(n))).collect();
        let _lcore = Lcore::attach(&self.eal, WORKER_CPU).unwrap();
        let mut ticks = 0;
        for chunk in frames.chunks(BURST) {
            let mut burst: ArrayVec<Mbuf, BURST> =
                chunk.iter().map(|frame| self.pool.copy_of(frame).unwrap()).collect();
            let start = tsc();
            worker.process(UPLINK, &mut burst, &snapshot, now(), &mut sink);
            worker.tick(&snapshot, now(), &mut sink);
            ticks += tsc() - start;
        }
        assert_eq!(worker.flows().embryonic, count, "{:?}", worker.counters());
        f64::from(count) / (ticks as f64 / self.hz())
    }
}

/// Packets that were no known connection's.
pub(super) fn misses(worker: &Worker<Mbuf>) -> u64 {
    let events = &worker.counters().events;
    events[Event::Received as usize] - events[Event::FlowHits as usize]
}

/// Frees what it is given, as a device that has sent it.
struct Dropped;

impl Sink<Mbuf> for Dropped {
    fn transmit(&mut self, _: PortId, _: Mbuf) {}
    fn punt(&mut self, _: PortId, _: Mbuf) {}
    fn hand_over(&mut self, _: u16, _: PortId, _: Mbuf) {}
}
