//! `net_null` ports: every packet sent disappears, every receive is a full burst.

mod common;

use arrayvec::ArrayVec;
use common::{assert_full, isolated, pool, small_pages};
use sluice_dpdk::{Mbuf, Port, PortOptions};

#[test]
fn bursts_come_and_go_without_a_leak() {
    isolated("bursts_come_and_go_without_a_leak", || {
        let eal = small_pages();
        eal.attach(&"net_null0,size=60".parse().unwrap()).unwrap();
        let pool = pool(&eal, 2047);
        let (port, mut rx, mut tx) =
            Port::open(&eal, "net_null0", &PortOptions::new(1, 1), &pool).unwrap();
        let mut burst: ArrayVec<Mbuf, 64> = ArrayVec::new();
        for _ in 0..1000 {
            assert_eq!(rx[0].receive(&mut burst), 64);
            assert!(
                burst
                    .iter()
                    .all(|packet| packet.packet_len() == 60 && packet.is_contiguous())
            );
            assert_eq!(tx[0].transmit(&mut burst), 64);
            assert!(burst.is_empty());
        }
        assert_eq!(port.stats().unwrap().rx_packets, 64_000);
        assert_eq!(port.stats().unwrap().tx_packets, 64_000);
        drop((port, rx, tx));
        assert_full(&pool);
    });
}
