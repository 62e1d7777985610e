//! Requests at once, by client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use super::Exceeded;

/// Counts by key; a key that has none takes no room, so that there are no more of them than requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Concurrent(Arc<Mutex<HashMap<u64, u32>>>);

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub struct Held {
    of: Concurrent,
    key: u64,
}

impl Concurrent {
    /// One more, where there are fewer than `most`.
    pub(super) fn begin(&self, key: u64, most: u32) -> Result<Held, Exceeded> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        if *count >= most {
            return Err(Exceeded);
        }
        *count += 1;
        drop(counts);
        Ok(Held { of: self.clone(), key })
    }

    /// Keys that have any.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
