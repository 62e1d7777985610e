//! A reply under construction in the buffer that the query came in: the question stays, everything behind it is ours.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::node::{Node, Set};
use crate::query::{Edns, Query, kind, rcode};
use crate::soa::{Relative, Soa};

/// Bytes of an OPT record without options.
const OPT: usize = 11;
/// A whole cookie: the client's 8 bytes and ours (RFC 9018, section 4).
const COOKIE: usize = 24;
/// A section of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// What becomes of the owners of records that are appended, where they are pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// They stay.
    Same,
    /// They become this pointer.
    Pointer([u8; 2]),
    /// What they point to has moved by so many bytes.
    Moved(u16),
}

impl Owner {
    /// The pointer, or what else the owner begins with; none where no pointer leads as far (RFC 1035, section 4.1.4).
    fn of(self, stored: [u8; 2]) -> Option<[u8; 2]> {
        match self {
            Self::Pointer(pointer) => Some(pointer),
            Self::Moved(by) if stored[0] >= 0xc0 => {
                let offset = (u16::from_be_bytes(stored) & 0x3fff).wrapping_add(by);
                (offset < 0x4000).then(|| (0xc000 | offset).to_be_bytes())
            }
            Self::Same | Self::Moved(_) => Some(stored),
        }
    }
}

/// The reply so far.
pub(crate) struct Reply<'m> {
    message: &'m mut [u8],
    at: usize,
    /// Where it must end, room for the OPT record already taken off.
    limit: usize,
    counts: [u16; 3],
    truncated: bool,
    opt: Option<Opt>,
}

/// The OPT record to come.
struct Opt {
    size: u16,
    dnssec: bool,
    cookie: Option<[u8; COOKIE]>,
}

impl Opt {
    fn len(&self) -> usize {
        OPT + self.cookie.map_or(0, |cookie| 4 + cookie.len())
    }
}

impl<'m> Reply<'m> {
    /// A reply to `query`, which `message` begins with; not longer than `limit`.
    #[inline]
    pub fn new(
        message: &'m mut [u8],
        query: &Query,
        limit: usize,
        size: u16,
        cookie: Option<[u8; COOKIE]>,
    ) -> Self {
        let opt = query.edns.map(|edns| Opt { size, dnssec: edns.dnssec, cookie });
        let limit = limit.min(message.len()) - opt.as_ref().map_or(0, Opt::len).min(limit.min(message.len()));
        Self { at: query.end(), message, limit, counts: [0; 3], truncated: false, opt }
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.at)
    }

    /// Where the next record begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What has been written so far, the query's question first.
    pub fn message(&mut self) -> &mut [u8] {
        self.message
    }

    /// Appends whole records; false where they do not fit.
    #[inline]
    pub fn put(&mut self, section: Section, records: u16, bytes: &[u8]) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        let end = self.at + bytes.len();
        if let Some(place) = self.message.get_mut(self.at..end) {
            match (place.as_chunks_mut::<16>(), bytes.as_chunks::<16>()) {
                // One address, mostly.
                (([one], []), ([from], [])) => *one = *from,
                _ => place.copy_from_slice(bytes),
            }
        }
        self.at = end;
        self.counts[section as usize] += records;
        true
    }

    /// Appends records of all sections, so many of each; false where they do not fit.
    pub fn put_all(&mut self, counts: [u16; 3], bytes: &[u8]) -> bool {
        let fits = self.put(Section::Answer, 0, bytes);
        if fits {
            self.counts = counts;
        }
        fits
    }

    /// Appends those of the records that fit; whether all did.
    pub fn put_some(&mut self, section: Section, bytes: &[u8], owner: Owner) -> bool {
        let mut bytes = bytes;
        while let Some(length) = record_len(bytes) {
            let Some((record, rest)) = bytes.split_at_checked(length) else { break };
            let start = self.at;
            bytes = rest;
            // What cannot be named is left out: it only goes along.
            let Some(owner) = record.first_chunk().and_then(|stored| owner.of(*stored)) else { continue };
            if !self.put(section, 1, record) {
                return false;
            }
            if let Some(place) = self.message.get_mut(start..).and_then(|m| m.first_chunk_mut()) {
                *place = owner;
            }
        }
        true
    }

    /// Appends a set at another place than it was compiled for; whether all of it fits.
    pub fn put_elsewhere(&mut self, node: &Node, set: &Set<'_>, owner: Owner) -> bool {
        let compiled = crate::query::HEADER + node.name().len() + 4;
        let moved = Owner::Moved(self.at.wrapping_sub(compiled) as u16);
        if !self.put_some(Section::Answer, set.answer(), owner) {
            self.truncated = true;
            return false;
        }
        self.put_some(Section::Additional, set.glue(), moved)
    }

    /// The answer is not whole.
    pub fn truncate(&mut self) {
        self.truncated = true;
    }

    /// Appends the SOA record of the zone whose name stands at `zone` in the message.
    #[inline]
    pub fn soa(&mut self, section: Section, zone: usize, soa: &Soa) {
        if !self.put(section, 1, &soa.record(zone)) {
            self.truncated = true;
        }
    }

    /// As [`soa`](Self::soa), of a domain of external addresses.
    #[inline(never)]
    pub fn relative_soa(&mut self, section: Section, zone: usize, soa: &Relative, serial: u32) {
        let start = self.at;
        if !self.put(section, 1, soa.bytes()) {
            self.truncated = true;
        } else if let Some(copy) = self.message.get_mut(start..self.at) {
            soa.complete(copy, zone, serial);
        }
    }

    /// The length of a message that refuses the query, and says why to a client with EDNS (RFC 8914).
    pub fn refuse(self, reason: u16) -> usize {
        self.told(rcode::REFUSED, false, reason, &[])
    }

    /// As [`finish`](Self::finish), with an extended error for a client with EDNS: its code, and words.
    #[inline(never)]
    pub fn told(self, rcode: u8, authoritative: bool, reason: u16, words: &[u8]) -> usize {
        const OPTION: u16 = 15;
        let (opt, said) = (self.at, self.opt.is_some());
        let most = self.limit + self.opt.as_ref().map_or(0, Opt::len);
        let Self { message, at, limit, counts, truncated, opt: options } = self;
        let reply = Reply { message: &mut *message, at, limit, counts, truncated, opt: options };
        let length = reply.finish(rcode, authoritative);
        let [[a, b], [e, f], [c, d]] = [OPTION, 2 + words.len() as u16, reason].map(u16::to_be_bytes);
        let option = [a, b, e, f, c, d];
        let end = length + option.len() + words.len();
        // Nothing is left out for it (RFC 8914, section 3).
        if !said || end > message.len().min(most) {
            return length;
        }
        // The OPT record is the last one, and the option its last.
        if let Some(data) = message.get_mut(opt + 9..).and_then(|rest| rest.first_chunk_mut::<2>()) {
            *data = (u16::from_be_bytes(*data) + (end - length) as u16).to_be_bytes();
        }
        if let Some(place) = message.get_mut(length..end) {
            let (head, tail) = place.split_at_mut(option.len().min(place.len()));
            head.copy_from_slice(&option);
            tail.copy_from_slice(words);
        }
        end
    }

    /// The whole message's length, header and OPT record written.
    #[inline]
    pub fn finish(mut self, rcode: u8, authoritative: bool) -> usize {
        let mut additional = self.counts[Section::Additional as usize];
        if let Some(opt) = self.opt.take() {
            additional += 1;
            let [size_high, size_low] = opt.size.to_be_bytes();
            let mut bytes = [0; OPT + 4 + COOKIE];
            bytes[2] = kind::OPT as u8;
            bytes[3] = size_high;
            bytes[4] = size_low;
            bytes[5] = rcode >> 4;
            bytes[7] = u8::from(opt.dnssec) << 7;
            if let Some(cookie) = opt.cookie {
                bytes[10] = 4 + COOKIE as u8;
                bytes[12] = 10;
                bytes[14] = COOKIE as u8;
                bytes[15..].copy_from_slice(&cookie);
            }
            let place = self.message.get_mut(self.at..).unwrap_or_default();
            // Of a length that is known the compiler makes a few moves.
            if opt.cookie.is_none() {
                if let (Some(place), Some(plain)) =
                    (place.first_chunk_mut::<OPT>(), bytes.first_chunk::<OPT>())
                {
                    *place = *plain;
                    self.at += OPT;
                }
            } else if let Some(place) = place.first_chunk_mut::<{ OPT + 4 + COOKIE }>() {
                *place = bytes;
                self.at += bytes.len();
            }
        }
        if let Some(header) = self.message.first_chunk_mut::<12>() {
            header[2] = 0x80 | u8::from(authoritative) << 2 | u8::from(self.truncated) << 1 | header[2] & 1;
            header[3] = header[3] & 0x10 | rcode & 15;
            header[6..8].copy_from_slice(&self.counts[0].to_be_bytes());
            header[8..10].copy_from_slice(&self.counts[1].to_be_bytes());
            header[10..12].copy_from_slice(&additional.to_be_bytes());
        }
        self.at
    }
}

/// The length of the name that `bytes` begin with.
pub(crate) fn owner_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length < 64 => at += usize::from(length) + 1,
            _ => return Some(at + 2),
        }
    }
}

/// The length of the record that `bytes` begin with.
pub(crate) fn record_len(bytes: &[u8]) -> Option<usize> {
    let at = owner_len(bytes)?;
    let length = bytes.get(at + 8..at + 10)?;
    Some(at + 10 + usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// A reply of the header alone, to what could not be understood.
pub(crate) fn header_only(message: &mut [u8], rcode: u8) -> usize {
    let Some(header) = message.first_chunk_mut::<12>() else { return 0 };
    header[2] = 0x80 | header[2] & 0x79;
    header[3] = header[3] & 0x10 | rcode & 15;
    header[4..].fill(0);
    12
}

/// The cookie that a client is given for its own (RFC 9018, section 4), and whether it showed one that is ours and fresh.
pub(crate) fn cookie(
    message: &[u8],
    edns: &Edns,
    key: &[u8; 16],
    client: IpAddr,
    now: u32,
) -> Option<([u8; COOKIE], bool)> {
    let (at, length) = edns.cookie?;
    let shown = message.get(usize::from(at)..usize::from(at) + usize::from(length))?;
    let mut whole = [0; COOKIE];
    whole[..8].copy_from_slice(shown.get(..8)?);
    whole[8] = 1;
    let mut valid = false;
    if let Some(ours) = shown.get(8..COOKIE).filter(|_| shown.len() == COOKIE) {
        let time = u32::from_be_bytes([ours[4], ours[5], ours[6], ours[7]]);
        let age = now.wrapping_sub(time) as i32;
        whole[8..16].copy_from_slice(&ours[..8]);
        // Good for an hour, and for five minutes of clocks that differ (RFC 9018, section 4.3).
        valid = ours[0] == 1 && (-300..=3600).contains(&age) && ours[8..] == seal(&whole[..16], key, client);
        whole[9..12].fill(0);
        whole[8] = 1;
    }
    whole[12..16].copy_from_slice(&now.to_be_bytes());
    let sealed = seal(&whole[..16], key, client);
    whole[16..].copy_from_slice(&sealed);
    Some((whole, valid))
}

fn seal(what: &[u8], key: &[u8; 16], client: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(what);
    match client {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9018, appendix A.1.
    #[test]
    fn cookies_are_those_of_the_rfc() {
        let key =
            [0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf];
        let client = "198.51.100.100".parse().unwrap();
        let shown = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];
        let edns = Edns { cookie: Some((0, 8)), ..Edns::default() };
        let (cookie, valid) = cookie(&shown, &edns, &key, client, 1_559_731_985).unwrap();
        assert!(!valid);
        let ours = [0x01, 0, 0, 0, 0x5c, 0xf7, 0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80];
        assert_eq!(cookie, [&shown[..], &ours].concat()[..]);

        // What was given is taken back, until it is too old, from somebody else, or changed.
        let edns = Edns { cookie: Some((0, 24)), ..Edns::default() };
        let check = |bytes: &[u8], client: &str, now| {
            super::cookie(bytes, &edns, &key, client.parse().unwrap(), now).unwrap().1
        };
        assert!(check(&cookie, "198.51.100.100", 1_559_731_985 + 3600));
        assert!(check(&cookie, "198.51.100.100", 1_559_731_985 - 300));
        assert!(!check(&cookie, "198.51.100.100", 1_559_731_985 + 3601));
        assert!(!check(&cookie, "198.51.100.101", 1_559_731_985));
        for byte in 0..24 {
            let mut changed = cookie;
            changed[byte] ^= 1;
            assert!(!check(&changed, "198.51.100.100", 1_559_731_985), "byte {byte}");
        }
    }
}
