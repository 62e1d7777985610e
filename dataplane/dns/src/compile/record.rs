//! Resource records in wire form (RFC 1035, section 3.2.1).

use std::net::IpAddr;

use crate::query::{IN, kind};

/// The owner of most records: a pointer to the question's name.
pub(crate) const QUESTION: [u8; 2] = [0xc0, crate::query::HEADER as u8];

/// A record; data that would not fit one is cut, which no data of ours does.
pub(crate) fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let data = data.get(..data.len().min(usize::from(u16::MAX))).unwrap_or_default();
    let mut bytes = Vec::with_capacity(owner.len() + 10 + data.len());
    bytes.extend(owner);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The type of a family's address records.
pub(crate) fn kind_of(v6: bool) -> u16 {
    if v6 { kind::AAAA } else { kind::A }
}

/// An A or AAAA record.
pub(crate) fn address(owner: &[u8], ip: IpAddr, ttl: u32) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => record(owner, kind::A, ttl, &ip.octets()),
        IpAddr::V6(ip) => record(owner, kind::AAAA, ttl, &ip.octets()),
    }
}

/// A pointer to an offset in the message, where one reaches so far.
pub(crate) fn pointer(offset: usize) -> Option<[u8; 2]> {
    (offset < 0x4000).then(|| (0xc000 | offset as u16).to_be_bytes())
}
