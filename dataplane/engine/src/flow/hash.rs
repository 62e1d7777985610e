//! Keyed hashes of packets' addresses and ports.
//!
//! Folded multiplication (as wyhash and ahash use it) under keys drawn anew at each boot: who does not know the keys
//! cannot aim packets at one bucket. It is no cryptographic hash; what is at stake is a table slot.

/// The secret under which one boot's tables hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKeys([u64; 4]);

impl std::fmt::Debug for HashKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKeys(secret)")
    }
}

impl HashKeys {
    /// Keys from 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        let mut keys = FIXED;
        for (key, bytes) in keys.iter_mut().zip(random.as_chunks::<8>().0) {
            *key ^= u64::from_le_bytes(*bytes);
        }
        Self(keys)
    }

    /// Hash of an IPv4 packet: both addresses, `source << 32 | destination`, both ports, `source << 16 | destination`.
    #[inline(always)]
    pub fn v4(&self, addresses: u64, ports: u32, protocol: u8) -> u64 {
        let rest = u64::from(ports) << 8 | u64::from(protocol);
        fold(fold(addresses ^ self.0[0], rest ^ self.0[1]) ^ self.0[2], self.0[3])
    }

    /// Hash of an IPv6 packet.
    #[inline(always)]
    pub fn v6(&self, source: u128, destination: u128, ports: u32, protocol: u8) -> u64 {
        let rest = u64::from(ports) << 8 | u64::from(protocol);
        let a = self.address(source);
        let b = fold((destination >> 64) as u64 ^ self.0[2], destination as u64 ^ self.0[3]);
        fold(fold(a ^ b.rotate_left(29) ^ self.0[1], rest ^ self.0[0]) ^ self.0[2], self.0[3])
    }

    /// Hash of one address.
    #[inline(always)]
    pub fn address(&self, address: u128) -> u64 {
        fold((address >> 64) as u64 ^ self.0[0], address as u64 ^ self.0[1])
    }

    /// Hash of one number.
    #[inline(always)]
    pub fn number(&self, number: u64) -> u64 {
        fold(fold(number ^ self.0[0], self.0[1]) ^ self.0[2], self.0[3])
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The hash by which backends are chosen. It has no key: every gateway must choose alike.
#[inline]
pub fn balance(source: u128, destination: u128, ports: u32, protocol: u8) -> u64 {
    HashKeys(FIXED).v6(source, destination, ports, protocol)
}

/// As [`balance`], by the client's address alone: session affinity.
#[inline]
pub fn balance_client(source: u128) -> u64 {
    let keys = HashKeys(FIXED);
    keys.number(keys.address(source))
}

/// Digits of pi, as Blowfish takes them: numbers with nothing up their sleeve.
const FIXED: [u64; 4] =
    [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7345, 0xA409_3822_299F_31D1, 0x082E_FA98_EC4E_6C89];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_fill_evenly_for_sequential_tuples() {
        let keys = HashKeys::new([7; 32]);
        let mut counts = [0_u32; 1024];
        for port in 0..65_536_u32 {
            counts[(keys.v4(0xC000_0201_0A00_0001, port << 16 | 80, 6) & 1023) as usize] += 1;
        }
        let (min, max) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*min > 30 && *max < 110, "{min}..{max}");
    }

    #[test]
    fn keys_change_the_hash() {
        let (a, b) = (HashKeys::new([1; 32]), HashKeys::new([3; 32]));
        assert_ne!(a.v4(1, 2, 6), b.v4(1, 2, 6));
        assert_ne!(a.v6(1, 2, 3, 6), b.v6(1, 2, 3, 6));
    }
}
