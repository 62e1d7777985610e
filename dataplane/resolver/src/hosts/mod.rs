//! Hosts tables: names that have addresses by configuration or by a file that is looked at now and then.

mod table;

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

pub(crate) use table::Table;

use crate::config::CheckedHosts;
use crate::message::Answer;
use crate::zones::{longest, under_any};

/// The largest file that is read.
const LARGEST: u64 = 32 << 20;

/// A hosts table at work.
#[derive(Debug)]
pub(crate) struct Hosts {
    settings: CheckedHosts,
    table: ArcSwap<Table>,
}

/// What is seen of a file without reading it.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

impl Hosts {
    pub(crate) fn new(settings: CheckedHosts) -> Self {
        let table = ArcSwap::from_pointee(settings.inline.clone());
        Self { settings, table }
    }

    pub(crate) fn settings(&self) -> &CheckedHosts {
        &self.settings
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.table.load().len()
    }

    /// Reads the file again if it is not as it was. One that cannot be read leaves the table as it is.
    pub(crate) fn refresh(&self, last: &mut Stamp) {
        let Some(path) = &self.settings.file else { return };
        let stamp = std::fs::metadata(path).and_then(|data| Ok((data.modified()?, data.len()))).ok();
        if stamp == *last {
            return;
        }
        match read(path) {
            Ok(text) => {
                let mut table = self.settings.inline.clone();
                let wrong = text.lines().filter(|line| !table.add(line)).count();
                tracing::info!(path = %path.display(), entries = table.len(), wrong, "hosts file read");
                self.table.store(Arc::new(table));
                *last = stamp;
            }
            Err(why) => tracing::warn!(path = %path.display(), %why, "hosts file not read"),
        }
    }

    /// The answer to a question, or none if it is the next step's.
    pub(crate) fn answer(&self, name: &Name, rtype: RecordType) -> Option<Answer> {
        let table = self.table.load();
        let record = |data| Record::from_rdata(name.clone(), self.settings.ttl, data);
        if rtype == RecordType::PTR && self.settings.reverse {
            let net = name.parse_arpa_name().ok().filter(|net| net.prefix_len() == net.max_prefix_len());
            let names = net.map(|net| table.names(net.addr())).unwrap_or_default();
            if !names.is_empty() {
                let answers = names.iter().map(|name| record(RData::PTR(PTR(name.clone())))).collect();
                return Some(Answer { authoritative: true, answers, ..Answer::default() });
            }
        }
        let zone = longest(name, &self.settings.zones)?;
        let addresses = table.addresses(name);
        let answers: Vec<Record> = match (rtype, addresses) {
            (RecordType::A, Some((v4, _))) => {
                v4.iter().map(|&address: &Ipv4Addr| record(RData::A(A(address)))).collect()
            }
            (RecordType::AAAA, Some((_, v6))) => {
                v6.iter().map(|&address: &Ipv6Addr| record(RData::AAAA(AAAA(address)))).collect()
            }
            _ => Vec::new(),
        };
        if addresses.is_none() && (rtype == RecordType::PTR || under_any(name, &self.settings.fallthrough)) {
            return None;
        }
        let code = if addresses.is_some() { ResponseCode::NoError } else { ResponseCode::NXDomain };
        let authority = if answers.is_empty() { vec![soa(zone, self.settings.ttl)] } else { Vec::new() };
        Some(Answer { code, authoritative: true, answers, authority, ..Answer::default() })
    }
}

/// The SOA of negative answers: a table has none, but whoever caches them needs one (RFC 2308).
fn soa(zone: &Name, ttl: u32) -> Record {
    let ns = zone.prepend_label("ns").unwrap_or_else(|_| zone.clone());
    let mailbox = zone.prepend_label("hostmaster").unwrap_or_else(|_| zone.clone());
    let data = SOA::new(ns, mailbox, 1, 7200, 1800, 86_400, ttl.min(30));
    Record::from_rdata(zone.clone(), ttl.min(30), RData::SOA(data))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it is larger than 32 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
