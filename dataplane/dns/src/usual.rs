//! The usual query, and its usual reply: one question, EDNS without options or none, and records that are there and fit.
//!
//! Nearly all queries are of this kind, and the general way ([`crate::answer()`]) is long for them. Two things make this one
//! short. The name's length is that of the message without the rest; no label is looked at, since a name that equals one in
//! the table is well formed. And the reply differs from the query in so little that its checksum follows from the query's
//! (RFC 1624): the records' sums were compiled with them. Whatever is not usual is left to the general way, whose reply would
//! be the same byte for byte.

use sluice_wire::checksum::{Delta, fold, sum};

use crate::answer::PLAIN;
use crate::name::{self, MAX_LABEL, MAX_NAME};
use crate::node::{Node, Role, Set};
use crate::query::{Edns, HEADER, IN, Query, kind, rcode};
use crate::soa::SOA;
use crate::table::Candidate;
use crate::zones::Zones;

/// Bytes of an OPT record without options.
const OPT: usize = 11;
/// Counts of a message's sections: one question, with and without a record behind.
const QUESTION: u64 = 1 << 48;
const QUESTION_AND_OPT: u64 = QUESTION | 1;

/// A message that looks like the usual query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    kind: u16,
    /// What the client says of the replies it takes, with EDNS.
    size: u16,
    /// Bytes of what ought to be the name.
    name_len: u8,
    edns: bool,
    dnssec: bool,
}

/// What there is to reply.
#[derive(Clone, Copy, Debug)]
pub enum Found<'z> {
    /// Records.
    Set(Set<'z>),
    /// The name has none of this type; the SOA record of the zone, whose name has so many bytes.
    Nothing(usize),
    /// There is no such name; the SOA record of the zone, whose name has so many bytes.
    Missing(usize),
}

impl Found<'_> {
    /// Bytes by which the reply is longer than the query.
    #[inline(always)]
    pub fn length(&self) -> usize {
        match self {
            Self::Set(set) => set.records.len(),
            Self::Nothing(_) | Self::Missing(_) => SOA,
        }
    }

    /// The reply's code.
    #[inline(always)]
    pub fn rcode(&self) -> u8 {
        match self {
            Self::Set(_) | Self::Nothing(_) => rcode::NOERROR,
            Self::Missing(_) => rcode::NXDOMAIN,
        }
    }
}

impl Usual {
    /// What a message looks like; none where it must be parsed.
    #[inline(always)]
    pub fn of(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let [_, _, flags, _, counts @ ..] = header;
        // Neither an answer nor another opcode.
        if flags & 0xf8 != 0 {
            return None;
        }
        let mut usual = Self::default();
        let behind = match u64::from_be_bytes(*counts) {
            QUESTION => 4,
            QUESTION_AND_OPT => {
                let [0, 0, 41, high, low, 0, 0, flags, 0, 0, 0] = *message.last_chunk::<OPT>()? else {
                    return None;
                };
                if flags & 0x7f != 0 {
                    return None;
                }
                (usual.edns, usual.dnssec) = (true, flags != 0);
                usual.size = u16::from_be_bytes([high, low]);
                4 + OPT
            }
            _ => return None,
        };
        let length = message.len().checked_sub(HEADER + behind)?;
        let [a, b, class @ ..] = *message.get(HEADER + length..)?.first_chunk::<4>()?;
        if class != IN.to_be_bytes() || length > MAX_NAME {
            return None;
        }
        (usual.kind, usual.name_len) = (u16::from_be_bytes([a, b]), length as u8);
        Some(usual)
    }

    /// QTYPE.
    #[inline(always)]
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// What ought to be the name.
    #[inline(always)]
    pub fn name<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(HEADER..HEADER + usize::from(self.name_len)).unwrap_or_default()
    }

    /// The same as the general way has it.
    pub fn query(&self, message: &[u8]) -> Query {
        let edns = Edns { size: self.size, dnssec: self.dnssec, ..Edns::default() };
        Query {
            name_len: self.name_len,
            labels: name::labels(self.name(message)).count() as u8,
            kind: self.kind,
            class: IN,
            edns: self.edns.then_some(edns),
        }
    }

    /// Bytes of the message.
    #[inline(always)]
    pub fn length(&self) -> usize {
        self.question() + if self.edns { OPT } else { 0 }
    }

    /// Where the question ends.
    #[inline(always)]
    fn question(&self) -> usize {
        HEADER + usize::from(self.name_len) + 4
    }

    /// What there is to reply to the message; none where that takes the general way.
    #[inline(always)]
    pub fn find<'z>(
        &self,
        zones: &'z Zones,
        candidate: Option<Candidate>,
        hash: u64,
        message: &[u8],
    ) -> Option<Found<'z>> {
        if zones.fixed.general {
            return None;
        }
        let name = self.name(message);
        let found = match zones.table.get_at(candidate, hash, name) {
            Some(node) => match node.set(self.kind) {
                // Targets show the zone as it was asked for.
                Some(_) if matches!(self.kind, kind::SRV | kind::NS) && name != node.name() => return None,
                Some(set) => Found::Set(set),
                None if zones.compat() => return None,
                None => nothing(node, self.kind)?,
            },
            // Who takes EDNS is told why.
            None if self.edns && (zones.fixed.selected || zones.is_unready(name)) => return None,
            None => missing(zones, name, self.kind)?,
        };
        let limit = match self.edns {
            true => usize::from(self.size.min(zones.fixed.max_udp)).max(PLAIN),
            false => PLAIN,
        };
        (self.length() + found.length() <= limit).then_some(found)
    }

    /// Makes the message the reply, which `message` has room for and not more. What changes in the checksum of the datagram,
    /// UDP's length in both headers included; none where the message is another.
    #[inline(always)]
    pub fn answer(&self, zones: &Zones, found: &Found<'_>, message: &mut [u8], turn: u32) -> Option<Delta> {
        let start = self.question();
        let (question, behind) = message.split_at_mut_checked(start)?;
        let (records, opt) = behind.split_at_mut_checked(found.length())?;
        let (mut additional, sum, counts);
        match found {
            Found::Set(set) => {
                (counts, additional, sum) = (u64::from(set.answers()) << 16, set.additional(), set.sum());
                put(records, set, turn)?;
            }
            Found::Nothing(zone_len) | Found::Missing(zone_len) => {
                (counts, additional, sum) = (1, 0, put_soa(records, zones, start, *zone_len)?);
            }
        }
        let (mut gone, mut come) = (0, u32::from(sum));
        if let Some(opt) = opt.first_chunk_mut() {
            let size = zones.fixed.max_udp;
            let [high, low] = size.to_be_bytes();
            *opt = [0, 0, 41, high, low, 0, 0, u8::from(self.dnssec) << 7, 0, 0, 0];
            // It moves, and says what we take. The message had one before: it is no change in the counts.
            if records.len() & 1 == 0 {
                // By whole words: only the size counts, across two of them where it begins at an odd place.
                gone += turned(self.size.swap_bytes(), start);
                come += turned(size.swap_bytes(), start);
            } else {
                gone += opt_sum(self.size, self.dnssec, start);
                come += opt_sum(size, self.dnssec, start + records.len());
            }
            additional += 1;
        }
        let header = question.first_chunk_mut::<HEADER>()?;
        let [id0, id1, asked0, asked1, ..] = *header;
        let asked = u16::from_be_bytes([asked0, asked1]);
        // An authoritative answer; whether recursion is desired and checking disabled is copied.
        let flags = 0x8400 | asked & 0x0110 | u16::from(found.rcode());
        gone += u32::from(asked);
        come += u32::from(flags);
        let [c, d, e, f, g, h, i, j] = (u64::from(flags) << 48 | 1 << 32 | counts).to_be_bytes();
        let [a, b] = additional.to_be_bytes();
        *header = [id0, id1, c, d, e, f, g, h, i, j, a, b];
        Some(Delta::sums(gone, come))
    }
}

/// What there is of a name without records of a type.
#[inline(never)]
fn nothing(node: &Node, kind: u16) -> Option<Found<'static>> {
    let transfer = matches!(kind, kind::AXFR | kind::IXFR);
    let plain =
        !transfer && !matches!(node.role(), Role::Apex | Role::External) && node.set(kind::CNAME).is_none();
    plain.then(|| Found::Nothing(node.zone_len()))
}

/// What there is of a name that the table does not have. Nobody has looked at its labels yet.
#[inline(never)]
fn missing(zones: &Zones, name: &[u8], kind: u16) -> Option<Found<'static>> {
    let fixed = &*zones.fixed;
    // Others may know it.
    let others = fixed.compat.is_some() || fixed.autopath || !fixed.fallthrough.is_empty();
    if others || matches!(kind, kind::AXFR | kind::IXFR) {
        return None;
    }
    let ends = |zone: &&[u8]| name.len() > zone.len() && name::equal(zone, &name[name.len() - zone.len()..]);
    let zone = fixed.all.iter().map(name::Name::wire).filter(ends).max_by_key(|zone| zone.len())?;
    if zones.external(zone).is_some() {
        return None;
    }
    let (end, mut at, mut labels) = (name.len() - zone.len(), 0, [&name[..0]; 2]);
    let mut count = 0;
    while at < end {
        let length = usize::from(*name.get(at)?);
        if length == 0 || length > MAX_LABEL {
            return None;
        }
        let label = name.get(at + 1..at + 1 + length)?;
        count += 1;
        if count == 2 {
            labels[0] = label;
        }
        labels[1] = label;
        at += 1 + length;
    }
    let [protocol, last] = labels;
    // Names that are not in the table, and exist: of pods, and of ports spelled without their underscores.
    let pod = fixed.pods && last.eq_ignore_ascii_case(b"pod");
    let port = count == 5 && matches!(protocol.len(), 3..=5);
    (at == end && !pod && !port).then_some(Found::Missing(zone.len()))
}

/// Writes a set, from a different record on each time.
#[inline(always)]
fn put(place: &mut [u8], set: &Set<'_>, turn: u32) -> Option<()> {
    if set.answers() > 1 && set.stride() != 0 {
        return put_turned(place, set, turn);
    }
    match (place.as_chunks_mut::<16>(), set.records.as_chunks::<16>()) {
        // One address, mostly.
        (([place], []), ([record], [])) => *place = *record,
        _ => place.copy_from_slice(set.records),
    }
    Some(())
}

#[inline(never)]
fn put_turned(place: &mut [u8], set: &Set<'_>, turn: u32) -> Option<()> {
    let first = (turn % u32::from(set.answers().max(1))) as usize * usize::from(set.stride());
    let (behind, front) = set.answer().split_at_checked(first)?;
    let (start, rest) = place.split_at_mut_checked(front.len())?;
    let (tail, glue) = rest.split_at_mut_checked(behind.len())?;
    start.copy_from_slice(front);
    tail.copy_from_slice(behind);
    (glue.len() == set.glue().len()).then(|| glue.copy_from_slice(set.glue()))
}

/// Writes the SOA record of the zone whose name, of so many bytes, is the end of a question that ends at `start`.
#[inline(never)]
fn put_soa(place: &mut [u8], zones: &Zones, start: usize, zone_len: usize) -> Option<u16> {
    let soa = zones.soa.record(start - 4 - zone_len);
    *place.first_chunk_mut()? = soa;
    Some(sum_of(&soa, start, 1))
}

/// What so many records at `start` of the message change in its datagram's checksum: see [`Set::sum`].
pub(crate) fn sum_of(records: &[u8], start: usize, count: u32) -> u16 {
    fold(turned(sum(records) as u16, start) + count + 2 * records.len() as u32)
}

/// The sum of bytes that begin at `at`, where it is `sum` for an even place.
#[inline(always)]
fn turned(sum: u16, at: usize) -> u32 {
    u32::from(if at & 1 == 0 { sum } else { sum.swap_bytes() })
}

/// The sum of an OPT record that begins at `at`.
#[inline(always)]
fn opt_sum(size: u16, dnssec: bool, at: usize) -> u32 {
    // At an even place its type is the upper half of a word, and the size lies across two.
    turned(fold(0x2900 + u32::from(size.swap_bytes()) + (u32::from(dnssec) << 7)), at)
}
