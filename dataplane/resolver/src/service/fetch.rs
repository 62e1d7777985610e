//! Questions to upstreams, each asked once at a time whoever wants to know.
//!
//! Without this, many clients that ask the same are many identical questions in flight, any of which a forged reply may hit
//! (CVE-2023-30464).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hickory_proto::op::ResponseCode;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Service, Zone};
use crate::cache::Key;
use crate::counters::one;
use crate::forward::{self, Forward};
use crate::message::{Answer, ExtendedError};

/// An answer of an upstream, and the TTL to tell where the cache has it.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) answer: Arc<Answer>,
    pub(crate) ttl: Option<u32>,
}

/// Where an answer will be.
pub(crate) type Waiter = watch::Receiver<Option<Fetched>>;

/// Questions that are under way.
#[derive(Debug, Default)]
pub(crate) struct Inflight(Mutex<HashMap<Key, Waiter>>);

/// What ends a question: whoever waits learns of it, and the next one asks anew.
struct Leader {
    zone: Arc<Zone>,
    key: Key,
    done: watch::Sender<Option<Fetched>>,
    _permit: OwnedSemaphorePermit,
}

impl Service {
    /// Asks, or joins who has asked. None if there is too much to do.
    pub(crate) fn fetch(
        self: &Arc<Self>,
        zone: &Arc<Zone>,
        forward: &Arc<Forward>,
        key: &Key,
        stream: bool,
    ) -> Option<Waiter> {
        let mut inflight = zone.inflight.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = inflight.get(key) {
            one(&self.process.coalesced);
            return Some(waiter.clone());
        }
        let permit = self.fetches.clone().try_acquire_owned().ok()?;
        let (done, waiter) = watch::channel(None);
        inflight.insert(key.clone(), waiter.clone());
        drop(inflight);
        let leader = Leader { zone: zone.clone(), key: key.clone(), done, _permit: permit };
        let (service, forward) = (self.clone(), forward.clone());
        tokio::spawn(async move { service.lead(leader, &forward, stream).await });
        Some(waiter)
    }

    async fn lead(&self, leader: Leader, forward: &Forward, stream: bool) {
        let state = self.state.load_full();
        let deadline = tokio::time::Instant::now() + state.limits.query;
        let zone = &leader.zone;
        let fetched = forward.ask(&leader.key, stream, zone.protected(), &self.process, deadline).await;
        let forward::Fetched { answer, size, keep } = fetched;
        let answer = Arc::new(answer);
        let cache = zone.cache.as_ref().filter(|_| keep);
        let ttl = cache.and_then(|cache| cache.insert(&leader.key, &answer, size, Instant::now()));
        // Failures that are kept have no TTL to tell.
        let ttl = ttl.filter(|_| !answer.is_failure());
        leader.done.send_replace(Some(Fetched { answer, ttl }));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.zone.inflight.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The answer, when it is there.
pub(crate) async fn wait(mut waiter: Waiter) -> Fetched {
    let fetched = waiter.wait_for(Option::is_some).await.ok().and_then(|fetched| fetched.clone());
    fetched.unwrap_or_else(|| {
        let answer = Answer::failure(ResponseCode::ServFail, ExtendedError::UNREACHABLE);
        Fetched { answer: Arc::new(answer), ttl: None }
    })
}
