//! The generator: UDP packets of 1,024 flows to one Service, as many as go out of one DPDK port.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use sluice_dpdk::{Eal, EalOptions, HugePages, Lcore, Mbuf, Mempool, Port, PortOptions};
use sluice_wire::PacketBuf;
use sluice_wire::build::Packet;

use crate::link::{CLIENT_MAC, GATEWAY_MAC, LOAD_CPU};
use crate::rules::{PORT, VIP};

const BURST: usize = 64;
const FLOWS: u32 = 1024;

/// Whether there are huge pages.
pub(crate) fn huge() -> bool {
    std::env::var("BENCH_HUGE").is_ok_and(|value| value == "1")
}

/// Sends for so many seconds, and prints how many packets the driver took in one.
pub(crate) fn run(seconds: f64) {
    let pages = if huge() { HugePages::Required } else { HugePages::Never };
    let options = EalOptions::new().main_cpu(LOAD_CPU).memory_mib(128).huge_pages(pages);
    let eal = Eal::init(options.file_prefix(format!("sluice-kernel-{}", std::process::id()))).unwrap();
    let pool = Mempool::builder("kernel").capacity(16_383).build(&eal).unwrap();
    // Of the drivers for veths the one that sends most.
    let device: sluice_dpdk::DeviceSpec = "net_af_xdp0,iface=up1".parse().unwrap();
    eal.attach(&device).unwrap();
    let options = PortOptions::new(1, 1).descriptors(2048, 2048);
    let (port, _rx, mut tx) = Port::open(&eal, device.name(), &options, &pool).unwrap();
    let lcore = Lcore::attach(&eal, LOAD_CPU).unwrap();
    let frames: Vec<Vec<u8>> = (0..FLOWS)
        .map(|n| {
            let source = std::net::Ipv4Addr::from_bits(0xC612_0001 + n % 256);
            Packet::v4(source, VIP)
                .udp(20_000 + n as u16, PORT)
                .payload([0; 18])
                .macs(GATEWAY_MAC, CLIENT_MAC)
                .frame()
        })
        .collect();
    let (start, mut sent, mut next) = (Instant::now(), 0_u64, 0);
    let mut burst = ArrayVec::<Mbuf, BURST>::new();
    while start.elapsed() < Duration::from_secs_f64(seconds) {
        for _ in 0..16 {
            if burst.is_empty() && pool.alloc_bulk(&mut burst) > 0 {
                for packet in &mut burst {
                    let frame = &frames[next % frames.len()];
                    assert!(packet.append(frame.len()), "a buffer has room for a frame");
                    packet.data_mut().copy_from_slice(frame);
                    next += 1;
                }
            }
            sent += tx[0].transmit(&mut burst) as u64;
        }
    }
    println!("{}", sent as f64 / start.elapsed().as_secs_f64());
    drop((burst, lcore, port));
}
