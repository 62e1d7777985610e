//! Search lists completed for the client, as CoreDNS's `autopath` does: a pod that asks for `x.com.ns.svc.zone`, the first step
//! of its search list, is answered with what the list would have led to.
//!
//! Who asks is told by its address: only a pod has its namespace's search list, and only in mode `verified` are pods known.

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use sluice_dns::{Asked, Query, Verdict, Zones, answer, name, parse};

/// Where `type` and `class` of a header and question end: octets behind the name.
const QUESTION: usize = 4;
const HEADER: usize = 12;
/// The code of a name that does not exist.
pub(crate) const NXDOMAIN: u8 = 3;

/// What a search list leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// A name here: the whole reply.
    Here(Vec<u8>),
    /// Nowhere here. The name without the list, in wire form, is for others to know.
    Bare(Vec<u8>),
}

/// Goes through the search list of the pod that asks, after the name itself was found not to exist. None where the name is not
/// the first step of the client's list.
pub(crate) fn complete(
    zones: &Zones,
    query: &Query,
    message: &[u8],
    asked: &Asked,
    limit: usize,
) -> Option<Completed> {
    let name = query.name(message);
    let zone = zones.zone(name)?;
    let relative = name.get(..name.len() - zone.len())?;
    let labels: Vec<&[u8]> = name::labels(relative).collect();
    let [base @ .., namespace, svc] = labels.as_slice() else { return None };
    if base.is_empty() || !svc.eq_ignore_ascii_case(b"svc") || !is_pod(zones, asked.client, namespace, zone) {
        return None;
    }
    // What the list has in common with the name: `svc.zone`, and the root behind the base.
    let base_len = base.iter().map(|label| label.len() + 1).sum::<usize>();
    let base = name.get(..base_len)?;
    let svc = name.get(base_len + namespace.len() + 1..)?;
    let bare = [base, &[0]].concat();
    for candidate in [[base, svc].concat(), [base, zone].concat(), bare.clone()] {
        if zones.zone(&candidate).is_none() {
            continue;
        }
        if let Some(reply) = ask(zones, query, message, &candidate, asked) {
            return Some(Completed::Here(alias(reply, name, limit)?));
        }
    }
    zones.zone(&bare).is_none().then_some(Completed::Bare(bare))
}

/// Whether the client is a pod of this namespace.
fn is_pod(zones: &Zones, client: IpAddr, namespace: &[u8], zone: &[u8]) -> bool {
    let address = name::dashed(client);
    let mut pod = vec![address.len() as u8];
    pod.extend_from_slice(address.as_bytes());
    pod.push(namespace.len() as u8);
    pod.extend_from_slice(namespace);
    pod.extend_from_slice(b"\x03pod");
    pod.extend_from_slice(zone);
    zones.find(&pod).is_some()
}

/// The reply to the same question about another name, if there is that name here.
fn ask(zones: &Zones, query: &Query, message: &[u8], name: &[u8], asked: &Asked) -> Option<Vec<u8>> {
    let question = message.get(query.end() - QUESTION..)?;
    let mut other = [message.get(..HEADER)?, name, question].concat();
    let length = other.len();
    let room = if asked.stream { usize::from(u16::MAX) } else { zones.max_udp() };
    let parsed = parse(&other);
    other.resize(room.max(length), 0);
    match answer::answer(zones, parsed, &mut other, asked) {
        Verdict::Reply { length, rcode } if rcode != NXDOMAIN => {
            other.truncate(length);
            Some(other)
        }
        _ => None,
    }
}

/// The reply as one to the name that was asked: an alias leads from there to its records.
fn alias(reply: Vec<u8>, asked: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut reply = Message::from_vec(&reply).ok()?;
    let asked = Name::read(&mut BinDecoder::new(asked)).ok()?;
    if let Some(first) = reply.answers.first() {
        let data = RData::CNAME(CNAME(first.name.clone()));
        reply.answers.insert(0, Record::from_rdata(asked.clone(), first.ttl, data));
    }
    reply.queries.iter_mut().for_each(|query| query.name = asked.clone());
    let whole = reply.to_vec().ok()?;
    if whole.len() <= limit {
        return Some(whole);
    }
    // Over TCP there is room for all.
    (reply.answers, reply.authorities, reply.additionals) = Default::default();
    reply.metadata.truncation = true;
    reply.to_vec().ok()
}

/// Of the reply that a name does not exist: one with an alias to another name in its place, whose records are to follow.
pub(crate) fn alias_to(denied: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut reply = Message::from_vec(denied).ok()?;
    let target = Name::read(&mut BinDecoder::new(target)).ok()?;
    let asked = reply.queries.first()?.name.clone();
    reply.metadata.response_code = ResponseCode::NoError;
    reply.authorities.clear();
    reply.answers = vec![Record::from_rdata(asked, 0, RData::CNAME(CNAME(target)))];
    reply.to_vec().ok()
}
