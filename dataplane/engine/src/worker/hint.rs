//! The end of search lists.
//!
//! A pod's resolver asks for `x.com.ns.svc.zone`, `x.com.svc.zone`, `x.com.zone` and then `x.com`, because its resolv.conf has
//! a search list and `ndots:5`. The first three are answered here at once; with the first of them the resolver is told of the
//! last, so that it has asked for it by the time it comes. The resolver knows such a hint by its source port, 0, which no
//! packet from outside has here, and replies nothing to it.

use sluice_dns::{Query, query::kind};
use sluice_wire::parse::{Kind, Parsed, v6_addrs};
use sluice_wire::{PacketBuf, checksum, ipv4, ipv6};

use super::dns::nobody;
use super::slow::addresses_of;
use super::{Context, Worker};
use crate::Now;
use crate::limit::TokenBucket;

/// Hints that a lcore gives in a second at most, and at once: a flood of names that nobody has must not become one of hints.
const PER_SECOND: u64 = 5_000;
const AT_ONCE: u64 = 500;
/// Names that are remembered, and milliseconds in which one is hinted at once.
const REMEMBERED: usize = 1024;
const PAUSE: u64 = 2_000;
/// Bytes of headers before a message, at most: no tags, options or extension headers.
const HEADERS: usize = 14 + ipv6::HEADER + UDP;
const UDP: usize = 8;
/// Protocol number of UDP, and how far a hint has to go.
const PROTOCOL: u8 = 17;
const TTL: u8 = 64;
/// Bytes of a message that is a hint, at most: header, question, OPT.
const MESSAGE: usize = 12 + 255 + 4 + OPT.len();
/// What the resolver takes by EDNS.
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

/// What has been hinted at of late.
#[derive(Debug)]
pub(super) struct Hints {
    limit: TokenBucket,
    /// By hash: the hash, and when.
    recent: Vec<(u64, u64)>,
}

impl Hints {
    pub(super) fn new(now: Now) -> Self {
        Self { limit: TokenBucket::new(PER_SECOND, AT_ONCE, now), recent: Vec::new() }
    }

    /// Whether a name is hinted at now.
    fn take(&mut self, hash: u64, now: Now) -> bool {
        if self.recent.is_empty() {
            self.recent = vec![(0, 0); REMEMBERED];
        }
        let Some(place) = self.recent.get_mut(hash as usize % REMEMBERED) else { return false };
        if place.0 == hash && now.0.saturating_sub(place.1) < PAUSE || !self.limit.take(now) {
            return false;
        }
        *place = (hash, now.0);
        true
    }
}

impl<B: PacketBuf> Worker<B> {
    /// The hint that belongs to a query for a name that does not exist, whose reply stands in its place already.
    pub(super) fn hint(&mut self, packet: &B, parsed: &Parsed, query: &Query, cx: &Context<'_>) -> Option<B> {
        let zones = cx.snapshot.dns();
        let start = usize::from(parsed.l4) + UDP;
        let frame = packet.data();
        let message = frame.get(start..)?;
        let name = query.name(message);
        let asks = matches!(query.kind, kind::A | kind::AAAA) && message.get(2)? & 1 != 0;
        if !zones.keeps() || !asks || nobody(parsed.sport) {
            return None;
        }
        let (client, server) = addresses_of(frame, parsed);
        let useless = query.kind == kind::AAAA && zones.without_ipv6(client);
        // Whether a namespace that is hidden exists must not show in what the resolver is told.
        if useless || !zones.recurses(client, server) || zones.hides(name, client) {
            return None;
        }
        let base = zones.searched(name)?;
        let mut bare = [0; 256];
        let bare = bare.get_mut(..base + 1)?;
        bare.get_mut(..base)?.copy_from_slice(name.get(..base)?);
        // A name of one label is nobody's, and those in our zones are known here.
        if usize::from(*bare.first()?) + 1 == base || zones.zone(bare).is_some() {
            return None;
        }
        let hash = zones.hash(bare) ^ u64::from(query.kind);
        if self.kept.has(zones, bare, query.kind, cx.now.0) || !self.hints.take(hash, cx.now) {
            return None;
        }
        let mut hint = [0; HEADERS + MESSAGE];
        let length = write(&mut hint, frame, parsed, query, bare)?;
        packet.another(hint.get(..length)?)
    }
}

/// Writes a frame from the client to the address it asked, about a name in wire form. Its length.
fn write(hint: &mut [u8], frame: &[u8], parsed: &Parsed, query: &Query, name: &[u8]) -> Option<usize> {
    let l3 = usize::from(parsed.l3);
    let v6 = parsed.kind == Kind::V6;
    let l4 = l3 + if v6 { ipv6::HEADER } else { ipv4::HEADER };
    let start = l4 + UDP;
    let asked = frame.get(usize::from(parsed.l4) + UDP..)?;
    let mut at = start;
    let mut push = |hint: &mut [u8], bytes: &[u8]| {
        hint.get_mut(at..at + bytes.len()).map(|place| place.copy_from_slice(bytes))?;
        at += bytes.len();
        Some(at)
    };
    // Recursion is desired; whether checking is disabled is part of the question.
    let edns = query.edns.is_some();
    push(hint, &[0, 0, 1, asked.get(3)? & 0x10, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)])?;
    push(hint, name)?;
    push(hint, &query.kind.to_be_bytes())?;
    let mut end = push(hint, &query.class.to_be_bytes())?;
    if let Some(edns) = query.edns {
        let mut opt = OPT;
        opt[7] = u8::from(edns.dnssec) << 7;
        end = push(hint, &opt)?;
    }
    let datagram = end - l4;
    hint.get_mut(..l3)?.copy_from_slice(frame.get(..l3)?);
    let [sport, dport, length] = [0, parsed.dport, datagram as u16].map(u16::to_be_bytes);
    let header = [sport[0], sport[1], dport[0], dport[1], length[0], length[1], 0, 0];
    hint.get_mut(l4..start)?.copy_from_slice(&header);
    let ip = hint.get_mut(l3..l4)?;
    let pseudo = if v6 {
        let (src, dst) = v6_addrs(frame, parsed);
        ip.copy_from_slice(&ipv6::header(src, dst, PROTOCOL, 0, TTL, datagram));
        checksum::pseudo_v6(src, dst, PROTOCOL, datagram as u32)
    } else {
        ip.copy_from_slice(&ipv4::header(parsed.src, parsed.dst, PROTOCOL, 0, TTL, datagram));
        checksum::pseudo_v4(parsed.src, parsed.dst, PROTOCOL, datagram as u16)
    };
    let sum = checksum::finish_udp(pseudo + checksum::sum(hint.get(l4..end)?));
    hint.get_mut(l4 + 6..start)?.copy_from_slice(&sum.to_be_bytes());
    Some(end)
}
