//! What upstreams answered, until it runs out.
//!
//! An entry is the whole answer to one question, found by that question alone: nothing an upstream says about another name
//! is ever used for that name. Time is an argument.

mod entry;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};

pub(crate) use entry::Entry;
use store::Store;

use crate::config::{Cache as Settings, CheckedZone, Prefetch};
use crate::message::{Answer, Request};
use crate::zones::under_any;

/// The TTL told with a stale answer (RFC 8767, 4).
pub(crate) const STALE_TTL: u32 = 30;

/// What an answer is found by: everything that may change it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// In lower case.
    pub(crate) name: Name,
    pub(crate) rtype: RecordType,
    pub(crate) dnssec: bool,
    pub(crate) checking_disabled: bool,
}

impl Key {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            name: request.name().to_lowercase(),
            rtype: request.rtype(),
            dnssec: request.dnssec(),
            checking_disabled: request.metadata.checking_disabled,
        }
    }
}

/// What is known of a question.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// An answer, the TTL to tell, and whether it is to be fetched again meanwhile.
    Fresh { answer: Arc<Answer>, ttl: u32, prefetch: bool },
    /// An answer that has run out, and whether upstreams are to be asked: not if they failed a moment ago.
    Stale { answer: Arc<Answer>, ask: bool },
    /// Nothing.
    Miss,
}

/// The cache of a zone.
#[derive(Debug)]
pub(crate) struct Cache {
    settings: Settings,
    zones: Vec<Name>,
    disable_success: Vec<Name>,
    disable_denial: Vec<Name>,
    success: Store,
    denial: Store,
    pub(crate) counters: Counters,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: [AtomicU64; 2],
    pub(crate) misses: AtomicU64,
    pub(crate) prefetches: AtomicU64,
    pub(crate) stale: AtomicU64,
}

impl Cache {
    /// The cache of a zone, where it has one.
    pub(crate) fn of(zone: &CheckedZone) -> Option<Self> {
        let (settings, checked) = zone.settings.cache.clone().zip(zone.cache.clone())?;
        Some(Self {
            success: Store::new(settings.success.entries, settings.success.bytes),
            denial: Store::new(settings.denial.entries, settings.denial.bytes),
            zones: checked.zones,
            disable_success: checked.disable_success,
            disable_denial: checked.disable_denial,
            settings,
            counters: Counters::default(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Entries: with records, and without.
    pub(crate) fn entries(&self) -> [usize; 2] {
        [self.success.len(), self.denial.len()]
    }

    /// Entries that made room for others: with records, and without.
    pub(crate) fn evictions(&self) -> [u64; 2] {
        [self.success.evictions(), self.denial.evictions()]
    }

    /// About how many octets entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.success.bytes() + self.denial.bytes()
    }

    /// What is known, counted.
    pub(crate) fn lookup(&self, key: &Key, now: Instant) -> Lookup {
        let found = self.find(key, now, self.settings.prefetch.as_ref());
        match &found {
            Lookup::Fresh { answer, .. } => {
                let denial = usize::from(answer.answers.is_empty());
                if let Some(hits) = self.counters.hits.get(denial) {
                    hits.fetch_add(1, Ordering::Relaxed);
                }
            }
            Lookup::Stale { .. } | Lookup::Miss => {
                self.counters.misses.fetch_add(1, Ordering::Relaxed);
            }
        }
        found
    }

    /// Whether a question need not be asked, which nobody waits for: not counted.
    pub(crate) fn has(&self, key: &Key, now: Instant) -> bool {
        matches!(self.find(key, now, None), Lookup::Fresh { .. } | Lookup::Stale { ask: false, .. })
    }

    fn find(&self, key: &Key, now: Instant, prefetch: Option<&Prefetch>) -> Lookup {
        let success = self.success.find(key, now, prefetch);
        if let Some(lookup) = success.as_ref().and_then(|found| self.fresh(found, now)) {
            return lookup;
        }
        let denial = self.denial.find(key, now, prefetch);
        let Some(serve_stale) = &self.settings.serve_stale else {
            return denial.as_ref().and_then(|found| self.fresh(found, now)).unwrap_or(Lookup::Miss);
        };
        // What is stale is better than a failure.
        let stale = [&success, &denial].into_iter().flatten().find(|found| {
            !found.entry.answer.is_failure()
                && found.entry.overdue(now).is_some_and(|overdue| overdue <= serve_stale.max_age)
        });
        match (denial.as_ref().and_then(|found| self.fresh(found, now)), stale) {
            (Some(Lookup::Fresh { answer, .. }), Some(stale)) if answer.is_failure() => {
                Lookup::Stale { answer: stale.entry.answer.clone(), ask: false }
            }
            (Some(fresh), _) => fresh,
            (None, Some(stale)) => Lookup::Stale { answer: stale.entry.answer.clone(), ask: true },
            (None, None) => Lookup::Miss,
        }
    }

    fn fresh(&self, found: &store::Found, now: Instant) -> Option<Lookup> {
        let left = found.entry.left(now)?;
        let ttl = if self.settings.keep_ttl { found.entry.ttl } else { left };
        Some(Lookup::Fresh { answer: found.entry.answer.clone(), ttl, prefetch: found.prefetch })
    }

    /// Keeps an answer of `size` octets, if it may be kept, and gives the TTL to tell.
    pub(crate) fn insert(&self, key: &Key, answer: &Arc<Answer>, size: usize, now: Instant) -> Option<u32> {
        if answer.truncated || !self.zones.is_empty() && !under_any(&key.name, &self.zones) {
            return None;
        }
        let (ttl, store, other) = match kind(answer, key.rtype)? {
            Kind::Success(ttl) => {
                if under_any(&key.name, &self.disable_success) {
                    return None;
                }
                let side = &self.settings.success;
                (ttl.clamp(side.min_ttl, side.max_ttl), &self.success, Some(&self.denial))
            }
            Kind::Denial(ttl) => {
                if under_any(&key.name, &self.disable_denial) {
                    return None;
                }
                let side = &self.settings.denial;
                (ttl.clamp(side.min_ttl, side.max_ttl), &self.denial, Some(&self.success))
            }
            Kind::Failure => {
                (u32::try_from(self.settings.servfail.as_secs()).unwrap_or(0), &self.denial, None)
            }
        };
        if ttl == 0 {
            return None;
        }
        // Beyond what comes over the wire, a record takes about this much.
        let size = size + 256 * (2 + answer.answers.len() + answer.authority.len());
        store.insert(key, Entry::new(answer.clone(), now, ttl), size, now, self.keep());
        if let Some(other) = other {
            other.remove(key);
        }
        Some(ttl)
    }

    /// The time an entry is of use after its end.
    fn keep(&self) -> Duration {
        self.settings.serve_stale.as_ref().map_or(Duration::ZERO, |stale| stale.max_age)
    }
}

enum Kind {
    Success(u32),
    Denial(u32),
    Failure,
}

/// What an answer is to a cache, with the TTL its records give it. Without an SOA a denial is not kept (RFC 2308, 5).
fn kind(answer: &Answer, rtype: RecordType) -> Option<Kind> {
    let least = answer.answers.iter().map(|record| record.ttl).min();
    let whole = answer.answers.iter().any(|record| record.record_type() == rtype || rtype == RecordType::ANY);
    match answer.code {
        ResponseCode::NoError if whole => least.map(Kind::Success),
        ResponseCode::NoError | ResponseCode::NXDomain => {
            let soa = answer.authority.iter().find_map(|record| match &record.data {
                RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
                _ => None,
            })?;
            Some(Kind::Denial(least.map_or(soa, |least| least.min(soa))))
        }
        _ => Some(Kind::Failure),
    }
}

#[cfg(test)]
mod tests;
