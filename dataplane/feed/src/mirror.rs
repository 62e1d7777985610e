//! What a subscriber holds, and how transactions change it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use sluice_model::{Change, Generation, ObjectKey};

use crate::Have;
use crate::message::FromServer;

/// The most objects of one transaction.
const MAX_CHANGES: u32 = 4 << 20;

/// A consistent set of changes that leads to `generation`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The run of the control process that `generation` belongs to.
    pub run: u64,
    /// The generation that the changes lead to.
    pub generation: Generation,
    /// What differs from what the subscriber held: settings first, then what is gone, then what is new or changed.
    /// May be empty; the generation still wants an acknowledgement.
    pub changes: Vec<Change>,
}

/// A transaction that makes no sense; the connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// A change or commit without a beginning.
    #[error("a change or commit outside of a transaction")]
    Outside,
    /// A beginning inside a transaction.
    #[error("a transaction began inside another")]
    Nested,
    /// More or fewer changes than announced.
    #[error("{announced} changes were announced, {received} received")]
    Count {
        /// By `Begin`.
        announced: u32,
        /// Until `Commit`, or one too many.
        received: u32,
    },
    /// More changes than any state can have.
    #[error("{0} changes in one transaction are too many")]
    TooMany(u32),
    /// The commit names another generation than the beginning.
    #[error("transaction of generation {begun} committed as {committed}")]
    Generation {
        /// By `Begin`.
        begun: u64,
        /// By `Commit`.
        committed: u64,
    },
    /// The same object twice.
    #[error("{0} stands twice in one transaction")]
    Twice(ObjectKey),
    /// A delta to a state that this subscriber does not hold.
    #[error("a delta arrived, but no state of that run is held")]
    Baseless,
    /// An object that the model's rules forbid.
    #[error("invalid object: {0}")]
    Invalid(#[from] sluice_model::Invalid),
}

/// What a subscriber holds: the generation, and a fingerprint of each object to tell what a full state changes.
#[derive(Debug, Default)]
pub struct Mirror {
    have: Option<Have>,
    objects: HashMap<ObjectKey, u64>,
    staged: Option<Staged>,
    // Keyed by a random seed, so that nobody can prepare two objects with one fingerprint.
    hasher: RandomState,
}

#[derive(Debug)]
struct Staged {
    generation: Generation,
    full: bool,
    announced: u32,
    received: u32,
    seen: HashSet<ObjectKey>,
    gone: Vec<ObjectKey>,
    settings: Option<(Change, u64)>,
    others: Vec<(Change, ObjectKey, u64)>,
}

impl Mirror {
    /// What is held: the state that the next connection may build on.
    pub fn have(&self) -> Option<Have> {
        self.have
    }

    /// How many objects are held.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether no object is held.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Forgets a transaction that was begun but not committed.
    pub fn abandon(&mut self) {
        self.staged = None;
    }

    /// Takes one message, encoded as `body`, on a connection to `run`; a commit yields the transaction.
    pub(crate) fn take(
        &mut self,
        message: FromServer,
        body: &[u8],
        run: u64,
    ) -> Result<Option<Transaction>, TransactionError> {
        match message {
            FromServer::Begin { generation, full, changes } => {
                if self.staged.is_some() {
                    return Err(TransactionError::Nested);
                }
                if changes > MAX_CHANGES {
                    return Err(TransactionError::TooMany(changes));
                }
                if !full && self.have.is_none_or(|have| have.run != run) {
                    return Err(TransactionError::Baseless);
                }
                self.staged = Some(Staged::new(generation, full, changes));
                Ok(None)
            }
            FromServer::Change(change) => {
                let fingerprint = self.hasher.hash_one(body);
                let staged = self.staged.as_mut().ok_or(TransactionError::Outside)?;
                staged.add(change, fingerprint)?;
                Ok(None)
            }
            FromServer::Commit { generation } => {
                let staged = self.staged.take().ok_or(TransactionError::Outside)?;
                staged.check(generation)?;
                Ok(Some(self.commit(staged, run)))
            }
            FromServer::Ping => Ok(None),
        }
    }

    fn commit(&mut self, staged: Staged, run: u64) -> Transaction {
        let mut changes = Vec::new();
        if let Some((change, fingerprint)) = staged.settings
            && self.objects.insert(ObjectKey::Settings, fingerprint) != Some(fingerprint)
        {
            changes.push(change);
        }
        let mut gone = staged.gone;
        if staged.full {
            let swept = self.objects.keys().filter(|key| !staged.seen.contains(*key));
            gone.extend(swept.cloned());
            gone.sort();
        }
        for key in gone {
            // Settings never go; a state without them leaves the former ones.
            if let Some(change) = key.gone()
                && self.objects.remove(&key).is_some()
            {
                changes.push(change);
            }
        }
        for (change, key, fingerprint) in staged.others {
            if self.objects.insert(key, fingerprint) != Some(fingerprint) {
                changes.push(change);
            }
        }
        self.have = Some(Have { run, generation: staged.generation });
        Transaction { run, generation: staged.generation, changes }
    }
}

impl Staged {
    fn new(generation: Generation, full: bool, announced: u32) -> Self {
        Self {
            generation,
            full,
            announced,
            received: 0,
            seen: HashSet::new(),
            gone: Vec::new(),
            settings: None,
            others: Vec::new(),
        }
    }

    fn add(&mut self, change: Change, fingerprint: u64) -> Result<(), TransactionError> {
        self.received += 1;
        if self.received > self.announced {
            return Err(TransactionError::Count { announced: self.announced, received: self.received });
        }
        change.check()?;
        let key = change.key();
        if key == ObjectKey::Settings {
            self.settings = Some((change, fingerprint));
        } else if !self.seen.insert(key.clone()) {
            return Err(TransactionError::Twice(key));
        } else if change.is_gone() {
            self.gone.push(key);
        } else {
            self.others.push((change, key, fingerprint));
        }
        Ok(())
    }

    fn check(&self, committed: Generation) -> Result<(), TransactionError> {
        if committed != self.generation {
            return Err(TransactionError::Generation { begun: self.generation.0, committed: committed.0 });
        }
        if self.received != self.announced {
            return Err(TransactionError::Count { announced: self.announced, received: self.received });
        }
        Ok(())
    }
}
