//! A zone's records by name, and the names above them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// The records of one name, type by type; none of a name that only has others below it.
#[derive(Debug, Default)]
pub(super) struct Node(Vec<(RecordType, Vec<Record>)>);

/// A zone.
#[derive(Debug)]
pub(crate) struct Content {
    origin: Name,
    soa: Record,
    serial: u32,
    records: usize,
    pub(super) names: HashMap<Name, Node>,
}

impl Node {
    pub(super) fn set(&self, kind: RecordType) -> Option<&[Record]> {
        self.0.iter().find(|(own, _)| *own == kind).map(|(_, records)| records.as_slice())
    }

    /// Takes in a record, once; all of a set have the least TTL (RFC 2181, section 5.2). Whether the set has room for it.
    fn add(&mut self, mut record: Record) -> bool {
        let kind = record.record_type();
        let Some((_, set)) = self.0.iter_mut().find(|(own, _)| *own == kind) else {
            self.0.push((kind, vec![record]));
            return true;
        };
        let least = set.first().map_or(record.ttl, |first| first.ttl.min(record.ttl));
        if set.first().is_some_and(|first| first.ttl != least) {
            set.iter_mut().for_each(|record| record.ttl = least);
        }
        if !set.iter().any(|known| known.data == record.data) {
            record.ttl = least;
            set.push(record);
        }
        set.len() <= MOST_OF_A_SET
    }
}

impl Content {
    /// The zone that has these records.
    ///
    /// # Errors
    /// No SOA record at the top or several, one elsewhere, no NS record at the top, an alias beside other records, too much.
    pub(crate) fn new(origin: &Name, records: Vec<Record>) -> Result<Self, String> {
        let mut origin = origin.to_lowercase();
        origin.set_fqdn(true);
        let mut names: HashMap<Name, Node> = HashMap::new();
        let mut count = 0;
        for mut record in records {
            record.name.set_fqdn(true);
            // RFC 2181, section 8.
            if i32::try_from(record.ttl).is_err() {
                record.ttl = 0;
            }
            if !origin.zone_of(&record.name) {
                return Err(format!("{} is outside of the zone {origin}", record.name));
            }
            if record.record_type() == RecordType::SOA && record.name != origin {
                return Err(format!("{} has an SOA record, and is not the zone {origin}", record.name));
            }
            count += 1;
            let mut above = record.name.base_name();
            let mut new = false;
            let room = match names.entry(record.name.to_lowercase()) {
                Entry::Occupied(mut entry) => entry.get_mut().add(record),
                Entry::Vacant(entry) => {
                    new = above.iter().len() > origin.iter().len();
                    entry.insert(Node::default()).add(record)
                }
            };
            if !room {
                return Err(format!("a name has more than {MOST_OF_A_SET} records of one type"));
            }
            // Names between, which exist (RFC 8020): those above one that is known are.
            while new {
                new = match names.entry(above.to_lowercase()) {
                    Entry::Occupied(_) => false,
                    Entry::Vacant(entry) => {
                        entry.insert(Node::default());
                        above = above.base_name();
                        above.iter().len() > origin.iter().len()
                    }
                };
            }
            if names.len() > MOST_NAMES {
                return Err(format!("there are more than {MOST_NAMES} names, those above others among them"));
            }
        }
        for (name, node) in &names {
            let signs = |kind: RecordType| matches!(u16::from(kind), 25 | 46 | 47);
            if let Some(alias) = node.set(RecordType::CNAME)
                && (alias.len() > 1
                    || node.0.iter().any(|(kind, _)| *kind != RecordType::CNAME && !signs(*kind)))
            {
                return Err(format!("{name} has a CNAME record and others"));
            }
        }
        let top = names.get(&origin);
        let soa = match top.and_then(|top| top.set(RecordType::SOA)) {
            Some([soa]) => soa.clone(),
            Some(_) => return Err(format!("the zone {origin} has several SOA records")),
            None => return Err(format!("the zone {origin} has no SOA record")),
        };
        if top.and_then(|top| top.set(RecordType::NS)).is_none() {
            return Err(format!("the zone {origin} has no NS record"));
        }
        let RData::SOA(SOA { serial, .. }) = soa.data else { return Err("no SOA record".to_owned()) };
        Ok(Self { origin, soa, serial, records: count, names })
    }

    /// The zone's name, in lower case.
    pub(crate) fn origin(&self) -> &Name {
        &self.origin
    }

    /// The zone's SOA record.
    pub(crate) fn soa(&self) -> &Record {
        &self.soa
    }

    /// The serial of its SOA record.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// How many records it was made of.
    pub(crate) fn len(&self) -> usize {
        self.records
    }

    /// All records, name by name.
    #[cfg(feature = "fuzz")]
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.names.values().flat_map(|node| node.0.iter().flat_map(|(_, set)| set))
    }

    /// The SOA record of a negative answer, whose TTL says how long that may be kept (RFC 2308, section 3).
    pub(super) fn denial(&self) -> Record {
        let mut soa = self.soa.clone();
        if let RData::SOA(data) = &soa.data {
            soa.ttl = soa.ttl.min(data.minimum);
        }
        soa
    }

    /// Addresses in the zone of these names, cut off or not: glue.
    pub(super) fn addresses<'a>(&self, names: impl Iterator<Item = &'a Name>) -> Vec<Record> {
        let mut found: Vec<Record> = Vec::new();
        for name in names.take(MOST_GLUE) {
            let Some(node) = self.names.get(&name.to_lowercase()) else { continue };
            for kind in [RecordType::A, RecordType::AAAA] {
                let new = node.set(kind).into_iter().flatten().filter(|record| !found.contains(record));
                let new: Vec<Record> = new.cloned().collect();
                found.extend(new);
            }
        }
        found
    }
}

/// Records of one name and type: more addresses fit no message.
const MOST_OF_A_SET: usize = 4096;
/// Names of a zone, also those that are only above others, of which one record may make a hundred.
const MOST_NAMES: usize = 200_000;
/// Names whose addresses go along.
const MOST_GLUE: usize = 32;
