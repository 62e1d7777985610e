//! A line.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_observe::log::Queried;

use crate::message::Request;

pub(super) fn line(
    request: &Request,
    client: SocketAddr,
    size: usize,
    stream: bool,
    reply: &[u8],
    time: Duration,
) -> String {
    let octet = |at: usize| reply.get(at).copied().unwrap_or(0);
    let queried = Queried {
        client,
        id: request.metadata.id,
        question: Some((request.rtype().into(), request.query.query_class.into())),
        labels: request.name(),
        stream,
        size,
        dnssec: request.dnssec(),
        buffer: request.edns.as_ref().map_or(512, |edns| edns.size.max(512)),
        code: u16::from(octet(3) & 15),
        flags: [octet(2), octet(3)],
        reply: reply.len(),
        time,
    };
    format!("{queried}\n")
}
