//! The same work on huge pages, where the machine lets the test reserve some.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::fs;

use arrayvec::ArrayVec;
use common::{assert_full, isolated};
use sluice_dpdk::{Eal, EalOptions, HugePages, IovaMode, Mbuf, Mempool, Port, PortOptions};

#[test]
fn ports_work_on_huge_pages() {
    const MODE: &str = "SLUICE_DPDK_HUGE_MODE";
    if let Ok(mode) = std::env::var(MODE) {
        return isolated("ports_work_on_huge_pages", || work(&mode));
    }
    let Some(_reserved) = Reserved::pages(48) else {
        return;
    };
    for mode in ["auto", "virtual", "physical"] {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ports_work_on_huge_pages", "--nocapture"])
            .env(MODE, mode)
            .status()
            .unwrap();
        assert!(status.success(), "{mode}: {status}");
    }
}

fn work(mode: &str) {
    let options = EalOptions::new().memory_mib(64);
    let options = match mode {
        "auto" => options.huge_pages(HugePages::Auto),
        "virtual" => options.huge_pages(HugePages::Required).iova_mode(IovaMode::Virtual),
        _ => options.huge_pages(HugePages::Required).iova_mode(IovaMode::Physical),
    };
    let eal = Eal::init(options).unwrap();
    assert!(eal.huge_pages());
    eal.attach(&"net_null0,size=60".parse().unwrap()).unwrap();
    for capacity in [1, 100, 4095, 10_000] {
        let pool = Mempool::builder("huge").capacity(capacity).cache(0).build(&eal).unwrap();
        let all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(all.len() as u32, capacity);
        drop(all);
        assert_full(&pool);
    }
    let pool = Mempool::builder("huge").capacity(8191).build(&eal).unwrap();
    let (port, mut rx, mut tx) = Port::open(&eal, "net_null0", &PortOptions::new(1, 1), &pool).unwrap();
    let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
    for _ in 0..1000 {
        assert_eq!(rx[0].receive(&mut burst), 64);
        assert_eq!(tx[0].transmit(&mut burst), 64);
    }
    drop((port, rx, tx));
    assert_full(&pool);
}

/// Huge pages of 2 MiB on top of those that were there; given back when dropped.
struct Reserved {
    before: u64,
}

const COUNT: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
const FREE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";

impl Reserved {
    /// Sees to it that so many are free. `None`, with the reason printed, where that cannot be.
    fn pages(wanted: u64) -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let (Some(before), Some(free)) = (read(COUNT), read(FREE)) else {
            println!("skipped: this kernel has no huge pages of 2 MiB");
            return None;
        };
        let reserved = Self { before };
        let missing = wanted.saturating_sub(free);
        if missing > 0 && fs::write(COUNT, format!("{}", before + missing)).is_err() {
            println!("skipped: huge pages cannot be reserved (not root?)");
            return None;
        }
        if read(FREE) < Some(wanted) {
            println!("skipped: too little memory in one piece for {wanted} huge pages");
            return None;
        }
        Some(reserved)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let _ = fs::write(COUNT, self.before.to_string());
    }
}
