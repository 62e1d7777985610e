//! Who answers from local tables: asked before anything else, on the task that received the query.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

use sluice_model::Generation;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram. Replies are limited by EDNS and `bufsize`.
    Udp,
    /// A plain connection.
    Tcp,
    /// A TLS connection (DoT, RFC 7858).
    Tls,
    /// A request over HTTPS (DoH, RFC 8484).
    Https,
}

impl Transport {
    /// Whether replies are limited by their length field alone.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

/// What an [`Authority`] made of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The buffer has the whole reply, which fits the transport.
    Answered,
    /// The name is someone else's.
    NotMine,
    /// Nothing is sent.
    Drop,
    /// The buffer has a reply that ends in an alias to a name of someone else.
    Continue(Continuation),
}

/// An alias that leads out of the authority's zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The name whose records of the query's type are appended: wire format, not compressed, with the root label.
    pub target: Vec<u8>,
    /// Whether the reply's code stays even where the target's is a failure, as CoreDNS has it.
    pub mask: bool,
    /// Where the alias completes a search list: the reply there is if the target has no good answer. Then the alias is told
    /// only before records, with their TTL.
    pub otherwise: Option<Vec<u8>>,
}

/// Answers some names from tables in memory.
///
/// It is called on the receiving task: it must not wait. The query has passed the checks of the request (one question, not
/// a response, opcode QUERY, class IN, one OPT at most), so any other bytes are not seen here. `server` is the address that was
/// asked.
pub trait Authority: Send + Sync + 'static {
    /// Writes a reply to `query` into `out`, which is empty, or says why not.
    fn answer(
        &self,
        query: &[u8],
        client: SocketAddr,
        server: IpAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Verdict;

    /// Whether a name is one of its own that this client is not answered there: [`answer`](Self::answer) refuses it then, and
    /// nothing else says anything about it.
    fn conceals(&self, _name: &Name, _client: SocketAddr, _server: IpAddr) -> bool {
        false
    }

    /// The generation of the tables, which a server's name may have in it; 0 where they have none.
    fn generation(&self) -> Generation {
        Generation(0)
    }

    /// The messages of the zone transfer that `query` asks for, if this client may have it; [`answer`](Self::answer) is asked
    /// otherwise. Queries of AXFR and IXFR alone come here, over TCP and TLS. Messages are taken as they can be sent.
    fn transfer(&self, _query: &[u8], _client: SocketAddr, _server: IpAddr) -> Option<Messages> {
        None
    }

    /// The namespace whose pod this client is, where that is known; of an address that pods of several have, none.
    fn namespace(&self, _client: IpAddr) -> Option<Box<str>> {
        None
    }

    /// Whether this client has no IPv6, so that upstreams are not asked for IPv6 addresses for it.
    fn without_ipv6(&self, _client: IpAddr) -> bool {
        false
    }
}

/// Messages of a reply, one after the other.
pub type Messages = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// Has no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthority;

impl Authority for NoAuthority {
    fn answer(&self, _: &[u8], _: SocketAddr, _: IpAddr, _: Transport, _: &mut Vec<u8>) -> Verdict {
        Verdict::NotMine
    }
}
