//! `net_pcap` ports: frames from a file, frames into a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::path::Path;

use arrayvec::ArrayVec;
use common::{assert_full, frame, isolated, pool, receive_all, send_all, small_pages};
use sluice_dpdk::{Mbuf, Port, PortOptions};
use sluice_wire::PacketBuf;

#[test]
fn frames_go_from_file_to_file_unchanged() {
    isolated("frames_go_from_file_to_file_unchanged", || {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
        let frames: Vec<Vec<u8>> = (0..1000).map(|n| frame(n, 60 + n as usize % 1455)).collect();
        write_pcap(&from, &frames);
        let eal = small_pages();
        let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", from.display(), to.display());
        eal.attach(&device.parse().unwrap()).unwrap();
        let pool = pool(&eal, 2047);
        let (port, mut rx, mut tx) = Port::open(&eal, "net_pcap0", &PortOptions::new(1, 1), &pool).unwrap();
        let all = receive_all(&mut rx[0], frames.len());
        assert!(all.iter().zip(&frames).all(|(packet, frame)| packet.data() == frame.as_slice()));
        let mut burst: ArrayVec<Mbuf, 1000> = all.into_iter().collect();
        send_all(&mut tx[0], &mut burst);
        assert_eq!(port.stats().unwrap().tx_packets, 1000);
        drop((port, rx, tx));
        assert_full(&pool);
        assert_eq!(read_pcap(&to), frames);
    });
}

#[test]
fn an_endless_file_leaks_nothing() {
    isolated("an_endless_file_leaks_nothing", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.pcap");
        write_pcap(&file, &(0..64).map(|n| frame(n, 60)).collect::<Vec<_>>());
        let eal = small_pages();
        let device = format!("net_pcap0,rx_pcap={},infinite_rx=1", file.display());
        eal.attach(&device.parse().unwrap()).unwrap();
        let pool = pool(&eal, 2047);
        // Without a transmit file the driver drops what it is given.
        let (port, mut rx, mut tx) = Port::open(&eal, "net_pcap0", &PortOptions::new(1, 1), &pool).unwrap();
        let mut total = 0;
        while total < 100_000 {
            let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
            total += rx[0].receive(&mut burst);
            send_all(&mut tx[0], &mut burst);
        }
        assert!(rx[0].index() == 0 && tx[0].port_id() == port.id());
        drop((rx, tx, port));
        assert_full(&pool);
    });
}

#[test]
fn a_missing_file_is_named_with_its_cause() {
    isolated("a_missing_file_is_named_with_its_cause", || {
        let eal = small_pages();
        let device = "net_pcap0,rx_pcap=/nonexistent/in.pcap".parse().unwrap();
        let text = eal.attach(&device).unwrap_err().to_string();
        assert!(
            text.contains("net_pcap0") && text.contains("likely cause: the capture file does not exist"),
            "{text}"
        );
        assert!(text.contains("DPDK said"), "{text}");
    });
}

/// A capture file of the classic format, microseconds, Ethernet.
fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).unwrap();
}

fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[24..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        frames.push(rest[16..16 + len].to_vec());
        rest = &rest[16 + len..];
    }
    frames
}
