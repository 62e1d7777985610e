//! What a DNS query costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_dpdk::{Lcore, Mbuf};
use sluice_engine::{Event, Worker};
use sluice_runtime::lcore::{Tables, now};

use super::polled::Polled;
use super::{Bench, IN_FILE, WORKER_CPU};
use crate::gateway::{self, CLUSTER, UPLINK};
use crate::stamp::Stamps;
use crate::{dns, pcap};

/// Services whose names there are.
pub(super) const SERVICES: u32 = 10_000;

impl Bench {
    /// Cycles of each DNS query of this kind that is answered, everything included, among the names of 10,000 Services.
    ///
    /// # Panics
    /// Where one is not answered.
    pub fn dns(&self, kind: &str, time: Duration) -> f64 {
        let mut publisher = gateway::publisher(100);
        dns::names(&mut publisher, SERVICES);
        let snapshot = gateway::snapshot(&mut publisher);
        let worker = gateway::worker::<Mbuf>(1 << 10, now());
        let folder = tempfile::tempdir().unwrap();
        let files = queries(folder.path(), kind);
        let unanswered = |w: &Worker<Mbuf>| {
            let events = &w.counters().events;
            let answers = events[Event::DnsNoError as usize] + events[Event::DnsNxDomain as usize];
            events[Event::Received as usize] - answers
        };
        let stamps = [Stamps::default(), Stamps::default()];
        let mut polled = Polled::new(self, &files, worker, Arc::new(Tables::new(snapshot)), stamps);
        let _lcore = Lcore::attach(&self.eal, WORKER_CPU).unwrap();
        polled.run::<false>(self.ticks(0.2));
        let spent = polled.run::<false>(self.ticks(time.as_secs_f64()));
        let worker = &polled.worker;
        assert_eq!(unanswered(worker), 0, "every query must be answered: {:?}", worker.counters());
        spent.each()
    }
}

/// Capture files of queries of this kind, one for each port of a pair.
///
/// # Panics
/// Where they cannot be written.
pub fn queries(folder: &Path, kind: &str) -> [PathBuf; 2] {
    [UPLINK, CLUSTER].map(|port| {
        let first = u32::from(port) * IN_FILE;
        let frames = (first..first + IN_FILE).map(|n| dns::query(kind, n, SERVICES));
        let path = folder.join(format!("queries{port}.pcap"));
        // Both ports are addressed as their own.
        let mac = gateway::MACS[usize::from(port)].0;
        let frames: Vec<Vec<u8>> = frames.map(|f| [&mac[..], &f[6..]].concat()).collect();
        pcap::write(&path, &frames).unwrap();
        path
    })
}
