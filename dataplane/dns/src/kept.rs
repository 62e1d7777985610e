//! Answers of the resolver that are kept where queries come in, so that the next query for the same is answered there.
//!
//! One lcore's, and of a fixed size. What is kept is a reply as the resolver sent it, for as long as its records' shortest TTL;
//! TTLs count down. Names of our zones are never kept: they are answered from tables that are never stale. The resolver has
//! seen to what may be believed (`docs/resolver.md`).

use sluice_memory::Storage;
use sluice_memory::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::answer::{Asked, terms};
use crate::name;
use crate::query::{HEADER, IN, Query, kind, parse, rcode};
use crate::reply::{Reply, owner_len, record_len};
use crate::zones::Zones;

/// Answers kept at most: more than a resolver's cache holds of either kind by itself, so that what it has need not be asked
/// of it. Their memory, 600 bytes each, is taken page by page as it is written.
const ENTRIES: usize = 32_768;
/// Places that an answer may have.
const WAYS: usize = 4;
/// Bytes of a reply that is kept, from its header to its OPT record; longer ones stay the resolver's.
const ROOM: usize = 512;
/// Records of a reply that is kept.
const RECORDS: usize = 24;
/// Milliseconds after a change of the settings in which nothing is kept: they come to the resolver by a way of their own, and
/// it may still answer by the former ones.
const QUIET: u64 = 3_000;

/// The answers.
#[derive(Debug, Default)]
pub struct Kept {
    /// None before the first answer.
    entries: Option<Storage<Entry>>,
    /// The settings that they came under; 0 before any.
    era: u64,
    /// Before this time nothing is kept, in milliseconds of the monotonic clock.
    quiet: u64,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C)]
struct Entry {
    hash: u64,
    /// Milliseconds of the monotonic clock.
    since: u64,
    /// Seconds, 0 for none.
    ttl: u32,
    /// The settings that it came under.
    era: u32,
    query: Key,
    /// The second word of the header.
    flags: u16,
    length: u16,
    counts: [u16; 3],
    /// Not 0: the resolver is being asked again.
    renewing: u16,
    /// Where the TTLs are.
    ttls: [u16; RECORDS],
    reply: [u8; ROOM],
}

/// What makes two queries the same, but for the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C)]
struct Key {
    kind: u16,
    name_len: u8,
    /// [`DNSSEC`] and [`CHECKING_DISABLED`].
    bits: u8,
}

/// The client takes DNSSEC's records (DO).
const DNSSEC: u8 = 1;
/// The client checks signatures itself (CD).
const CHECKING_DISABLED: u8 = 2;

impl Key {
    fn of(query: &Query, message: &[u8], dnssec: bool) -> Self {
        let disabled = message.get(3).is_some_and(|flags| flags & 0x10 != 0);
        let bits = if dnssec { DNSSEC } else { 0 } | if disabled { CHECKING_DISABLED } else { 0 };
        Self { kind: query.kind, name_len: query.name_len, bits }
    }
}

impl Entry {
    /// Seconds that are left, at this time; none of what came under other settings.
    fn left(&self, era: u32, now: u64) -> u32 {
        if self.era != era {
            return 0;
        }
        let age = now.saturating_sub(self.since) / 1000;
        self.ttl.saturating_sub(u32::try_from(age).unwrap_or(u32::MAX))
    }

    fn name(&self) -> &[u8] {
        self.reply.get(HEADER..HEADER + usize::from(self.query.name_len)).unwrap_or_default()
    }
}

/// What a reply consists of.
struct Reading {
    query: Query,
    dnssec: bool,
    counts: [u16; 3],
    ttl: u32,
    ttls: [u16; RECORDS],
    /// Its length without the OPT record.
    length: usize,
}

impl Kept {
    /// Keeps a reply of the resolver's, if it may be. `now` is the monotonic clock's, in milliseconds.
    pub fn keep(&mut self, zones: &Zones, message: &[u8], now: u64) {
        if !zones.keeps() {
            return;
        }
        let Some(reading) = read(message) else { return };
        let name = reading.query.name(message);
        if reading.ttl == 0 || !zones.keeps_of(name) {
            return;
        }
        self.settle(zones, now);
        if now < self.quiet {
            return;
        }
        if self.entries.is_none() {
            // Without memory nothing is kept, and everything is answered as before.
            self.entries = Storage::anonymous(ENTRIES).ok();
        }
        let hash = zones.hash(name);
        let key = Key::of(&reading.query, message, reading.dnssec);
        let era = self.era as u32;
        let Some(places) = self.places(hash) else { return };
        let same = |entry: &Entry| entry.hash == hash && entry.query == key;
        let place = match places.iter().position(same) {
            Some(place) => places.get_mut(place),
            None => places.iter_mut().min_by_key(|entry| entry.left(era, now)),
        };
        let Some(entry) = place else { return };
        let Some((from, to)) = message.get(..reading.length).zip(entry.reply.get_mut(..reading.length))
        else {
            return;
        };
        to.copy_from_slice(from);
        // Lengths are below any letter.
        if let Some(name) = to.get_mut(HEADER..HEADER + usize::from(key.name_len)) {
            name.make_ascii_lowercase();
        }
        (entry.hash, entry.since, entry.ttl, entry.query) = (hash, now, reading.ttl, key);
        (entry.counts, entry.ttls, entry.length) = (reading.counts, reading.ttls, reading.length as u16);
        (entry.era, entry.renewing) = (era, 0);
        entry.flags = message.first_chunk().map_or(0, |[_, _, a, b]| u16::from_be_bytes([*a, *b]));
    }

    /// Answers a query that the resolver would have to answer, in the buffer that it came in. The reply's length and code.
    ///
    /// In the last tenth of an answer's time one query goes on to the resolver, so that what is asked for often does not end.
    pub fn answer(
        &mut self,
        zones: &Zones,
        query: &Query,
        message: &mut [u8],
        asked: &Asked,
        now: u64,
    ) -> Option<(usize, u8)> {
        self.settle(zones, now);
        let name = query.name(message);
        let hash = zones.hash(name);
        let key = Key::of(query, message, query.edns.is_some_and(|edns| edns.dnssec));
        let same =
            |entry: &&mut Entry| entry.hash == hash && entry.query == key && name::equal(entry.name(), name);
        let era = self.era as u32;
        let entry = self.places(hash)?.iter_mut().find(same)?;
        let left = entry.left(era, now);
        if left == 0 {
            return None;
        }
        if left <= entry.ttl / 10 && entry.renewing == 0 {
            entry.renewing = 1;
            return None;
        }
        let gone = entry.ttl - left;
        let (limit, cookie) = terms(zones, query, message, asked);
        let mut reply = Reply::new(message, query, limit, zones.fixed.max_udp, cookie);
        if !reply.put_all(entry.counts, entry.reply.get(query.end()..usize::from(entry.length))?) {
            return None;
        }
        let rcode = entry.flags as u8 & 15;
        // Tables and rules of the resolver's are authoritative.
        let length = reply.finish(rcode, entry.flags & 0x0400 != 0);
        let records = entry.counts.iter().map(|count| usize::from(*count)).sum();
        for at in entry.ttls.iter().take(records) {
            let at = usize::from(*at);
            let Some(place) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else { continue };
            *place = u32::from_be_bytes(*place).saturating_sub(gone).to_be_bytes();
        }
        // Recursion was available; whether the data are authentic is for those who ask (RFC 6840, section 5.7).
        let authentic = if key.bits & DNSSEC != 0 { entry.flags as u8 & 0x20 } else { 0 };
        if let Some(flags) = message.get_mut(3) {
            *flags |= 0x80 | authentic;
        }
        Some((length, rcode))
    }

    /// Whether a query for the name, which is in wire form, would find an answer.
    pub fn has(&mut self, zones: &Zones, name: &[u8], kind: u16, now: u64) -> bool {
        let (hash, era) = (zones.hash(name), self.era as u32);
        let known = |entry: &Entry| {
            entry.hash == hash
                && entry.query.kind == kind
                && entry.left(era, now) > 0
                && name::equal(entry.name(), name)
        };
        self.era == zones.era() && self.places(hash).is_some_and(|places| places.iter().any(known))
    }

    /// Forgets all that came under other settings.
    fn settle(&mut self, zones: &Zones, now: u64) {
        if self.era != zones.era() {
            // The first settings follow no others.
            self.quiet = if self.era == 0 { 0 } else { now + QUIET };
            self.era = zones.era();
        }
    }

    fn places(&mut self, hash: u64) -> Option<&mut [Entry]> {
        let first = (hash >> 32) as usize % (ENTRIES / WAYS) * WAYS;
        self.entries.as_mut()?.get_mut(first..first + WAYS)
    }
}

/// Reads a reply; none where it is not one to keep.
fn read(message: &[u8]) -> Option<Reading> {
    let header: &[u8; HEADER] = message.first_chunk()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let code = header[3] & 15;
    // A whole answer to a query, which is or is not there. Without RD and RA nobody else was asked: it is less than there is, or of
    // a zone of the resolver's own, which may change at any time.
    let asked = header[2] & 1 != 0 && header[3] & 0x80 != 0;
    if header[2] & 0xfa != 0x80
        || !asked
        || !matches!(code, rcode::NOERROR | rcode::NXDOMAIN)
        || count(4) != 1
    {
        return None;
    }
    let query = question(message)?;
    let mut reading = Reading {
        query,
        dnssec: false,
        counts: [count(6), count(8), count(10)],
        ttl: u32::MAX,
        ttls: [0; RECORDS],
        length: query.end(),
    };
    let records = reading.counts.iter().map(|count| usize::from(*count)).sum::<usize>();
    for n in 0..records {
        let rest = message.get(reading.length..)?;
        let (length, owner) = (record_len(rest)?, owner_len(rest)?);
        let [a, b, _, _, ttl @ ..] = *rest.get(owner..)?.first_chunk::<8>()?;
        if u16::from_be_bytes([a, b]) == kind::OPT {
            // Nothing of the code is in it, and it is the last one.
            if n + 1 != records || reading.counts[2] == 0 || ttl[..2] != [0; 2] {
                return None;
            }
            reading.dnssec = ttl[2] & 0x80 != 0;
            reading.counts[2] -= 1;
            break;
        }
        *reading.ttls.get_mut(n)? = (reading.length + owner + 4) as u16;
        reading.ttl = reading.ttl.min(u32::from_be_bytes(ttl));
        reading.length += length;
        if reading.length > message.len() {
            return None;
        }
    }
    let any = reading.counts.iter().any(|count| *count > 0);
    (any && reading.length <= ROOM && query.class == IN && reading.ttl < 1 << 31).then_some(reading)
}

/// The question of a reply.
fn question(message: &[u8]) -> Option<Query> {
    let mut start = [0; HEADER + name::MAX_NAME + 4];
    let length = message.len().min(start.len());
    start.get_mut(..length)?.copy_from_slice(message.get(..length)?);
    // As if it were a query, and nothing followed.
    start[2] = 0;
    start[6..HEADER].fill(0);
    parse(start.get(..length)?).ok()
}
