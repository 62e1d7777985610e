//! The SOA record of a zone (RFC 1035, section 3.3.13), which every negative reply carries (RFC 2308).

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

impl Default for Soa {
    fn default() -> Self {
        Self::new(0, 0)
    }
}
