//! Names by hash: buckets of a cache line, in pages that copies of the table share until one of them changes.
//!
//! A bucket holds a byte of each entry's hash, so that a lookup touches one line and, all but always, only the node it
//! wants. A full bucket passes entries on to the next one and remembers that it did.

use std::sync::Arc;

use sluice_memory::{prefetch_address, prefetch_read};

use crate::name;
use crate::node::Node;

/// Entries of a bucket.
const SLOTS: usize = 7;
/// Buckets of a page: what a change copies.
const PAGE: usize = 16;
/// No entry is further from its bucket. The table grows long before: at two entries in five slots.
const FAR: usize = 64;

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// A byte of each entry's hash, 0 where there is none; the last one is how many entries found no room here or in a bucket
    /// before, and went on; once 255, it stays.
    tags: [u8; SLOTS + 1],
    nodes: [Option<Node>; SLOTS],
}

const EMPTY: Bucket = Bucket { tags: [0; SLOTS + 1], nodes: [const { None }; SLOTS] };

impl Bucket {
    #[inline(always)]
    fn passed(&self) -> u8 {
        self.tags[SLOTS]
    }

    /// A bit in the byte of each entry whose hash has the same byte, and now and then of another one.
    #[inline(always)]
    fn marked(&self, hash: u64) -> u64 {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = LOW << 7;
        let tags = u64::from_le_bytes(self.tags) ^ (u64::from(tag_of(hash)) * LOW);
        // The lowest byte that is zero is marked rightly; ones above it may be marked that are one.
        tags.wrapping_sub(LOW) & !tags & (HIGH >> 8)
    }

    /// The entries whose hash has the same byte; now and then another one.
    #[inline(always)]
    fn tagged(&self, hash: u64) -> impl Iterator<Item = &Node> {
        let mut marked = self.marked(hash);
        std::iter::from_fn(move || {
            while marked != 0 {
                let slot = (marked.trailing_zeros() / 8) as usize;
                marked &= marked - 1;
                if let Some(Some(node)) = self.nodes.get(slot) {
                    return Some(node);
                }
            }
            None
        })
    }
}

type Page = Arc<[Bucket; PAGE]>;

/// Where in a table a name may be: a bucket's number, and the slot's in the lowest bits.
#[derive(Clone, Copy, Debug)]
pub struct Candidate(u32);

impl Candidate {
    /// Nowhere.
    pub const NONE: Self = Self(u32::MAX);
    const SLOT: u32 = 3;
}

/// The table. A clone costs the list of pages.
#[derive(Clone, Debug)]
pub struct Table {
    pages: Arc<Vec<Page>>,
    /// Buckets less one.
    mask: usize,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self::with_buckets(PAGE)
    }
}

impl Table {
    fn with_buckets(buckets: usize) -> Self {
        let page: Page = Arc::new([EMPTY; PAGE]);
        Self { pages: Arc::new(vec![page; buckets / PAGE]), mask: buckets - 1, len: 0 }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Begins to load the bucket of a hash.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if let Some(bucket) = self.bucket(home(hash) & self.mask) {
            prefetch_read(bucket);
        }
    }

    /// Where a name with this hash most likely is, once its bucket is there; begins to load its node.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Candidate {
        let at = home(hash) & self.mask;
        let Some(bucket) = self.bucket(at) else { return Candidate::NONE };
        let slot = bucket.marked(hash).trailing_zeros() / 8;
        let Some(Some(node)) = bucket.nodes.get(slot as usize) else { return Candidate::NONE };
        prefetch_address(node.address());
        prefetch_address(node.address().wrapping_add(64));
        Candidate((at as u32) << Candidate::SLOT | slot)
    }

    /// The node of a name in any case, looked for at its candidate first, and whether it is in lower case.
    #[inline(always)]
    pub fn get_at(&self, Candidate(at): Candidate, hash: u64, name: &[u8]) -> Option<(&Node, bool)> {
        if let Some(bucket) = self.bucket((at >> Candidate::SLOT) as usize)
            && let Some(Some(node)) = bucket.nodes.get(at as usize % (SLOTS + 1))
            && node.hash() == hash
        {
            // Most clients ask in lower case.
            if node.name() == name {
                return Some((node, true));
            }
            if name::equal(node.name(), name) {
                return Some((node, false));
            }
        }
        let node = self.get(hash, name)?;
        Some((node, node.name() == name))
    }

    /// The node of a name in any case.
    #[inline(never)]
    pub fn get(&self, hash: u64, name: &[u8]) -> Option<&Node> {
        let start = home(hash);
        for at in start..start + FAR {
            let bucket = self.bucket(at & self.mask)?;
            let found = bucket.tagged(hash).find(|n| n.hash() == hash && name::equal(n.name(), name));
            if found.is_some() {
                return found;
            }
            if bucket.passed() == 0 {
                return None;
            }
        }
        None
    }

    /// Sets the node of its name; the former one.
    pub fn insert(&mut self, node: Node) -> Option<Node> {
        if let Some((bucket, slot)) = self.position(&node) {
            return self.bucket_mut(bucket)?.nodes.get_mut(slot)?.replace(node);
        }
        // Two entries in five slots.
        if (self.len + 1) * 5 > (self.mask + 1) * SLOTS * 2 {
            self.grow();
        }
        let mut node = Some(node);
        while let Some(left) = node.take() {
            node = self.place(left);
            if node.is_some() {
                self.grow();
            }
        }
        self.len += 1;
        None
    }

    /// Takes a node away.
    pub fn remove(&mut self, node: &Node) -> bool {
        let Some((at, slot)) = self.position(node) else { return false };
        let mask = self.mask;
        let mut passing = home(node.hash()) & mask;
        while passing != at {
            if let Some(bucket) = self.bucket_mut(passing)
                && bucket.passed() < u8::MAX
            {
                bucket.tags[SLOTS] -= 1;
            }
            passing = (passing + 1) & mask;
        }
        if let Some(bucket) = self.bucket_mut(at) {
            bucket.tags[slot] = 0;
            bucket.nodes[slot] = None;
        }
        self.len -= 1;
        true
    }

    /// All nodes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.pages.iter().flat_map(|page| page.iter()).flat_map(|bucket| bucket.nodes.iter().flatten())
    }

    #[inline(always)]
    fn bucket(&self, at: usize) -> Option<&Bucket> {
        self.pages.get(at / PAGE).map(|page| &page[at % PAGE])
    }

    fn bucket_mut(&mut self, at: usize) -> Option<&mut Bucket> {
        let page = Arc::make_mut(&mut self.pages).get_mut(at / PAGE)?;
        Some(&mut Arc::make_mut(page)[at % PAGE])
    }

    /// Bucket and slot of the node of the same name.
    fn position(&self, node: &Node) -> Option<(usize, usize)> {
        let start = home(node.hash());
        for at in start..start + FAR {
            let bucket = self.bucket(at & self.mask)?;
            let same = |other: &Option<Node>| {
                other.as_ref().is_some_and(|o| o.hash() == node.hash() && o.name() == node.name())
            };
            if let Some(slot) = bucket.nodes.iter().position(same) {
                return Some((at & self.mask, slot));
            }
            if bucket.passed() == 0 {
                return None;
            }
        }
        None
    }

    /// Gives the node back where there is no room near its bucket.
    fn place(&mut self, node: Node) -> Option<Node> {
        let hash = node.hash();
        let start = home(hash);
        let room = |bucket: &Bucket| bucket.nodes.iter().position(Option::is_none);
        let found = (start..start + FAR.min(self.mask + 1))
            .find_map(|at| Some((at, room(self.bucket(at & self.mask)?)?)));
        let Some((end, slot)) = found else { return Some(node) };
        for at in start..end {
            if let Some(bucket) = self.bucket_mut(at & self.mask) {
                bucket.tags[SLOTS] = bucket.passed().saturating_add(1);
            }
        }
        if let Some(bucket) = self.bucket_mut(end & self.mask) {
            bucket.tags[slot] = tag_of(hash);
            bucket.nodes[slot] = Some(node);
        }
        None
    }

    fn grow(&mut self) {
        let mut buckets = (self.mask + 1) * 2;
        'larger: loop {
            let mut larger = Self::with_buckets(buckets);
            for node in self.iter() {
                if larger.place(node.clone()).is_some() {
                    buckets *= 2;
                    continue 'larger;
                }
                larger.len += 1;
            }
            *self = larger;
            return;
        }
    }
}

#[inline(always)]
fn home(hash: u64) -> usize {
    (hash >> 8) as usize
}

/// Never 0.
#[inline(always)]
fn tag_of(hash: u64) -> u8 {
    hash as u8 | 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::name::{Name, Seed};
    use crate::node::Builder;

    const SEED: Seed = Seed([7, 9]);

    fn node(number: u16, version: u8) -> Node {
        let mut builder = Builder::new(Name::parse(&format!("n{number}.x")).unwrap(), 3);
        builder.fixed(16, &[vec![version]], &[]);
        builder.build(SEED)
    }

    fn find(table: &Table, number: u16) -> Option<u8> {
        let name = Name::parse(&format!("N{number}.x")).unwrap();
        let hash = name::hash(name.wire(), SEED);
        table.get(hash, name.wire()).map(|node| node.set(16).unwrap().answer()[0])
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_and_copies_keep_their_content(
            ops in proptest::collection::vec((0..4_u8, 0_u16..600, any::<u8>()), 0..1500)
        ) {
            let (mut table, mut map) = (Table::default(), HashMap::new());
            let mut before = None;
            for (n, (op, number, version)) in ops.iter().enumerate() {
                if n == ops.len() / 2 {
                    before = Some((table.clone(), map.clone()));
                }
                if *op > 0 {
                    prop_assert_eq!(table.insert(node(*number, *version)).is_some(), map.insert(*number, *version).is_some());
                } else {
                    prop_assert_eq!(table.remove(&node(*number, 0)), map.remove(number).is_some());
                }
                prop_assert_eq!(table.len(), map.len());
            }
            for (table, map) in before.into_iter().chain([(table, map)]) {
                for number in 0..600 {
                    prop_assert_eq!(find(&table, number), map.get(&number).copied());
                }
                prop_assert_eq!(table.iter().count(), map.len());
            }
        }
    }
}
