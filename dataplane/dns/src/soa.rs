//! The SOA record of a zone (RFC 1035, section 3.3.13), which every negative reply carries (RFC 2308).

use crate::name::Name;
use crate::query::{IN, kind};

/// The SOA record of a generation, but for the place of the zone's name in the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Soa([u8; SOA]);

/// Bytes of an SOA record: owner, type, class, TTL, length; the server's and the operator's names; five numbers.
pub(crate) const SOA: usize = 12 + SERVER.len() + 2 + OPERATOR.len() + 2 + 20;
/// The names of a zone's server and its operator, relative to the zone.
const SERVER: &[u8] = b"\x02ns\x03dns";
const OPERATOR: &[u8] = b"\x0ahostmaster";
/// Refresh, retry and expire, in seconds.
const TIMES: [u32; 3] = [7200, 1800, 86_400];

impl Soa {
    /// The record of zones with this TTL and serial.
    pub(crate) fn new(ttl: u32, serial: u32) -> Self {
        const DATA: u16 = SOA as u16 - 12;
        let numbers = [serial, TIMES[0], TIMES[1], TIMES[2], ttl];
        let parts: [&[u8]; 9] = [
            &[0, 0],
            &kind::SOA.to_be_bytes(),
            &IN.to_be_bytes(),
            &ttl.to_be_bytes(),
            &DATA.to_be_bytes(),
            SERVER,
            &[0, 0],
            OPERATOR,
            &[0, 0],
        ];
        let mut bytes = [0; SOA];
        let all = parts.into_iter().flatten().copied().chain(numbers.into_iter().flat_map(u32::to_be_bytes));
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
        Self(bytes)
    }

    /// The record where the zone's name stands at `zone` in the message.
    #[inline(always)]
    pub(crate) fn record(&self, zone: usize) -> [u8; SOA] {
        const FIRST: usize = 12 + SERVER.len();
        const SECOND: usize = FIRST + 2 + OPERATOR.len();
        let mut bytes = self.0;
        let pointer = (0xc000 | zone as u16).to_be_bytes();
        bytes[..2].copy_from_slice(&pointer);
        bytes[FIRST..FIRST + 2].copy_from_slice(&pointer);
        bytes[SECOND..SECOND + 2].copy_from_slice(&pointer);
        bytes
    }
}

/// The SOA record of a domain of external addresses, whose server and operator are called otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Relative {
    /// The domain, in lower case.
    pub zone: Name,
    /// Pointers to the domain and the serial are missing.
    bytes: Box<[u8]>,
    /// Where names end with a pointer to the domain.
    ends: [usize; 3],
}

impl Relative {
    /// The record of a domain whose server and operator have these names before its own.
    pub(crate) fn new(zone: Name, server: &[u8], operator: &[u8], ttl: u32) -> Self {
        let length = (server.len() + operator.len() + 4 + 20) as u16;
        let mut bytes = vec![0; 2];
        for half in [kind::SOA, IN] {
            bytes.extend(half.to_be_bytes());
        }
        bytes.extend(ttl.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        let mut ends = [0; 3];
        for (end, name) in ends.iter_mut().skip(1).zip([server, operator]) {
            bytes.extend(name);
            *end = bytes.len();
            bytes.extend([0, 0]);
        }
        for number in [0, TIMES[0], TIMES[1], TIMES[2], ttl] {
            bytes.extend(number.to_be_bytes());
        }
        Self { zone, bytes: bytes.into(), ends }
    }

    /// The record as it was made.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Completes a copy of the record, where the domain's name stands at `zone` in the message.
    pub(crate) fn complete(&self, copy: &mut [u8], zone: usize, serial: u32) {
        let pointer = (0xc000 | zone as u16).to_be_bytes();
        for end in self.ends {
            if let Some(place) = copy.get_mut(end..).and_then(|rest| rest.first_chunk_mut()) {
                *place = pointer;
            }
        }
        let numbers = copy.len().saturating_sub(20);
        if let Some(place) = copy.get_mut(numbers..).and_then(|rest| rest.first_chunk_mut()) {
            *place = serial.to_be_bytes();
        }
    }
}

impl Default for Soa {
    fn default() -> Self {
        Self::new(0, 0)
    }
}
