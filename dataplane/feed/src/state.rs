//! The current state and a bounded log of what changed when.
//!
//! The log holds names only. A delta since some generation is the current value of every name in the log after it, so
//! any number of changes to one object costs a slow subscriber one message.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sluice_model::{Change, Generation, ObjectKey};

use crate::message::{FromServer, encode};
use crate::{Have, Kinds, MAX_FRAME, PublishError};

/// A transaction ready to be sent: encoded frames that share memory with the state.
pub(crate) struct Batch {
    pub generation: Generation,
    pub full: bool,
    pub changes: Vec<Arc<[u8]>>,
}

/// Everything that was published, each object once, in its encoded form.
pub(crate) struct State {
    run: u64,
    generation: Generation,
    objects: BTreeMap<Arc<ObjectKey>, Arc<[u8]>>,
    log: VecDeque<(Generation, Arc<ObjectKey>)>,
    log_limit: usize,
    /// Deltas are possible from this generation on.
    floor: Generation,
}

impl State {
    pub(crate) fn new(run: u64, log_limit: usize) -> Self {
        Self {
            run,
            generation: Generation(0),
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            log_limit,
            floor: Generation(0),
        }
    }

    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Applies `changes` as the next generation; what changes nothing is left out, and if nothing is left the
    /// generation stays. All or nothing on error.
    pub(crate) fn apply(&mut self, changes: &[Change]) -> Result<Generation, PublishError> {
        let mut encoded = Vec::with_capacity(changes.len());
        for change in changes {
            encoded.push(encode_change(change)?);
        }
        let next = Generation(self.generation.0 + 1);
        let mut changed = false;
        for (key, value) in encoded {
            // The log has the key that the object has, not one of its own for each change.
            let key = match (value, self.objects.entry(key)) {
                (Some(frame), Entry::Occupied(mut object)) if **object.get() != *frame => {
                    object.insert(frame);
                    Some(Arc::clone(object.key()))
                }
                (Some(frame), Entry::Vacant(object)) => {
                    let key = Arc::clone(object.key());
                    object.insert(frame);
                    Some(key)
                }
                (None, Entry::Occupied(object)) => Some(object.remove_entry().0),
                _ => None,
            };
            if let Some(key) = key {
                changed = true;
                self.log.push_back((next, key));
            }
        }
        // The very first publication makes a generation even where there is nothing: "synced, and empty".
        if changed || self.generation.0 == 0 {
            self.generation = next;
        }
        while self.log.len() > self.log_limit {
            if let Some((generation, _)) = self.log.pop_front() {
                self.floor = generation;
            }
        }
        Ok(self.generation)
    }

    /// What a subscriber that holds `have` needs to come to the current generation.
    pub(crate) fn batch(&self, have: Option<Have>, kinds: Kinds) -> Result<Batch, postcard::Error> {
        let base = have.filter(|have| {
            have.run == self.run && have.generation >= self.floor && have.generation <= self.generation
        });
        let changes = match base {
            Some(have) => self.delta(have.generation, kinds)?,
            None => self
                .objects
                .iter()
                .filter(|(key, _)| kinds.contains(Kinds::of(key)))
                .map(|(_, frame)| Arc::clone(frame))
                .collect(),
        };
        Ok(Batch { generation: self.generation, full: base.is_none(), changes })
    }

    fn delta(&self, since: Generation, kinds: Kinds) -> Result<Vec<Arc<[u8]>>, postcard::Error> {
        let touched: BTreeSet<&Arc<ObjectKey>> = self
            .log
            .iter()
            .rev()
            .take_while(|(generation, _)| *generation > since)
            .map(|(_, key)| key)
            .filter(|key| kinds.contains(Kinds::of(key)))
            .collect();
        let mut changes = Vec::with_capacity(touched.len());
        for key in touched {
            match self.objects.get(key) {
                Some(frame) => changes.push(Arc::clone(frame)),
                None => {
                    if let Some(gone) = key.gone() {
                        changes.push(encode(&FromServer::Change(&gone))?.into());
                    }
                }
            }
        }
        Ok(changes)
    }
}

type Encoded = (Arc<ObjectKey>, Option<Arc<[u8]>>);

fn encode_change(change: &Change) -> Result<Encoded, PublishError> {
    let key = Arc::new(change.key());
    if change.is_gone() {
        return Ok((key, None));
    }
    change.check().map_err(|error| PublishError::Invalid { object: key.to_string(), error })?;
    let frame = encode(&FromServer::Change(change)).map_err(PublishError::Encode)?;
    if frame.len() > MAX_FRAME {
        return Err(PublishError::TooLarge { object: key.to_string(), bytes: frame.len() });
    }
    Ok((key, Some(frame.into())))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
