//! DNS queries, answered on the lcore that received them.

use std::net::IpAddr;

use sluice_dns::{Asked, Candidate, Query, Unanswerable, Usual, Verdict, Zones, answer, query};
use sluice_wire::parse::{self, Flags, Kind, Parsed, v6_addrs};
use sluice_wire::{PacketBuf, reply, transport};

use super::replied::Reply;
use super::slow::addresses_of;
use super::{Context, Way, Worker};
use crate::drops::{DropReason, Event};
use crate::punt::PuntClass;
use crate::snapshot::Snapshot;
use crate::{Now, Sink};

/// Bytes of a UDP header.
pub(super) const HEADER: usize = 8;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Queries between a node's prefetch and its use.
const AHEAD: usize = 4;

/// A message as the first pass understood it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    looks: Looks,
    /// Of its name, or what ought to be it.
    hash: u64,
    candidate: Candidate,
}

#[derive(Clone, Copy, Debug)]
enum Looks {
    Usual(Usual),
    Parsed(Result<Query, Unanswerable>),
}

impl Default for Asking {
    fn default() -> Self {
        Self { looks: Looks::Parsed(Err(Unanswerable::Silence)), hash: 0, candidate: Candidate::NONE }
    }
}

impl<B: PacketBuf> Worker<B> {
    /// Looks at a packet to the port that queries come to: whether it is one, and where its name would be.
    #[inline(never)]
    pub(super) fn foresee(&mut self, i: usize, frame: &[u8], cx: &Context<'_>) -> bool {
        let parsed = &self.scratch.parsed[i];
        // Whatever else there is in front of the message goes the long way.
        const UNUSUAL: Flags = super::UNUSUAL.union(Flags::V4_OPTIONS).union(Flags::V6_EXT);
        if parsed.proto != UDP || parsed.flags.intersects(UNUSUAL) || !listens(cx, frame, parsed) {
            return false;
        }
        let Some(message) = message(frame, parsed) else { return false };
        let zones = cx.snapshot.dns();
        let place = &mut self.scratch.queries[i];
        if let Some(usual) = Usual::of(message) {
            (place.looks, place.hash) = (Looks::Usual(usual), zones.hash(usual.name(message)));
        } else {
            *place = asking(cx, message);
        }
        zones.prefetch(place.hash);
        self.scratch.ways[i] = Way::Dns;
        true
    }

    /// Answers the query of the burst's packet `i`.
    #[inline(never)]
    pub(super) fn dns(
        &mut self,
        i: usize,
        mut packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        let zones = cx.snapshot.dns();
        // Buckets are there by now: the nodes of those behind this one start to come.
        if let Some(ahead) = self.scratch.queries.get_mut(i + AHEAD) {
            ahead.candidate = zones.candidate(ahead.hash);
        }
        let Some(&Asking { looks: Looks::Usual(usual), hash, candidate }) = self.scratch.queries.get(i)
        else {
            return self.unusual_dns(i, packet, parsed, cx, sink);
        };
        let start = usize::from(parsed.l4) + HEADER;
        let frame = packet.data();
        let Some(message) = frame.get(start..).filter(|_| may_ask(zones, frame, parsed)) else {
            return self.unusual_dns(i, packet, parsed, cx, sink);
        };
        let Some(found) = usual.find(zones, candidate, hash, message) else {
            return self.unusual_dns(i, packet, parsed, cx, sink);
        };
        let header = transport::udp_header_sum(frame, parsed);
        let checks = match header.and_then(|header| usual.checks(&found, message, header)) {
            Some(checks) => checks,
            None => transport::udp_checksum_ok(frame, parsed),
        };
        if !checks {
            return self.drop_packet(packet, DropReason::BadChecksum);
        }
        self.count_client(packet.data(), parsed, cx);
        if zones.limit().is_some() {
            let Some(within) = self.within_limit(packet, parsed, cx, sink) else { return };
            packet = within;
        }
        let rcode = found.rcode();
        if rcode == query::rcode::NXDOMAIN && zones.keeps() {
            let query = usual.query(packet.data().get(start..).unwrap_or_default());
            self.give_hint(&packet, parsed, &query, cx, sink);
        }
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        if packet.resize(start + usual.length() + found.length())
            && let frame = packet.data_mut()
            && let Some(message) = frame.get_mut(start..)
            && let Some(changed) = usual.answer(zones, &found, message, turn)
            && reply::udp_reply_changed(frame, parsed, changed).is_ok()
        {
            self.counters.query(parsed.kind == Kind::V6, usual.kind());
            return self.answer(packet, event(rcode), cx, sink);
        }
        self.drop_packet(packet, DropReason::NoBuffer);
    }

    /// As [`Worker::dns`], the general way.
    #[inline(never)]
    fn unusual_dns(
        &mut self,
        i: usize,
        packet: B,
        parsed: &Parsed,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        if !transport::udp_checksum_ok(packet.data(), parsed) {
            return self.drop_packet(packet, DropReason::BadChecksum);
        }
        self.count_client(packet.data(), parsed, cx);
        let asking = self.scratch.queries.get(i).copied().unwrap_or_default();
        if let Some(packet) = self.within_limit(packet, parsed, cx, sink) {
            self.answer_dns(packet, parsed, &asking, cx, sink);
        }
    }

    /// Counts the client of a query whose checksum is right.
    #[inline(always)]
    fn count_client(&mut self, frame: &[u8], parsed: &Parsed, cx: &Context<'_>) {
        if self.clients.is_due() {
            self.clients.count(addresses_of(frame, parsed).0, cx.now);
        }
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
            self.note_punted(packet.data(), parsed, Some(PuntClass::Resolver), cx);
            self.punt_as(packet, PuntClass::Resolver, cx, sink);
            return None;
        }
        let Some(message) = message(packet.data(), parsed).filter(|_| !parsed.is_fragment()) else {
            return Some(packet);
        };
        let asking = asking(cx, message);
        if !transport::udp_checksum_ok(packet.data(), parsed) {
            self.drop_packet(packet, DropReason::BadChecksum);
            return None;
        }
        self.count_client(packet.data(), parsed, cx);
        if let Some(packet) = self.within_limit(packet, parsed, cx, sink) {
            self.answer_dns(packet, parsed, &asking, cx, sink);
        }
        None
    }

    /// Looks at a frame that Linux sends: an answer of the resolver's is kept.
    pub fn overhear(&mut self, frame: &[u8], snapshot: &Snapshot, now: Now) {
        let zones = snapshot.dns();
        if !zones.keeps() {
            return;
        }
        let Ok(parsed) = parse::parse(frame) else { return };
        // From the address that was asked, to the client: one that is not answered all names may have been told less.
        let (server, client) = addresses_of(frame, &parsed);
        if parsed.proto == UDP
            && !parsed.is_fragment()
            && zones.listens(server, parsed.sport)
            && zones.has_cluster(client, server)
            && let Some(message) = message(frame, &parsed)
        {
            self.kept.keep(zones, message, now.0);
        }
    }

    /// The general way of a query whose checksum is right.
    #[inline(never)]
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
        // Nobody asks himself.
        if nobody(parsed.sport) || client == server {
            return self.drop_packet(packet, DropReason::DnsIgnored);
        }
        let start = usize::from(parsed.l4) + HEADER;
        let Some(size) = message(packet.data(), parsed).map(<[u8]>::len) else {
            return self.drop_packet(packet, DropReason::Malformed);
        };
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(1);
        let whole = usize::from(parsed.end);
        if !packet.resize(whole.max(start + zones.max_udp().max(size))) {
            return self.drop_packet(packet, DropReason::NoBuffer);
        }
        let asked = Asked { client, server, stream: false, resolver: false, turn, now: zones.time(cx.now.0) };
        let message = packet.data_mut().get_mut(start..).unwrap_or_default();
        let (understood, hashed) = match asking.looks {
            Looks::Parsed(understood) => (understood, true),
            Looks::Usual(usual) => {
                let name = usual.name(message).len();
                let understood = parse(message.get(..size).unwrap_or_default());
                (understood, understood.is_ok_and(|query| usize::from(query.name_len) == name))
            }
        };
        let verdict = match &understood {
            Ok(query) if hashed => answer::answer_hashed(zones, query, asking.hash, message, &asked),
            _ => answer::answer(zones, understood, message, &asked),
        };
        let kind = understood.as_ref().map_or(0, |query| query.kind);
        match verdict {
            Verdict::Reply { length, rcode } => {
                if let Ok(query) = &understood
                    && rcode == query::rcode::NXDOMAIN
                {
                    self.give_hint(&packet, parsed, query, cx, sink);
                }
                let length = if zones.attends() {
                    let query = understood.as_ref().ok();
                    let reply = Reply { query, asked: &asked, size, length, code: rcode };
                    self.attend(&mut packet, parsed, &reply, cx)
                } else {
                    length
                };
                if reply::udp_reply(&mut packet, parsed, length).is_err() {
                    return self.drop_packet(packet, DropReason::DnsIgnored);
                }
                self.counters.query(parsed.kind == Kind::V6, kind);
                self.answer(packet, event(rcode), cx, sink);
            }
            Verdict::Forward | Verdict::Elsewhere => {
                if verdict == Verdict::Forward
                    && zones.recurses(client, server)
                    && zones.has_cluster(client, server)
                    && let Ok(query) = &understood
                    && let Some((length, rcode)) = self.kept.answer(zones, query, message, &asked, cx.now.0)
                {
                    let length = if zones.attends() {
                        let reply = Reply { query: Some(query), asked: &asked, size, length, code: rcode };
                        self.attend(&mut packet, parsed, &reply, cx)
                    } else {
                        length
                    };
                    return match reply::udp_reply(&mut packet, parsed, length) {
                        Ok(()) => {
                            let absent = rcode == query::rcode::NXDOMAIN;
                            self.counters.add(Event::DnsKeptNxDomain, u64::from(absent));
                            self.counters.query(parsed.kind == Kind::V6, kind);
                            self.answer(packet, Event::DnsKept, cx, sink);
                        }
                        Err(_) => self.drop_packet(packet, DropReason::DnsIgnored),
                    };
                }
                packet.truncate(usize::from(parsed.end));
                self.counters.add(Event::DnsForwarded, 1);
                self.punt_as(packet, PuntClass::Resolver, cx, sink);
            }
            Verdict::Silence => self.drop_packet(packet, DropReason::DnsIgnored),
        }
    }

    /// Tells the resolver of what comes after a query for a name that does not exist.
    fn give_hint(
        &mut self,
        packet: &B,
        parsed: &Parsed,
        query: &Query,
        cx: &Context<'_>,
        sink: &mut impl Sink<B>,
    ) {
        if let Some(hint) = self.hint(packet, parsed, query, cx) {
            self.counters.add(Event::DnsHinted, 1);
            self.punt_as(hint, PuntClass::Resolver, cx, sink);
        }
    }
}

/// What a reply of this code counts as.
fn event(rcode: u8) -> Event {
    match rcode {
        query::rcode::NOERROR => Event::DnsNoError,
        query::rcode::NXDOMAIN => Event::DnsNxDomain,
        query::rcode::REFUSED => Event::DnsRefused,
        _ => Event::DnsFailed,
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
pub(super) fn message<'f>(frame: &'f [u8], parsed: &Parsed) -> Option<&'f [u8]> {
    let datagram = frame.get(usize::from(parsed.l4)..usize::from(parsed.end))?;
    let header = datagram.first_chunk::<HEADER>()?;
    datagram.get(HEADER..usize::from(u16::from_be_bytes([header[4], header[5]])))
}

#[inline(never)]
fn asking(cx: &Context<'_>, message: &[u8]) -> Asking {
    let parsed = parse(message);
    let hash = parsed.as_ref().map_or(0, |query| cx.snapshot.dns().hash(query.name(message)));
    Asking { looks: Looks::Parsed(parsed), hash, candidate: Candidate::NONE }
}

pub(super) fn parse(message: &[u8]) -> Result<Query, Unanswerable> {
    sluice_dns::parse(message.get(..message.len().min(query::MAX_QUERY)).unwrap_or_default())
}

/// Whether the client is one of those that may ask, and not one that nobody is.
#[inline(always)]
fn may_ask(zones: &Zones, frame: &[u8], parsed: &Parsed) -> bool {
    let known = match parsed.kind {
        Kind::V4 => zones.may_ask_v4(parsed.src, parsed.dst) && parsed.src != parsed.dst,
        _ => {
            let (src, dst) = v6_addrs(frame, parsed);
            zones.may_ask_v6(src, dst) && src != dst
        }
    };
    known && !nobody(parsed.sport)
}

/// Ports that nobody asks from (RFC 862, RFC 863, RFC 864 and none at all).
#[inline(always)]
pub(super) fn nobody(port: u16) -> bool {
    matches!(port, 0 | 7 | 9 | 19)
}
