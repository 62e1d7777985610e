//! Session affinity (`sessionAffinity: ClientIP`): which endpoint a client is used to.

use std::net::{IpAddr, SocketAddr};

use sluice_memory::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use sluice_memory::{Backing, Storage, StorageError};

use crate::Now;
use crate::flow::HashKeys;

/// Entries that share a bucket.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C)]
struct Entry {
    client: u128,
    backend: u128,
    key: u64,
    /// Seconds, plus 1; 0 where the entry is free.
    last_use: u32,
    port: u16,
    v6: u16,
}

const _: () = assert!(size_of::<Entry>() <= 64);

/// The table of one lcore: bounded, keyed, the least recently used of a bucket making room.
#[derive(Debug)]
pub struct AffinityTable {
    entries: Storage<Entry>,
    buckets: u64,
    keys: HashKeys,
}

impl AffinityTable {
    /// Room for about `clients` pairs of service and client.
    ///
    /// # Errors
    /// Those of [`Storage::anonymous`].
    pub fn new(clients: u32, keys: HashKeys) -> Result<Self, StorageError> {
        let buckets = (clients as usize).div_ceil(WAYS).max(1);
        let entries = Backing::Anonymous.allocate("affinity", buckets * WAYS)?;
        Ok(Self { entries, buckets: buckets as u64, keys })
    }

    /// The endpoint `client` is used to under `key`, if it used it within `timeout` seconds; this is another use.
    pub fn get(&mut self, key: u64, client: u128, now: Now, timeout: u32) -> Option<SocketAddr> {
        let now = seconds(now);
        let entry = self.bucket(key, client).iter_mut().find(|e| e.is(key, client))?;
        if now.saturating_sub(entry.last_use) >= timeout {
            return None;
        }
        entry.last_use = now;
        Some(entry.backend())
    }

    /// Remembers the endpoint of `client` under `key`.
    pub fn set(&mut self, key: u64, client: u128, backend: SocketAddr, now: Now) {
        let bucket = self.bucket(key, client);
        let at = bucket
            .iter()
            .position(|e| e.is(key, client))
            .or_else(|| (0..bucket.len()).min_by_key(|&at| bucket[at].last_use));
        let Some(entry) = at.and_then(|at| bucket.get_mut(at)) else { return };
        let (bits, v6) = match backend.ip() {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), 0),
            IpAddr::V6(ip) => (ip.to_bits(), 1),
        };
        *entry = Entry { client, backend: bits, key, last_use: seconds(now), port: backend.port(), v6 };
    }

    fn bucket(&mut self, key: u64, client: u128) -> &mut [Entry] {
        let hash = self.keys.number(self.keys.address(client) ^ key);
        let bucket = ((u128::from(hash) * u128::from(self.buckets)) >> 64) as usize * WAYS;
        self.entries.get_mut(bucket..bucket + WAYS).unwrap_or_default()
    }
}

impl Entry {
    fn is(&self, key: u64, client: u128) -> bool {
        self.last_use != 0 && self.key == key && self.client == client
    }

    fn backend(&self) -> SocketAddr {
        let ip = if self.v6 == 1 {
            IpAddr::V6(self.backend.into())
        } else {
            IpAddr::V4((self.backend as u32).into())
        };
        SocketAddr::new(ip, self.port)
    }
}

fn seconds(now: Now) -> u32 {
    (now.0 / 1000) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(clients: u32) -> AffinityTable {
        AffinityTable::new(clients, HashKeys::new([4; 32])).unwrap()
    }

    #[test]
    fn remembered_for_the_timeout_since_last_use() {
        let mut table = table(64);
        let backend: SocketAddr = "10.244.1.5:80".parse().unwrap();
        assert_eq!(table.get(1, 2, Now(0), 10), None);
        table.set(1, 2, backend, Now(0));
        assert_eq!(table.get(1, 2, Now(9_000), 10), Some(backend));
        assert_eq!(table.get(1, 2, Now(18_000), 10), Some(backend));
        assert_eq!(table.get(1, 3, Now(18_000), 10), None);
        assert_eq!(table.get(2, 2, Now(18_000), 10), None);
        assert_eq!(table.get(1, 2, Now(28_000), 10), None);
    }

    #[test]
    fn full_buckets_lose_the_client_that_was_away_longest() {
        let mut table = table(4);
        let backend: SocketAddr = "[fd00::1]:80".parse().unwrap();
        for client in 0..4 {
            table.set(1, client, backend, Now(client as u64 * 1000));
        }
        assert_eq!(table.get(1, 0, Now(5_000), 100), Some(backend));
        table.set(1, 9, backend, Now(6_000));
        assert_eq!(table.get(1, 1, Now(6_000), 100), None);
        for client in [0, 2, 3, 9] {
            assert_eq!(table.get(1, client, Now(6_000), 100), Some(backend));
        }
    }
}
