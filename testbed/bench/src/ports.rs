//! The worker's loop over DPDK ports: receive, engine, transmit, as the runtime does it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use sluice_dpdk::{
    Eal, EalOptions, HugePages, Lcore, Mbuf, Mempool, Port, PortOptions, RxQueue, tsc, tsc_hz,
};
use sluice_engine::snapshot::Snapshot;
use sluice_engine::{BURST, Event, Now, PortId, Worker};
use sluice_runtime::lcore::{Egress, LcoreShared, Outlet, now};

use crate::dns;
use crate::gateway::{self, CLUSTER, UPLINK};
use crate::stamp::Stamps;
use crate::traffic::{self, Connection};

/// Connections whose packets the capture files hold.
const IN_FILE: u32 = 1024;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Established connections, packets of which come in turn from both sides.
    pub connections: u32,
    /// IPv6.
    pub v6: bool,
    /// Stamp packets even if the capture files hold all connections: what stamping costs.
    pub stamped: bool,
}

/// DPDK with two `net_pcap` ports.
pub struct Bench {
    eal: Eal,
    pool: Mempool,
}

impl Bench {
    /// Starts DPDK, on huge pages or without.
    ///
    /// # Panics
    /// Where DPDK or its memory cannot be had.
    pub fn new(huge: bool) -> Self {
        let pages = if huge { HugePages::Required } else { HugePages::Never };
        let options = EalOptions::new().main_cpu(0).memory_mib(256).huge_pages(pages);
        let eal = Eal::init(options.file_prefix(format!("sluice-bench-{}", std::process::id()))).unwrap();
        let pool = Mempool::builder("bench").capacity(16_383).build(&eal).unwrap();
        Self { eal, pool }
    }

    /// Ticks of the time-stamp counter in a second.
    pub fn hz(&self) -> f64 {
        tsc_hz(&self.eal) as f64
    }

    /// Cycles of each packet of established connections, everything included.
    ///
    /// # Panics
    /// Where packets do not fare as they should.
    pub fn established(&self, load: Load, time: Duration) -> f64 {
        let snapshot = gateway::snapshot(&mut gateway::publisher(100));
        let mut worker = gateway::worker::<Mbuf>((load.connections * 2).max(1 << 16), now());
        let lend = |frame: &[u8]| self.pool.copy_of(frame).unwrap();
        let all = traffic::connect(&mut worker, &snapshot, now(), load.connections, load.v6, lend);
        let folder = tempfile::tempdir().unwrap();
        let in_file = &all[..IN_FILE.min(load.connections) as usize];
        let files = captures(folder.path(), in_file);
        let stamps = if load.connections > IN_FILE || load.stamped {
            // Connections that were made one after the other lie side by side in the table: take them in another order.
            let order = || (0..all.len()).map(|n| all[n.wrapping_mul(611_953) % all.len()]);
            [Stamps::new(order().map(|c| c.client), UPLINK), Stamps::new(order().map(|c| c.pod), CLUSTER)]
        } else {
            [Stamps::default(), Stamps::default()]
        };
        drop(all);
        let misses = |w: &Worker<Mbuf>| {
            let events = &w.counters().events;
            events[Event::Received as usize] - events[Event::FlowHits as usize]
        };
        let before = misses(&worker);
        let (packets, cycles) = self.poll(&files, &mut worker, &snapshot, stamps, time);
        assert_eq!(misses(&worker), before, "every packet must be a connection's: {:?}", worker.counters());
        cycles as f64 / packets as f64
    }

    /// Cycles of each DNS query of this kind that is answered, everything included, among the names of 10,000 Services.
    ///
    /// # Panics
    /// Where one is not answered.
    pub fn dns(&self, kind: &str, time: Duration) -> f64 {
        const SERVICES: u32 = 10_000;
        let mut publisher = gateway::publisher(100);
        dns::names(&mut publisher, SERVICES);
        let snapshot = gateway::snapshot(&mut publisher);
        let mut worker = gateway::worker::<Mbuf>(1 << 10, now());
        let folder = tempfile::tempdir().unwrap();
        let files = [UPLINK, CLUSTER].map(|port| {
            let first = u32::from(port) * IN_FILE;
            let frames: Vec<Vec<u8>> =
                (first..first + IN_FILE).map(|n| dns::query(kind, n, SERVICES)).collect();
            let path = folder.path().join(format!("port{port}.pcap"));
            // Both ports are addressed as their own.
            let mac = gateway::MACS[usize::from(port)].0;
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|f| [&mac[..], &f[6..]].concat()).collect();
            crate::pcap::write(&path, &frames).unwrap();
            path
        });
        let answered = |w: &Worker<Mbuf>| {
            let events = &w.counters().events;
            let answers = events[Event::DnsNoError as usize] + events[Event::DnsNxDomain as usize];
            events[Event::Received as usize] - answers
        };
        let stamps = [Stamps::default(), Stamps::default()];
        let (packets, cycles) = self.poll(&files, &mut worker, &snapshot, stamps, time);
        assert_eq!(answered(&worker), 0, "every query must be answered: {:?}", worker.counters());
        cycles as f64 / packets as f64
    }

    /// New connections that one lcore sets up in a second: from an empty table to `count` of them, received as SYNs.
    ///
    /// # Panics
    /// Where one is not set up.
    pub fn new_flows(&self, count: u32) -> f64 {
        let snapshot = gateway::snapshot(&mut gateway::publisher(100));
        // Connections that are only begun may fill a quarter of a table.
        let mut worker = gateway::worker::<Mbuf>(count * 4, now());
        let mut sink = Dropped;
        let frames: Vec<Vec<u8>> =
            (0..count).map(|n| traffic::syn(traffic::client(n, false, gateway::PORT))).collect();
        let mut cycles = 0;
        for chunk in frames.chunks(BURST) {
            let mut burst: ArrayVec<Mbuf, BURST> =
                chunk.iter().map(|frame| self.pool.copy_of(frame).unwrap()).collect();
            let start = tsc();
            worker.process(UPLINK, &mut burst, &snapshot, now(), &mut sink);
            worker.tick(&snapshot, now(), &mut sink);
            cycles += tsc() - start;
        }
        assert_eq!(worker.flows().embryonic, count, "{:?}", worker.counters());
        f64::from(count) / (cycles as f64 / self.hz())
    }

    fn poll(
        &self,
        files: &[std::path::PathBuf; 2],
        worker: &mut Worker<Mbuf>,
        snapshot: &Arc<Snapshot>,
        mut stamps: [Stamps; 2],
        time: Duration,
    ) -> (u64, u64) {
        let mut inlets: Vec<(PortId, RxQueue)> = Vec::new();
        let (mut outlets, mut ports) = (Vec::new(), Vec::new());
        for (n, file) in files.iter().enumerate() {
            let name = format!("net_pcap{n}");
            let device = format!("{name},rx_pcap={},infinite_rx=1", file.display());
            self.eal.attach(&device.parse().unwrap()).unwrap();
            let (port, mut rx, mut tx) =
                Port::open(&self.eal, &name, &PortOptions::new(1, 1), &self.pool).unwrap();
            inlets.push((n as PortId, rx.remove(0)));
            outlets.push(Outlet::Queue(tx.remove(0)));
            ports.push(port);
        }
        let _lcore = Lcore::attach(&self.eal, 1).unwrap();
        let mut egress = Egress::new(outlets, Vec::new(), vec![None], Arc::new(LcoreShared::new(2)));
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        let (mut packets, mut spent) = (0_u64, 0_u64);
        let warm = tsc() + (self.hz() * 0.2) as u64;
        let mut start = 0;
        let end = warm + (self.hz() * time.as_secs_f64()) as u64;
        while tsc() < end {
            if start == 0 && tsc() >= warm {
                (start, packets) = (tsc(), 0);
            }
            for _ in 0..64 {
                let now: Now = now();
                for (port, queue) in &mut inlets {
                    packets += queue.receive(&mut burst) as u64;
                    stamps[usize::from(*port)].put(&mut burst);
                    worker.process(*port, &mut burst, snapshot, now, &mut egress);
                }
                worker.tick(snapshot, now, &mut egress);
                egress.flush();
            }
            spent = tsc() - start;
        }
        drop((inlets, egress, ports));
        (packets, spent)
    }
}

/// Capture files of what arrives from clients and from pods.
///
/// # Panics
/// Where they cannot be written.
pub fn captures(folder: &Path, connections: &[Connection]) -> [std::path::PathBuf; 2] {
    [UPLINK, CLUSTER].map(|port| {
        let ends = connections.iter().map(|c| if port == UPLINK { c.client } else { c.pod });
        let frames: Vec<Vec<u8>> = ends.map(|ends| traffic::segment(ends, port)).collect();
        let path = folder.join(format!("port{port}.pcap"));
        crate::pcap::write(&path, &frames).unwrap();
        path
    })
}

/// Frees what it is given, as a device that has sent it.
struct Dropped;

impl sluice_engine::Sink<Mbuf> for Dropped {
    fn transmit(&mut self, _: PortId, _: Mbuf) {}
    fn punt(&mut self, _: PortId, _: Mbuf) {}
    fn hand_over(&mut self, _: u16, _: PortId, _: Mbuf) {}
}
