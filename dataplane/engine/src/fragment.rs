//! Fragmented datagrams on their way: what the first fragment taught, and later ones that came before it.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::flow::HashKeys;
use crate::{Now, PortId};

/// Milliseconds for which later fragments follow their first: senders send them back to back.
const LIFETIME_MS: u64 = 30_000;
/// Entries that share a bucket.
const WAYS: usize = 4;
/// Later fragments that wait at once, and of one datagram.
const MOST_WAITING: usize = 64;
const MOST_OF_ONE: usize = 45;
/// Milliseconds a later fragment waits.
const PATIENCE_MS: u64 = 1_000;

/// What the fragments of a datagram have in common. Not the protocol: in IPv6 later fragments need not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentKey {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
}

impl FragmentKey {
    /// The key of a fragment. IPv4 tells datagrams apart by protocol too (RFC 791); IPv6 does not (RFC 8200).
    pub fn new(src: IpAddr, dst: IpAddr, id: u32, protocol: u8) -> Self {
        Self { src, dst, id, protocol: if src.is_ipv4() { protocol } else { 0 } }
    }

    fn hash(&self, keys: &HashKeys) -> u64 {
        keys.v6(bits(self.src), bits(self.dst), self.id, self.protocol)
    }
}

/// Datagrams whose first fragment was seen; bounded, the oldest of a bucket making room.
#[derive(Debug)]
pub struct FragmentTable<T> {
    entries: Box<[Option<(FragmentKey, T, u64)>]>,
    buckets: u64,
    keys: HashKeys,
}

impl<T: Copy> FragmentTable<T> {
    /// Room for about `datagrams`.
    pub fn new(datagrams: u32, keys: HashKeys) -> Self {
        let buckets = (datagrams as usize).div_ceil(WAYS).max(1);
        Self { entries: vec![None; buckets * WAYS].into_boxed_slice(), buckets: buckets as u64, keys }
    }

    /// The first fragment went this way.
    pub fn first(&mut self, key: FragmentKey, value: T, now: Now) {
        let bucket = self.bucket(&key);
        let age = |entry: &Option<(FragmentKey, T, u64)>| entry.as_ref().map_or(0, |(_, _, at)| *at);
        let at = bucket
            .iter()
            .position(|entry| entry.as_ref().is_some_and(|(k, ..)| *k == key))
            .or_else(|| (0..bucket.len()).min_by_key(|&at| age(&bucket[at])));
        if let Some(entry) = at.and_then(|at| bucket.get_mut(at)) {
            *entry = Some((key, value, now.0));
        }
    }

    /// Which way a later fragment goes.
    pub fn later(&mut self, key: &FragmentKey, now: Now) -> Option<T> {
        let entry = self.bucket(key).iter().flatten().find(|(k, ..)| k == key)?;
        (now.0.saturating_sub(entry.2) < LIFETIME_MS).then_some(entry.1)
    }

    fn bucket(&mut self, key: &FragmentKey) -> &mut [Option<(FragmentKey, T, u64)>] {
        let bucket = ((u128::from(key.hash(&self.keys)) * u128::from(self.buckets)) >> 64) as usize * WAYS;
        self.entries.get_mut(bucket..bucket + WAYS).unwrap_or_default()
    }
}

/// Later fragments that came before their first.
#[derive(Debug)]
pub struct Waiting<B> {
    queue: VecDeque<(FragmentKey, PortId, B, u64)>,
}

impl<B> Waiting<B> {
    /// None waiting; all the room there will be.
    pub fn new() -> Self {
        Self { queue: VecDeque::with_capacity(MOST_WAITING) }
    }

    /// Keeps a fragment until its first comes.
    ///
    /// # Errors
    /// Gives it back where too many wait.
    pub fn hold(&mut self, key: FragmentKey, port: PortId, packet: B, now: Now) -> Result<(), B> {
        let same = self.queue.iter().filter(|(k, ..)| *k == key).count();
        if self.queue.len() >= MOST_WAITING || same >= MOST_OF_ONE {
            return Err(packet);
        }
        self.queue.push_back((key, port, packet, now.0 + PATIENCE_MS));
        Ok(())
    }

    /// Takes out one fragment of a datagram, in order of arrival.
    pub fn take(&mut self, key: &FragmentKey) -> Option<(PortId, B)> {
        let at = self.queue.iter().position(|(k, ..)| k == key)?;
        self.queue.remove(at).map(|(_, port, packet, _)| (port, packet))
    }

    /// Takes out one fragment that waited too long.
    #[inline]
    pub fn expired(&mut self, now: Now) -> Option<B> {
        self.queue.front().filter(|(.., until)| *until <= now.0)?;
        self.queue.pop_front().map(|(_, _, packet, _)| packet)
    }
}

impl<B> Default for Waiting<B> {
    fn default() -> Self {
        Self::new()
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> FragmentKey {
        FragmentKey::new("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), id, 17)
    }

    #[test]
    fn later_fragments_follow_for_a_while() {
        let mut table = FragmentTable::new(16, HashKeys::new([8; 32]));
        table.first(key(1), 'a', Now(1000));
        assert_eq!(table.later(&key(1), Now(30_999)), Some('a'));
        assert_eq!(table.later(&key(1), Now(31_000)), None);
        assert_eq!(table.later(&key(2), Now(1000)), None);
        table.first(key(1), 'b', Now(2000));
        assert_eq!(table.later(&key(1), Now(2000)), Some('b'));
    }

    #[test]
    fn a_flood_of_datagrams_stays_within_the_table() {
        let mut table = FragmentTable::new(8, HashKeys::new([8; 32]));
        for id in 0..10_000 {
            table.first(key(id), id, Now(u64::from(id)));
            assert_eq!(table.later(&key(id), Now(u64::from(id))), Some(id));
        }
        assert_eq!(table.entries.len(), 8);
    }

    #[test]
    fn waiting_is_bounded_and_ordered() {
        let mut waiting = Waiting::new();
        for n in 0..45 {
            waiting.hold(key(1), 0, n, Now(n)).unwrap();
        }
        assert_eq!(waiting.hold(key(1), 0, 99, Now(0)), Err(99));
        for n in 0..19 {
            waiting.hold(key(2), 0, n, Now(100)).unwrap();
        }
        assert_eq!(waiting.hold(key(3), 0, 77, Now(0)), Err(77));
        assert_eq!(waiting.take(&key(2)), Some((0, 0)));
        assert_eq!(waiting.take(&key(1)), Some((0, 0)));
        assert_eq!(waiting.expired(Now(1_000)), None);
        assert_eq!(waiting.expired(Now(1_001)), Some(1));
        assert_eq!(waiting.expired(Now(1_001)), None);
    }
}
