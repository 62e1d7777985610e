//! How long an HTTP cache may keep a reply (RFC 8484, section 5.1).

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;

/// Seconds: the least TTL of the answer section; of a denial what its SOA says (RFC 2308); 0 of everything else.
pub(super) fn max_age(reply: &[u8]) -> u32 {
    let Ok(reply) = Message::from_vec(reply) else { return 0 };
    let denied = matches!(reply.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    if !denied || reply.metadata.truncation {
        return 0;
    }
    let records = reply.answers.iter().map(|record| record.ttl);
    let soa = reply.authorities.iter().filter_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    records.chain(soa).min().unwrap_or(0)
}
