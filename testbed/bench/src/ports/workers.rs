//! One worker, and two at once on a CPU each.

use std::sync::Arc;
use std::sync::Barrier;

use sluice_dpdk::{Lcore, Mbuf};
use sluice_runtime::lcore::{Tables, now};

use super::nat::misses;
use super::polled::Polled;
use super::{Bench, IN_FILE, OTHER_CPU, WORKER_CPU, captures};
use crate::gateway::{self, PORT};
use crate::stamp::Stamps;
use crate::traffic;

/// Seconds that each of both is measured for.
const TIME: f64 = 0.5;
/// How often they take turns.
const TURNS: usize = 3;

impl Bench {
    /// Packets of known connections in a second: of the only worker there is, and of two together, each with two ports
    /// that bring it what receive-side scaling would.
    ///
    /// # Panics
    /// Where packets do not fare as they should.
    pub fn workers(&self) -> [f64; 2] {
        let folder = tempfile::tempdir().unwrap();
        let polled = |lcore, lcores| {
            let snapshot = gateway::snapshot(&mut gateway::publisher(100));
            let mut worker = gateway::worker_of::<Mbuf>(1 << 16, now(), lcore, lcores);
            let lend = |frame: &[u8]| self.pool.copy_of(frame).unwrap();
            let client = |n| traffic::client(n, false, PORT);
            let all = traffic::connect(&mut worker, &snapshot, now(), IN_FILE, client, lend);
            let here = folder.path().join(format!("{lcore}of{lcores}"));
            std::fs::create_dir(&here).unwrap();
            let stamps = [Stamps::default(), Stamps::default()];
            let files = captures(&here, &all, 64);
            Polled::new(self, &files, worker, Arc::new(Tables::new(snapshot)), stamps)
        };
        let (mut only, mut first, mut second) = (polled(0, 1), polled(0, 2), polled(1, 2));
        let before = [&only, &first, &second].map(|polled| misses(&polled.worker));
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            rates[0].push(self.rate(&mut only, WORKER_CPU, &Barrier::new(1)));
            let together = Barrier::new(2);
            rates[1].push(std::thread::scope(|scope| {
                let other = scope.spawn(|| self.rate(&mut second, OTHER_CPU, &together));
                self.rate(&mut first, WORKER_CPU, &together) + other.join().unwrap()
            }));
        }
        let after = [&only, &first, &second].map(|polled| misses(&polled.worker));
        assert_eq!(before, after, "every packet must be a connection's");
        rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[TURNS / 2]
        })
    }

    fn rate(&self, polled: &mut Polled, cpu: usize, together: &Barrier) -> f64 {
        let _lcore = Lcore::attach(&self.eal, cpu).unwrap();
        together.wait();
        polled.run::<false>(self.ticks(0.1));
        let spent = polled.run::<false>(self.ticks(TIME));
        spent.packets as f64 / (spent.ticks as f64 / self.hz())
    }
}
