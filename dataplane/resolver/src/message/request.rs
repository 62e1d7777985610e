//! What a request must be before anything is looked up.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::reply;
use crate::authority::Transport;

/// The length of a header.
pub(crate) const HEADER: usize = 12;
/// The largest query taken over UDP.
const DATAGRAM: usize = 1232;

/// A request that has one question and nothing wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) metadata: Metadata,
    pub(crate) query: Query,
    pub(crate) edns: Option<ClientEdns>,
}

/// What a client says by EDNS.
#[derive(Clone, Debug)]
pub(crate) struct ClientEdns {
    pub(crate) size: u16,
    pub(crate) dnssec: bool,
    /// Whether it asks what the server calls itself (RFC 5001).
    pub(crate) asks_nsid: bool,
    /// What it is to be told.
    pub(crate) nsid: Option<Arc<str>>,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Less than a header.
    Short,
    /// A response.
    Response,
    /// From a port that answers everything, or from this socket.
    Source,
}

/// A request that is not looked at further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Nothing is sent.
    Silent(Silence),
    /// A reply of a header, and an OPT where the request is known to have one.
    Reply(ResponseCode, Vec<u8>),
}

impl Request {
    pub(crate) fn name(&self) -> &Name {
        &self.query.name
    }

    pub(crate) fn rtype(&self) -> RecordType {
        self.query.query_type
    }

    pub(crate) fn dnssec(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.dnssec)
    }

    /// The largest reply the client takes.
    pub(crate) fn limit(&self, transport: Transport, udp_payload: u16) -> usize {
        match (transport, &self.edns) {
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => edns.size.clamp(512, udp_payload).into(),
            _ => usize::from(u16::MAX),
        }
    }
}

/// Checks a message that arrived at `local`.
pub(crate) fn parse(
    bytes: &[u8],
    client: SocketAddr,
    local: SocketAddr,
    transport: Transport,
    udp_payload: u16,
) -> Result<Request, Rejected> {
    // Echo, discard and chargen: what is sent there comes back, or is wasted.
    if matches!(client.port(), 0 | 7 | 9 | 19) && !transport.is_stream() || client == local {
        return Err(Rejected::Silent(Silence::Source));
    }
    parse_bytes(bytes, transport, udp_payload)
}

/// Checks a message, wherever it is from.
pub(crate) fn parse_bytes(bytes: &[u8], transport: Transport, udp_payload: u16) -> Result<Request, Rejected> {
    if bytes.len() < HEADER {
        return Err(Rejected::Silent(Silence::Short));
    }
    let mut decoder = BinDecoder::new(bytes);
    let Ok(Header { metadata, counts }) = Header::read(&mut decoder) else {
        return Err(Rejected::Silent(Silence::Short));
    };
    if metadata.message_type == MessageType::Response {
        return Err(Rejected::Silent(Silence::Response));
    }
    let reject = |code, edns: bool| {
        Err(Rejected::Reply(code, reply::refuse(&metadata, None, code, edns, udp_payload)))
    };
    if metadata.op_code != OpCode::Query {
        return reject(ResponseCode::NotImp, false);
    }
    let oversized = !transport.is_stream() && bytes.len() > DATAGRAM;
    let counted =
        counts.queries == 1 && counts.answers <= 1 && counts.authorities <= 1 && counts.additionals <= 2;
    if oversized || !counted || !plain(bytes) {
        return reject(ResponseCode::FormErr, false);
    }
    let Ok(query) = Query::read(&mut decoder) else { return reject(ResponseCode::FormErr, false) };
    // At most two records, which are passed over: an OPT there is an error.
    for count in [counts.answers, counts.authorities] {
        if Message::read_records(&mut decoder, count.into(), false, OpCode::Query).is_err() {
            return reject(ResponseCode::FormErr, false);
        }
    }
    let Ok((_, edns, _)) =
        Message::read_records(&mut decoder, counts.additionals.into(), true, OpCode::Query)
    else {
        return reject(ResponseCode::FormErr, false);
    };
    if edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return reject(ResponseCode::BADVERS, true);
    }
    if matches!(query.query_type, RecordType::OPT | RecordType::TSIG | RecordType::ZERO) {
        return reject(ResponseCode::FormErr, edns.is_some());
    }
    let edns = edns.map(|edns| ClientEdns {
        size: edns.max_payload(),
        dnssec: edns.flags().dnssec_ok,
        asks_nsid: edns.option(EdnsCode::NSID).is_some(),
        nsid: None,
    });
    let request = Request { metadata, query, edns };
    if request.query.query_class != DNSClass::IN {
        let code = ResponseCode::Refused;
        let bytes = reply::refuse(&metadata, Some(&request), code, request.edns.is_some(), udp_payload);
        return Err(Rejected::Reply(code, bytes));
    }
    Ok(request)
}

/// Whether the question's name ends without a compression pointer, within its 255 octets.
fn plain(bytes: &[u8]) -> bool {
    let mut at = HEADER;
    loop {
        match bytes.get(at) {
            Some(0) => return at - HEADER < 255,
            Some(&length) if length <= 63 => at += 1 + usize::from(length),
            _ => return false,
        }
        if at - HEADER >= 255 {
            return false;
        }
    }
}
