//! DNS queries, answered on the lcore that received them.

use std::net::IpAddr;

use sluice_dns::{Asked, Query, Unanswerable, Verdict, answer, query};
use sluice_wire::parse::{Flags, Kind, Parsed, v6_addrs};
use sluice_wire::{PacketBuf, reply, transport};

use super::slow::addresses_of;
use super::{Context, Way, Worker};
use crate::Sink;
use crate::drops::{DropReason, Event};
use crate::punt::PuntClass;

/// Bytes of a UDP header.
const HEADER: usize = 8;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Queries between a node's prefetch and its use.
const AHEAD: usize = 4;

/// A message as the first pass understood it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    parsed: Result<Query, Unanswerable>,
    hash: u64,
}

impl Default for Asking {
    fn default() -> Self {
        Self { parsed: Err(Unanswerable::Silence), hash: 0 }
    }
}

impl<B: PacketBuf> Worker<B> {
    /// Second pass over a packet of no flow to the port that queries come to: whether it is one, and where its name would be.
    #[inline(never)]
    pub(super) fn foresee(&mut self, i: usize, frame: &[u8], cx: &Context<'_>) {
        let parsed = &self.scratch.parsed[i];
        // Whatever else there is in front of the message goes the long way.
        const UNUSUAL: Flags = Flags::V4_OPTIONS.union(Flags::V6_EXT);
        if parsed.proto != UDP || parsed.flags.intersects(UNUSUAL) || !listens(cx, frame, parsed) {
            return;
        }
        let Some(message) = message(frame, parsed) else { return };
        let asking = asking(cx, message);
        cx.snapshot.dns().prefetch(asking.hash);
        self.scratch.queries[i] = asking;
        self.scratch.ways[i] = Way::Dns;
    }

    /// Answers the query of the burst's packet `i`.
    #[inline(never)]
    pub(super) fn dns(
        &mut self,
        i: usize,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        // Buckets are there by now: the nodes of those behind this one start to come.
        let ahead = i + AHEAD;
        if self.scratch.ways.get(ahead) == Some(&Way::Dns)
            && let Some(asking) = self.scratch.queries.get(ahead)
        {
            cx.snapshot.dns().prefetch_node(asking.hash);
        }
        let asking = self.scratch.queries[i];
        self.answer_dns(packet, parsed, &asking, cx, sink);
    }

    /// Answers a query that came with something unusual around it, and gives DNS over TCP to the resolver; gives back what is
    /// neither.
    #[inline(never)]
    pub(super) fn slow_dns(
        &mut self,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) -> Option<B> {
        if !matches!(parsed.proto, TCP | UDP) || !listens(cx, packet.data(), parsed) {
            return Some(packet);
        }
        if parsed.proto == TCP {
            self.note_punted(packet.data(), parsed, cx);
            self.punt_as(packet, PuntClass::Resolver, cx, sink);
            return None;
        }
        let Some(message) = message(packet.data(), parsed).filter(|_| !parsed.is_fragment()) else {
            return Some(packet);
        };
        let asking = asking(cx, message);
        self.answer_dns(packet, parsed, &asking, cx, sink);
        None
    }

    #[inline]
    fn answer_dns(
        &mut self,
        mut packet: B,
        parsed: &Parsed,
        asking: &Asking,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let zones = cx.snapshot.dns();
        let (client, server) = addresses_of(packet.data(), parsed);
        // Nobody asks from these ports (RFC 862, RFC 863, RFC 864 and none at all), and nobody asks himself.
        if matches!(parsed.sport, 0 | 7 | 9 | 19) || client == server {
            return self.drop_packet(packet, DropReason::DnsIgnored);
        }
        if !transport::udp_checksum_ok(packet.data(), parsed) {
            return self.drop_packet(packet, DropReason::BadChecksum);
        }
        let start = usize::from(parsed.l4) + HEADER;
        let Some(length) = message(packet.data(), parsed).map(<[u8]>::len) else {
            return self.drop_packet(packet, DropReason::Malformed);
        };
        let asked = Asked { client, stream: false, turn: self.turn, now: zones.time(cx.now.0) };
        self.turn = self.turn.wrapping_add(1);
        let whole = usize::from(parsed.end);
        packet.truncate(whole);
        let end = start + zones.max_udp().max(length);
        if !packet.append(end.saturating_sub(whole)) {
            return self.drop_packet(packet, DropReason::NoBuffer);
        }
        let message = packet.data_mut().get_mut(start..).unwrap_or_default();
        let verdict = match &asking.parsed {
            Ok(query) => answer::answer_hashed(zones, query, asking.hash, message, &asked),
            Err(error) => answer::answer(zones, Err(*error), message, &asked),
        };
        match verdict {
            Verdict::Reply { length, rcode } => {
                if reply::udp_reply(&mut packet, parsed, length).is_err() {
                    return self.drop_packet(packet, DropReason::DnsIgnored);
                }
                let event = match rcode {
                    query::rcode::NOERROR => Event::DnsNoError,
                    query::rcode::NXDOMAIN => Event::DnsNxDomain,
                    query::rcode::REFUSED => Event::DnsRefused,
                    _ => Event::DnsFailed,
                };
                self.answer(packet, event, cx, sink);
            }
            Verdict::Forward => {
                packet.truncate(whole);
                self.counters.add(Event::DnsForwarded, 1);
                self.punt_as(packet, PuntClass::Resolver, cx, sink);
            }
            Verdict::Silence => self.drop_packet(packet, DropReason::DnsIgnored),
        }
    }
}

/// Whether queries are answered where the packet is going.
#[inline]
fn listens(cx: &Context<'_>, frame: &[u8], parsed: &Parsed) -> bool {
    let destination: IpAddr = match parsed.kind {
        Kind::V6 => IpAddr::V6(v6_addrs(frame, parsed).1.into()),
        _ => IpAddr::V4(parsed.dst.into()),
    };
    cx.snapshot.dns().listens(destination, parsed.dport)
}

/// What a datagram carries, by its own length: the packet around it may be longer.
#[inline]
fn message<'f>(frame: &'f [u8], parsed: &Parsed) -> Option<&'f [u8]> {
    let datagram = frame.get(usize::from(parsed.l4)..usize::from(parsed.end))?;
    let header = datagram.first_chunk::<HEADER>()?;
    datagram.get(HEADER..usize::from(u16::from_be_bytes([header[4], header[5]])))
}

#[inline]
fn asking(cx: &Context<'_>, message: &[u8]) -> Asking {
    let parsed = sluice_dns::parse(message.get(..message.len().min(query::MAX_QUERY)).unwrap_or_default());
    let hash = parsed.as_ref().map_or(0, |query| cx.snapshot.dns().hash(query.name(message)));
    Asking { parsed, hash }
}
