//! A process of its own for every test: DPDK starts only once in a process's life, and a test that leaks or crashes must
//! not take others with it.

// Each test file uses its own part of this, and none of it runs outside tests.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use sluice_dpdk::{Eal, EalOptions, HugePages, Mbuf, Mempool, RxQueue, TxQueue};

/// Set in the child to the test's name.
const CHILD: &str = "SLUICE_DPDK_TEST";

/// Runs `body` in a process of its own.
pub fn isolated(name: &str, body: impl FnOnce()) {
    run(name, &[], body);
}

/// Runs `body` in a process and a network namespace of its own, which ends with it.
pub fn isolated_network(name: &str, body: impl FnOnce()) {
    run(name, &["unshare", "--net"], body);
}

fn run(name: &str, wrapper: &[&str], body: impl FnOnce()) {
    if std::env::var(CHILD).as_deref() == Ok(name) {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let mut words = wrapper.to_vec();
    let program = program.to_str().unwrap();
    words.extend([program, "--exact", name, "--nocapture", "--test-threads=1"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    // One open file with one position for both.
    let output = file.reopen().unwrap();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env(CHILD, name)
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let status = wait(&mut child);
    let text = String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned();
    println!("{text}");
    assert!(status.is_some(), "{name}: killed after {PATIENCE:?}");
    assert!(status.unwrap().success(), "{name}: {}", status.unwrap());
    assert!(text.contains("1 passed"), "{name}: the child ran no test");
}

/// What a test may take; all of them take less than a second or two on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The child's status; `None` where it had to be killed.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// EAL on ordinary pages, 64 MiB.
pub fn small_pages() -> Eal {
    Eal::init(EalOptions::new().huge_pages(HugePages::Never).memory_mib(64)).unwrap()
}

/// A pool that keeps nothing in per-lcore caches, so that counts are exact everywhere.
pub fn pool(eal: &Eal, capacity: u32) -> Mempool {
    Mempool::builder("test").capacity(capacity).cache(0).build(eal).unwrap()
}

/// No packet is missing.
#[track_caller]
pub fn assert_full(pool: &Mempool) {
    assert_eq!(pool.available(), pool.capacity(), "packets are missing from the pool");
}

/// A frame of `len` bytes that begins with broadcast and carries its number.
pub fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame.extend(number.to_be_bytes());
    frame.resize(len.max(18), number as u8);
    frame
}

/// Sends everything, however often the queue has to be asked; fails after a while.
pub fn send_all<const N: usize>(queue: &mut TxQueue, packets: &mut ArrayVec<Mbuf, N>) {
    for _ in 0..1_000_000 {
        queue.transmit(packets);
        if packets.is_empty() {
            return;
        }
    }
    panic!("the queue takes no more packets");
}

/// Receives until `want` packets are there; fails after two seconds.
pub fn receive_all(queue: &mut RxQueue, want: usize) -> Vec<Mbuf> {
    let mut all = Vec::new();
    let end = Instant::now() + Duration::from_secs(2);
    while all.len() < want {
        let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
        queue.receive(&mut burst);
        all.extend(burst);
        assert!(Instant::now() < end, "{} of {want} packets came", all.len());
    }
    all
}
