//! A query that has not been answered yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use tokio::sync::OwnedSemaphorePermit;

use super::Service;
use super::fetch::{Waiter, wait};
use super::step::{Step, told_stale};
use crate::authority::Transport;
use crate::cache::{Key, STALE_TTL};
use crate::counters::{Asked, one};
use crate::message::{Answer, Request, encode};
use crate::rewrite::Rewritten;

/// A query and all that its reply takes.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) request: Request,
    pub(super) transport: Transport,
    payload: u16,
    asked: Asked,
    started: Instant,
    pub(super) rewritten: Option<Rewritten>,
    pub(super) prefix: Option<Prefix>,
    pub(super) work: Option<Work>,
}

/// What the authority said before its alias led out.
#[derive(Debug)]
pub(super) struct Prefix {
    pub(super) answer: Answer,
    pub(super) target: Name,
    pub(super) mask: bool,
}

/// What is waited for.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) waiter: Waiter,
    pub(super) stale: Option<(Arc<Answer>, Duration)>,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Pending {
    pub(super) fn new(
        request: Request,
        transport: Transport,
        payload: u16,
        asked: Asked,
        started: Instant,
    ) -> Self {
        Self { request, transport, payload, asked, started, rewritten: None, prefix: None, work: None }
    }

    /// The question that is looked up: as asked, as rewritten, or where the authority's alias leads.
    pub(super) fn key(&self) -> Key {
        let mut key = Key::of(&self.request);
        if let Some(to) = &self.rewritten {
            key.name = to.name.to_lowercase();
            key.rtype = to.rtype;
        }
        if let Some(prefix) = &self.prefix {
            key.name = prefix.target.to_lowercase();
        }
        key
    }

    /// The reply, when what is waited for has come, and at the latest after the time a query has.
    pub(crate) async fn finish(mut self, service: &Service, most: Duration) -> Option<Vec<u8>> {
        let Work { waiter, stale, permit } = self.work.take()?;
        let most = stale.as_ref().map_or(most, |(_, verify)| *verify);
        let fetched = tokio::time::timeout(most, wait(waiter)).await.ok();
        let reply = match (fetched, stale) {
            (Some(fetched), None) => self.bytes(&fetched.answer, fetched.ttl),
            (Some(fetched), Some(_)) if !fetched.answer.is_failure() => {
                self.bytes(&fetched.answer, fetched.ttl)
            }
            (_, Some((stale, _))) => {
                let state = service.state.load();
                if let Some(cache) = state.zone(&self.key().name).and_then(|zone| zone.cache.as_ref()) {
                    one(&cache.counters.stale);
                }
                self.bytes(&told_stale(&stale), Some(STALE_TTL))
            }
            (None, None) => {
                let error = crate::message::ExtendedError::DEADLINE;
                self.bytes(&Answer::failure(ResponseCode::ServFail, error), None)
            }
        };
        drop(permit);
        Some(reply)
    }

    /// The reply, as a step.
    pub(super) fn reply(&self, answer: &Answer, ttl: Option<u32>) -> Step {
        Step::Reply(self.bytes(answer, ttl))
    }

    /// The reply with an answer to the [key](Self::key), counted.
    fn bytes(&self, answer: &Answer, ttl: Option<u32>) -> Vec<u8> {
        let bytes = match (&self.prefix, &self.rewritten) {
            (None, None) => self.encode(answer, |of_record| ttl.unwrap_or(of_record)),
            (prefix, rewritten) => {
                let mut answer = answer.clone();
                if let Some(ttl) = ttl {
                    answer.records_mut().for_each(|record| record.ttl = ttl);
                }
                if let Some(prefix) = prefix {
                    answer = prefix.join(answer);
                }
                if let Some(to) = rewritten {
                    answer = to.undo(self.request.name(), &answer);
                }
                let mut bytes = self.encode(&answer, |ttl| ttl);
                // Nor is it told that others can be asked.
                if let (true, Some(flags)) = (prefix.as_ref().is_some_and(|it| it.mask), bytes.get_mut(3)) {
                    *flags &= 0x7f;
                }
                bytes
            }
        };
        let code = answer.code;
        self.count(code, bytes.len());
        bytes
    }

    fn encode(&self, answer: &Answer, ttl: impl Fn(u32) -> u32) -> Vec<u8> {
        encode(&self.request, answer, self.transport, self.payload, ttl)
    }

    pub(super) fn count(&self, code: ResponseCode, size: usize) {
        self.asked.replied(code, size, self.started.elapsed());
    }
}

impl Prefix {
    /// The authority's records, then those of the alias's target.
    fn join(&self, target: Answer) -> Answer {
        let mut whole = self.answer.clone();
        whole.truncated |= target.truncated;
        whole.answers.extend(target.answers);
        if !self.mask {
            whole.code = target.code;
            whole.authority.extend(target.authority);
        }
        whole.error = whole.error.or(target.error);
        whole
    }
}
