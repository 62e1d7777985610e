//! DPDK with a gateway's worker on it: the loop as the runtime has it, and what is measured by it.

mod dip;
mod dns;
mod dns_flood;
mod flood;
mod nat;
mod polled;
mod rings;
mod workers;

use std::path::{Path, PathBuf};

use sluice_dpdk::{Eal, EalOptions, HugePages, Mempool, tsc_hz};

use crate::gateway::{CLUSTER, UPLINK};
use crate::traffic::{self, Connection};

pub use dip::RATES;
pub use dns::queries;
pub use dns_flood::Strangers;
pub use flood::LOADS;
pub use nat::Load;

/// Connections whose packets the capture files hold.
const IN_FILE: u32 = 1024;
/// The CPU of the worker under measurement.
const WORKER_CPU: usize = 1;
/// That of whoever loads or changes it.
const OTHER_CPU: usize = 0;

/// DPDK, started once in a process.
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
        let options = EalOptions::new().main_cpu(OTHER_CPU).memory_mib(256).huge_pages(pages);
        let eal = Eal::init(options.file_prefix(format!("sluice-bench-{}", std::process::id()))).unwrap();
        let pool = Mempool::builder("bench").capacity(16_383).build(&eal).unwrap();
        Self { eal, pool }
    }

    /// Ticks of the time-stamp counter in a second.
    pub fn hz(&self) -> f64 {
        tsc_hz(&self.eal) as f64
    }

    fn ticks(&self, seconds: f64) -> u64 {
        (self.hz() * seconds) as u64
    }
}

/// Capture files of what arrives from clients and from pods, in frames of so many bytes with their checksum sequence, or
/// the shortest there are.
///
/// # Panics
/// Where they cannot be written.
pub fn captures(folder: &Path, connections: &[Connection], size: usize) -> [PathBuf; 2] {
    [UPLINK, CLUSTER].map(|port| {
        let ends = connections.iter().map(|c| if port == UPLINK { c.client } else { c.pod });
        let frames: Vec<Vec<u8>> = ends
            .map(|ends| {
                let shortest = traffic::segment(ends, port);
                // Headers of Ethernet, IPv4 and TCP, and the frame check sequence, which drivers do not show.
                if size > 64 {
                    traffic::segment_of(ends, port, &vec![0; size - 14 - 20 - 20 - 4])
                } else {
                    shortest
                }
            })
            .collect();
        let path = folder.join(format!("port{port}.pcap"));
        crate::pcap::write(&path, &frames).unwrap();
        path
    })
}
