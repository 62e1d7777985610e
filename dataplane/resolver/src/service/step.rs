//! The part of a query's way that does not wait.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, HINFO};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::fetch::Waiter;
use super::pending::{Pending, Work};
use super::{Origin, Service, State, Zone};
use crate::authority::{Transport, Verdict};
use crate::cache::{Key, Lookup, STALE_TTL};
use crate::counters::one;
use crate::message::{self, Answer, ExtendedError, Rejected, Request};
use crate::rewrite;
use crate::zones::under_any;
use crate::{hosts, template};

/// What comes of a message at once.
pub(crate) enum Step {
    /// A reply.
    Reply(Vec<u8>),
    /// Messages with their lengths, for a stream.
    Frames(Vec<u8>),
    /// Nothing.
    Silent,
    /// A reply, in time.
    Wait(Box<Pending>),
}

/// What is known of a question without waiting.
pub(super) enum Known {
    /// The answer, and the TTL to tell if it is not that of its records.
    Answer(Arc<Answer>, Option<u32>),
    /// Whoever has asked an upstream will say. If that fails, or has not come after the time, the stale answer is.
    Wait(Waiter, Option<(Arc<Answer>, Duration)>),
}

/// The longest chain of an authority's aliases.
const ALIASES: usize = 10;
/// The time upstreams get while there is a stale answer (RFC 8767, 5).
const CLIENT_RESPONSE: Duration = Duration::from_millis(1800);

impl Service {
    /// What comes of a message.
    pub(crate) fn step(self: &Arc<Self>, bytes: &[u8], origin: Origin<'_>, transport: Transport) -> Step {
        let started = Instant::now();
        let state = self.state.load();
        let payload = state.limits.udp_payload;
        let allowed = origin.endpoint.allows(origin.client.ip());
        let request = match message::parse(bytes, origin.client, origin.endpoint.address, transport, payload)
        {
            Ok(request) => request,
            Err(Rejected::Silent(why)) => {
                one(&self.process.silent);
                tracing::trace!(client = %origin.client, ?why, "no reply");
                return Step::Silent;
            }
            Err(Rejected::Reply(code, reply)) => {
                one(&self.process.malformed);
                tracing::trace!(client = %origin.client, %code, "not a query");
                return if allowed { Step::Reply(reply) } else { Step::Silent };
            }
        };
        let zone = state.zone(request.name());
        let label = zone.map_or_else(|| origin.endpoint.dropped.clone(), |zone| zone.label.clone());
        let dns = self.registry.of(&origin.endpoint.label, &label);
        let asked = dns.asked(origin.client, transport, request.rtype(), request.dnssec(), bytes.len());
        let mut pending = Pending::new(request, transport, payload, asked, started);
        if !allowed {
            one(&self.process.prohibited);
            return pending.reply(&Answer::failure(ResponseCode::Refused, ExtendedError::PROHIBITED), None);
        }
        if self.loops.is_probe(pending.request.name(), pending.request.rtype()) {
            return pending.reply(&Answer::failure(ResponseCode::ServFail, ExtendedError::LOOP), None);
        }
        if let Some(zone) = zone {
            pending.rewritten =
                rewrite::apply(&zone.checked.rewrite, pending.request.name(), pending.request.rtype());
        }
        if let Some(step) = self.ask_authority(bytes, origin, &mut pending) {
            return step;
        }
        let key = pending.key();
        let known = self.known(&state, &key, origin, &pending);
        self.settle(pending, known)
    }

    /// Asks the authority, and follows aliases within its names; none if the name they end in is not its own.
    fn ask_authority(&self, bytes: &[u8], origin: Origin<'_>, pending: &mut Pending) -> Option<Step> {
        let mut query = match &pending.rewritten {
            None => Cow::Borrowed(bytes),
            Some(to) => Cow::Owned(requery(&pending.request, &to.name, to.rtype)),
        };
        for _ in 0..ALIASES {
            let mut out = Vec::new();
            let verdict = self.authority.answer(&query, origin.client, pending.transport, &mut out);
            match &verdict {
                Verdict::NotMine => return None,
                Verdict::Drop => return Some(Step::Silent),
                _ => one(&self.process.local),
            }
            match verdict {
                Verdict::Answered if pending.is_as_asked() => {
                    pending.count(code_of(&out), out.len());
                    return Some(Step::Reply(out));
                }
                Verdict::Transfer if pending.is_as_asked() && pending.transport.is_stream() => {
                    pending.count(ResponseCode::NoError, out.len());
                    return Some(Step::Frames(out));
                }
                Verdict::Transfer => {
                    let refused = Answer::failure(ResponseCode::Refused, ExtendedError::UNSUPPORTED);
                    return Some(pending.reply(&refused, None));
                }
                Verdict::Continue(next) => {
                    let owner = pending.key();
                    let target = wire_name(&next.target);
                    let alias = |target: &Name| {
                        let record =
                            Record::from_rdata(owner.name, next.ttl, RData::CNAME(CNAME(target.clone())));
                        Answer { authoritative: true, answers: vec![record], ..Answer::default() }
                    };
                    let answer = match &target {
                        Some(target) if out.is_empty() => Some(alias(target)),
                        _ => Message::from_vec(&out).map(answer_of).ok(),
                    };
                    let Some((target, answer)) = target.zip(answer) else {
                        return Some(pending.reply(&invalid(), None));
                    };
                    query = Cow::Owned(requery(&pending.request, &target, owner.rtype));
                    pending.follow(answer, target, next.mask);
                }
                _ => {
                    let answer = Message::from_vec(&out).map(answer_of);
                    return Some(pending.reply(&answer.unwrap_or_else(|_| invalid()), None));
                }
            }
        }
        Some(pending.reply(&invalid(), None))
    }

    /// What is known of a name that is not the authority's.
    fn known(self: &Arc<Self>, state: &State, key: &Key, origin: Origin<'_>, pending: &Pending) -> Known {
        let refused = |error| Known::Answer(Arc::new(Answer::failure(ResponseCode::Refused, error)), None);
        let Some(zone) = state.zone(&key.name) else { return refused(ExtendedError::NOBODY) };
        if let Some(answer) = self.made(zone, key, origin) {
            return Known::Answer(Arc::new(answer), None);
        }
        match key.rtype {
            RecordType::ANY => return Known::Answer(Arc::new(any(&key.name)), None),
            // Transfers, and types that are not of records (RFC 6895, 3.1).
            rtype if (128..=255).contains(&u16::from(rtype)) => return refused(ExtendedError::UNSUPPORTED),
            _ => {}
        }
        if under_any(&key.name, &state.protected) {
            return refused(ExtendedError::NOBODY);
        }
        let Some(forward) = zone.forward(&key.name) else { return refused(ExtendedError::NOBODY) };
        let stream = pending.transport.is_stream();
        let found = zone.cache.as_ref().map(|cache| (cache, cache.lookup(key, Instant::now())));
        match found {
            Some((cache, Lookup::Fresh { answer, ttl, prefetch })) => {
                if prefetch && self.fetch(zone, forward, key, false).is_some() {
                    one(&cache.counters.prefetches);
                }
                if answer.is_failure() {
                    let error = answer.error.clone().or(Some(ExtendedError::CACHED));
                    return Known::Answer(Arc::new(Answer { error, ..(*answer).clone() }), None);
                }
                Known::Answer(answer, Some(ttl))
            }
            _ if !pending.request.metadata.recursion_desired => refused(ExtendedError::NO_RECURSION),
            Some((cache, Lookup::Stale { answer, ask })) => {
                let verify = cache.settings().serve_stale.as_ref().is_some_and(|it| it.verify);
                match ask.then(|| self.fetch(zone, forward, key, stream)).flatten() {
                    Some(waiter) if verify => Known::Wait(waiter, Some((answer, CLIENT_RESPONSE))),
                    _ => {
                        one(&cache.counters.stale);
                        Known::Answer(told_stale(&answer), Some(STALE_TTL))
                    }
                }
            }
            _ => match self.fetch(zone, forward, key, stream) {
                Some(waiter) => Known::Wait(waiter, None),
                None => self.overloaded(),
            },
        }
    }

    /// What rules and tables say.
    fn made(&self, zone: &Zone, key: &Key, origin: Origin<'_>) -> Option<Answer> {
        if let Some(answer) =
            template::answer(&zone.checked.template, &key.name, key.rtype, origin.client.ip())
        {
            one(&self.process.template_matches);
            return Some(answer);
        }
        zone.hosts.as_deref().and_then(|hosts: &hosts::Hosts| hosts.answer(&key.name, key.rtype))
    }

    pub(super) fn overloaded(&self) -> Known {
        one(&self.process.shed);
        Known::Answer(Arc::new(Answer::failure(ResponseCode::ServFail, ExtendedError::OVERLOAD)), None)
    }

    /// A reply now, or later if there is room for it.
    fn settle(self: &Arc<Self>, mut pending: Pending, known: Known) -> Step {
        match known {
            Known::Answer(answer, ttl) => pending.reply(&answer, ttl),
            Known::Wait(waiter, stale) => match self.pending.clone().try_acquire_owned() {
                Ok(permit) => {
                    pending.work = Some(Work { waiter, stale, permit });
                    Step::Wait(Box::new(pending))
                }
                Err(_) => {
                    let Known::Answer(answer, ttl) = self.overloaded() else { return Step::Silent };
                    pending.reply(&answer, ttl)
                }
            },
        }
    }
}

/// A stale answer says that it is.
pub(super) fn told_stale(answer: &Answer) -> Arc<Answer> {
    let error = match answer.code {
        ResponseCode::NXDomain => ExtendedError::STALE_NXDOMAIN,
        _ => ExtendedError::STALE,
    };
    Arc::new(Answer { error: Some(error), ..answer.clone() })
}

/// What everybody gets who asks for everything (RFC 8482).
fn any(name: &Name) -> Answer {
    let data = RData::HINFO(HINFO::new("ANY obsoleted".into(), "See RFC 8482".into()));
    Answer { answers: vec![Record::from_rdata(name.clone(), 8482, data)], ..Answer::default() }
}

/// What is told where the authority's own reply is none, or its aliases have no end.
fn invalid() -> Answer {
    Answer::failure(ResponseCode::ServFail, ExtendedError::INVALID)
}

/// The query for another name and type.
fn requery(request: &Request, name: &Name, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(request.metadata.id, MessageType::Query, OpCode::Query);
    message.metadata = request.metadata;
    let mut query = request.query.clone();
    query.set_name(name.clone()).set_query_type(rtype);
    message.queries.push(query);
    message.edns = request.edns.map(|asked| {
        let mut edns = Edns::new();
        edns.set_max_payload(asked.size).set_dnssec_ok(asked.dnssec);
        edns
    });
    message.to_vec().unwrap_or_default()
}

/// What a whole reply says.
fn answer_of(reply: Message) -> Answer {
    let metadata = reply.metadata;
    Answer {
        code: metadata.response_code,
        authoritative: metadata.authoritative,
        authentic: metadata.authentic_data,
        truncated: metadata.truncation,
        error: reply
            .edns
            .as_ref()
            .and_then(|it| it.options().options.iter().find_map(|(_, it)| ExtendedError::of(it))),
        answers: reply.answers,
        authority: reply.authorities,
        additional: reply.additionals,
    }
}

fn wire_name(bytes: &[u8]) -> Option<Name> {
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
    Name::read(&mut BinDecoder::new(bytes)).ok()
}

/// The code in a reply's header.
fn code_of(reply: &[u8]) -> ResponseCode {
    ResponseCode::from_low(reply.get(3).map_or(2, |flags| flags & 15))
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reply(_) => "Reply",
            Self::Frames(_) => "Frames",
            Self::Silent => "Silent",
            Self::Wait(_) => "Wait",
        })
    }
}
