//! UDP headers (RFC 768).

use crate::checksum::Delta;

/// Length of the header.
pub const HEADER: usize = 8;

/// A header.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'p>(&'p [u8; HEADER]);

impl<'p> Udp<'p> {
    /// The header that `datagram` starts with; `None` where it is cut short.
    pub fn new(datagram: &'p [u8]) -> Option<Self> {
        datagram.first_chunk().map(Self)
    }

    /// Source port.
    pub const fn sport(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Destination port.
    pub const fn dport(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Length of header and payload, in bytes.
    pub const fn length(&self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// The stored checksum; 0 is none.
    pub const fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }
}

/// Writable view of a header.
#[derive(Debug)]
pub struct UdpMut<'p>(&'p mut [u8; HEADER]);

impl<'p> UdpMut<'p> {
    /// The header that `datagram` starts with; `None` where it is cut short.
    #[inline]
    pub fn new(datagram: &'p mut [u8]) -> Option<Self> {
        datagram.first_chunk_mut().map(Self)
    }

    /// Writes both ports and corrects the checksum for them and for `addresses`, what the IP addresses changed by.
    /// No checksum stays none.
    #[inline]
    pub fn set_ports(&mut self, sport: u16, dport: u16, addresses: Delta) {
        let [a, b, c, d, _, _, high, low] = *self.0;
        let new = (u32::from(sport) << 16) | u32::from(dport);
        let delta = addresses + Delta::u32(u32::from_be_bytes([a, b, c, d]), new);
        self.0[..4].copy_from_slice(&new.to_be_bytes());
        let fixed = delta.apply_udp(u16::from_be_bytes([high, low]));
        self.0[6..].copy_from_slice(&fixed.to_be_bytes());
    }
}
