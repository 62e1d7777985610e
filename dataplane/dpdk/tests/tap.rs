//! `net_tap` ports against the kernel's own network stack, in a network namespace that ends with the test.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrayvec::ArrayVec;
use common::{assert_full, isolated_network, pool, send_all, small_pages};
use sluice_dpdk::{Eal, Lcore, Mbuf, Mempool, Port, PortOptions, RxQueue, TxQueue};
use sluice_wire::PacketBuf;

#[test]
fn two_workers_echo_for_the_kernel() {
    isolated_network("two_workers_echo_for_the_kernel", || {
        let eal = small_pages();
        let pool = pool(&eal, 8191);
        let (port, rx, tx) = open(&eal, &pool, 2);
        let stop = AtomicBool::new(false);
        let echoed = [AtomicU64::new(0), AtomicU64::new(0)];
        let cpus = std::thread::available_parallelism().unwrap().get();
        std::thread::scope(|scope| {
            for (n, (mut rx, mut tx)) in rx.into_iter().zip(tx).enumerate() {
                let (eal, stop, echoed) = (&eal, &stop, &echoed[n]);
                scope.spawn(move || {
                    let _lcore = Lcore::attach(eal, n % cpus).unwrap();
                    while !stop.load(Ordering::Relaxed) {
                        echoed.fetch_add(echo(&mut rx, &mut tx), Ordering::Relaxed);
                    }
                });
            }
            let stop_at_end = StopAtEnd(&stop);
            // Many sockets, so that the kernel's hash finds both queues.
            for n in 0..32u8 {
                let socket = UdpSocket::bind("10.98.0.1:0").unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                socket.connect("10.98.0.2:7").unwrap();
                for len in [1, 64, 512, 1472] {
                    let text = vec![n; len];
                    assert_eq!(socket.send(&text).unwrap(), len);
                    let mut back = [0; 2048];
                    assert_eq!(socket.recv(&mut back).unwrap(), len);
                    assert_eq!(back[..len], text);
                }
            }
            drop(stop_at_end);
        });
        let counts = echoed.map(AtomicU64::into_inner);
        assert!(counts[0] + counts[1] >= 128, "{counts:?}");
        println!("packets echoed by each worker: {counts:?}");
        let stats = port.stats().unwrap();
        assert!(stats.tx_packets >= 128 && stats.rx_packets >= 128, "{stats:?}");
        drop(port);
        assert_full(&pool);
    });
}

#[test]
fn addresses_link_and_modes_reach_the_kernel() {
    isolated_network("addresses_link_and_modes_reach_the_kernel", || {
        let eal = small_pages();
        let pool = pool(&eal, 8191);
        let (port, rx, tx) = open(&eal, &pool, 1);
        assert_eq!((port.name(), port.info().driver.as_str()), ("net_tap0", "net_tap"));
        assert!(port.info().interface_index > 0);
        assert!(port.info().rss_functions.is_empty(), "the kernel, not the driver, chooses the queue");
        port.set_mac([2, 0x11, 0x22, 0x33, 0x44, 0x55]).unwrap();
        assert_eq!(port.mac().unwrap(), [2, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!(sysfs("address"), "02:11:22:33:44:55");
        port.set_mtu(1400).unwrap();
        assert_eq!((port.mtu().unwrap(), sysfs("mtu").as_str()), (1400, "1400"));
        assert!(port.link().unwrap().up);
        port.set_promiscuous(true).unwrap();
        assert!(port.promiscuous().unwrap());
        port.set_all_multicast(true).unwrap();
        assert!(port.all_multicast().unwrap());
        let names: Vec<String> = port.xstats().unwrap().into_iter().map(|stat| stat.name).collect();
        assert!(names.iter().any(|name| name == "rx_good_packets"), "{names:?}");
        drop((port, rx, tx));
        let gone = Command::new("ip").args(["link", "show", "sl-test"]).output().unwrap();
        assert!(!gone.status.success(), "the interface goes with its port");
        assert_full(&pool);
        // And comes back with it.
        drop(open(&eal, &pool, 1));
        assert_full(&pool);
    });
}

#[test]
fn frames_too_long_for_a_buffer_are_scattered_only_on_request() {
    isolated_network("frames_too_long_for_a_buffer_are_scattered_only_on_request", || {
        let eal = small_pages();
        let pool = Mempool::builder("small").capacity(8191).room(128 + 512).cache(0).build(&eal).unwrap();
        for scatter in [false, true] {
            eal.attach(&"net_tap0,iface=sl-test".parse().unwrap()).unwrap();
            let options = PortOptions::new(1, 1).descriptors(64, 64).scatter(scatter);
            let (port, mut rx, mut tx) = Port::open(&eal, "net_tap0", &options, &pool).unwrap();
            assert_eq!(port.offloads().rx_scatter, scatter);
            prepare_interface();
            let socket = UdpSocket::bind("10.98.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket.connect("10.98.0.2:7").unwrap();
            let text: Vec<u8> = (0..1400u32).map(|n| n as u8).collect();
            socket.send(&text).unwrap();
            let mut seen = 0;
            for _ in 0..2000 {
                let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
                rx[0].receive(&mut burst);
                burst.retain(|packet| packet.packet_len() == 1442);
                seen += burst.len();
                for packet in &mut burst {
                    assert_eq!(packet.segments(), 3);
                    assert!(reply(packet));
                }
                send_all(&mut tx[0], &mut burst);
                std::thread::sleep(Duration::from_micros(100));
            }
            assert_eq!(seen, usize::from(scatter));
            if scatter {
                let mut back = [0; 2048];
                assert_eq!(socket.recv(&mut back).unwrap(), text.len());
                assert_eq!(back[..text.len()], text);
            }
            drop((port, rx, tx));
            assert_full(&pool);
        }
    });
}

#[test]
fn a_taken_interface_name_is_refused_with_its_cause() {
    isolated_network("a_taken_interface_name_is_refused_with_its_cause", || {
        let eal = small_pages();
        ip(&["link", "add", "sl-test", "type", "veth", "peer", "name", "sl-peer"]);
        let device = "net_tap0,iface=sl-test".parse().unwrap();
        let text = eal.attach(&device).unwrap_err().to_string();
        assert!(
            text.contains("net_tap0,iface=sl-test") && text.contains("likely cause: TAP devices need"),
            "{text}"
        );
        // A failed attempt is no obstacle to the next one.
        ip(&["link", "delete", "sl-test"]);
        eal.attach(&device).unwrap();
        eal.detach("net_tap0").unwrap();
        assert!(eal.detach("net_tap0").is_err());
    });
}

fn open(eal: &Eal, pool: &Mempool, queues: u16) -> (Port, Vec<RxQueue>, Vec<TxQueue>) {
    eal.attach(&"net_tap0,iface=sl-test".parse().unwrap()).unwrap();
    let options = PortOptions::new(queues, queues).descriptors(256, 256);
    let opened = Port::open(eal, "net_tap0", &options, pool).unwrap();
    prepare_interface();
    opened
}

/// The kernel's side: an address, and a neighbour that is the port.
fn prepare_interface() {
    ip(&["address", "add", "10.98.0.1/24", "dev", "sl-test"]);
    ip(&["link", "set", "sl-test", "up"]);
    ip(&["neighbour", "replace", "10.98.0.2", "lladdr", "02:00:00:00:00:02", "dev", "sl-test"]);
}

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}

fn sysfs(file: &str) -> String {
    // The test's namespace has its own view only where sysfs is mounted anew, so ask `ip`.
    let output = Command::new("ip").args(["-o", "link", "show", "sl-test"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace();
    let key = if file == "address" { "link/ether" } else { file };
    words.find(|word| *word == key);
    words.next().unwrap().to_owned()
}

/// Answers the UDP packets that wait; their number.
fn echo(rx: &mut RxQueue, tx: &mut TxQueue) -> u64 {
    let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
    rx.receive(&mut burst);
    burst.retain(reply);
    let n = burst.len() as u64;
    send_all(tx, &mut burst);
    n
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
    // Swapping words leaves a ones' complement sum as it was; the kernel may have left the UDP checksum undone (it does for
    // a device that computes it), and zero means none.
    data[40..42].fill(0);
    true
}

/// Stops the workers also when the test fails; a scope waits for them.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
