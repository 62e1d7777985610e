//! Any bytes as a query, judged by another implementation: hickory-proto.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::{Asked, Verdict, Zones};

/// Asks `zones` with these bytes. What is said has to be a message that the oracle reads, of the right shape; where the oracle
/// understands the question, it has to be about the same name.
pub fn judge(zones: &Zones, bytes: &[u8], asked: Asked) {
    let reply = match super::common::raw(zones, bytes, asked) {
        Ok(reply) => reply,
        Err(Verdict::Silence) => {
            assert!(
                bytes.len() < 12 || bytes[2] & 0x80 != 0,
                "silence is for answers and fragments of headers"
            );
            return;
        }
        Err(other) => panic!("{other:?} without a resolver"),
    };
    assert!(asked.stream || reply.len() <= 1232.max(bytes.len()), "{} bytes", reply.len());
    assert_eq!(reply[..2], bytes[..2], "the identifier comes back");
    assert!(reply[2] & 0x80 != 0 && reply[2] & 0x78 == 0 || reply[3] & 15 == 4, "an answer, to a query");
    // The oracle refuses names that may not be hosts'; those are not ours, and are echoed.
    let Ok(answered) = Message::from_bytes(&reply) else {
        assert!(reply[6..12].iter().all(|b| *b == 0) || !readable(&reply), "{reply:02x?}");
        return;
    };
    if answered.metadata.response_code == ResponseCode::FormErr {
        assert!(answered.queries.is_empty() && answered.answers.is_empty());
        return;
    }
    let Ok(query) = Message::from_bytes(bytes) else { return };
    if query.metadata.op_code != OpCode::Query {
        assert_eq!(answered.metadata.response_code, ResponseCode::NotImp);
        return;
    }
    let (Some(asked_for), Some(echoed)) = (query.queries.first(), answered.queries.first()) else { return };
    assert_eq!(asked_for.name.to_ascii(), echoed.name.to_ascii(), "case and all");
    assert_eq!((asked_for.query_type, asked_for.query_class), (echoed.query_type, echoed.query_class));
    assert_eq!(answered.edns.is_some(), query.edns.is_some(), "EDNS only to who speaks it");
    if asked_for.query_class != DNSClass::IN || asked_for.query_type == RecordType::AXFR {
        assert!(answered.answers.is_empty());
    }
    for record in &answered.answers {
        assert_eq!(record.dns_class, DNSClass::IN);
    }
    let negative =
        answered.answers.is_empty() && answered.metadata.authoritative && !answered.metadata.truncation;
    assert_eq!(
        negative,
        answered.authorities.len() == 1 && answered.answers.is_empty(),
        "a SOA record with what is negative: {}",
        super::common::shown(&answered)
    );
}

/// Whether the question's name is one that the oracle takes.
fn readable(reply: &[u8]) -> bool {
    let mut question = reply.to_vec();
    question[6..12].fill(0);
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap_or(0) + 5;
    question.truncate(end);
    Message::from_bytes(&question).is_ok()
}
