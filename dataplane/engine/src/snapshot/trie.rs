//! A hash map whose copies share all that did not change.
//!
//! A trie over the bits of the key's hash, sixteen ways a level, with small leaves (Bagwell, "Ideal Hash Trees", 2001, in
//! its plainest form). A change copies the nodes between root and leaf that an earlier copy still uses: O(log n), whatever
//! the size. There is no growth step that touches everything.

use std::sync::Arc;

use sluice_memory::{prefetch_address, prefetch_read};

/// Entries of a leaf before it is split.
const LEAF: usize = 8;
/// Levels: 4 bits of hash each; below the last, a leaf holds whatever collides.
const LEVELS: u32 = 16;

/// A key that brings its own hash.
pub(super) trait Key: Clone + Eq {
    /// Evenly distributed in all bits.
    fn hash(&self) -> u64;
}

/// Each level is one load away from the one above: what a pointer leads to is the children or the entries themselves.
#[derive(Debug)]
enum Node<K, V> {
    Leaf(Arc<[(K, V)]>),
    Branch(Arc<[Node<K, V>; 16]>),
}

const _: () = assert!(size_of::<Node<u64, u64>>() == 16);

impl<K, V> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(entries.clone()),
            Self::Branch(children) => Self::Branch(children.clone()),
        }
    }
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

/// The map.
#[derive(Clone, Debug)]
pub(super) struct Trie<K, V> {
    root: Node<K, V>,
    len: usize,
}

impl<K, V> Default for Trie<K, V> {
    fn default() -> Self {
        Self { root: Node::default(), len: 0 }
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
        let mut node = &self.root;
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

    /// A lookup of `key` that waits for nothing: see [`Walk::down`].
    pub(super) fn walk(&self, key: K) -> Walk<'_, K, V> {
        Walk { hash: key.hash(), key, node: &self.root }
    }

    /// Sets the value of `key`.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let mut hash = key.hash();
        let mut node = &mut self.root;
        let mut level = 0;
        while let Node::Branch(children) = node {
            node = &mut Arc::make_mut(children)[(hash & 15) as usize];
            hash >>= 4;
            level += 1;
        }
        let Node::Leaf(entries) = node else { return };
        if let Some(at) = entries.iter().position(|(k, _)| *k == key) {
            Arc::make_mut(entries)[at].1 = value;
            return;
        }
        self.len += 1;
        let entries = entries.iter().cloned().chain([(key, value)]);
        *node = if entries.size_hint().0 > LEAF && level < LEVELS {
            let mut split: [Vec<(K, V)>; 16] = Default::default();
            entries.for_each(|entry| split[(entry.0.hash() >> (4 * level) & 15) as usize].push(entry));
            Node::Branch(Arc::new(split.map(|entries| Node::Leaf(entries.into()))))
        } else {
            Node::Leaf(entries.collect())
        };
    }

    /// Takes `key` away; whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        // Looking first keeps a miss from copying the path.
        if self.get(key).is_none() {
            return false;
        }
        let mut hash = key.hash();
        let mut node = &mut self.root;
        while let Node::Branch(children) = node {
            node = &mut Arc::make_mut(children)[(hash & 15) as usize];
            hash >>= 4;
        }
        if let Node::Leaf(entries) = node {
            *entries = entries.iter().filter(|(k, _)| k != key).cloned().collect();
            self.len -= 1;
        }
        true
    }
}

/// A lookup in steps, each of which reads what the one before began to load.
#[derive(Debug)]
pub(super) struct Walk<'a, K, V> {
    key: K,
    hash: u64,
    node: &'a Node<K, V>,
}

impl<'a, K: Key, V> Walk<'a, K, V> {
    /// Goes one level down and starts loading what is below; `false` at the bottom.
    #[inline(always)]
    pub(super) fn down(&mut self) -> bool {
        let Node::Branch(children) = self.node else { return false };
        self.node = &children[(self.hash & 15) as usize];
        self.hash >>= 4;
        match self.node {
            // The child that will be read, not the first.
            Node::Branch(children) => prefetch_read(&children[(self.hash & 15) as usize]),
            Node::Leaf(entries) => prefetch_address(entries.as_ptr()),
        }
        true
    }

    /// The value, once [`Walk::down`] came to the bottom.
    #[inline(always)]
    pub(super) fn value(&self) -> Option<&'a V> {
        let Node::Leaf(entries) = self.node else { return None };
        entries.iter().find(|(key, _)| *key == self.key).map(|(_, value)| value)
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
                    let mut walk = trie.walk(key);
                    while walk.down() {}
                    prop_assert_eq!(walk.value(), map.get(&key));
                }
            }
        }
    }
}
