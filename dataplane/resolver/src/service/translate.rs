//! Queries that take two: for addresses that are made up where there are none (`dns64`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::pending::Pending;
use super::{Origin, Service, Step};
use crate::authority::Transport;
use crate::config::Dns64;
use crate::dns64;
use crate::listen::Endpoint;
use crate::message;

/// What is waited for before there is a reply.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The answer.
    Answer(Pending),
    /// What the name has of itself; then what it lacks is asked for.
    Own(Pending, Translation),
    /// What is made into what it lacks, and the reply without.
    Other(Pending, Translation, Vec<u8>),
}

/// A query whose answer may have to be made up.
#[derive(Debug)]
pub(crate) struct Translation {
    dns64: Dns64,
    query: Vec<u8>,
    /// The largest reply the client takes.
    limit: usize,
    client: SocketAddr,
    endpoint: Arc<Endpoint>,
    transport: Transport,
}

impl Waiting {
    /// The reply, when what is waited for has come; `most` is the time that each part of it may take.
    pub(crate) async fn finish(self, service: &Arc<Service>, most: Duration) -> Option<Vec<u8>> {
        let (translation, reply) = match self {
            Self::Answer(pending) => return pending.finish(service, most).await,
            Self::Own(pending, translation) => (translation, pending.finish(service, most).await?),
            Self::Other(pending, translation, without) => {
                let found = pending.finish(service, most).await;
                return Some(found.and_then(|v4| translation.join(&without, &v4)).unwrap_or(without));
            }
        };
        match translation.go_on(service, reply) {
            Step::Reply(reply) => Some(reply),
            Step::Wait(next) => match *next {
                Self::Other(pending, translation, without) => {
                    let found = pending.finish(service, most).await;
                    Some(found.and_then(|v4| translation.join(&without, &v4)).unwrap_or(without))
                }
                _ => None,
            },
            Step::Messages(_) | Step::Silent => None,
        }
    }
}

impl Service {
    /// What comes of a message, and what is made up where that is not enough.
    pub(crate) fn step(self: &Arc<Self>, bytes: &[u8], origin: Origin<'_>, transport: Transport) -> Step {
        let step = self.once(bytes, origin, transport);
        let state = self.state.load();
        if !state.translates || !matches!(step, Step::Reply(_) | Step::Wait(_)) {
            return step;
        }
        let payload = state.limits.udp_payload;
        let Ok(request) = message::parse_bytes(bytes, transport, payload) else { return step };
        let tenant = state.tenant(&*self.authority, origin.client.ip());
        let dns64 =
            state.zone(request.name(), tenant.as_deref()).and_then(|zone| zone.checked.settings.dns64);
        let Some(dns64) = dns64.filter(|it| dns64::is_for(it, &request, origin.client.ip())) else {
            return step;
        };
        let translation = Translation {
            dns64,
            query: bytes.to_vec(),
            limit: request.limit(transport, payload),
            client: origin.client,
            endpoint: origin.endpoint.clone(),
            transport,
        };
        match step {
            Step::Reply(reply) => translation.go_on(self, reply),
            Step::Wait(waiting) => match *waiting {
                Waiting::Answer(pending) => Step::Wait(Box::new(Waiting::Own(pending, translation))),
                other => Step::Wait(Box::new(other)),
            },
            other => other,
        }
    }
}

impl Translation {
    /// With the reply to the query itself: that, or what is found for it.
    fn go_on(self, service: &Arc<Service>, reply: Vec<u8>) -> Step {
        let lacks = Message::from_vec(&reply).is_ok_and(|message| dns64::lacks(&self.dns64, &message));
        let Some(query) = lacks.then(|| of_type(&self.query, RecordType::A)).flatten() else {
            return Step::Reply(reply);
        };
        let origin = Origin { client: self.client, endpoint: &self.endpoint };
        match service.once(&query, origin, self.transport) {
            Step::Reply(v4) => Step::Reply(self.join(&reply, &v4).unwrap_or(reply)),
            Step::Wait(waiting) => match *waiting {
                Waiting::Answer(pending) => Step::Wait(Box::new(Waiting::Other(pending, self, reply))),
                _ => Step::Reply(reply),
            },
            Step::Messages(_) | Step::Silent => Step::Reply(reply),
        }
    }

    fn join(&self, lacking: &[u8], v4: &[u8]) -> Option<Vec<u8>> {
        let (lacking, v4) = (Message::from_vec(lacking).ok()?, Message::from_vec(v4).ok()?);
        let reply = dns64::join(self.dns64.prefix, &lacking, v4)?;
        Some(message::fit(reply, self.limit))
    }
}

/// The same query for another type; its name is known to end, and not to be compressed.
fn of_type(query: &[u8], rtype: RecordType) -> Option<Vec<u8>> {
    let mut at = message::HEADER;
    while let Some(length) = query.get(at).filter(|length| **length != 0) {
        at += 1 + usize::from(*length);
    }
    let mut other = query.to_vec();
    *other.get_mut(at + 1..)?.first_chunk_mut()? = u16::from(rtype).to_be_bytes();
    Some(other)
}
