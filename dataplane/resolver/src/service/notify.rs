//! Servers that say that a zone has changed (RFC 1996).

use hickory_proto::op::{Edns, Message, MessageType, OpCode};
use hickory_proto::rr::{DNSClass, RecordType};

use super::{Origin, Service};

/// Octets of such a message at most: a question, and perhaps the SOA record.
const LARGEST: usize = 1232;

impl Service {
    /// The reply to who says that a zone has changed which is copied from there; none to anything else.
    pub(super) fn notified(&self, bytes: &[u8], origin: Origin<'_>) -> Option<Vec<u8>> {
        // Neither a response nor another opcode.
        if bytes.get(2)? & 0xf8 != 0x20 || bytes.len() > LARGEST {
            return None;
        }
        let client = origin.client.ip().to_canonical();
        let state = self.state.load();
        if !state.list.iter().flat_map(|zone| &zone.secondary).any(|zone| zone.is_copied_from(client)) {
            return None;
        }
        let message = Message::from_vec(bytes).ok()?;
        let [query] = message.queries.as_slice() else { return None };
        if query.query_type != RecordType::SOA || query.query_class != DNSClass::IN {
            return None;
        }
        let zones = state.list.iter().flat_map(|zone| &zone.secondary);
        // Each block may have the zone.
        let known = zones.filter(|zone| zone.notified(&query.name, client)).count();
        if known == 0 {
            return None;
        }
        tracing::trace!(zone = %query.name, %client, "told that the zone has changed");
        let mut reply = Message::new(message.metadata.id, MessageType::Response, OpCode::Notify);
        reply.metadata.authoritative = true;
        reply.queries.push(query.clone());
        reply.edns = message.edns.as_ref().map(|_| {
            let mut edns = Edns::new();
            edns.set_max_payload(state.limits.udp_payload);
            edns
        });
        reply.to_vec().ok()
    }
}
