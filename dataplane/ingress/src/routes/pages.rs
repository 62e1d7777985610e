//! A map whose copies share what did not change.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// So many parts are copied one by one: a change among 5,000 keys copies some twenty.
const PAGES: usize = 256;

/// A hash map made of pages behind [`Arc`]: a copy costs the same at any size, a change copies one page.
#[derive(Clone, Debug)]
pub struct Pages<K, V> {
    hasher: RandomState,
    /// Each sorted by hash.
    pages: Box<[Arc<Page<K, V>>]>,
    len: usize,
}

type Page<K, V> = Vec<(u64, K, V)>;

impl<K, V> Default for Pages<K, V> {
    fn default() -> Self {
        let empty = Arc::new(Vec::new());
        Self { hasher: RandomState::new(), pages: vec![empty; PAGES].into(), len: 0 }
    }
}

impl<K, V> Pages<K, V> {
    /// The hash of a key; the same in all copies of a map.
    pub fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_hashed(self.hash(key), key)
    }

    /// The value of a key whose [hash](Pages::hash) is known.
    pub fn get_hashed<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let page = self.pages.get(page_of(hash))?;
        let index = find(page, hash, key).ok()?;
        page.get(index).map(|(_, _, value)| value)
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|page| page.iter().map(|(_, key, value)| (key, value)))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Pages<K, V> {
    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        let hash = self.hash(&key);
        let Some(page) = self.pages.get_mut(page_of(hash)) else { return };
        let page = Arc::make_mut(page);
        match find(page, hash, &key) {
            Ok(index) => {
                if let Some(slot) = page.get_mut(index) {
                    slot.2 = value;
                }
            }
            Err(index) => {
                page.insert(index, (hash, key, value));
                self.len += 1;
            }
        }
    }

    /// Takes a key out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let page = self.pages.get_mut(page_of(hash))?;
        let index = find(page, hash, key).ok()?;
        self.len -= 1;
        Some(Arc::make_mut(page).remove(index).2)
    }
}

fn page_of(hash: u64) -> usize {
    (hash >> 56) as usize % PAGES
}

fn find<K: Borrow<Q>, V, Q: Eq + ?Sized>(page: &Page<K, V>, hash: u64, key: &Q) -> Result<usize, usize> {
    let start = page.partition_point(|slot| slot.0 < hash);
    page.iter()
        .skip(start)
        .take_while(|slot| slot.0 == hash)
        .position(|slot| slot.1.borrow() == key)
        .map(|offset| start + offset)
        .ok_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    proptest::proptest! {
        #[test]
        fn is_a_map_and_copies_stay_as_they_were(steps in proptest::collection::vec((0..60_u32, 0..3_u8), 0..300)) {
            let (mut map, mut model) = (Pages::default(), HashMap::new());
            let mut copies = Vec::new();
            for (step, (key, what)) in steps.into_iter().enumerate() {
                match what {
                    0 => proptest::prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    _ => {
                        map.insert(key, step);
                        model.insert(key, step);
                    }
                }
                if step % 50 == 0 {
                    copies.push((map.clone(), model.clone()));
                }
            }
            copies.push((map, model));
            for (map, model) in copies {
                proptest::prop_assert_eq!(map.len(), model.len());
                proptest::prop_assert_eq!(map.iter().map(|(k, v)| (*k, *v)).collect::<HashMap<_, _>>(), model.clone());
                for key in 0..60 {
                    proptest::prop_assert_eq!(map.get(&key), model.get(&key));
                }
            }
        }
    }
}
