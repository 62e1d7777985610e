//! `net_ring` ports, which hand back what they are sent, and hand-over rings.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use arrayvec::ArrayVec;
use common::{assert_full, frame, isolated, pool, receive_all, small_pages};
use sluice_dpdk::{Mbuf, Port, PortOptions, RingError, ring};
use sluice_wire::PacketBuf;

#[test]
fn frames_come_back_in_order_and_unsent_ones_stay() {
    isolated("frames_come_back_in_order_and_unsent_ones_stay", || {
        let eal = small_pages();
        eal.attach(&"net_ring0".parse().unwrap()).unwrap();
        let pool = pool(&eal, 4095);
        let (port, mut rx, mut tx) = Port::open(&eal, "net_ring0", &PortOptions::new(1, 1), &pool).unwrap();
        let number = |packet: &Mbuf| u32::from_be_bytes(packet.data()[14..18].try_into().unwrap());
        let mut next = 0;
        let mut sent = 0;
        let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
        // The ring has a bounded number of places; beyond them packets stay here.
        loop {
            while !burst.is_full() {
                burst.push(pool.copy_of(&frame(next, 60 + next as usize % 1400)).unwrap());
                next += 1;
            }
            let before = number(&burst[0]);
            let n = tx[0].transmit(&mut burst);
            sent += n;
            assert_eq!(burst.len(), 64 - n);
            if n < 64 {
                // In order, from the first unsent one on.
                let numbers: Vec<u32> = burst.iter().map(number).collect();
                let expected: Vec<u32> = (before + n as u32..next).collect();
                assert_eq!(numbers, expected);
                break;
            }
        }
        assert_eq!(tx[0].transmit(&mut burst), 0, "a full ring takes nothing");
        let all = receive_all(&mut rx[0], sent);
        for (n, packet) in all.iter().enumerate() {
            assert_eq!(packet.data(), frame(n as u32, 60 + n % 1400));
        }
        let left = burst.len();
        assert_eq!(tx[0].transmit(&mut burst), left, "an emptied ring takes them");
        drop(receive_all(&mut rx[0], left));
        drop((all, burst, port, rx, tx));
        assert_full(&pool);
    });
}

#[test]
fn a_port_closed_with_packets_inside_gives_them_back() {
    isolated("a_port_closed_with_packets_inside_gives_them_back", || {
        let eal = small_pages();
        let pool = pool(&eal, 1023);
        for _ in 0..3 {
            eal.attach(&"net_ring0".parse().unwrap()).unwrap();
            let (port, rx, mut tx) = Port::open(&eal, "net_ring0", &PortOptions::new(1, 1), &pool).unwrap();
            let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
            assert_eq!(pool.alloc_bulk(&mut burst), 32);
            assert_eq!(tx[0].transmit(&mut burst), 32);
            assert_eq!(pool.available(), 1023 - 32);
            drop((port, rx, tx));
            assert_full(&pool);
        }
    });
}

#[test]
fn many_senders_one_receiver() {
    isolated("many_senders_one_receiver", || {
        const EACH: u32 = 20_000;
        let eal = small_pages();
        let pool = pool(&eal, 2047);
        let (sender, mut receiver) = ring(&eal, 100).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..3u32 {
                let (sender, pool) = (sender.clone(), &pool);
                scope.spawn(move || {
                    let mut burst: ArrayVec<Mbuf, 16> = ArrayVec::new();
                    let mut made = 0;
                    while made < EACH || !burst.is_empty() {
                        while made < EACH && !burst.is_full() {
                            let Some(packet) = pool.copy_of(&frame(thread << 24 | made, 60)) else {
                                break;
                            };
                            burst.push(packet);
                            made += 1;
                        }
                        if sender.send(&mut burst) == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            // Each sender's packets arrive in its order, none twice, none lost.
            let mut next = [0; 3];
            while next != [EACH; 3] {
                let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
                if receiver.receive(&mut burst) == 0 {
                    std::thread::yield_now();
                }
                for packet in burst {
                    let number = u32::from_be_bytes(packet.data()[14..18].try_into().unwrap());
                    let thread = (number >> 24) as usize;
                    assert_eq!(number & 0xff_ffff, next[thread]);
                    next[thread] += 1;
                }
            }
        });
        assert_full(&pool);
    });
}

#[test]
fn a_ring_gives_back_what_was_never_received() {
    isolated("a_ring_gives_back_what_was_never_received", || {
        let eal = small_pages();
        let pool = pool(&eal, 255);
        for receiver_first in [false, true] {
            let (sender, receiver) = ring(&eal, 20).unwrap();
            let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
            assert_eq!(pool.alloc_bulk(&mut burst), 64);
            let sent = sender.send(&mut burst);
            assert!((20..64).contains(&sent), "{sent}");
            assert_eq!(sender.send(&mut burst), 0);
            drop(burst);
            assert_eq!(pool.available(), 255 - sent as u32);
            if receiver_first {
                drop(receiver);
                drop(sender);
            } else {
                drop(sender);
                drop(receiver);
            }
            assert_full(&pool);
        }
        assert!(matches!(ring(&eal, 0), Err(RingError::BadCapacity(0))));
        assert!(matches!(ring(&eal, u32::MAX), Err(RingError::BadCapacity(_))));
        assert!(matches!(ring(&eal, 1 << 29), Err(RingError::Create { .. })));
    });
}
