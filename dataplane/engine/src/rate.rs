//! How often clients ask, and which of them ask too often.
//!
//! A limit for each address, and multiples of it for the networks around, so that who has a network cannot have the limit of
//! each of its addresses; the multipliers are those of Knot DNS. Counters decay exponentially. They lie in one table of a fixed
//! size under a keyed hash, a cache line for four: where all four are taken the smallest makes room, so that a flood from many
//! addresses pushes out itself and not what is known of others who flood. Nobody is limited for what is forgotten.

use std::net::IpAddr;

use crate::Now;
use crate::flow::HashKeys;

/// Lines of the table, 64 bytes each: a mebibyte.
const LINES: usize = 1 << 14;
/// Counters of a line.
const WAYS: usize = 4;
/// Milliseconds between two steps of the decay, as a power of two.
const STEP: u32 = 6;
/// Steps in which a counter halves.
const HALF: u32 = 32;
/// A query, in counters.
const ONE: u64 = 1 << 16;
/// What a second's worth of queries each second comes to, in thousandths: `0.064 / (1 - 2^(-1/32))`.
const SECONDS: u64 = 2987;

/// Networks that count, as prefix lengths, and their multiples of an address's limit.
const V4: [(u32, u64); 4] = [(32, 1), (24, 32), (20, 256), (18, 768)];
const V6: [(u32, u64); 5] = [(128, 1), (64, 2), (56, 3), (48, 4), (32, 64)];

/// `2^(-i/32)` in parts of `2^32`.
const FRACTIONS: [u64; HALF as usize] = {
    // 2^(-1/32) in parts of 2^63.
    const ROOT: u128 = 9_025_734_193_507_008_925;
    let mut fractions = [0; HALF as usize];
    let mut power = 1_u128 << 63;
    let mut i = 0;
    while i < fractions.len() {
        fractions[i] = (power >> 31) as u64;
        power = (power * ROOT) >> 63;
        i += 1;
    }
    fractions
};

/// The counters of one lcore.
#[derive(Debug)]
pub struct RateTable {
    keys: HashKeys,
    /// None before the first query that counts.
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([Counter; WAYS]);

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// The upper half of the network's hash.
    tag: u32,
    /// When the load was counted.
    step: u32,
    load: u64,
}

impl Counter {
    /// What is left of it.
    fn load(&self, step: u32) -> u64 {
        let passed = step.saturating_sub(self.step);
        let whole = self.load.checked_shr(passed / HALF).unwrap_or(0);
        let fraction = FRACTIONS.get((passed % HALF) as usize).copied().unwrap_or(0);
        ((u128::from(whole) * u128::from(fraction)) >> 32) as u64
    }
}

impl RateTable {
    /// An empty table; it takes no memory as long as nothing is counted.
    pub fn new(keys: HashKeys) -> Self {
        Self { keys, lines: Vec::new() }
    }

    /// Forgets everything, and gives the memory back.
    pub fn clear(&mut self) {
        self.lines = Vec::new();
    }

    /// Counts a query where its client and all networks around are within their limits, `per_second` for an address; else
    /// false, and nothing is counted: who goes on too fast is let through as often as the limit says.
    pub fn admit(&mut self, client: IpAddr, per_second: u32, now: Now) -> bool {
        if self.lines.is_empty() {
            self.lines = vec![Line::default(); LINES];
        }
        let step = (now.0 >> STEP) as u32;
        let mut hashes = [0; V6.len()];
        let networks: &[(u32, u64)] = if client.is_ipv4() { &V4 } else { &V6 };
        for ((length, times), hash) in networks.iter().zip(&mut hashes) {
            *hash = self.hash(client, *length);
            let most = u64::from(per_second) * times * SECONDS * ONE / 1000;
            if self.load(*hash, step) >= most {
                return false;
            }
        }
        for (_, hash) in networks.iter().zip(hashes) {
            self.count(hash, step);
        }
        true
    }

    fn hash(&self, client: IpAddr, length: u32) -> u64 {
        let (network, kind) = match client {
            IpAddr::V4(ip) => (u128::from(ip.to_bits() >> (32 - length)), length),
            IpAddr::V6(ip) => (ip.to_bits() >> (128 - length), 128 + length),
        };
        self.keys.number(self.keys.address(network).wrapping_add(kind.into()))
    }

    fn load(&self, hash: u64, step: u32) -> u64 {
        let tag = (hash >> 32) as u32;
        let line = self.lines.get(hash as usize % LINES);
        line.and_then(|line| line.0.iter().find(|counter| counter.tag == tag))
            .map_or(0, |counter| counter.load(step))
    }

    fn count(&mut self, hash: u64, step: u32) {
        let tag = (hash >> 32) as u32;
        let Some(Line(ways)) = self.lines.get_mut(hash as usize % LINES) else { return };
        if let Some(counter) = ways.iter_mut().find(|counter| counter.tag == tag) {
            (counter.load, counter.step) = (counter.load(step) + ONE, step);
        } else if let Some(counter) = ways.iter_mut().min_by_key(|counter| counter.load(step)) {
            *counter = Counter { tag, step, load: ONE };
        }
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
