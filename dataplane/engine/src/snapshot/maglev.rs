//! Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4).
//!
//! Every gateway computes the same table from the same set of backends, whatever their order, and a backend that comes or
//! goes moves few flows but its own.

use std::net::{IpAddr, SocketAddr};

use crate::flow::hash::balance;

/// Backends of one table at most; more would need more than 16 bits to name.
pub(super) const MOST: usize = 4096;

/// A lookup table: backend numbers, at least 100 entries for each. Its size is a prime that depends on the next power of
/// two of the number of backends: tables of different sizes have little in common, so a size that followed every
/// change would move nearly all flows with each. Empty for fewer than two backends.
pub(super) fn table(backends: &[(SocketAddr, u16)]) -> Box<[u16]> {
    let backends = &backends[..backends.len().min(MOST)];
    if backends.len() < 2 {
        return Box::default();
    }
    let size = prime_at_least(100 * backends.len().next_power_of_two() as u32);
    // The order of turns must not depend on the order of the list.
    let mut order: Vec<u16> = (0..backends.len() as u16).collect();
    order.sort_by_key(|&i| backends[usize::from(i)].0);
    let heaviest = backends.iter().map(|(_, weight)| (*weight).max(1)).max().unwrap_or(1);
    let mut turns: Vec<Turn> = order
        .iter()
        .map(|&i| {
            let (address, weight) = backends[usize::from(i)];
            Turn::new(i, address, weight.max(1), size)
        })
        .collect();
    const FREE: u16 = u16::MAX;
    let mut table = vec![FREE; size as usize];
    let mut left = size;
    while left > 0 {
        for turn in &mut turns {
            // A backend of half the weight takes every second turn.
            turn.credit += u32::from(turn.weight);
            if turn.credit < u32::from(heaviest) {
                continue;
            }
            turn.credit -= u32::from(heaviest);
            while table[turn.at as usize] != FREE {
                turn.step(size);
            }
            table[turn.at as usize] = turn.backend;
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    table.into_boxed_slice()
}

/// One backend's walk through the table: its permutation, from `offset` by `skip`.
struct Turn {
    backend: u16,
    weight: u16,
    credit: u32,
    at: u32,
    skip: u32,
}

impl Turn {
    fn new(backend: u16, address: SocketAddr, weight: u16, size: u32) -> Self {
        let bits = match address.ip() {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let hash = |salt| balance(bits, salt, u32::from(address.port()), 0);
        let at = (hash(1) % u64::from(size)) as u32;
        let skip = (hash(2) % u64::from(size - 1)) as u32 + 1;
        Self { backend, weight, credit: 0, at, skip }
    }

    fn step(&mut self, size: u32) {
        self.at += self.skip;
        if self.at >= size {
            self.at -= size;
        }
    }
}

fn prime_at_least(n: u32) -> u32 {
    (n | 1..).step_by(2).find(|&candidate| is_prime(candidate)).unwrap_or(n)
}

fn is_prime(n: u32) -> bool {
    (3..).step_by(2).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(n: usize) -> Vec<(SocketAddr, u16)> {
        (0..n).map(|i| (format!("10.244.{}.{}:8080", i / 250, i % 250 + 1).parse().unwrap(), 1)).collect()
    }

    fn shares(table: &[u16], n: usize) -> Vec<usize> {
        let mut shares = vec![0; n];
        table.iter().for_each(|&b| shares[usize::from(b)] += 1);
        shares
    }

    #[test]
    fn size_is_a_prime_of_a_hundred_entries_each_for_the_next_power_of_two() {
        assert_eq!(table(&backends(10)).len(), 1601);
        assert_eq!(table(&backends(2)).len(), 211);
        assert_eq!(table(&backends(1)).len(), 0);
    }

    #[test]
    fn shares_are_even_within_two_percent() {
        let shares = shares(&table(&backends(10)), 10);
        assert!(shares.iter().all(|&s| (157..=164).contains(&s)), "{shares:?}");
    }

    #[test]
    fn weights_are_honoured() {
        let mut set = backends(3);
        set[1].1 = 2;
        let shares = shares(&table(&set), 3);
        assert!(shares[1] > shares[0] * 19 / 10 && shares[1] < shares[0] * 21 / 10, "{shares:?}");
    }

    #[test]
    fn order_does_not_matter() {
        let set = backends(7);
        let mut shuffled = set.clone();
        shuffled.reverse();
        shuffled.swap(1, 4);
        let (a, b) = (table(&set), table(&shuffled));
        for (x, y) in a.iter().zip(&b) {
            assert_eq!(set[usize::from(*x)], shuffled[usize::from(*y)]);
        }
    }

    #[test]
    fn a_backend_that_goes_moves_few_other_flows() {
        let set = backends(10);
        let (before, after) = (table(&set), table(&set[..9]));
        let moved = (0..10_000_u64).filter(|n| {
            let hash = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let at = |table: &[u16]| table[((u128::from(hash) * table.len() as u128) >> 64) as usize];
            at(&before) != 9 && at(&before) != at(&after)
        });
        // The flows of the backend that went, a tenth, have to move; of the others few do.
        let moved = moved.count();
        assert!(moved < 600, "{moved} of 9,000");
    }
}
