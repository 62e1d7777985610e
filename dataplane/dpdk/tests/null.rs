//! `net_null` ports: every packet sent disappears, every receive is a full burst.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use common::{assert_full, isolated, pool, small_pages};
use sluice_dpdk::{
    Eal, Lcore, Mbuf, Mempool, Port, PortError, PortOptions, RssFunctions, RssOptions, RxQueue, TxQueue, ring,
};

#[test]
fn bursts_come_and_go_without_a_leak() {
    isolated("bursts_come_and_go_without_a_leak", || {
        let eal = small_pages();
        let pool = pool(&eal, 2047);
        let (port, mut rx, mut tx) = open(&eal, &pool, 1);
        let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
        for _ in 0..1000 {
            assert_eq!(rx[0].receive(&mut burst), 64);
            assert!(burst.iter().all(|packet| packet.packet_len() == 60 && packet.is_contiguous()));
            assert!(burst.iter().all(|packet| packet.is_from(&pool)));
            assert_eq!(tx[0].transmit(&mut burst), 64);
            assert!(burst.is_empty());
        }
        assert_eq!(port.stats().unwrap().rx_packets, 64_000);
        assert_eq!(port.stats().unwrap().tx_packets, 64_000);
        port.reset_stats().unwrap();
        assert_eq!(port.stats().unwrap().rx_packets, 0);
        drop((port, rx, tx));
        assert_full(&pool);
    });
}

#[test]
fn a_full_array_receives_nothing_and_an_exhausted_pool_delivers_nothing() {
    isolated("a_full_array_receives_nothing_and_an_exhausted_pool_delivers_nothing", || {
        let eal = small_pages();
        let pool = pool(&eal, 127);
        let (port, mut rx, tx) = open(&eal, &pool, 1);
        let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
        assert_eq!(rx[0].receive(&mut burst), 64);
        assert_eq!(rx[0].receive(&mut burst), 0);
        assert_eq!(burst.len(), 64);
        let mut more: ArrayVec<Mbuf, 64> = ArrayVec::new();
        let got = rx[0].receive(&mut more);
        assert_eq!(pool.available(), 127 - 64 - got as u32);
        let mut rest: ArrayVec<Mbuf, 64> = ArrayVec::new();
        while pool.available() > 0 {
            rest.extend(pool.alloc());
        }
        let mut none: ArrayVec<Mbuf, 64> = ArrayVec::new();
        assert_eq!(rx[0].receive(&mut none), 0);
        assert!(pool.alloc().is_none());
        assert_eq!(pool.alloc_bulk(&mut none), 0);
        drop((burst, more, rest, port, rx, tx));
        assert_full(&pool);
    });
}

#[test]
fn two_workers_with_queues_of_their_own_and_a_hand_over() {
    isolated("two_workers_with_queues_of_their_own_and_a_hand_over", || {
        let eal = small_pages();
        // With caches: each worker has its own, and at the end they count as available.
        let pool = Mempool::builder("cached").capacity(4095).cache(128).build(&eal).unwrap();
        let (port, rx, tx) = open(&eal, &pool, 2);
        let (sender, receiver) = ring(&eal, 255).unwrap();
        let stop = AtomicBool::new(false);
        let cpus = std::thread::available_parallelism().unwrap().get();
        let mut receiver = Some(receiver);
        std::thread::scope(|scope| {
            for (n, (mut rx, mut tx)) in rx.into_iter().zip(tx).enumerate() {
                let (eal, sender, stop) = (&eal, sender.clone(), &stop);
                // The second worker also takes what the first one hands over.
                let mut receiver = if n == 1 { receiver.take() } else { None };
                scope.spawn(move || {
                    let lcore = Lcore::attach(eal, n % cpus).unwrap();
                    assert_eq!(lcore.cpu(), n % cpus);
                    let mut burst: ArrayVec<Mbuf, 32> = ArrayVec::new();
                    let mut handed = 0;
                    while !stop.load(Ordering::Relaxed) {
                        rx.receive(&mut burst);
                        match &mut receiver {
                            None => _ = sender.send(&mut burst),
                            Some(receiver) => {
                                tx.transmit(&mut burst);
                                handed += receiver.receive(&mut burst);
                            }
                        }
                        tx.transmit(&mut burst);
                    }
                    assert!(receiver.is_none() || handed > 0, "nothing was handed over");
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
            stop.store(true, Ordering::Relaxed);
        });
        let stats = port.stats().unwrap();
        assert!(stats.rx_packets > 10_000, "{stats:?}");
        drop((port, sender));
        assert_full(&pool);
    });
}

#[test]
fn handles_and_packets_may_be_dropped_in_any_order() {
    isolated("handles_and_packets_may_be_dropped_in_any_order", || {
        let eal = small_pages();
        // Six things, in every rotation and its reverse. A pool of this size fits in memory a few times only, so one that
        // is not given back shows at the latest when the next cannot be made.
        for turn in 0..24 {
            let pool = pool(&eal, 6000);
            let (port, mut rx, tx) = open(&eal, &pool, 1);
            let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
            assert_eq!(rx[0].receive(&mut burst), 64);
            let mut things: Vec<Box<dyn std::any::Any + Send>> = vec![
                Box::new(pool.clone()),
                Box::new(port),
                Box::new(rx),
                Box::new(tx),
                Box::new(burst.pop()),
                Box::new(burst),
            ];
            drop(pool);
            things.rotate_left(turn % 6);
            if turn >= 12 {
                things.reverse();
            }
            for (n, thing) in things.into_iter().enumerate() {
                if (turn + n) % 3 == 0 {
                    std::thread::spawn(move || drop(thing)).join().unwrap();
                } else {
                    drop(thing);
                }
            }
        }
    });
}

#[test]
fn a_packet_outlives_everything_even_the_environment() {
    isolated("a_packet_outlives_everything_even_the_environment", || {
        use sluice_wire::PacketBuf;
        let eal = small_pages();
        let pool = pool(&eal, 255);
        let (port, mut rx, tx) = open(&eal, &pool, 1);
        let mut burst: ArrayVec<Mbuf, 4> = ArrayVec::new();
        rx[0].receive(&mut burst);
        drop((eal, pool, port, rx, tx));
        for packet in &mut burst {
            packet.data_mut().fill(0xa5);
        }
        assert!(burst.iter().all(|packet| packet.data() == [0xa5; 60]));
        drop(burst);
    });
}

#[test]
fn rss_is_configured_where_offered() {
    isolated("rss_is_configured_where_offered", || {
        let eal = small_pages();
        let pool = pool(&eal, 1023);
        eal.attach(&"net_null0".parse().unwrap()).unwrap();
        let key: Vec<u8> = (0..40).collect();
        let options = |key: &[u8]| {
            let rss = RssOptions { key: Some(key.to_vec()), functions: RssFunctions::PORTS };
            PortOptions::new(2, 2).rss(rss)
        };
        let short = Port::open(&eal, "net_null0", &options(&key[..39]), &pool).err().unwrap();
        assert!(matches!(short, PortError::BadRssKey { length: 39, expected: 40, .. }), "{short}");
        // A refused port is gone, as a closed one.
        eal.attach(&"net_null0".parse().unwrap()).unwrap();
        let (port, _rx, _tx) = Port::open(&eal, "net_null0", &options(&key), &pool).unwrap();
        let on = port.offloads().rss.expect("net_null offers RSS");
        assert!(!on.is_empty() && RssFunctions::PORTS.contains(on));
        assert!(port.info().rss_table_len > 0);
        let table: Vec<u16> = (0..port.info().rss_table_len).map(|entry| (entry / 3) % 2).collect();
        port.set_rss_table(&table).unwrap();
        let rss = port.rss().unwrap();
        assert_eq!(rss.table, table);
        assert_eq!(rss.key.len(), 40);
        assert!(matches!(port.set_rss_table(&table[1..]), Err(PortError::NotOffered { .. })));
    });
}

#[test]
fn what_cannot_work_is_refused_in_words() {
    isolated("what_cannot_work_is_refused_in_words", || {
        let eal = small_pages();
        let pool = pool(&eal, 1023);
        let device = || eal.attach(&"net_null0".parse().unwrap()).unwrap();
        let refused = |options: &PortOptions| {
            let error = Port::open(&eal, "net_null0", options, &pool).err().unwrap();
            (format!("{error}"), error)
        };
        let (text, error) = refused(&PortOptions::new(1, 1));
        assert!(matches!(error, PortError::NotFound(_)) && text.contains("net_null0"), "{text}");
        device();
        let (text, error) = refused(&PortOptions::new(5000, 1));
        assert!(matches!(error, PortError::TooManyQueues { wanted: 5000, .. }), "{text}");
        device();
        let (text, error) = refused(&PortOptions::new(1, 1).mtu(9000));
        assert!(matches!(error, PortError::BadMtu { mtu: 9000, .. }), "{text}");
        device();
        let none = Port::open_with_pools(&eal, "net_null0", &PortOptions::new(1, 1), &[]).err();
        assert!(matches!(none, Some(PortError::NoPool(_))));
        let (port, rx, tx) = Port::open(&eal, "net_null0", &PortOptions::new(1, 1).mtu(1400), &pool).unwrap();
        assert_eq!(port.mtu().unwrap(), 1400);
        let (text, error) = refused(&PortOptions::new(1, 1));
        assert!(matches!(error, PortError::InUse(_)), "{text}");
        // A queue alone keeps the port.
        drop((port, rx));
        assert!(matches!(refused(&PortOptions::new(1, 1)).1, PortError::InUse(_)));
        drop(tx);
        assert!(matches!(refused(&PortOptions::new(1, 1)).1, PortError::NotFound(_)));
        assert_full(&pool);
    });
}

fn open(eal: &Eal, pool: &Mempool, queues: u16) -> (Port, Vec<RxQueue>, Vec<TxQueue>) {
    eal.attach(&"net_null0,size=60".parse().unwrap()).unwrap();
    Port::open(eal, "net_null0", &PortOptions::new(queues, queues), pool).unwrap()
}
