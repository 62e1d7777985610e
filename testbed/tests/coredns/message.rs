//! Queries to the byte, and replies as what they say: all flags, all records with the case of their names, in no order.

/// Types asked for.
pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const PTR: u16 = 12;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const DNAME: u16 = 39;
pub const DS: u16 = 43;
pub const SVCB: u16 = 64;
pub const HTTPS: u16 = 65;
pub const ANY: u16 = 255;
const OPT: u16 = 41;

pub const IN: u16 = 1;
pub const CH: u16 = 3;

pub const NOERROR: u16 = 0;
pub const SERVFAIL: u16 = 2;
pub const NXDOMAIN: u16 = 3;
pub const REFUSED: u16 = 5;

/// What is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// With the last dot, in the case it is asked in.
    pub name: String,
    pub kind: u16,
    pub class: u16,
    /// RD, AD and CD.
    pub flags: [bool; 3],
    /// Size and DO of EDNS.
    pub edns: Option<(u16, bool)>,
    pub tcp: bool,
}

impl Query {
    pub fn bytes(&self, id: u16) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        let [rd, ad, cd] = self.flags.map(u8::from);
        bytes.extend([rd, ad << 5 | cd << 4, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend([self.kind.to_be_bytes(), self.class.to_be_bytes()].concat());
        if let Some((size, dnssec)) = self.edns {
            let [high, low] = size.to_be_bytes();
            bytes.extend([0, 0, OPT as u8, high, low, 0, 0, u8::from(dnssec) << 7, 0, 0, 0]);
        }
        bytes
    }

    pub fn lowered(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Whether the name ends with this one, in any case.
    pub fn within(&self, zone: &str) -> bool {
        self.lowered().strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The labels before `zone`, in lower case.
    pub fn labels(&self, zone: &str) -> Vec<String> {
        let lowered = self.lowered();
        let rest = lowered.strip_suffix(zone).unwrap_or_default();
        rest.split('.').filter(|label| !label.is_empty()).map(str::to_owned).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub owner: String,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub data: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    pub size: u16,
    pub version: u8,
    pub flags: u16,
    pub options: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The header's second word without TC and the code.
    pub flags: u16,
    pub tc: bool,
    pub rcode: u16,
    /// The question as it stands.
    pub question: String,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    pub additional: Vec<Record>,
    pub opt: Vec<Opt>,
    /// Bytes of the message.
    pub length: usize,
}

pub const AA: u16 = 1 << 10;
pub const RA: u16 = 1 << 7;

impl Reply {
    /// `None` where the message breaks the format's rules.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let word = half(2)?;
        let mut at = 12;
        let mut question = String::new();
        for _ in 0..half(4)? {
            let (name, end) = name(bytes, at)?;
            question += &format!("{name} {} {}", half(end)?, half(end + 2)?);
            at = end + 4;
        }
        let mut this = Self {
            flags: word & !0x020f,
            tc: word & 0x0200 != 0,
            rcode: word & 15,
            question,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            opt: Vec::new(),
            length: bytes.len(),
        };
        for section in 0..3 {
            for _ in 0..half(6 + 2 * section)? {
                let (owner, end) = name(bytes, at)?;
                let (kind, class) = (half(end)?, half(end + 2)?);
                let ttl = u32::from(half(end + 4)?) << 16 | u32::from(half(end + 6)?);
                let start = end + 10;
                at = start + usize::from(half(end + 8)?);
                if kind == OPT {
                    this.rcode |= (ttl >> 20) as u16 & 0xff0;
                    let options = bytes.get(start..at)?.to_vec();
                    this.opt.push(Opt {
                        size: class,
                        version: (ttl >> 16) as u8,
                        flags: ttl as u16,
                        options,
                    });
                    continue;
                }
                let data = data(bytes, kind, start, at)?;
                let list = [&mut this.answer, &mut this.authority, &mut this.additional];
                let [answer, authority, additional] = list;
                [answer, authority, additional][section].push(Record { owner, kind, class, ttl, data });
            }
        }
        for list in [&mut this.answer, &mut this.authority, &mut this.additional] {
            list.sort();
        }
        (at == bytes.len()).then_some(this)
    }

    pub fn is_negative(&self, rcode: u16) -> bool {
        self.rcode == rcode
            && self.answer.is_empty()
            && matches!(self.authority.as_slice(), [soa] if soa.kind == SOA)
            && self.additional.is_empty()
    }
}

/// Data as text; names in them uncompressed, and the serial of a SOA record, which is a time, left out.
fn data(bytes: &[u8], kind: u16, start: usize, end: usize) -> Option<String> {
    let hex = |from: usize, to: usize| {
        Some(bytes.get(from..to)?.iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    match kind {
        NS | CNAME | PTR | DNAME => {
            let (name, after) = name(bytes, start)?;
            (after == end).then_some(name)
        }
        SRV => {
            let (name, after) = name(bytes, start + 6)?;
            (after == end).then_some(format!("{} {name}", hex(start, start + 6)?))
        }
        MX => {
            let (name, after) = name(bytes, start + 2)?;
            (after == end).then_some(format!("{} {name}", hex(start, start + 2)?))
        }
        SOA => {
            let (server, after) = name(bytes, start)?;
            let (operator, after) = name(bytes, after)?;
            (after + 20 == end).then_some(format!("{server} {operator} {}", hex(after + 4, end)?))
        }
        A => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(start..end)?).ok()?).to_string()),
        AAAA => {
            Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(start..end)?).ok()?).to_string())
        }
        _ => hex(start, end),
    }
}

/// A name, and where what follows it stands.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut text, mut end) = (String::new(), None);
    loop {
        match *bytes.get(at)? {
            0 => break,
            high @ 0xc0.. => {
                let to = usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                end = end.or(Some(at + 2));
                // Backwards only, so that this ends.
                if to >= at {
                    return None;
                }
                at = to;
            }
            length => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                text += &label.iter().map(|b| char::from(*b)).collect::<String>();
                text.push('.');
                at += usize::from(length) + 1;
            }
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    Some((text, end.unwrap_or(at + 1)))
}
