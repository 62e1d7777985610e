//! What publishing costs the packets: snapshots made and put into effect while a worker forwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sluice_dpdk::{Lcore, Mbuf, tsc};
use sluice_engine::snapshot::Publisher;
use sluice_model::{Change, Generation};
use sluice_runtime::lcore::{Tables, now};

use super::nat::misses;
use super::polled::Polled;
use super::{Bench, IN_FILE, WORKER_CPU, captures};
use crate::gateway::{self, PORT};
use crate::stamp::Stamps;
use crate::{publish, traffic};

/// Changes a second.
pub const RATES: [u32; 4] = [1, 100, 1_000, 10_000];
/// Seconds with changes, after as many without.
const SLICE: f64 = 0.2;
/// How often, for each rate.
const PAIRS: usize = 5;

impl Bench {
    /// By how many percent fewer packets of known connections are forwarded in a second while endpoints change, in a
    /// cluster of 10,000 Services of 10: for each of [`RATES`] the median of pairs of slices, and how many snapshots
    /// there were in a second of it.
    ///
    /// # Panics
    /// Where packets do not fare as they should.
    pub fn dip(&self) -> Vec<(u32, f64, f64)> {
        let mut publisher = gateway::publisher(publish::SERVICES);
        let snapshot = gateway::snapshot(&mut publisher);
        let mut worker = gateway::worker::<Mbuf>(1 << 16, now());
        let lend = |frame: &[u8]| self.pool.copy_of(frame).unwrap();
        let client = |n| traffic::client(n, false, PORT);
        let all = traffic::connect(&mut worker, &snapshot, now(), IN_FILE, client, lend);
        let folder = tempfile::tempdir().unwrap();
        let files = captures(folder.path(), &all, 64);
        let before = misses(&worker);
        let tables = Arc::new(Tables::new(snapshot));
        let stamps = [Stamps::default(), Stamps::default()];
        let mut polled = Polled::new(self, &files, worker, Arc::clone(&tables), stamps);
        let orders = Orders { rate: AtomicU32::new(0), stop: AtomicBool::new(false), hz: self.hz() };
        let figures = std::thread::scope(|scope| {
            // Where this thread is until now, it stays.
            scope.spawn(|| orders.follow(publisher, &tables));
            let _lcore = Lcore::attach(&self.eal, WORKER_CPU).unwrap();
            polled.run::<false>(self.ticks(0.2));
            let figures = RATES.map(|rate| self.pairs(&mut polled, &orders, &tables, rate));
            orders.stop.store(true, Ordering::Relaxed);
            figures
        });
        let worker = &polled.worker;
        assert_eq!(misses(worker), before, "every packet must be a connection's: {:?}", worker.counters());
        figures.into()
    }

    fn pairs(&self, polled: &mut Polled, orders: &Orders, tables: &Tables, rate: u32) -> (u32, f64, f64) {
        let (mut dips, mut snapshots) = (Vec::new(), 0);
        for _ in 0..PAIRS {
            let calm = polled.run::<false>(self.ticks(SLICE));
            let version = tables.version();
            orders.rate.store(rate, Ordering::Relaxed);
            let busy = polled.run::<false>(self.ticks(SLICE));
            orders.rate.store(0, Ordering::Relaxed);
            snapshots += tables.version() - version;
            dips.push(100.0 * (1.0 - calm.each() / busy.each()));
        }
        dips.sort_by(f64::total_cmp);
        (rate, dips[PAIRS / 2], snapshots as f64 / (PAIRS as f64 * SLICE))
    }
}

/// What the publisher's thread is told.
struct Orders {
    /// Changes a second; the first comes at once.
    rate: AtomicU32,
    stop: AtomicBool,
    hz: f64,
}

impl Orders {
    fn follow(&self, mut publisher: Publisher, tables: &Tables) {
        let (mut due, mut n) = (0, 0_u32);
        while !self.stop.load(Ordering::Relaxed) {
            let rate = self.rate.load(Ordering::Relaxed);
            if rate == 0 {
                due = 0;
                std::hint::spin_loop();
                continue;
            }
            let now = tsc();
            if now < due {
                std::hint::spin_loop();
                continue;
            }
            // Whoever comes late does not catch up by a flood.
            due = now.max(due) + (self.hz / f64::from(rate)) as u64;
            publisher.apply(&Change::Service(publish::changed(n)));
            tables.store(publisher.publish(Generation(u64::from(n) + 2)));
            n += 1;
        }
    }
}
