//! A hash map whose copies share all that did not change.
//!
//! A trie over the bits of the key's hash, sixteen ways a level, with small leaves (Bagwell, "Ideal Hash Trees", 2001, in
//! its plainest form). A change copies the nodes between root and leaf that an earlier copy still uses: O(log n), whatever
//! the size. There is no growth step that touches everything.

use std::sync::Arc;

/// Entries of a leaf before it is split.
const LEAF: usize = 8;
/// Levels: 4 bits of hash each; below the last, a leaf holds whatever collides.
const LEVELS: u32 = 16;

/// A key that brings its own hash.
pub(super) trait Key: Clone + Eq {
    /// Evenly distributed in all bits.
    fn hash(&self) -> u64;
}

#[derive(Clone, Debug)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Branch(Box<[Arc<Node<K, V>>; 16]>),
}

/// The map.
#[derive(Clone, Debug)]
pub(super) struct Trie<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

impl<K, V> Default for Trie<K, V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<K: Key, V: Clone> Trie<K, V> {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of `key`.
    #[inline]
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let mut hash = key.hash();
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => return entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
                Node::Branch(children) => {
                    node = &children[(hash & 15) as usize];
                    hash >>= 4;
                }
            }
        }
    }

    /// Sets the value of `key`.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let hash = key.hash();
        if insert(&mut self.root, key, value, hash, 0) {
            self.len += 1;
        }
    }

    /// Takes `key` away; whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        // Looking first keeps a miss from copying the path.
        if self.get(key).is_none() {
            return false;
        }
        let mut hash = key.hash();
        let mut node = Arc::make_mut(&mut self.root);
        loop {
            match node {
                Node::Leaf(entries) => {
                    entries.retain(|(k, _)| k != key);
                    self.len -= 1;
                    return true;
                }
                Node::Branch(children) => {
                    node = Arc::make_mut(&mut children[(hash & 15) as usize]);
                    hash >>= 4;
                }
            }
        }
    }
}

/// Whether the key is new.
fn insert<K: Key, V: Clone>(node: &mut Arc<Node<K, V>>, key: K, value: V, hash: u64, level: u32) -> bool {
    match Arc::make_mut(node) {
        Node::Branch(children) => {
            insert(&mut children[(hash & 15) as usize], key, value, hash >> 4, level + 1)
        }
        Node::Leaf(entries) => {
            if let Some((_, old)) = entries.iter_mut().find(|(k, _)| *k == key) {
                *old = value;
                return false;
            }
            entries.push((key, value));
            if entries.len() > LEAF && level < LEVELS {
                let split: [Vec<(K, V)>; 16] =
                    entries.drain(..).fold(Default::default(), |mut split: [Vec<_>; 16], entry| {
                        let digit = entry.0.hash() >> (4 * level) & 15;
                        split[digit as usize].push(entry);
                        split
                    });
                *node = Arc::new(Node::Branch(Box::new(split.map(|entries| Arc::new(Node::Leaf(entries))))));
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl Key for u16 {
        fn hash(&self) -> u64 {
            // Collides on purpose: 64 distinct hashes.
            u64::from(self % 64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_and_copies_keep_their_content(
            ops in proptest::collection::vec((any::<bool>(), 0_u16..400, any::<u32>()), 0..800)
        ) {
            let (mut trie, mut map) = (Trie::default(), HashMap::new());
            let mut before = None;
            for (n, (insert, key, value)) in ops.iter().enumerate() {
                if n == ops.len() / 2 {
                    before = Some((trie.clone(), map.clone()));
                }
                if *insert {
                    trie.insert(*key, *value);
                    map.insert(*key, *value);
                } else {
                    prop_assert_eq!(trie.remove(key), map.remove(key).is_some());
                }
            }
            for (trie, map) in before.into_iter().chain([(trie, map)]) {
                prop_assert_eq!(trie.len(), map.len());
                for key in 0..400 {
                    prop_assert_eq!(trie.get(&key), map.get(&key));
                }
            }
        }
    }
}
