//! What a message asks: a bounded parse of header, question and EDNS (RFC 1035, section 4; RFC 6891).
//!
//! Nothing of a query's answer and authority sections is ever looked at but to find the OPT record behind them.

/// Bytes of a message's header.
pub const HEADER: usize = 12;
/// Longer queries over UDP are not parsed: no resolver sends them.
pub const MAX_QUERY: usize = 1232;

/// Types of records (RFC 1035, section 3.2.2, and IANA's registry).
pub mod kind {
    #![allow(missing_docs)]
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const OPT: u16 = 41;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
}

/// Response codes (RFC 1035, section 4.1.1; RFC 6891).
pub mod rcode {
    #![allow(missing_docs)]
    pub const NOERROR: u8 = 0;
    pub const FORMERR: u8 = 1;
    pub const SERVFAIL: u8 = 2;
    pub const NXDOMAIN: u8 = 3;
    pub const NOTIMP: u8 = 4;
    pub const REFUSED: u8 = 5;
    pub const BADVERS: u8 = 16;
}

/// Why a query is refused, or answered so, as clients with EDNS are told (RFC 8914, section 4).
pub mod reason {
    #![allow(missing_docs)]
    pub const OTHER: u16 = 0;
    pub const STALE: u16 = 3;
    pub const PROHIBITED: u16 = 18;
    pub const STALE_NXDOMAIN: u16 = 19;
    pub const NOT_AUTHORITATIVE: u16 = 20;
    pub const NOT_SUPPORTED: u16 = 21;
}

/// Class IN.
pub const IN: u16 = 1;
const COOKIE: u16 = 10;
const NSID: u16 = 3;

/// A question that can be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Bytes of the name, the root's label included.
    pub name_len: u8,
    /// Labels of the name, the root's not counted.
    pub labels: u8,
    /// QTYPE.
    pub kind: u16,
    /// QCLASS.
    pub class: u16,
    /// The OPT record.
    pub edns: Option<Edns>,
}

impl Query {
    /// Where the question ends.
    #[inline(always)]
    pub fn end(&self) -> usize {
        HEADER + usize::from(self.name_len) + 4
    }

    /// The name in the message it was parsed from.
    #[inline(always)]
    pub fn name<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(HEADER..HEADER + usize::from(self.name_len)).unwrap_or_default()
    }
}

/// What a client says by EDNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    /// The largest reply it takes over UDP, as it says.
    pub size: u16,
    /// The version; ours is 0.
    pub version: u8,
    /// DNSSEC OK.
    pub dnssec: bool,
    /// Where the data of its COOKIE option is in the message, and how long (RFC 7873).
    pub cookie: Option<(u16, u8)>,
    /// It asks who answers (RFC 5001).
    pub nsid: bool,
}

/// Why a message is no question that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// Too short for a header, or itself an answer: silence, since an answer could start a loop.
    Silence,
    /// Answered with this code and nothing but the header.
    Code(u8),
}

/// Whether a message says that a zone has changed (RFC 1996).
pub(crate) fn is_notify(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0xf8 == 0x20)
}

/// Parses a message.
///
/// # Errors
/// [`Unanswerable`], for what breaks the format's rules or asks for something else than a query.
#[inline]
pub fn parse(message: &[u8]) -> Result<Query, Unanswerable> {
    const FORMERR: Unanswerable = Unanswerable::Code(rcode::FORMERR);
    let Some((header, rest)) = message.split_first_chunk::<HEADER>() else {
        return Err(Unanswerable::Silence);
    };
    if header[2] & 0x80 != 0 {
        return Err(Unanswerable::Silence);
    }
    if header[2] & 0x78 != 0 {
        return Err(Unanswerable::Code(rcode::NOTIMP));
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (answers, authorities, additional) = (count(6), count(8), count(10));
    if count(4) != 1 || answers > 1 || authorities > 1 || additional > 2 {
        return Err(FORMERR);
    }
    let (mut at, mut labels) = (0, 0);
    loop {
        // Neither a pointer, which has nothing to point to, nor a longer label has the two high bits clear.
        match rest.get(at) {
            Some(0) => break,
            Some(&length) if length < 64 => {
                at += usize::from(length) + 1;
                labels += 1;
            }
            _ => return Err(FORMERR),
        }
        if at >= crate::name::MAX_NAME {
            return Err(FORMERR);
        }
    }
    at += 1;
    let Some((question, rest)) = rest.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) else {
        return Err(FORMERR);
    };
    let mut query = Query {
        name_len: at as u8,
        labels,
        kind: u16::from_be_bytes([question[0], question[1]]),
        class: u16::from_be_bytes([question[2], question[3]]),
        edns: None,
    };
    // The usual OPT stands alone behind the question.
    if u32::from(answers) + u32::from(authorities) + u32::from(additional) > 0 {
        let mut rest = rest;
        for _ in 0..answers + authorities {
            let (kind, _, _, after) = record(rest).ok_or(FORMERR)?;
            if kind == kind::OPT {
                return Err(FORMERR);
            }
            rest = after;
        }
        for _ in 0..additional {
            let (kind, root, fields, after) = record(rest).ok_or(FORMERR)?;
            if kind == kind::OPT {
                if query.edns.is_some() || !root {
                    return Err(FORMERR);
                }
                query.edns = Some(edns(fields, message.len() - after.len()).ok_or(FORMERR)?);
            }
            rest = after;
        }
    }
    Ok(query)
}

/// A record's type, whether its owner is the root, its class, TTL, length and data, and what follows.
#[inline]
fn record(bytes: &[u8]) -> Option<(u16, bool, &[u8], &[u8])> {
    let mut at = 0;
    let root = bytes.first() == Some(&0);
    loop {
        match *bytes.get(at)? {
            0 => {
                at += 1;
                break;
            }
            length if length < 64 => at += usize::from(length) + 1,
            // A pointer ends a name; where it leads does not matter here.
            length if length >= 0xc0 => {
                at += 2;
                break;
            }
            _ => return None,
        }
        if at > crate::name::MAX_NAME {
            return None;
        }
    }
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<10>()?;
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let (_, after) = rest.split_at_checked(length)?;
    Some((u16::from_be_bytes([head[0], head[1]]), root, bytes.get(at + 2..at + 10 + length)?, after))
}

/// An OPT record from its class on; `end` is where it ends in the message.
#[inline]
fn edns(fields: &[u8], end: usize) -> Option<Edns> {
    let (head, mut options) = fields.split_first_chunk::<8>()?;
    let mut edns = Edns {
        size: u16::from_be_bytes([head[0], head[1]]),
        version: head[3],
        dnssec: head[4] & 0x80 != 0,
        cookie: None,
        nsid: false,
    };
    while !options.is_empty() {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (data, after) = rest.split_at_checked(length)?;
        match u16::from_be_bytes([head[0], head[1]]) {
            // 8 bytes of the client's, and 8 to 32 of ours; anything else is a format error (RFC 7873, section 5.2.2).
            COOKIE if edns.cookie.is_none() => {
                if length != 8 && !(16..=40).contains(&length) {
                    return None;
                }
                edns.cookie = Some(((end - after.len() - data.len()) as u16, length as u8));
            }
            NSID => edns.nsid = true,
            _ => {}
        }
        options = after;
    }
    Some(edns)
}
