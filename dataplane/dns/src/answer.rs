//! From a query to its reply, in the buffer that it came in.

use std::net::IpAddr;

use crate::chain::{self, View};
use crate::compat;
use crate::compile::record::kind_of;
use crate::name;
use crate::node::{Node, Role, Set};
use crate::query::{self, IN, Query, Unanswerable, kind, rcode, reason};
use crate::reply::{self, Owner, Reply, Section, header_only};
use crate::visibility::{Seen, Sight};
use crate::zonal;
use crate::zones::Zones;

/// The largest reply to a client that says nothing of its own size (RFC 1035, section 4.2.1).
pub(crate) const PLAIN: usize = 512;

/// What is said of a name that is not there for want of an endpoint.
const UNREADY: &[u8] = b"no ready endpoint";
/// The bit RA in the fourth octet of a header (RFC 1035, section 4.1.1).
const RECURSION_AVAILABLE: u8 = 0x80;
/// What is said of a question for IPv6 addresses that nobody was asked.
const NO_IPV6: &[u8] = b"the client has no IPv6";
/// What is said of a name of a namespace that is not there, or has no names here: which of both is nobody's business.
const UNSELECTED: &[u8] = b"no such namespace has names here";

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The client.
    pub client: IpAddr,
    /// The address that was asked.
    pub server: IpAddr,
    /// Over a stream: replies may be of any size, and whole zones may be asked for.
    pub stream: bool,
    /// A resolver asks, which has looked at all that comes before the cluster's names: who may ask, too, but not for which zones.
    pub resolver: bool,
    /// A number that differs from query to query: addresses are sent in another order each time.
    pub turn: u32,
    /// Seconds since 1970, for cookies.
    pub now: u32,
}

/// What is to be done with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The buffer begins with the reply, of so many bytes.
    Reply {
        /// Its length.
        length: usize,
        /// Its code.
        rcode: u8,
    },
    /// A resolver has to answer it.
    Forward,
    /// So it has, whatever has been answered to others: its rules and tables come first.
    Elsewhere,
    /// Nothing is said.
    Silence,
}

/// Answers the query that `message` begins with. The buffer is as large as the reply may be; what is behind the query in it
/// does not matter.
#[inline]
pub fn answer(
    zones: &Zones,
    parsed: Result<Query, Unanswerable>,
    message: &mut [u8],
    asked: &Asked,
) -> Verdict {
    let query = match parsed {
        Ok(query) => query,
        Err(Unanswerable::Silence) => return Verdict::Silence,
        // Which zone it copies from there is the resolver's to know.
        Err(_)
            if !asked.resolver
                && query::is_notify(message)
                && zones.fixed.primaries.contains(&asked.client) =>
        {
            return Verdict::Elsewhere;
        }
        Err(Unanswerable::Code(rcode)) => {
            return Verdict::Reply { length: header_only(message, rcode), rcode };
        }
    };
    let hash = zones.hash(query.name(message));
    answer_hashed(zones, &query, hash, message, asked)
}

/// As [`answer`], for a query that was understood and whose name has this hash.
#[inline]
pub fn answer_hashed(zones: &Zones, query: &Query, hash: u64, message: &mut [u8], asked: &Asked) -> Verdict {
    let fixed = &*zones.fixed;
    let (limit, cookie) = terms(zones, query, message, asked);
    if query.edns.is_some_and(|edns| edns.version != 0) {
        let length = Reply::new(message, query, limit, fixed.max_udp, cookie).finish(rcode::BADVERS, false);
        return Verdict::Reply { length, rcode: rcode::BADVERS };
    }
    let refusal = if !asked.resolver && !zones.may_ask(asked.client, asked.server) {
        Some(reason::PROHIBITED)
    } else if query.class != IN || matches!(query.kind, kind::AXFR | kind::IXFR) {
        Some(reason::NOT_SUPPORTED)
    } else {
        None
    };
    if let Some(reason) = refusal {
        return refuse(Reply::new(message, query, limit, fixed.max_udp, cookie), reason);
    }
    if !fixed.elsewhere.is_empty()
        && !asked.resolver
        && fixed.elsewhere.takes(query.name(message), query.kind, asked.client)
    {
        return Verdict::Elsewhere;
    }
    let whole = zones.has_cluster(asked.client, asked.server);
    if !whole && zones.is_clusters(query.name(message)) {
        return refuse(Reply::new(message, query, limit, fixed.max_udp, cookie), reason::NOT_AUTHORITATIVE);
    }
    let mut found = zones.table.get(hash, query.name(message));
    let sight = zones.sight(asked.client);
    if let Some(sight) = &sight {
        match sight.of(zones, query.name(message), found) {
            Seen::As(node) => found = node,
            Seen::Part(node) if query.kind == kind::PTR => {
                return of_pointers(zones, query, message, (limit, cookie), sight.pointers(node));
            }
            // It has no other records, as if all of it were seen.
            Seen::Part(node) => found = Some(node),
            Seen::Inner => {
                return of_pointers(zones, query, message, (limit, cookie), std::iter::empty());
            }
        }
    }
    let Some(node) = found else {
        return missed(zones, query, message, asked, (limit, cookie), sight);
    };
    let aliased = query.kind != kind::CNAME && node.set(kind::CNAME).is_some();
    // There is no name outside that CoreDNS's defects are known of.
    let compat = fixed.compat.is_some() && node.role() != Role::External;
    if aliased && compat {
        return compat::Asked { zones, query, limit, cookie, by: asked, sight }.aliased(node, message);
    }
    let view = View { whole, sight };
    if aliased && fixed.forward && zones.leaves(asked) && chain::leads_elsewhere(zones, node, view) {
        return Verdict::Forward;
    }
    let mut reply = Reply::new(message, query, limit, fixed.max_udp, cookie);
    let mut rcode = rcode::NOERROR;
    if let Some(set) = node.set(query.kind) {
        put(&mut reply, query, node, &set, asked.turn, zones);
    } else if aliased {
        rcode = chain::follow(zones, node, query.kind, &mut reply, view).0;
    } else if compat {
        return compat::Asked { zones, query, limit, cookie, by: asked, sight }
            .without_records(node, message);
    } else {
        let at = query.end() - 4 - node.zone_len();
        let section = match query.kind {
            kind::SOA if node.is_top() => Section::Answer,
            _ => Section::Authority,
        };
        match node.role() {
            Role::External => zones.put_soa(&mut reply, section, at, node.zone()),
            _ => reply.soa(section, at, &zones.soa),
        }
    }
    done(reply, fixed.stale, rcode)
}

/// The reply of a reverse name, with those records that its client sees.
#[inline(never)]
fn of_pointers<'z>(
    zones: &Zones,
    query: &Query,
    message: &mut [u8],
    (limit, cookie): (usize, Option<[u8; 24]>),
    records: impl Iterator<Item = &'z [u8]>,
) -> Verdict {
    let zone_len = zones.zone(query.name(message)).map_or(0, <[u8]>::len);
    let mut reply = Reply::new(message, query, limit, zones.fixed.max_udp, cookie);
    let mut records = records.peekable();
    if records.peek().is_none() {
        reply.soa(Section::Authority, query.end() - 4 - zone_len, &zones.soa);
    }
    if !records.all(|record| reply.put(Section::Answer, 1, record)) {
        reply.truncate();
    }
    done(reply, zones.fixed.stale, rcode::NOERROR)
}

/// Ends an answer from the tables.
#[inline(always)]
fn done(reply: Reply<'_>, is_stale: bool, rcode: u8) -> Verdict {
    if is_stale {
        return stale(reply, rcode);
    }
    Verdict::Reply { length: reply.finish(rcode, true), rcode }
}

/// Ends one that may be true no more (RFC 8914, sections 4.4 and 4.20).
#[inline(never)]
fn stale(reply: Reply<'_>, rcode: u8) -> Verdict {
    let reason = if rcode == rcode::NXDOMAIN { reason::STALE_NXDOMAIN } else { reason::STALE };
    Verdict::Reply { length: reply.told(rcode, true, reason, &[]), rcode }
}

/// How long the reply may be, and the cookie that it brings.
#[inline]
pub(crate) fn terms(
    zones: &Zones,
    query: &Query,
    message: &[u8],
    asked: &Asked,
) -> (usize, Option<[u8; 24]>) {
    let mut cookie = None;
    if let Some(edns) = &query.edns
        && let Some(key) = &zones.fixed.cookie_key
        && edns.cookie.is_some()
    {
        cookie = reply::cookie(message, edns, key, asked.client, asked.now).map(|(cookie, _)| cookie);
    }
    let limit = if asked.stream { usize::from(u16::MAX) } else { limit(zones, query) };
    (limit, cookie)
}

/// How long a reply over UDP may be.
#[inline]
pub(crate) fn limit(zones: &Zones, query: &Query) -> usize {
    query.edns.map_or(PLAIN, |edns| usize::from(edns.size.min(zones.fixed.max_udp)).max(PLAIN))
}

#[inline(never)]
pub(crate) fn refuse(reply: Reply<'_>, reason: u16) -> Verdict {
    Verdict::Reply { length: reply.refuse(reason), rcode: rcode::REFUSED }
}

/// Writes a set, from a different record on each time; as much of it as fits.
#[inline]
fn put(reply: &mut Reply<'_>, query: &Query, node: &Node, set: &Set<'_>, turn: u32, zones: &Zones) {
    let start = reply.at();
    if set.answer().len() > reply.room() {
        // Some answers are better than none to a client that cannot ask over TCP.
        reply.put_some(Section::Answer, set.answer(), Owner::Same);
        reply.truncate();
        if matches!(query.kind, kind::SRV | kind::NS) {
            let length = reply.at() - start;
            keep_case(reply, query, node, start, length);
        }
        return;
    }
    match (turn % u32::from(set.answers().max(1))) as usize * usize::from(set.stride()) {
        0 => drop(reply.put(Section::Answer, set.answers(), set.answer())),
        at => {
            let (first, rest) = set.answer().split_at_checked(at).unwrap_or((set.answer(), &[]));
            reply.put(Section::Answer, set.answers(), rest);
            reply.put(Section::Answer, 0, first);
        }
    }
    // Records that do not fit here are no loss that a client must know of (RFC 2181, section 9).
    if !set.glue().is_empty() && !reply.put(Section::Additional, set.additional(), set.glue()) {
        reply.put_some(Section::Additional, set.glue(), Owner::Same);
        if zones.compat() {
            reply.truncate();
        }
    }
    if matches!(query.kind, kind::SRV | kind::NS) {
        keep_case(reply, query, node, start, set.answer().len());
    }
}

/// Targets end with the zone as the client wrote it, which some compare with regard to case.
fn keep_case(reply: &mut Reply<'_>, query: &Query, node: &Node, start: usize, length: usize) {
    let mut zone = [0; name::MAX_NAME];
    let zone_at = query.end() - 4 - node.zone_len();
    let message = reply.message();
    let (Some(zone), Some(asked)) = (zone.get_mut(..node.zone_len()), message.get(zone_at..query.end() - 4))
    else {
        return;
    };
    zone.copy_from_slice(asked);
    if !zone.iter().any(u8::is_ascii_uppercase) {
        return;
    }
    let mut at = start;
    while at < start + length {
        let Some(end) = message.get(at..).and_then(reply::record_len).map(|length| at + length) else {
            return;
        };
        if let Some(tail) = message.get_mut(end - zone.len()..end)
            && name::equal(&zone.to_ascii_lowercase(), tail)
        {
            tail.copy_from_slice(zone);
        }
        at = end;
    }
}

/// A name that the table does not have.
#[inline(never)]
fn missed(
    zones: &Zones,
    query: &Query,
    message: &mut [u8],
    asked: &Asked,
    (limit, cookie): (usize, Option<[u8; 24]>),
    sight: Option<Sight<'_>>,
) -> Verdict {
    let fixed = &*zones.fixed;
    let size = fixed.max_udp;
    let asked_name = query.name(message);
    let Some(zone) = zones.zone(asked_name) else {
        if fixed.forward && zones.leaves(asked) {
            if query.kind == kind::AAAA && useless(zones, message, asked) {
                return without_ipv6(zones, query, message, (limit, cookie));
            }
            return Verdict::Forward;
        }
        return refuse(Reply::new(message, query, limit, size, cookie), reason::NOT_AUTHORITATIVE);
    };
    let zone_at = query.end() - 4 - zone.len();
    let external = zones.external(zone).is_some();
    if fixed.compat.is_some()
        && !external
        && let Some(verdict) =
            (compat::Asked { zones, query, limit, cookie, by: asked, sight }).missed(message)
    {
        return verdict;
    }
    let asked_name = query.name(message);
    // Nothing tells whether it is there: it takes the way of names that are not.
    let hidden = sight.is_some_and(|sight| sight.hides(asked_name));
    if fixed.pods
        && !hidden
        && let Some(ip) = pod_address(zones, asked_name)
    {
        let mut reply = Reply::new(message, query, limit, size, cookie);
        if query.kind == kind_of(ip.is_ipv6()) {
            let (bytes, length) = address_record(ip, fixed.ttl);
            reply.put(Section::Answer, 1, bytes.get(..length).unwrap_or_default());
        } else {
            zones.put_soa(&mut reply, Section::Authority, zone_at, zone);
        }
        return done(reply, fixed.stale, rcode::NOERROR);
    }
    if !hidden && let Some(node) = underscored(zones, asked_name).or_else(|| zonal::find(zones, asked_name)) {
        let mut reply = Reply::new(message, query, limit, size, cookie);
        match node.set(query.kind) {
            // Addresses are alike wherever they stand.
            Some(set) if set.stride() != 0 => put(&mut reply, query, node, &set, asked.turn, zones),
            Some(set) => {
                let start = reply.at();
                if !reply.put_elsewhere(node, &set, Owner::Same) && zones.compat() {
                    reply.truncate();
                }
                if query.kind == kind::SRV {
                    keep_case(&mut reply, query, node, start, set.answer().len());
                }
            }
            None => zones.put_soa(&mut reply, Section::Authority, zone_at, zone),
        }
        return done(reply, fixed.stale, rcode::NOERROR);
    }
    if !fixed.hosts.is_empty()
        && let Some(node) = zones.wildcard(asked_name)
    {
        return of_wildcard(zones, query, node, message, (limit, cookie), asked, sight);
    }
    let falls_through = zones.falls_through(asked_name);
    if falls_through || !asked.resolver && !hidden && zones.completes(asked_name) {
        if zones.leaves(asked) {
            return Verdict::Forward;
        }
        // It may well exist.
        if falls_through {
            return refuse(Reply::new(message, query, limit, size, cookie), reason::NOT_AUTHORITATIVE);
        }
    }
    let words = match query.edns {
        Some(_) if hidden => Some(UNSELECTED),
        Some(_) if zones.is_unready(asked_name) || zonal::is_unready(zones, asked_name) => Some(UNREADY),
        Some(_) if zones.is_unselected(asked_name) => Some(UNSELECTED),
        _ => None,
    };
    let mut reply = Reply::new(message, query, limit, size, cookie);
    zones.put_soa(&mut reply, Section::Authority, zone_at, zone);
    let length = match words {
        _ if fixed.stale => return stale(reply, rcode::NXDOMAIN),
        Some(words) => reply.told(rcode::NXDOMAIN, true, reason::OTHER, words),
        None => reply.finish(rcode::NXDOMAIN, true),
    };
    Verdict::Reply { length, rcode: rcode::NXDOMAIN }
}

/// Whether nobody is asked for a name's IPv6 addresses, for a client without IPv6. Where the resolver has tables of its own, it looks
/// there first.
#[inline(never)]
fn useless(zones: &Zones, message: &[u8], asked: &Asked) -> bool {
    let desired = message.get(2).is_some_and(|flags| flags & 1 != 0);
    desired && !asked.resolver && !zones.fixed.tables && zones.without_ipv6(asked.client)
}

/// Ends the reply to such a question: whether there is the name is not known, and it has no SOA record that it might be kept by (RFC
/// 2308, section 2.2).
fn without_ipv6(
    zones: &Zones,
    query: &Query,
    message: &mut [u8],
    (limit, cookie): (usize, Option<[u8; 24]>),
) -> Verdict {
    let reply = Reply::new(message, query, limit, zones.fixed.max_udp, cookie);
    let length = reply.told(rcode::NOERROR, false, reason::OTHER, NO_IPV6);
    // To glibc it is a referral without.
    if let Some(flags) = message.get_mut(3) {
        *flags |= RECURSION_AVAILABLE;
    }
    Verdict::Reply { length, rcode: rcode::NOERROR }
}

/// What a host of any name has, for one of them.
fn of_wildcard(
    zones: &Zones,
    query: &Query,
    node: &Node,
    message: &mut [u8],
    (limit, cookie): (usize, Option<[u8; 24]>),
    asked: &Asked,
    sight: Option<Sight<'_>>,
) -> Verdict {
    let fixed = &*zones.fixed;
    let aliased = query.kind != kind::CNAME && node.set(kind::CNAME).is_some();
    let view = View { whole: zones.has_cluster(asked.client, asked.server), sight };
    if aliased && fixed.forward && chain::leads_elsewhere(zones, node, view) && zones.leaves(asked) {
        return Verdict::Forward;
    }
    let mut reply = Reply::new(message, query, limit, fixed.max_udp, cookie);
    let mut rcode = rcode::NOERROR;
    match node.set(query.kind) {
        Some(set) => drop(reply.put_elsewhere(node, &set, Owner::Same)),
        None if aliased => rcode = chain::follow(zones, node, query.kind, &mut reply, view).0,
        None => {
            let at = query.end() - 4 - node.zone_len();
            zones.put_soa(&mut reply, Section::Authority, at, node.zone());
        }
    }
    done(reply, fixed.stale, rcode)
}

pub(crate) fn address_record(ip: IpAddr, ttl: u32) -> ([u8; 28], usize) {
    let mut bytes = [0; 28];
    bytes[..2].copy_from_slice(&crate::compile::record::QUESTION);
    bytes[3] = kind_of(ip.is_ipv6()) as u8;
    bytes[5] = IN as u8;
    bytes[6..10].copy_from_slice(&ttl.to_be_bytes());
    let length = match ip {
        IpAddr::V4(ip) => {
            bytes[12..16].copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            bytes[12..28].copy_from_slice(&ip.octets());
            16
        }
    };
    bytes[11] = length;
    (bytes, 12 + usize::from(length))
}

/// The address that a pod's name spells, where any does in its namespace.
pub(crate) fn pod_address(zones: &Zones, asked: &[u8]) -> Option<IpAddr> {
    let (&length, rest) = asked.split_first()?;
    let (label, parent) = rest.split_at_checked(usize::from(length))?;
    if zones.find(parent)?.role() != Role::Pods {
        return None;
    }
    // "2001:db8:1111:2222:3333:4444:5555:6666" is the longest.
    let mut text = [0; 39];
    let text = text.get_mut(..label.len())?;
    text.copy_from_slice(label);
    let v4 = label.iter().filter(|&&b| b == b'-').count() == 3 && !label.windows(2).any(|w| w == b"--");
    for byte in text.iter_mut().filter(|byte| **byte == b'-') {
        *byte = if v4 { b'.' } else { b':' };
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The node of `port.protocol.service…`, spelled without one or both of the underscores that belong to it.
pub(crate) fn underscored<'z>(zones: &'z Zones, asked: &[u8]) -> Option<&'z Node> {
    let zone = zones.zone(asked)?;
    let transport = |label: &[u8]| {
        let plain = label.strip_prefix(b"_").unwrap_or(label);
        // To CoreDNS an underscore alone is any.
        let any = plain.is_empty() && zones.compat();
        any || [&b"tcp"[..], b"udp", b"sctp"].iter().any(|name| plain.eq_ignore_ascii_case(name))
    };
    // Exactly port, protocol, service, namespace and, in the cluster's zones, `svc` are before the zone.
    let behind = if zones.external(zone).is_some() { 2 } else { 3 };
    let relative = asked.get(..asked.len() - zone.len())?;
    let mut labels = name::labels(relative);
    let (port, protocol) = (labels.next()?, labels.next()?);
    if !transport(protocol)
        || labels.count() != behind
        || port.starts_with(b"_") && protocol.starts_with(b"_")
    {
        return None;
    }
    let mut full = [0; name::MAX_NAME + 2];
    let mut at = 0;
    for label in [port, protocol] {
        let plain = label.strip_prefix(b"_").unwrap_or(label);
        full[at] = plain.len() as u8 + 1;
        full[at + 1] = b'_';
        full.get_mut(at + 2..at + 2 + plain.len())?.copy_from_slice(plain);
        at += plain.len() + 2;
    }
    let tail = asked.get(port.len() + protocol.len() + 2..)?;
    full.get_mut(at..at + tail.len())?.copy_from_slice(tail);
    zones.find(full.get(..at + tail.len())?)
}

/// Writes the aliases that a name is, where they end at a name of others: a resolver has to append that name's records. The
/// name, in wire form; none where the query's name is no such alias. The reply is cut off behind its last record.
pub fn aliases(
    zones: &Zones,
    parsed: Result<Query, Unanswerable>,
    message: &mut Vec<u8>,
    asked: &Asked,
) -> Option<Vec<u8>> {
    let query = parsed.ok()?;
    let name = query.name(message);
    let view =
        View { whole: zones.has_cluster(asked.client, asked.server), sight: zones.sight(asked.client) };
    if !view.whole && zones.is_clusters(name) || view.sight.is_some_and(|sight| sight.hides(name)) {
        return None;
    }
    let node = zones.find(name).or_else(|| zones.wildcard(name))?;
    if node.set(kind::CNAME).is_none() || !chain::leads_elsewhere(zones, node, view) {
        return None;
    }
    let room = if asked.stream { usize::from(u16::MAX) } else { zones.max_udp() };
    message.resize(room.max(message.len()), 0);
    let mut reply = Reply::new(message, &query, room, zones.fixed.max_udp, None);
    let target = chain::follow(zones, node, query.kind, &mut reply, view).1;
    let length = reply.finish(rcode::NOERROR, true);
    message.truncate(length);
    Some(target.to_vec())
}
