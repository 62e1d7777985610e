//! Pools and packet buffers without a port.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::collections::HashSet;

use arrayvec::ArrayVec;
use common::{assert_full, isolated, pool, small_pages};
use sluice_dpdk::{Checksum, L4Checksum, Lcore, Mbuf, Mempool, MempoolError, TxChecksums};
use sluice_wire::{PacketBuf, TestBuf};

#[test]
fn every_buffer_is_handed_out_once() {
    isolated("every_buffer_is_handed_out_once", || {
        let eal = small_pages();
        let pool = pool(&eal, 1000);
        let mut all: Vec<Mbuf> = Vec::new();
        let mut bulk: ArrayVec<Mbuf, 300> = ArrayVec::new();
        assert_eq!(pool.alloc_bulk(&mut bulk), 300);
        all.extend(bulk);
        all.extend(std::iter::from_fn(|| pool.alloc()));
        assert_eq!((all.len(), pool.available()), (1000, 0));
        let places: HashSet<*const u8> = all
            .iter_mut()
            .map(|packet| {
                assert!(packet.append(2048) && !packet.append(1));
                packet.data().as_ptr()
            })
            .collect();
        assert_eq!(places.len(), 1000);
        // Bytes written to one buffer are in no other.
        for (n, packet) in all.iter_mut().enumerate() {
            packet.data_mut().fill(n as u8);
        }
        assert!(all.iter().enumerate().all(|(n, packet)| packet.data().iter().all(|byte| *byte == n as u8)));
        drop(all);
        assert_full(&pool);
    });
}

#[test]
fn an_mbuf_behaves_as_the_test_buffer() {
    isolated("an_mbuf_behaves_as_the_test_buffer", || {
        let eal = small_pages();
        let pool = pool(&eal, 255);
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for _ in 0..500 {
            let frame: Vec<u8> = (0..next(1600)).map(|_| next(256) as u8).collect();
            let (mut real, mut model) = (pool.copy_of(&frame).unwrap(), TestBuf::new(&frame));
            for _ in 0..40 {
                let n = next(300);
                let (same, grown) = match next(4) {
                    0 => (real.prepend(n) == model.prepend(n), true),
                    1 => (real.append(n) == model.append(n), true),
                    2 => (real.trim_front(n) == model.trim_front(n), false),
                    _ => {
                        let len = next(2000);
                        real.truncate(len);
                        model.truncate(len);
                        (true, false)
                    }
                };
                assert!(same);
                if grown {
                    // New bytes are unspecified: specify them.
                    let fill = next(256) as u8;
                    let edge = n.min(real.data().len());
                    real.data_mut()[..edge].fill(fill);
                    model.data_mut()[..edge].fill(fill);
                    let start = real.data().len() - edge;
                    real.data_mut()[start..].fill(fill);
                    model.data_mut()[start..].fill(fill);
                }
                assert_eq!(real.data(), model.data());
                assert_eq!(real.packet_len(), real.data().len());
                assert_eq!(real.headroom() + real.data().len() + real.tailroom(), 2176);
            }
        }
        assert!(pool.copy_of(&[0; 2049]).is_none());
        assert_full(&pool);
    });
}

#[test]
fn chains_are_cut_and_joined_without_a_leak() {
    isolated("chains_are_cut_and_joined_without_a_leak", || {
        let eal = small_pages();
        let pool = pool(&eal, 511);
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * 7) as u8).collect();
        let chain = || {
            let mut pieces = bytes.chunks(300).map(|piece| pool.copy_of(piece).unwrap());
            let mut head = pieces.next().unwrap();
            for piece in pieces {
                head.chain(piece).unwrap();
            }
            head
        };
        for len in 0..=1001 {
            let mut packet = chain();
            assert_eq!((packet.packet_len(), packet.segments()), (1000, 4));
            assert!(!packet.append(1) && !packet.is_contiguous());
            packet.truncate(len);
            let len = len.min(1000);
            assert_eq!(packet.packet_len(), len);
            assert_eq!(packet.segments(), len.div_ceil(300).max(1));
            assert!(packet.linearize() && packet.is_contiguous());
            assert_eq!(packet.data(), &bytes[..len]);
        }
        // Too long for one buffer: nothing changes.
        let mut long = pool.copy_of(&[1; 2000]).unwrap();
        long.chain(pool.copy_of(&[2; 2000]).unwrap()).unwrap();
        assert!(!long.linearize());
        assert_eq!((long.packet_len(), long.segments()), (4000, 2));
        // 65,535 bytes are the most.
        for _ in 0..30 {
            long.chain(pool.copy_of(&[3; 2000]).unwrap()).unwrap();
        }
        assert_eq!(long.packet_len(), 64_000);
        let refused = long.chain(pool.copy_of(&[4; 2000]).unwrap()).unwrap_err();
        assert_eq!(refused.data(), [4; 2000]);
        drop((long, refused));
        assert_full(&pool);
    });
}

#[test]
fn a_pool_is_given_back_when_its_last_packet_comes_home() {
    isolated("a_pool_is_given_back_when_its_last_packet_comes_home", || {
        // 64 MiB hold two pools of this size, but not three.
        const PACKETS: u32 = 10_000;
        let eal = small_pages();
        for _ in 0..20 {
            let first = pool(&eal, PACKETS);
            let mut packet = first.alloc().unwrap();
            drop(first);
            assert!(packet.append(100));
            packet.data_mut().fill(7);
            let second = pool(&eal, PACKETS);
            let full = Mempool::builder("third").capacity(PACKETS).build(&eal).err();
            assert!(
                matches!(full, Some(MempoolError::Create { .. })),
                "the first pool's memory is gone too early"
            );
            assert_eq!(packet.data(), [7; 100]);
            drop((packet, second));
        }
    });
}

#[test]
fn pools_and_packets_may_be_dropped_at_once_on_many_threads() {
    isolated("pools_and_packets_may_be_dropped_at_once_on_many_threads", || {
        let eal = small_pages();
        for round in 0..300 {
            let pool = Mempool::builder("race").capacity(2000).cache(64).build(&eal).unwrap();
            let packets: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
            assert_eq!(packets.len(), 2000);
            let mut shares: Vec<Vec<Mbuf>> = (0..4).map(|_| Vec::new()).collect();
            for (n, packet) in packets.into_iter().enumerate() {
                shares[n % 4].push(packet);
            }
            std::thread::scope(|scope| {
                for (n, share) in shares.into_iter().enumerate() {
                    let eal = &eal;
                    scope.spawn(move || {
                        // Half of the threads have a cache of their own.
                        let _lcore = (n % 2 == 0).then(|| Lcore::attach(eal, 0).unwrap());
                        drop(share);
                    });
                }
                if round % 2 == 0 {
                    std::thread::yield_now();
                }
                drop(pool);
            });
        }
        // 300 pools of 4.7 MiB would not have fitted into 64 MiB if they had not been given back.
    });
}

#[test]
fn offload_requests_and_marks() {
    isolated("offload_requests_and_marks", || {
        let eal = small_pages();
        let pool = pool(&eal, 255);
        let mut packet = pool.copy_of(&[0; 60]).unwrap();
        assert_eq!((packet.ip_checksum(), packet.l4_checksum()), (Checksum::Unknown, Checksum::Unknown));
        assert_eq!((packet.stripped_vlan(), packet.rss_hash(), packet.port()), (None, None, u16::MAX));
        let request =
            TxChecksums { l2_len: 14, l3_len: 20, ipv6: false, ip: true, l4: Some(L4Checksum::Udp) };
        assert!(packet.request_checksums(request));
        assert!(
            !packet.request_checksums(TxChecksums { l3_len: 47, ..request }),
            "headers beyond the packet"
        );
        assert!(!packet.request_checksums(TxChecksums { l3_len: 512, ..request }));
        assert!(!packet.request_checksums(TxChecksums { l2_len: 128, ..request }));
        drop(packet);
        // A buffer comes back from the pool without its former request.
        let packet = pool.alloc().unwrap();
        assert_eq!(packet.packet_len(), 0);
        drop(packet);
        assert_full(&pool);
    });
}

#[test]
fn pools_that_cannot_be_are_refused() {
    isolated("pools_that_cannot_be_are_refused", || {
        let eal = small_pages();
        let build = |label: &str, capacity, room, cache| {
            Mempool::builder(label).capacity(capacity).room(room).cache(cache).build(&eal).err()
        };
        assert!(matches!(build("", 10, 2048, 0), Some(MempoolError::BadLabel(_))));
        assert!(matches!(build("a b", 10, 2048, 0), Some(MempoolError::BadLabel(_))));
        assert!(matches!(build("thirteen_char", 10, 2048, 0), Some(MempoolError::BadLabel(_))));
        assert!(matches!(build("a", 0, 2048, 0), Some(MempoolError::BadCapacity(0))));
        assert!(matches!(build("a", 10, 191, 0), Some(MempoolError::BadRoom(191))));
        assert!(matches!(build("a", 10, 2048, 7), Some(MempoolError::BadCache { most: 6, .. })));
        assert!(matches!(build("a", 10_000, 2048, 513), Some(MempoolError::BadCache { most: 512, .. })));
        assert!(matches!(build("a", 10_000_000, 2048, 0), Some(MempoolError::Create { .. })));
        assert!(build("a", 9, 2048, 6).is_none());
        assert!(build("a", 9, u16::MAX, 0).is_none());
    });
}
