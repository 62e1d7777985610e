//! A bounded table in which what is not asked for again makes room first.
//!
//! Second chance (CLOCK): a new entry is the first to go until it is found once. A flood of names that nobody asks for twice
//! therefore pushes out itself.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Entry, Key};
use crate::config::Prefetch;

/// Parts with a lock each.
const SHARDS: usize = 16;

/// Entries by key.
#[derive(Debug)]
pub(crate) struct Store {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    evictions: AtomicU64,
}

/// An entry that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    /// Whether it is popular and nearly over. Said once.
    pub(crate) prefetch: bool,
}

#[derive(Debug, Default)]
struct Shard {
    index: HashMap<Arc<Key>, usize>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Slot {
    key: Arc<Key>,
    entry: Entry,
    size: usize,
    used: bool,
    hits: u32,
    last: Instant,
    prefetching: bool,
}

impl Store {
    /// A table of at most so many entries and octets.
    pub(crate) fn new(entries: usize, bytes: usize) -> Self {
        let shards = if entries < SHARDS * 8 { 1 } else { SHARDS };
        let shard =
            || Mutex::new(Shard { most: entries / shards, most_bytes: bytes / shards, ..Shard::default() });
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            evictions: AtomicU64::new(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).slots.len()).sum()
    }

    /// About how many octets its entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).bytes).sum()
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    pub(crate) fn find(&self, key: &Key, now: Instant, prefetch: Option<&Prefetch>) -> Option<Found> {
        let mut shard = self.shard(key)?;
        let slot = *shard.index.get(key)?;
        let slot = shard.slots.get_mut(slot)?;
        slot.used = true;
        let prefetch = prefetch.is_some_and(|prefetch| slot.popular(now, prefetch));
        Some(Found { entry: slot.entry.clone(), prefetch })
    }

    /// Puts an entry in; `keep` is the time entries are of use after their end.
    pub(crate) fn insert(&self, key: &Key, entry: Entry, size: usize, now: Instant, keep: Duration) {
        let Some(mut shard) = self.shard(key) else { return };
        // Popularity outlives an entry that is replaced by its successor.
        let popularity =
            shard.index.get(key).and_then(|&slot| shard.slots.get(slot)).map(|old| (old.hits, old.last));
        shard.remove(key);
        if size > shard.most_bytes || shard.most == 0 {
            return;
        }
        while shard.slots.len() >= shard.most || shard.bytes + size > shard.most_bytes {
            shard.evict(now, keep);
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        let key = Arc::new(key.clone());
        let slot = shard.slots.len();
        shard.index.insert(key.clone(), slot);
        shard.bytes += size;
        let (hits, last) = popularity.unwrap_or((0, now));
        shard.slots.push(Slot { key, entry, size, used: false, hits, last, prefetching: false });
    }

    pub(crate) fn remove(&self, key: &Key) {
        if let Some(mut shard) = self.shard(key) {
            shard.remove(key);
        }
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0);
        self.shards.get(hash % self.shards.len().max(1)).map(lock)
    }
}

impl Shard {
    fn remove(&mut self, key: &Key) {
        if let Some(slot) = self.index.remove(key) {
            self.take(slot);
        }
    }

    /// Takes a slot out that is not in the index any more.
    fn take(&mut self, slot: usize) {
        let taken = self.slots.swap_remove(slot);
        self.bytes -= taken.size;
        if let Some(moved) = self.slots.get(slot)
            && let Some(index) = self.index.get_mut(&moved.key)
        {
            *index = slot;
        }
    }

    /// Takes one out; there is one.
    fn evict(&mut self, now: Instant, keep: Duration) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some(slot) = self.slots.get_mut(self.hand) else { return };
            let over = slot.entry.overdue(now).is_some_and(|overdue| overdue >= keep);
            if over || !slot.used {
                let key = slot.key.clone();
                self.index.remove(&key);
                self.take(self.hand);
                return;
            }
            slot.used = false;
            self.hand += 1;
        }
    }
}

impl Slot {
    fn popular(&mut self, now: Instant, prefetch: &Prefetch) -> bool {
        if now.saturating_duration_since(self.last) > prefetch.window {
            self.hits = 0;
        }
        self.last = now;
        self.hits = self.hits.saturating_add(1);
        let age = now.saturating_duration_since(self.entry.stored);
        let life = Duration::from_secs(self.entry.ttl.into());
        let near = life.saturating_sub(age) * 100 <= life * u32::from(prefetch.percentage);
        let due = near && self.hits >= prefetch.amount && !self.prefetching;
        self.prefetching |= due;
        due
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
