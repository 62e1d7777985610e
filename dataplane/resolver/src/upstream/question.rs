//! The question as it is sent, and whether a reply is to it.

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::manner::{Manner, Returned};
use crate::cache::Key;

/// The size of replies that upstreams are asked to keep to over UDP (DNS flag day 2020).
const PAYLOAD: u16 = 1232;

/// A question.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: u16,
    /// As it is sent: in mixed case, where the upstream keeps case.
    pub(crate) name: Name,
    pub(crate) bytes: Vec<u8>,
    query: Query,
    manner: Manner,
}

/// What a message is to a question.
#[derive(Debug)]
pub(crate) enum Check {
    /// The reply.
    Reply(Box<Message>),
    /// The reply, without all of its records.
    Truncated,
    /// The reply but for the case of its question.
    OtherCase(Box<Message>),
    /// The reply but for the upstream's cookie.
    NoCookie(Box<Message>),
    /// Anything else.
    Other,
}

impl Question {
    /// With a new identifier and, where the manner is so, in newly mixed case. Both come from a cryptographic generator that
    /// the operating system has seeded.
    pub(crate) fn new(key: &Key, manner: Manner, recursion: bool) -> Option<Self> {
        let mut name = key.name.clone();
        if manner.mixed {
            name.randomize_label_case();
        }
        let mut query = Query::query(name.clone(), key.rtype);
        query.set_query_class(DNSClass::IN);
        let id = rand::random();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = recursion;
        message.metadata.checking_disabled = key.checking_disabled;
        message.queries.push(query.clone());
        if manner.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD).set_dnssec_ok(key.dnssec);
            if let Some(cookie) = &manner.cookie {
                edns.options_mut().insert(cookie.option());
            }
            message.edns = Some(edns);
        }
        Some(Self { id, name, bytes: message.to_vec().ok()?, query, manner })
    }
}

/// What a message is to the question. The header and the question are read first: most of what is forged ends there.
pub(crate) fn check(question: &Question, bytes: &[u8]) -> Check {
    let mut decoder = BinDecoder::new(bytes);
    let Ok(Header { metadata, counts }) = Header::read(&mut decoder) else { return Check::Other };
    let ours = metadata.id == question.id
        && metadata.message_type == MessageType::Response
        && metadata.op_code == OpCode::Query
        && counts.queries == 1;
    if !ours {
        return Check::Other;
    }
    let Ok(query) = Query::read(&mut decoder) else { return Check::Other };
    if query != question.query {
        return Check::Other;
    }
    let kept = !question.manner.mixed || query.name.eq_case(&question.name);
    if metadata.truncation && kept {
        return Check::Truncated;
    }
    let Ok(message) = Message::from_vec(bytes).map(Box::new) else { return Check::Other };
    let returned = question.manner.cookie.as_ref().map_or(Returned::Good, |cookie| cookie.returned(&message));
    match returned {
        Returned::Wrong => Check::Other,
        _ if !kept => Check::OtherCase(message),
        Returned::Missing => Check::NoCookie(message),
        Returned::Good => Check::Reply(message),
    }
}
