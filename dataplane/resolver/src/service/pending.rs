//! A query that has not been answered yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use tokio::sync::OwnedSemaphorePermit;

use super::Service;
use super::fetch::{Waiter, wait};
use super::step::{Step, code_of, told_stale};
use crate::authority::Transport;
use crate::cache::{Key, STALE_TTL};
use crate::config::HeaderBits;
use crate::counters::{Asked, one};
use crate::log::Noted;
use crate::message::{Answer, Request, encode, with_nsid};
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
    /// Bits that are not as they come, once they count.
    pub(super) header: HeaderBits,
    /// Whether others are asked for this client.
    pub(super) recurses: bool,
    /// The namespace whose pod the client is, where that matters.
    pub(super) tenant: Option<Box<str>>,
    pub(super) prefix: Option<Prefix>,
    pub(super) work: Option<Work>,
    pub(super) noted: Option<Noted>,
}

/// What the authority said before its alias led out.
#[derive(Debug)]
pub(super) struct Prefix {
    pub(super) answer: Answer,
    pub(super) target: Name,
    pub(super) mask: bool,
    pub(super) otherwise: Option<Answer>,
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
        Self {
            request,
            transport,
            payload,
            asked,
            started,
            rewritten: None,
            header: HeaderBits::default(),
            recurses: true,
            tenant: None,
            prefix: None,
            work: None,
            noted: None,
        }
    }

    /// Whether others are to be asked: the client wants it, and may.
    pub(super) fn leaves(&self) -> bool {
        self.recurses && self.request.metadata.recursion_desired
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
                let zone = state.zone(&self.key().name, self.tenant.as_deref());
                if let Some(cache) = zone.and_then(|zone| zone.cache.as_ref()) {
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
        let mut bytes = match (&self.prefix, &self.rewritten) {
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
        self.set_bits(&mut bytes);
        self.count(code_of(&bytes), &bytes);
        bytes
    }

    fn set_bits(&self, reply: &mut [u8]) {
        let HeaderBits { authoritative, available, told_desired, .. } = self.header;
        // RFC 1035, 4.1.1: AA and RD are in the third octet, RA in the fourth.
        for (value, at, bit) in [(authoritative, 2, 0x04), (available, 3, 0x80), (told_desired, 2, 0x01)] {
            match (value, reply.get_mut(at)) {
                (Some(true), Some(octet)) => *octet |= bit,
                (Some(false), Some(octet)) => *octet &= !bit,
                _ => {}
            }
        }
    }

    fn encode(&self, answer: &Answer, ttl: impl Fn(u32) -> u32) -> Vec<u8> {
        encode(&self.request, answer, self.transport, self.payload, ttl)
    }

    /// The authority's reply, with what the server calls itself.
    pub(super) fn named(&self, reply: Vec<u8>) -> Vec<u8> {
        let limit = self.request.limit(self.transport, self.payload);
        let mut reply = with_nsid(reply, &self.request, limit);
        self.set_bits(&mut reply);
        reply
    }

    pub(super) fn count(&self, code: ResponseCode, reply: &[u8]) {
        let time = self.started.elapsed();
        self.asked.replied(code, reply.len(), time);
        if let Some(noted) = &self.noted {
            noted.replied(&self.request, self.transport.is_stream(), reply, time);
        }
    }
}

impl Prefix {
    /// The authority's records, then those of the alias's target.
    fn join(&self, target: Answer) -> Answer {
        if let Some(otherwise) = &self.otherwise {
            return self.complete(target, otherwise);
        }
        let mut whole = self.answer.clone();
        whole.truncated |= target.truncated;
        whole.own &= target.own;
        whole.answers.extend(target.answers);
        if !self.mask {
            whole.code = target.code;
            whole.authority.extend(target.authority);
            whole.additional.extend(target.additional);
        }
        whole.error = whole.error.or(target.error);
        whole
    }

    /// What a search list led to, or that it led nowhere.
    fn complete(&self, mut target: Answer, otherwise: &Answer) -> Answer {
        if target.code != ResponseCode::NoError {
            return otherwise.clone();
        }
        if let Some(ttl) = target.answers.first().map(|record| record.ttl) {
            let mut aliases = self.answer.answers.clone();
            aliases.iter_mut().for_each(|record| record.ttl = ttl);
            target.answers.splice(..0, aliases);
        }
        target
    }
}
