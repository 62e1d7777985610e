//! Against counters that are exact, of which there are as many as it takes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

/// Prefix lengths and multipliers of Knot DNS's mod-rrl, written down once more.
const KNOT: [(bool, u8, f64); 9] = [
    (true, 32, 1.0),
    (true, 24, 32.0),
    (true, 20, 256.0),
    (true, 18, 768.0),
    (false, 128, 1.0),
    (false, 64, 2.0),
    (false, 56, 3.0),
    (false, 48, 4.0),
    (false, 32, 64.0),
];

/// By network, and what is in it: a load and the time that it is of.
#[derive(Default)]
struct Exact(HashMap<IpNet, (f64, u64)>);

impl Exact {
    /// The largest part of a limit that is used up.
    fn pressure(&self, client: IpAddr, per_second: u32, now: u64) -> f64 {
        Self::networks(client).fold(0.0, |most, (network, times)| {
            let (load, since) = self.0.get(&network).copied().unwrap_or_default();
            let load = load * 0.5_f64.powf(((now >> 6) - (since >> 6)) as f64 / 32.0);
            f64::max(most, load / (f64::from(per_second) * times * 2.987))
        })
    }

    fn count(&mut self, client: IpAddr, now: u64) {
        for (network, _) in Self::networks(client) {
            let (load, since) = self.0.entry(network).or_insert((0.0, now));
            *load = *load * 0.5_f64.powf(((now >> 6) - (*since >> 6)) as f64 / 32.0) + 1.0;
            *since = now;
        }
    }

    fn networks(client: IpAddr) -> impl Iterator<Item = (IpNet, f64)> {
        let ours = KNOT.into_iter().filter(move |(v4, ..)| *v4 == client.is_ipv4());
        ours.map(move |(_, length, times)| (IpNet::new(client, length).unwrap().trunc(), times))
    }
}

fn table() -> RateTable {
    RateTable::new(HashKeys::new([7; 32]))
}

fn client() -> impl Strategy<Value = IpAddr> {
    // Few enough that they meet, in networks near enough that those meet too.
    let v4 = (0..3_u32, 0..3_u32, 0..4_u32)
        .prop_map(|(a, b, c)| Ipv4Addr::from_bits(0x0a00_0000 | a << 12 | b << 8 | c).into());
    let v6 = (0..2_u128, 0..2_u128, 0..2_u128, 0..3_u128)
        .prop_map(|(a, b, c, d)| Ipv6Addr::from_bits(0xfd00 << 112 | a << 84 | b << 76 | c << 64 | d).into());
    prop_oneof![v4, v6]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn as_exact_counters(
        per_second in 1..20_u32,
        asked in prop::collection::vec((client(), 1..120_usize, 0..3000_u64), 1..150),
    ) {
        let mut table = table();
        let mut exact = Exact::default();
        let mut now = 1_000_000;
        for (client, times, pause) in asked {
            for _ in 0..times {
                let pressure = exact.pressure(client, per_second, now);
                let admitted = table.admit(client, per_second, Now(now));
                // Right at the limit rounding decides.
                if !(0.999..=1.001).contains(&pressure) {
                    prop_assert_eq!(admitted, pressure < 1.0, "{} at {}", client, pressure);
                }
                if admitted {
                    exact.count(client, now);
                }
            }
            now += pause;
        }
    }
}

/// Queries of `client` that are let through while it asks `each` times a millisecond.
fn flood(table: &mut RateTable, client: IpAddr, each: usize, from: u64, milliseconds: u64) -> u64 {
    let times = (from..from + milliseconds).flat_map(|now| std::iter::repeat_n(now, each));
    times.filter(|&now| table.admit(client, 50, Now(now))).count() as u64
}

#[test]
fn who_floods_gets_the_limit_and_no_more() {
    for client in ["10.1.2.3", "fd00::1"] {
        let client = client.parse().unwrap();
        let mut table = table();
        let first = flood(&mut table, client, 10, 0, 10_000);
        assert!((600..=700).contains(&first), "{first}");
        let second = flood(&mut table, client, 10, 10_000, 10_000);
        assert!((490..=510).contains(&second), "{second}");
        // As often as the limit says, without a pause, is never too often.
        let mut table = self::table();
        assert!((0..50_000).step_by(20).all(|now| table.admit(client, 50, Now(now))));
    }
}

#[test]
fn a_flood_from_everywhere_does_not_push_out_one_who_floods() {
    let mut table = table();
    let flooder = "10.1.2.3".parse().unwrap();
    assert!(flood(&mut table, flooder, 200, 0, 1) < 200);
    let line = table.lines.len();
    for i in 0..400_000_u32 {
        // Other networks, so that their limits are not what holds them back.
        table.admit(Ipv4Addr::from_bits(0x4000_0000 + i.wrapping_mul(0x9e37_79b1) / 4).into(), 50, Now(1));
    }
    assert!(!table.admit(flooder, 50, Now(1)));
    assert_eq!(table.lines.len(), line);
}

#[test]
fn fractions_are_those_of_a_half_life() {
    for (i, fraction) in FRACTIONS.iter().enumerate() {
        let exact = 0.5_f64.powf(i as f64 / 32.0) * 2_f64.powi(32);
        assert!((*fraction as f64 - exact).abs() < 2.0, "{i}");
    }
    let old = Counter { tag: 0, step: 0, load: u64::MAX };
    assert_eq!(old.load(u32::MAX), 0);
    assert_eq!(size_of::<Line>(), 64);
}
