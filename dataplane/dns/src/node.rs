//! One name with everything there is to say of it, compiled to wire form: what a query needs lies in one piece of memory.
//!
//! Record sets are stored as they are sent: each record's owner is a pointer to the question's name (RFC 1035, section
//! 4.1.4), so that a client sees its own case, and records that belong together follow each other, answers first.

use std::fmt;

use sluice_wire::checksum;
use triomphe::ThinArc;

use crate::name::{self, Name, Seed};
use crate::usual;

/// Bytes of a record set's entry in the directory.
const ENTRY: usize = 20;
/// No message carries more.
pub(crate) const MOST: usize = u16::MAX as usize;

/// What is in front of a node's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    hash: u64,
    /// Of the name's words, where it begins at an even place, the lowest byte first (RFC 1071).
    sum: u16,
    name_len: u8,
    zone_len: u8,
    role: Role,
    sets: u8,
}

/// What a name is besides its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A name like any other.
    #[default]
    Plain,
    /// The top of a zone, which has the SOA record.
    Apex,
    /// A name of a domain of external addresses: its SOA record, and that of its top, is another.
    External,
    /// `namespace.pod.zone` where any address has a name below it.
    Pods,
    /// A headless Service of which any topology zone has names below it.
    Zonal,
}

/// A name and its records; cheap to clone, the size of a pointer.
#[derive(Clone, PartialEq, Eq)]
pub struct Node(ThinArc<Head, u8>);

/// The records of one type. Its parts are read where they are used: a query needs few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'n> {
    entry: &'n [u8; ENTRY],
    /// The answers, and the additional records behind them.
    pub records: &'n [u8],
}

impl<'n> Set<'n> {
    /// Records that answer the question.
    #[inline(always)]
    pub fn answers(&self) -> u16 {
        self.half(2)
    }

    /// Records that save the client the next question.
    #[inline(always)]
    pub fn additional(&self) -> u16 {
        self.half(4)
    }

    /// Length of each answer where all are alike and may change places; 0 where not.
    #[inline(always)]
    pub fn stride(&self) -> u16 {
        self.half(6)
    }

    /// What the records change in the Internet checksum of a datagram that was a question for this name: their sum (RFC
    /// 1071), that of the header's counts, and twice their length, which UDP has in two headers; of words with the lowest byte
    /// first.
    #[inline(always)]
    pub fn sum(&self) -> u16 {
        self.half(18)
    }

    /// The answers.
    #[inline(always)]
    pub fn answer(&self) -> &'n [u8] {
        self.records.get(..usize::from(self.half(12))).unwrap_or_default()
    }

    /// The additional records.
    #[inline(always)]
    pub fn glue(&self) -> &'n [u8] {
        self.records.get(usize::from(self.half(12))..).unwrap_or_default()
    }

    #[inline(always)]
    fn half(&self, at: usize) -> u16 {
        half(self.entry, at)
    }
}

#[inline(always)]
fn half(entry: &[u8; ENTRY], at: usize) -> u16 {
    u16::from_le_bytes([entry[at], entry[at + 1]])
}

#[inline(always)]
fn word(entry: &[u8; ENTRY], at: usize) -> usize {
    u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]) as usize
}

impl Node {
    /// Where its memory begins.
    #[inline(always)]
    pub fn address(&self) -> *const u8 {
        self.0.heap_ptr().cast()
    }

    /// The hash of its name.
    #[inline(always)]
    pub fn hash(&self) -> u64 {
        self.0.header.header.hash
    }

    /// What it is besides its records.
    #[inline]
    pub fn role(&self) -> Role {
        self.0.header.header.role
    }

    /// Length of the name of the zone it is in.
    #[inline(always)]
    pub fn zone_len(&self) -> usize {
        usize::from(self.0.header.header.zone_len)
    }

    /// The name of the zone it is in.
    pub fn zone(&self) -> &[u8] {
        let name = self.name();
        name.get(name.len().saturating_sub(self.zone_len())..).unwrap_or_default()
    }

    /// Whether it is the top of its zone.
    #[inline]
    pub fn is_top(&self) -> bool {
        match self.role() {
            Role::Apex => true,
            Role::External => self.name().len() == self.zone_len(),
            Role::Plain | Role::Pods | Role::Zonal => false,
        }
    }

    /// Its name, in lower case.
    #[inline(always)]
    pub fn name(&self) -> &[u8] {
        let head = &self.0.header.header;
        let start = usize::from(head.sets) * ENTRY;
        self.0.slice.get(start..start + usize::from(head.name_len)).unwrap_or_default()
    }

    /// What the name adds to the sum of a message that asks for it in lower case, of words with the lowest byte first.
    #[inline(always)]
    pub fn sum(&self) -> u16 {
        self.0.header.header.sum
    }

    /// The records of a type.
    #[inline(always)]
    pub fn set(&self, kind: u16) -> Option<Set<'_>> {
        let mut entries = self.0.slice.get(..usize::from(self.0.header.header.sets) * ENTRY)?;
        while let Some((entry, rest)) = entries.split_first_chunk::<ENTRY>() {
            if half(entry, 0) == kind {
                return self.read(entry);
            }
            entries = rest;
        }
        None
    }

    /// All types that there are records of.
    pub fn kinds(&self) -> impl Iterator<Item = u16> + '_ {
        let (entries, _) = self.0.slice.as_chunks::<ENTRY>();
        let entries = entries.iter().take(usize::from(self.0.header.header.sets));
        entries.map(|entry| u16::from_le_bytes([entry[0], entry[1]]))
    }

    #[inline(always)]
    fn read<'n>(&'n self, entry: &'n [u8; ENTRY]) -> Option<Set<'n>> {
        let (offset, length) = (word(entry, 8), usize::from(half(entry, 12)) + word(entry, 14));
        Some(Set { entry, records: self.0.slice.get(offset..offset + length)? })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<u16> = self.kinds().collect();
        write!(f, "{} {:?} {kinds:?}", name::text(self.name()), self.role())
    }
}

/// A node under construction.
#[derive(Clone, Debug)]
pub struct Builder {
    name: Name,
    zone_len: usize,
    role: Role,
    sets: Vec<Built>,
}

#[derive(Clone, Debug)]
struct Built {
    kind: u16,
    answers: u16,
    additional: u16,
    stride: u16,
    answer: Vec<u8>,
    glue: Vec<u8>,
}

impl Builder {
    /// A name in lower case, in a zone whose name is `zone_len` bytes long.
    pub fn new(name: Name, zone_len: usize) -> Self {
        Self { name, zone_len, role: Role::Plain, sets: Vec::new() }
    }

    /// Is more than a name with records.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Bytes of a message before the answer to a question for this name.
    pub fn start(&self) -> usize {
        crate::query::HEADER + self.name.wire().len() + 4
    }

    /// Adds a set of equally long records that may change places; none: no set.
    pub fn rotating(&mut self, kind: u16, records: &[Vec<u8>]) {
        let stride = records.first().map_or(0, Vec::len);
        let most = MOST.checked_div(stride).unwrap_or(0);
        let records = records.get(..records.len().min(most)).unwrap_or_default();
        // Records of an odd length in another order would not have the same sum; one has no order.
        let stride = if stride.is_multiple_of(2) && records.len() > 1 { stride as u16 } else { 0 };
        self.push(kind, records.len(), records.concat(), 0, Vec::new(), stride);
    }

    /// Adds a set in its order, with records that go along.
    pub fn fixed(&mut self, kind: u16, answers: &[Vec<u8>], glue: &[Vec<u8>]) {
        self.push(kind, answers.len(), answers.concat(), glue.len(), glue.concat(), 0);
    }

    fn push(
        &mut self,
        kind: u16,
        answers: usize,
        answer: Vec<u8>,
        additional: usize,
        glue: Vec<u8>,
        stride: u16,
    ) {
        if answers == 0 || answer.len() > MOST || answers > MOST || additional > MOST {
            return;
        }
        self.sets.push(Built {
            kind,
            answers: answers as u16,
            additional: additional as u16,
            stride,
            answer,
            glue,
        });
    }

    /// The node.
    pub fn build(&self, seed: Seed) -> Node {
        let name = self.name.wire();
        let mut offset = self.sets.len() * ENTRY + name.len();
        let mut bytes = Vec::new();
        for set in &self.sets {
            bytes.extend(set.kind.to_le_bytes());
            bytes.extend(set.answers.to_le_bytes());
            bytes.extend(set.additional.to_le_bytes());
            bytes.extend(set.stride.to_le_bytes());
            bytes.extend((offset as u32).to_le_bytes());
            bytes.extend((set.answer.len() as u16).to_le_bytes());
            bytes.extend((set.glue.len() as u32).to_le_bytes());
            let records = [&set.answer[..], &set.glue].concat();
            let count = u32::from(set.answers) + u32::from(set.additional);
            bytes.extend(usual::sum_of(&records, self.start(), count).to_le_bytes());
            offset += records.len();
        }
        bytes.extend(name);
        for set in &self.sets {
            bytes.extend(&set.answer);
            bytes.extend(&set.glue);
        }
        let head = Head {
            hash: name::hash(name, seed),
            sum: (checksum::sum(name) as u16).swap_bytes(),
            name_len: name.len() as u8,
            zone_len: self.zone_len as u8,
            role: self.role,
            sets: self.sets.len() as u8,
        };
        Node(ThinArc::from_header_and_slice(head, &bytes))
    }
}
