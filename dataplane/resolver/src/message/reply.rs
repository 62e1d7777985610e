//! How a reply is written: the question as it was asked, what fits, and an OPT only to who sent one.

use hickory_proto::op::{Edns, Header, Message, MessageType, Metadata, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use super::error::Error;
use super::request::Request;
use crate::authority::Transport;

/// What a reply says. Records whose owner is the queried name come back in the query's case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: ResponseCode,
    pub(crate) authoritative: bool,
    /// Whether the upstream vouches for it (AD).
    pub(crate) authentic: bool,
    /// Whether it is known not to be the whole.
    pub(crate) truncated: bool,
    /// Whether it is of zones here alone, so that nobody need be told that others can be asked (RA).
    pub(crate) own: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) error: Option<Error>,
}

impl Answer {
    /// Without records.
    pub(crate) fn failure(code: ResponseCode, error: Error) -> Self {
        Self { code, error: Some(error), ..Self::default() }
    }

    /// Whether asking again may help.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self.code, ResponseCode::NoError | ResponseCode::NXDomain)
    }

    /// All records.
    pub(crate) fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.answers.iter_mut().chain(&mut self.authority).chain(&mut self.additional)
    }
}

/// The reply to `request`. `ttl` takes each record's TTL to the one that is told.
pub(crate) fn encode(
    request: &Request,
    answer: &Answer,
    transport: Transport,
    udp_payload: u16,
    ttl: impl Fn(u32) -> u32,
) -> Vec<u8> {
    let mut metadata = metadata(&request.metadata, answer.code);
    metadata.recursion_available = !answer.own;
    metadata.authoritative = answer.authoritative;
    metadata.truncation = answer.truncated;
    // RFC 6840, 5.8: to who shows interest by AD or DO.
    metadata.authentic_data = answer.authentic && (request.metadata.authentic_data || request.dnssec());
    let mut message = Message::new(metadata.id, MessageType::Response, metadata.op_code);
    message.metadata = metadata;
    message.queries.push(request.query.clone());
    let told = |record: &Record| {
        let mut record = record.clone();
        record.ttl = ttl(record.ttl);
        if record.name == request.query.name {
            record.name = request.query.name.clone();
        }
        record
    };
    message.answers = answer.answers.iter().map(told).collect();
    message.authorities = answer.authority.iter().map(told).collect();
    message.additionals = answer.additional.iter().map(told).collect();
    if let Some(asked) = &request.edns {
        let mut edns = edns(udp_payload, request.dnssec(), answer.error.as_ref());
        if let Some(nsid) = asked.nsid.as_deref() {
            edns.options_mut().insert(nsid_option(nsid));
        }
        message.edns = Some(edns);
    }
    fit(message, request.limit(transport, udp_payload))
}

/// A reply that somebody else has written, with what the server calls itself, if that is asked and fits.
pub(crate) fn with_nsid(reply: Vec<u8>, request: &Request, limit: usize) -> Vec<u8> {
    let Some(nsid) = request.edns.as_ref().and_then(|asked| asked.nsid.as_deref()) else { return reply };
    let Ok(mut message) = Message::from_vec(&reply) else { return reply };
    let Some(edns) = &mut message.edns else { return reply };
    edns.options_mut().insert(nsid_option(nsid));
    message.to_vec().ok().filter(|whole| whole.len() <= limit).unwrap_or(reply)
}

fn nsid_option(nsid: &str) -> EdnsOption {
    EdnsOption::Unknown(EdnsCode::NSID.into(), nsid.as_bytes().to_vec())
}

/// A reply of a code alone: with the question where there is one, and with an OPT where `opt` says so.
pub(crate) fn refuse(
    asked: &Metadata,
    request: Option<&Request>,
    code: ResponseCode,
    opt: bool,
    udp_payload: u16,
) -> Vec<u8> {
    let mut message = Message::new(asked.id, MessageType::Response, asked.op_code);
    message.metadata = metadata(asked, code);
    message.queries.extend(request.map(|request| request.query.clone()));
    if opt {
        message.edns = Some(edns(udp_payload, request.is_some_and(Request::dnssec), None));
    }
    message.to_vec().unwrap_or_default()
}

fn metadata(asked: &Metadata, code: ResponseCode) -> Metadata {
    let mut metadata = Metadata::new(asked.id, MessageType::Response, asked.op_code);
    metadata.recursion_desired = asked.recursion_desired;
    metadata.checking_disabled = asked.checking_disabled;
    metadata.response_code = code;
    metadata
}

fn edns(udp_payload: u16, dnssec: bool, error: Option<&Error>) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(udp_payload).set_dnssec_ok(dnssec);
    if let Some(error) = error {
        edns.options_mut().insert(error.option());
    }
    edns
}

/// The message in at most `limit` octets. What goes first is the additional section, of which nobody is told (RFC 2181, 9);
/// then the explanation; then answers, as many as must, with TC.
pub(crate) fn fit(mut message: Message, limit: usize) -> Vec<u8> {
    let whole = message.to_vec().unwrap_or_default();
    if (1..=limit).contains(&whole.len()) {
        return whole;
    }
    message.additionals.clear();
    if let Some(edns) = &mut message.edns {
        edns.options_mut().options.clear();
    }
    let lean = message.to_vec().unwrap_or_default();
    if (1..=limit).contains(&lean.len()) {
        return lean;
    }
    // As many answers as fit beside the OPT, which is the same always: 11 octets.
    let edns = message.edns.take();
    let room = limit - if edns.is_some() { 11 } else { 0 };
    message.authorities.clear();
    let kept = answers_that_fit(&message, room);
    message.answers.truncate(kept);
    message.edns = edns;
    message.metadata.truncation = true;
    message.to_vec().unwrap_or_default()
}

fn answers_that_fit(message: &Message, room: usize) -> usize {
    let mut bytes = Vec::with_capacity(room);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(u16::try_from(room).unwrap_or(u16::MAX));
    if message.emit(&mut encoder).is_err() {
        return 0;
    }
    Header::read(&mut BinDecoder::new(&bytes)).map_or(0, |header| header.counts.answers.into())
}
