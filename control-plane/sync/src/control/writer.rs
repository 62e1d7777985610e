//! Statuses with addresses, written by the gateway that leads, once the data plane serves what they say.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_model::{Generation, ServiceName};
use tokio::task::JoinSet;

use crate::lease::{Leadership, NotLeading};
use crate::status::FIELD_MANAGER;

/// How long one write may take, and the pause before a failed one is tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);
/// Writes under way at once.
const AT_ONCE: usize = 16;

/// A status to be written once the data plane forwards by `generation`.
#[derive(Clone, Debug)]
struct Write {
    addresses: Vec<IpAddr>,
    generation: Generation,
    not_before: Instant,
    /// In which time of leading it was decided.
    term: u64,
}

/// What a write came to.
enum Outcome {
    Done,
    Failed(String),
    /// This gateway ceased to lead before it was answered.
    BrokenOff,
}

type Written = (ServiceName, Write, Outcome);

/// The statuses of a kind that are to be written.
pub(super) struct Writer {
    client: kube::Client,
    leadership: Leadership,
    /// How many times this gateway has ceased to lead.
    term: u64,
    /// It has ceased to lead, if only for a moment: others may have written since.
    interrupted: bool,
    /// What is to be written once what is decided now is published.
    decided: BTreeMap<ServiceName, Vec<IpAddr>>,
    writes: BTreeMap<ServiceName, Write>,
    under_way: JoinSet<Written>,
    failures: BTreeMap<ServiceName, String>,
}

impl Writer {
    /// Nothing to write yet.
    pub(super) fn new(client: &kube::Client, leadership: &Leadership) -> Self {
        Self {
            client: client.clone(),
            leadership: leadership.clone(),
            term: 0,
            interrupted: false,
            decided: BTreeMap::new(),
            writes: BTreeMap::new(),
            under_way: JoinSet::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Whether this gateway leads, and has done so since the last call.
    pub(super) fn leads(&mut self) -> bool {
        !std::mem::take(&mut self.interrupted) && self.leadership.is_leader()
    }

    /// This gateway has ceased to lead: whoever leads now decides anew.
    pub(super) fn forget(&mut self) {
        self.writes.clear();
        self.decided.clear();
        self.failures.clear();
        self.term += 1;
    }

    /// The status is to say this from the next generation on.
    pub(super) fn decide(&mut self, name: ServiceName, addresses: Vec<IpAddr>) {
        self.decided.insert(name, addresses);
    }

    /// Nothing is to be written any more.
    pub(super) fn drop(&mut self, name: &ServiceName) {
        self.decided.remove(name);
        self.writes.remove(name);
        self.failures.remove(name);
    }

    /// What was decided is published as of this generation.
    pub(super) fn published(&mut self, generation: Generation) {
        for (name, addresses) in std::mem::take(&mut self.decided) {
            let (not_before, term) = (Instant::now(), self.term);
            self.writes.insert(name, Write { addresses, generation, not_before, term });
        }
    }

    /// Writes statuses that are due, of generations that are in effect; `body` gives the patch, none where the object is
    /// gone or says so already.
    pub(super) fn write<K>(
        &mut self,
        in_effect: impl Fn(Generation) -> bool,
        body: impl Fn(&ServiceName, &[IpAddr]) -> Option<Value>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        while let Some(done) = self.under_way.try_join_next() {
            let Ok((name, mut write, outcome)) = done else { continue };
            match outcome {
                Outcome::Done => drop(self.failures.remove(&name)),
                // Whoever leads now decides anew.
                _ if write.term != self.term => {}
                Outcome::BrokenOff => self.interrupted = true,
                Outcome::Failed(message) => {
                    self.failures.insert(name.clone(), message);
                    write.not_before = Instant::now() + PAUSE;
                    self.writes.entry(name).or_insert(write);
                }
            }
        }
        let may_write = self.leadership.is_leader() && !self.interrupted;
        if !may_write || self.writes.is_empty() {
            return;
        }
        let now = Instant::now();
        let room = AT_ONCE.saturating_sub(self.under_way.len());
        let due: Vec<ServiceName> = self
            .writes
            .iter()
            .filter(|(_, write)| write.not_before <= now && in_effect(write.generation))
            .map(|(name, _)| name.clone())
            .take(room)
            .collect();
        for name in due {
            let Some(write) = self.writes.remove(&name) else { continue };
            let Some(body) = body(&name, &write.addresses) else {
                self.failures.remove(&name);
                continue;
            };
            let api: Api<K> = Api::namespaced(self.client.clone(), &name.namespace);
            let leadership = self.leadership.clone();
            self.under_way.spawn(async move {
                let parameters = PatchParams::apply(FIELD_MANAGER).force();
                let body = Patch::Apply(body);
                let call = api.patch_status(&name.name, &parameters, &body);
                let outcome = match leadership.while_leading(tokio::time::timeout(PATIENCE, call)).await {
                    // Deleted, or made anew under the same name: the watch brings what is there now.
                    Ok(Ok(Err(kube::Error::Api(status)))) if matches!(status.code, 404 | 422) => {
                        Outcome::Done
                    }
                    Ok(Ok(Ok(_))) => Outcome::Done,
                    Ok(Ok(Err(error))) => Outcome::Failed(error.to_string()),
                    Ok(Err(_)) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
                    Err(NotLeading) => Outcome::BrokenOff,
                };
                (name, write, outcome)
            });
        }
    }

    /// Statuses that could not be written, and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&ServiceName, String)> {
        self.failures.iter().map(|(name, message)| (name, format!("its status cannot be written: {message}")))
    }

    /// Nothing more is written.
    pub(super) fn end(mut self) {
        self.under_way.abort_all();
    }
}
