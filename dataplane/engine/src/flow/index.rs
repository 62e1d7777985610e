//! From a packet's hash to the flows that may be its own: signature buckets of one cache line.

use sluice_memory::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use sluice_memory::{Backing, Storage, StorageError, prefetch_read};

use super::entry::FlowRef;

/// Slots of a bucket.
const SLOTS: usize = 8;
/// A 1 in each of a word's four signatures.
const ONES: u64 = 0x0001_0001_0001_0001;
/// The top bit of each.
const TOPS: u64 = 0x8000_8000_8000_8000;
/// How many buckets a reference may lie behind its home. At the load the index is sized for, five are not seen.
const REACH: usize = 8;

#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C, align(64))]
struct Bucket {
    /// Four signatures a word, that of slot 0 lowest; compared all at once.
    signatures: [u64; SLOTS / 4],
    /// [`FlowRef::stored`], 0 where the slot is empty.
    flows: [u32; SLOTS],
    /// References whose home is this bucket but which lie in one behind it: a miss that reads 0 here is done.
    overflow: u32,
    padding: [u32; 3],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The index. Always on anonymous memory: it is made anew from the entries after a restart.
#[derive(Debug)]
pub struct Index {
    buckets: Storage<Bucket>,
    mask: usize,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.flows).finish()
    }
}

/// No bucket within reach of a reference's home has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room in the index near this hash")]
pub struct Crowded;

impl Index {
    /// An index for `flows` flows of two references each, at 0.25 to 0.5 of its slots.
    ///
    /// # Errors
    /// Those of [`Storage::anonymous`].
    pub fn new(flows: u32) -> Result<Self, StorageError> {
        let buckets = (flows as usize / 2).next_power_of_two().max(16);
        Ok(Self { buckets: Backing::Anonymous.allocate("index", buckets)?, mask: buckets - 1 })
    }

    /// Bytes of memory it may touch.
    pub fn bytes(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Starts loading the home bucket of `hash`.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        prefetch_read(&self.buckets[hash as usize & self.mask]);
    }

    /// The first flow in the home bucket whose signature is that of `hash`: nearly always the one sought, if there is
    /// one. Whoever uses it has to compare keys; [`Index::find`] decides.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<FlowRef> {
        let bucket = &self.buckets[hash as usize & self.mask];
        let matches = bucket.matches(signature(hash));
        if matches == 0 {
            return None;
        }
        bucket.flow(matches)
    }

    /// The flow under `hash` that `is_it` recognises.
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(FlowRef) -> bool) -> Option<FlowRef> {
        let signature = signature(hash);
        let home = hash as usize;
        for step in 0..REACH {
            let bucket = &self.buckets[home.wrapping_add(step) & self.mask];
            let mut matches = bucket.matches(signature);
            while matches != 0 {
                if let Some(flow) = bucket.flow(matches)
                    && is_it(flow)
                {
                    return Some(flow);
                }
                matches &= matches - 1;
            }
            // Only the home bucket knows whether anything of its own lies further on.
            if step == 0 && bucket.overflow == 0 {
                return None;
            }
        }
        None
    }

    /// Adds a reference under `hash`.
    ///
    /// # Errors
    /// [`Crowded`], and nothing changed.
    pub fn insert(&mut self, hash: u64, flow: FlowRef) -> Result<(), Crowded> {
        let home = hash as usize;
        for step in 0..REACH {
            let bucket = &mut self.buckets[home.wrapping_add(step) & self.mask];
            if let Some(slot) = bucket.flows.iter().position(|&f| f == 0) {
                bucket.sign(slot, signature(hash));
                bucket.flows[slot] = flow.stored();
                if step > 0 {
                    self.buckets[home & self.mask].overflow += 1;
                }
                return Ok(());
            }
        }
        Err(Crowded)
    }

    /// Takes the reference under `hash` away; false where it is not there.
    pub fn remove(&mut self, hash: u64, flow: FlowRef) -> bool {
        let home = hash as usize;
        for step in 0..REACH {
            let bucket = &mut self.buckets[home.wrapping_add(step) & self.mask];
            if let Some(slot) = bucket.flows.iter().position(|&f| f == flow.stored()) {
                bucket.flows[slot] = 0;
                bucket.sign(slot, 0);
                if step > 0 {
                    let home = &mut self.buckets[home & self.mask];
                    home.overflow = home.overflow.saturating_sub(1);
                }
                return true;
            }
        }
        false
    }
}

impl Bucket {
    /// A bit for each slot that may hold this signature; [`Bucket::flow`] knows which slot a bit means. A slot whose
    /// signature differs in its lowest bit alone is sometimes taken along: keys decide.
    #[inline(always)]
    fn matches(&self, signature: u16) -> u64 {
        let wanted = u64::from(signature) * ONES;
        let [low, high] = self.signatures.map(|word| {
            // A lane that becomes 0 borrows from its top bit (Hacker's Delight, section 6-1).
            let differences = word ^ wanted;
            differences.wrapping_sub(ONES) & !differences & TOPS
        });
        low | high >> 1
    }

    /// What lies in the slot of the lowest of these bits; nothing where it is empty.
    #[inline(always)]
    fn flow(&self, matches: u64) -> Option<FlowRef> {
        let bit = matches.trailing_zeros() as usize;
        let slot = (bit >> 4) + ((bit & 1) ^ 1) * 4;
        let stored = self.flows[slot % SLOTS];
        (stored != 0).then(|| FlowRef::from_stored(stored))
    }

    fn sign(&mut self, slot: usize, signature: u16) {
        let (word, shift) = (slot / 4, slot % 4 * 16);
        self.signatures[word] = self.signatures[word] & !(0xFFFF << shift) | u64::from(signature) << shift;
    }
}

/// Bits of the hash that do not choose the bucket; never 0, which is an empty slot's.
#[inline(always)]
fn signature(hash: u64) -> u16 {
    (hash >> 48) as u16 | 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::entry::Direction;
    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in proptest::collection::vec((0_u8..3, 0_u64..60, 0_u64..4), 1..600)) {
            let mut index = Index::new(8).unwrap();
            let mut reference: HashMap<u64, FlowRef> = HashMap::new();
            for (n, (op, key, spread)) in ops.into_iter().enumerate() {
                // Few distinct buckets, so that they overflow.
                let hash = (key << 49) | (spread * 5);
                match op {
                    0 if !reference.contains_key(&hash) => {
                        let flow = FlowRef::new(n as u32, Direction::Forward);
                        if index.insert(hash, flow).is_ok() {
                            reference.insert(hash, flow);
                        }
                    }
                    1 => {
                        if let Some(flow) = reference.remove(&hash) {
                            prop_assert!(index.remove(hash, flow));
                        }
                    }
                    _ => {}
                }
                for (&hash, &flow) in &reference {
                    prop_assert_eq!(index.find(hash, |f| f == flow), Some(flow));
                }
                let absent = 99_u64 << 49;
                prop_assert_eq!(index.find(absent, |_| true), None);
            }
        }
    }
}
