//! Ports on an ordinary kernel interface: `net_af_packet` and `net_af_xdp` over a veth pair.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use common::{assert_full, isolated_network, pool, send_all, small_pages};
use sluice_dpdk::{Mbuf, Port, PortOptions};
use sluice_wire::PacketBuf;

#[test]
fn af_packet_carries_both_ways_and_leaks_nothing() {
    isolated_network("af_packet_carries_both_ways_and_leaks_nothing", || {
        round_trips("net_af_packet0,iface=sl-port", true)
    });
}

#[test]
fn af_xdp_carries_both_ways_and_loses_only_its_rings() {
    isolated_network("af_xdp_carries_both_ways_and_loses_only_its_rings", || {
        round_trips("net_af_xdp0,iface=sl-port", false)
    });
}

/// The kernel behind the veth's other end sends, the port answers.
fn round_trips(device: &str, required: bool) {
    ip("link add sl-port type veth peer name sl-peer");
    ip("link set sl-port up");
    ip("address add 10.97.0.1/24 dev sl-peer");
    ip("link set sl-peer up");
    ip("neighbour replace 10.97.0.2 lladdr 02:00:00:00:00:02 dev sl-peer");
    // Else the kernel leaves checksums to a NIC that is not there.
    let _ = Command::new("ethtool").args(["-K", "sl-peer", "tx", "off"]).output();
    let eal = small_pages();
    let pool = pool(&eal, 8191);
    let device: sluice_dpdk::DeviceSpec = device.parse().unwrap();
    match eal.attach(&device) {
        Ok(()) => {}
        Err(error) if !required => return println!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    }
    let opened = Port::open(&eal, device.name(), &PortOptions::new(1, 1), &pool);
    let (port, mut rx, mut tx) = match opened {
        Ok(opened) => opened,
        Err(error) if !required => return println!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    };
    let socket = UdpSocket::bind("10.97.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.connect("10.97.0.2:7").unwrap();
    for n in 0..500u32 {
        let text = vec![n as u8; 1 + n as usize * 2];
        socket.send(&text).unwrap();
        let end = Instant::now() + Duration::from_secs(3);
        let mut back = [0; 2048];
        loop {
            let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
            rx[0].receive(&mut burst);
            burst.retain(reply);
            send_all(&mut tx[0], &mut burst);
            if let Ok(len) = socket.recv(&mut back) {
                assert_eq!(back[..len], text);
                break;
            }
            assert!(Instant::now() < end, "no answer to packet {n}");
        }
    }
    assert!(port.stats().unwrap().tx_packets >= 500);
    let xdp = port.info().driver == "net_af_xdp";
    drop((port, rx, tx));
    if xdp {
        // The driver forgets the packets in its rings (2,048 to be filled) when it closes, in 22.11 and 24.11.
        let lost = pool.capacity() - pool.available();
        println!("packets that the driver forgot: {lost}");
        assert!(lost <= 2048 + 64, "{lost}");
    } else {
        assert_full(&pool);
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Swaps addresses and ports of a UDP packet for port 7; false for any other.
fn reply(packet: &mut Mbuf) -> bool {
    let data = packet.data_mut();
    let udp = data.len() >= 42 && data[12..14] == [8, 0] && data[14] == 0x45 && data[23] == 17;
    if !udp || data[36..38] != [0, 7] {
        return false;
    }
    for (a, b, len) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        for i in 0..len {
            data.swap(a + i, b + i);
        }
    }
    data[40..42].fill(0);
    true
}
