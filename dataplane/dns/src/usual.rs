//! The usual query, and its usual reply: one question, EDNS without options or none, and records that are there and fit.
//!
//! Nearly all queries are of this kind, and the general way ([`crate::answer()`]) is long for them. Two things make this one
//! short. The name's length is that of the message without the rest; no label is looked at, since a name that equals one in
//! the table is well formed. And the reply differs from the query in so little that its checksum follows from the query's
//! (RFC 1624): the records' sums were compiled with them. So was the name's, which is most of a query: where the name is in
//! lower case, whether the query's checksum is right is known without reading it once more. Whatever is not usual is left to
//! the general way, whose reply would be the same byte for byte.

use sluice_wire::checksum::{fold, fold64, sum};

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
pub struct Found<'z> {
    records: Records<'z>,
    /// The sum of the name's words, the lowest byte first, where it is known.
    name: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Records<'z> {
    /// These.
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
        match self.records {
            Records::Set(set) => set.records.len(),
            Records::Nothing(_) | Records::Missing(_) => SOA,
        }
    }

    /// The reply's code.
    #[inline(always)]
    pub fn rcode(&self) -> u8 {
        match self.records {
            Records::Set(_) | Records::Nothing(_) => rcode::NOERROR,
            Records::Missing(_) => rcode::NXDOMAIN,
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
                // Root, type, size, no extended code, version 0, DO or no flag, no options: by words, which are fewer than bytes.
                let [fixed @ .., _, _, _] = *message.last_chunk::<OPT>()?;
                let fixed = u64::from_be_bytes(fixed);
                let rest = u32::from_be_bytes(*message.last_chunk()?);
                if fixed & 0xffff_ff00_00ff_ff00 != 41 << 40 || rest & 0x7fff_ffff != 0 {
                    return None;
                }
                (usual.edns, usual.dnssec) = (true, rest != 0);
                usual.size = (fixed >> 24) as u16;
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
        candidate: Candidate,
        hash: u64,
        message: &[u8],
    ) -> Option<Found<'z>> {
        if zones.fixed.general {
            return None;
        }
        let name = message.get(HEADER..HEADER + usize::from(self.name_len))?;
        let found = match zones.table.get_at(candidate, hash, name) {
            Some((node, lower)) => Found {
                records: match node.set(self.kind) {
                    // Targets show the zone as it was asked for.
                    Some(_) if !lower && matches!(self.kind, kind::SRV | kind::NS) => return None,
                    Some(set) => Records::Set(set),
                    None if zones.compat() => return None,
                    None => nothing(node, self.kind)?,
                },
                name: lower.then(|| node.sum()),
            },
            // Who takes EDNS is told why.
            None if self.edns && (zones.fixed.selected || zones.is_unready(name)) => return None,
            None => Found { records: missing(zones, name, self.kind)?, name: None },
        };
        let length = self.length() + found.length();
        // Everybody takes as much (RFC 1035, section 4.2.1).
        (length <= PLAIN || length <= self.limit(zones)).then_some(found)
    }

    /// The longest reply that the client takes.
    #[inline(never)]
    fn limit(&self, zones: &Zones) -> usize {
        match self.edns {
            true => usize::from(self.size.min(zones.fixed.max_udp)).max(PLAIN),
            false => PLAIN,
        }
    }

    /// Whether the checksum of the message's datagram is right, if `header` is the sum of its UDP header and pseudo header. None
    /// where that takes reading the whole.
    ///
    /// Words are read with the lowest byte first here and in [`Usual::answer`] (RFC 1071, section 2 B).
    #[inline(always)]
    pub fn checks(&self, found: &Found<'_>, message: &[u8], header: u64) -> Option<bool> {
        const ONE: u32 = 1 << 8;
        let name = u32::from(found.name?);
        let asked = u64::from(u32::from_le_bytes(*message.first_chunk()?));
        let mut behind = u32::from(self.kind.swap_bytes()) + ONE;
        // One question, and one additional record or none.
        let mut counts = ONE;
        if self.edns {
            counts += ONE;
            behind += opt_sum(self.size, self.dnssec);
        }
        let words = name + counts + turned(fold(behind), self.question());
        Some(fold64(header + asked + u64::from(words)) == 0xffff)
    }

    /// Makes the message the reply, which `message` has room for and not more. The sums of the words that only the query had and
    /// that only the reply has, UDP's length in both headers included; none where the message is another.
    #[inline(always)]
    pub fn answer(
        &self,
        zones: &Zones,
        found: &Found<'_>,
        message: &mut [u8],
        turn: u32,
    ) -> Option<(u32, u32)> {
        let start = self.question();
        let (question, behind) = message.split_at_mut_checked(start)?;
        let (records, opt) = behind.split_at_mut_checked(found.length())?;
        let (mut additional, sum, counts);
        match found.records {
            Records::Set(set) => {
                counts = u64::from(set.answers().swap_bytes()) << 32;
                (additional, sum) = (set.additional(), set.sum());
                put(records, &set, turn)?;
            }
            Records::Nothing(zone_len) | Records::Missing(zone_len) => {
                counts = 1 << 56;
                (additional, sum) = (0, put_soa(records, zones, start, zone_len)?);
            }
        }
        let (mut gone, mut come) = (0, u32::from(sum));
        if let Some(opt) = opt.first_chunk_mut() {
            let size = zones.fixed.max_udp;
            let [high, low] = size.to_be_bytes();
            *opt = [0, 0, 41, high, low, 0, 0, u8::from(self.dnssec) << 7, 0, 0, 0];
            // It moves, and says what we take. The message had one before: it is no change in the counts.
            gone += turned(fold(opt_sum(self.size, self.dnssec)), start);
            come += turned(fold(opt_sum(size, self.dnssec)), start + records.len());
            additional += 1;
        }
        let header = question.first_chunk_mut::<HEADER>()?;
        let [id0, id1, asked0, asked1, ..] = *header;
        let asked = u16::from_le_bytes([asked0, asked1]);
        // An authoritative answer; whether recursion is desired and checking disabled is copied.
        let flags = 0x0084 | asked & 0x1001 | u16::from(found.rcode()) << 8;
        gone += u32::from(asked);
        come += u32::from(flags);
        let [c, d, e, f, g, h, i, j] = (u64::from(flags) | 1 << 24 | counts).to_le_bytes();
        let [a, b] = additional.to_be_bytes();
        *header = [id0, id1, c, d, e, f, g, h, i, j, a, b];
        Some((gone, come))
    }
}

/// What there is of a name without records of a type.
#[inline(never)]
fn nothing(node: &Node, kind: u16) -> Option<Records<'static>> {
    let transfer = matches!(kind, kind::AXFR | kind::IXFR);
    let plain =
        !transfer && !matches!(node.role(), Role::Apex | Role::External) && node.set(kind::CNAME).is_none();
    plain.then(|| Records::Nothing(node.zone_len()))
}

/// What there is of a name that the table does not have. Nobody has looked at its labels yet.
#[inline(never)]
fn missing(zones: &Zones, name: &[u8], kind: u16) -> Option<Records<'static>> {
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
    // Names that are not in the table, and exist: of pods, of ports spelled without their underscores, and by zone.
    let pod = fixed.pods && last.eq_ignore_ascii_case(b"pod");
    let port = count == 5 && matches!(protocol.len(), 3..=5);
    let zonal = fixed.zonal && count > 5;
    (at == end && !pod && !port && !zonal).then_some(Records::Missing(zone.len()))
}

/// Writes a set, from a different record on each time.
#[inline(always)]
fn put(place: &mut [u8], set: &Set<'_>, turn: u32) -> Option<()> {
    if set.stride() != 0 {
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
    fold(turned(sum(records) as u16, start) + count + 2 * records.len() as u32).swap_bytes()
}

/// The sum of bytes that begin at `at`, where it is `sum` for an even place.
#[inline(always)]
fn turned(sum: u16, at: usize) -> u32 {
    u32::from(sum.rotate_left((at as u32 & 1) * 8))
}

/// The sum of an OPT record that begins at an even place, where its size lies across two words: the lowest byte first.
#[inline(always)]
fn opt_sum(size: u16, dnssec: bool) -> u32 {
    41 + u32::from(size) + (u32::from(dnssec) << 15)
}
