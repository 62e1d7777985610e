//! The part of a query's way that does not wait.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::HINFO;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::fetch::Waiter;
use super::pending::{Pending, Prefix, Work};
use super::translate::Waiting;
use super::{Origin, Service, State, Zone};
use crate::authority::{Messages, Transport, Verdict};
use crate::cache::{Key, Lookup, STALE_TTL};
use crate::config::AclAction;
use crate::counters::one;
use crate::message::{self, Answer, ExtendedError, Rejected, Request};
use crate::rewrite;
use crate::zones::under_any;
use crate::{acl, hosts, local, template};

/// What comes of a message at once.
pub(crate) enum Step {
    /// A reply.
    Reply(Vec<u8>),
    /// Several messages, for a stream.
    Messages(Messages),
    /// Nothing.
    Silent,
    /// A reply, in time.
    Wait(Box<Waiting>),
}

/// What is known of a question without waiting.
pub(super) enum Known {
    /// The answer, and the TTL to tell if it is not that of its records.
    Answer(Arc<Answer>, Option<u32>),
    /// Whoever has asked an upstream will say. If that fails, or has not come after the time, the stale answer is.
    Wait(Waiter, Option<(Arc<Answer>, Duration)>),
}

/// The time upstreams get while there is a stale answer (RFC 8767, 5).
const CLIENT_RESPONSE: Duration = Duration::from_millis(1800);

impl Service {
    /// What comes of a message by itself.
    pub(super) fn once(self: &Arc<Self>, bytes: &[u8], origin: Origin<'_>, transport: Transport) -> Step {
        let started = Instant::now();
        let state = self.state.load();
        let payload = state.limits.udp_payload;
        let allowed = origin.endpoint.allows(origin.client.ip());
        let mut request =
            match message::parse(bytes, origin.client, origin.endpoint.address, transport, payload) {
                Ok(request) => request,
                Err(Rejected::Silent(why)) => {
                    one(&self.process.silent);
                    tracing::trace!(client = %origin.client, ?why, "no reply");
                    return Step::Silent;
                }
                Err(Rejected::Reply(code, reply)) => {
                    if let Some(reply) = self.notified(bytes, origin) {
                        return Step::Reply(reply);
                    }
                    one(&self.process.malformed);
                    tracing::trace!(client = %origin.client, %code, "not a query");
                    return if allowed { Step::Reply(reply) } else { Step::Silent };
                }
            };
        let tenant = state.tenant(&*self.authority, origin.client.ip());
        let zone = state.zone(request.name(), tenant.as_deref());
        let label = zone.map_or_else(|| origin.endpoint.dropped.clone(), |zone| zone.label.clone());
        let dns = self.registry.of(&origin.endpoint.label, &label);
        let asked = dns.asked(origin.client, transport, request.rtype(), request.dnssec(), bytes.len());
        if let (Some(edns), Some(nsid)) = (&mut request.edns, &state.nsid) {
            let told = edns.asks_nsid && allowed;
            edns.nsid = told.then(|| sluice_model::serving::nsid(nsid, self.authority.generation()).into());
        }
        let noted = state.log.as_ref().and_then(|log| log.note(request.name(), origin.client, bytes.len()));
        let mut pending = Pending::new(request, transport, payload, asked, started);
        pending.noted = noted;
        pending.tenant = tenant;
        pending.recurses = origin.endpoint.recurses(origin.client.ip());
        if !allowed {
            one(&self.process.prohibited);
            return pending.reply(&Answer::failure(ResponseCode::Refused, ExtendedError::PROHIBITED), None);
        }
        if self.loops.is_probe(pending.request.name(), pending.request.rtype()) {
            return pending.reply(&Answer::failure(ResponseCode::ServFail, ExtendedError::LOOP), None);
        }
        if let Some(zone) = zone {
            if let Some(local) = zone.checked.settings.local
                && let Some(answer) = local::answer(local, pending.request.name(), pending.request.rtype())
            {
                return pending.reply(&answer, None);
            }
            pending.rewritten =
                rewrite::apply(&zone.checked.rewrite, pending.request.name(), pending.request.rtype());
            let key = pending.key();
            let action = acl::decide(&zone.checked.acl, &key.name, key.rtype, origin.client.ip());
            if action == AclAction::Drop {
                one(&self.process.silent);
                return Step::Silent;
            }
            if let Some(answer) = acl::answer(action) {
                return pending.reply(&answer, None);
            }
            pending.header = zone.checked.settings.header;
        }
        let desired = pending.header.desired.unwrap_or(pending.request.metadata.recursion_desired);
        let bytes = &*with_desired(bytes, &mut pending.request, desired);
        let foreign = zone.is_some_and(|zone| zone.checked.settings.foreign);
        let concealed = !foreign && self.is_concealed(origin, &mut pending);
        if !foreign
            && !concealed
            && let Some(step) = self.ask_transfer(bytes, origin, &pending)
        {
            return step;
        }
        let made = zone.filter(|_| !concealed).and_then(|zone| self.made(zone, &pending.key(), origin));
        if let Some(answer) = made {
            return pending.reply(&answer, None);
        }
        if !foreign && let Some(step) = self.ask_authority(bytes, origin, &mut pending) {
            return step;
        }
        if let Some(step) = self.ask_zones(&state, origin, &mut pending) {
            return step;
        }
        let key = pending.key();
        let known = self.known(&state, &key, origin, &pending);
        self.settle(pending, known)
    }

    /// Whether the authority refuses this client the name, or what a rule has made of it: rules and tables then say nothing
    /// either.
    fn is_concealed(&self, origin: Origin<'_>, pending: &mut Pending) -> bool {
        if self.conceals(pending.request.name(), origin) {
            pending.rewritten = None;
            return true;
        }
        pending.rewritten.as_ref().is_some_and(|to| self.conceals(&to.name, origin))
    }

    /// Whether the authority refuses this client a name.
    pub(super) fn conceals(&self, name: &Name, origin: Origin<'_>) -> bool {
        self.authority.conceals(name, origin.client, origin.server())
    }

    /// The zone transfer, if one is asked for and may be had. What a rule has rewritten is no zone of the authority's.
    fn ask_transfer(&self, bytes: &[u8], origin: Origin<'_>, pending: &Pending) -> Option<Step> {
        let asked = matches!(pending.request.rtype(), RecordType::AXFR | RecordType::IXFR);
        let stream = matches!(pending.transport, Transport::Tcp | Transport::Tls);
        if !asked || !stream || pending.rewritten.is_some() {
            return None;
        }
        let mut messages = self.authority.transfer(bytes, origin.client, origin.server())?;
        let first = messages.next()?;
        one(&self.process.local);
        one(&self.process.transfers);
        tracing::info!(client = %origin.client, zone = %pending.request.name(), "zone transfer");
        pending.count(code_of(&first), &first);
        Some(Step::Messages(Box::new(std::iter::once(first).chain(messages))))
    }

    /// Asks the authority; none if the name is not its own, or leads out of its names.
    fn ask_authority(&self, bytes: &[u8], origin: Origin<'_>, pending: &mut Pending) -> Option<Step> {
        let mut out = Vec::new();
        let query = match &pending.rewritten {
            None => Cow::Borrowed(bytes),
            Some(to) => Cow::Owned(requery(&pending.request, &to.name, to.rtype)),
        };
        let (client, server) = (origin.client, origin.server());
        let verdict = self.authority.answer(&query, client, server, pending.transport, &mut out);
        match verdict {
            Verdict::NotMine => return None,
            Verdict::Drop => return Some(Step::Silent),
            _ => one(&self.process.local),
        }
        match verdict {
            Verdict::Answered if pending.rewritten.is_none() => {
                let out = pending.named(out);
                pending.count(code_of(&out), &out);
                Some(Step::Reply(out))
            }
            // Without recursion the alias is the answer (RFC 1034, section 4.3.2), but of no search.
            Verdict::Continue(next) if pending.leaves() || next.otherwise.is_some() => {
                let target = wire_name(&next.target).zip(Message::from_vec(&out).ok());
                let Some((target, reply)) = target else {
                    let failure = Answer::failure(ResponseCode::ServFail, ExtendedError::INVALID);
                    return Some(pending.reply(&failure, None));
                };
                let otherwise =
                    next.otherwise.and_then(|reply| Message::from_vec(&reply).ok()).map(answer_of);
                pending.prefix =
                    Some(Prefix { answer: answer_of(reply), target, mask: next.mask, otherwise });
                None
            }
            _ => {
                let answer = Message::from_vec(&out).map(answer_of);
                let failure = || Answer::failure(ResponseCode::ServFail, ExtendedError::INVALID);
                Some(pending.reply(&answer.unwrap_or_else(|_| failure()), None))
            }
        }
    }

    /// What is known of a name that is not the authority's.
    fn known(self: &Arc<Self>, state: &State, key: &Key, origin: Origin<'_>, pending: &Pending) -> Known {
        let refused = |error| Known::Answer(Arc::new(Answer::failure(ResponseCode::Refused, error)), None);
        // A rewritten query stays in the zone it came to; an alias leads to that of its target.
        let alias = pending.prefix.is_some();
        let name = if alias { &key.name } else { pending.request.name() };
        let Some(zone) = state.zone(name, pending.tenant.as_deref()) else {
            return refused(ExtendedError::NOBODY);
        };
        // Who may not ask for a name does not get it by an alias.
        if alias {
            let action = acl::decide(&zone.checked.acl, &key.name, key.rtype, origin.client.ip());
            match acl::answer(action) {
                Some(answer) => return Known::Answer(Arc::new(answer), None),
                None if action == AclAction::Drop => return refused(ExtendedError::BLOCKED),
                None => {}
            }
        }
        if alias && let Some(answer) = self.made(zone, key, origin) {
            return Known::Answer(Arc::new(answer), None);
        }
        // Nor is anything told that others were told: answers that are kept say who asks what.
        if !pending.recurses {
            let refusal = Answer::failure(ResponseCode::Refused, ExtendedError::NOT_FOR_CLIENT);
            return Known::Answer(Arc::new(Answer { own: true, ..refusal }), None);
        }
        match key.rtype {
            RecordType::ANY => return Known::Answer(Arc::new(any(&key.name)), None),
            // Transfers, and types that are not of records (RFC 6895, 3.1).
            rtype if (128..=255).contains(&u16::from(rtype)) => return refused(ExtendedError::UNSUPPORTED),
            _ => {}
        }
        if under_any(&key.name, zone.protected()) {
            return refused(ExtendedError::NOBODY);
        }
        let Some(forward) = zone.forward(&key.name) else { return refused(ExtendedError::NOBODY) };
        // What a search list leads to has to be known to be there.
        let searches = pending.prefix.as_ref().is_some_and(|prefix| prefix.otherwise.is_some());
        if key.rtype == RecordType::AAAA
            && pending.leaves()
            && !searches
            && self.authority.without_ipv6(origin.client.ip())
        {
            one(&self.process.local);
            let nothing = Answer::failure(ResponseCode::NoError, ExtendedError::NO_IPV6);
            return Known::Answer(Arc::new(nothing), None);
        }
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
    pub(super) fn made(&self, zone: &Zone, key: &Key, origin: Origin<'_>) -> Option<Answer> {
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
                    Step::Wait(Box::new(Waiting::Answer(pending)))
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
pub(super) fn any(name: &Name) -> Answer {
    let data = RData::HINFO(HINFO::new("ANY obsoleted".into(), "See RFC 8482".into()));
    Answer { answers: vec![Record::from_rdata(name.clone(), 8482, data)], ..Answer::default() }
}

/// The message and its request, with RD as it is to be taken.
fn with_desired<'a>(bytes: &'a [u8], request: &mut Request, desired: bool) -> Cow<'a, [u8]> {
    if request.metadata.recursion_desired == desired {
        return Cow::Borrowed(bytes);
    }
    request.metadata.recursion_desired = desired;
    let mut bytes = bytes.to_vec();
    if let Some(flags) = bytes.get_mut(2) {
        *flags ^= 1;
    }
    Cow::Owned(bytes)
}

/// The query that a rewritten one is.
pub(super) fn requery(request: &Request, name: &Name, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(request.metadata.id, MessageType::Query, OpCode::Query);
    message.metadata = request.metadata;
    let mut query = request.query.clone();
    query.set_name(name.clone()).set_query_type(rtype);
    message.queries.push(query);
    message.edns = request.edns.as_ref().map(|asked| {
        let mut edns = Edns::new();
        edns.set_max_payload(asked.size).set_dnssec_ok(asked.dnssec);
        edns
    });
    message.to_vec().unwrap_or_default()
}

/// What a whole reply says.
pub(super) fn answer_of(reply: Message) -> Answer {
    let metadata = reply.metadata;
    Answer {
        code: metadata.response_code,
        authoritative: metadata.authoritative,
        authentic: metadata.authentic_data,
        truncated: metadata.truncation,
        own: !metadata.recursion_available,
        error: reply
            .edns
            .as_ref()
            .and_then(|it| it.options().options.iter().find_map(|(_, it)| ExtendedError::of(it))),
        answers: reply.answers,
        authority: reply.authorities,
        additional: reply.additionals,
    }
}

pub(super) fn wire_name(bytes: &[u8]) -> Option<Name> {
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
    Name::read(&mut BinDecoder::new(bytes)).ok()
}

/// The code in a reply's header.
pub(super) fn code_of(reply: &[u8]) -> ResponseCode {
    ResponseCode::from_low(reply.get(3).map_or(2, |flags| flags & 15))
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reply(_) => "Reply",
            Self::Messages(_) => "Messages",
            Self::Silent => "Silent",
            Self::Wait(_) => "Wait",
        })
    }
}
