//! What is wanted, and what was told of it.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use sluice_model::ServiceName;

/// What is wanted of one kind of object, and what was told of it.
#[derive(Debug)]
pub(super) struct Told<K, V> {
    pub wanted: HashMap<K, V>,
    pub told: HashMap<K, V>,
    pub dirty: BTreeSet<K>,
}

impl<K, V> Default for Told<K, V> {
    fn default() -> Self {
        Self { wanted: HashMap::new(), told: HashMap::new(), dirty: BTreeSet::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V: Clone + PartialEq> Told<K, V> {
    pub fn set(&mut self, key: K, value: Option<V>) {
        match value {
            Some(value) => drop(self.wanted.insert(key.clone(), value)),
            None => drop(self.wanted.remove(&key)),
        }
        self.dirty.insert(key);
    }

    /// Tells each difference, of what may be told: its key, what it was and what it is. What was restored is not told to be
    /// gone while others may yet turn up.
    pub fn take(
        &mut self,
        unswept: bool,
        may: impl Fn(&K) -> bool,
        tell: impl FnMut(K, Option<V>, Option<&V>),
    ) {
        self.take_as(unswept, |key, value| may(key).then(|| value.clone()), tell);
    }

    /// The same, of what `form` makes of each.
    pub fn take_as(
        &mut self,
        unswept: bool,
        form: impl Fn(&K, &V) -> Option<V>,
        mut tell: impl FnMut(K, Option<V>, Option<&V>),
    ) {
        for key in std::mem::take(&mut self.dirty) {
            match self.wanted.get(&key).and_then(|value| form(&key, value)) {
                Some(value) if self.told.get(&key) == Some(&value) => {}
                Some(value) => {
                    let before = self.told.insert(key.clone(), value.clone());
                    tell(key, before, Some(&value));
                }
                None if unswept => {}
                None => {
                    if let Some(before) = self.told.remove(&key) {
                        tell(key, Some(before), None);
                    }
                }
            }
        }
    }

    /// What the next [`take`](Self::take) adds and what it takes away, as counted.
    pub fn difference(
        &self,
        unswept: bool,
        may: impl Fn(&K) -> bool,
        count: impl Fn(&V) -> usize,
    ) -> (usize, usize) {
        let (mut more, mut less) = (0, 0);
        for key in &self.dirty {
            let wanted = self.wanted.get(key).filter(|_| may(key));
            if wanted.is_some() || !unswept {
                more += wanted.map_or(0, &count);
                less += self.told.get(key).map_or(0, &count);
            }
        }
        (more, less)
    }

    pub fn sweep(&mut self) {
        self.dirty.extend(self.told.keys().cloned());
    }

    pub fn forget(&mut self) {
        self.wanted.clear();
        self.dirty.clear();
    }
}

impl<V> Told<ServiceName, V> {
    /// All of a namespace are to be looked at again.
    pub fn touch(&mut self, namespace: &str) {
        let of_namespace = self.wanted.keys().filter(|name| &*name.namespace == namespace);
        self.dirty.extend(of_namespace.cloned());
    }
}
