//! SCTP's common header (RFC 9260 section 3.1). Chunks, and the addresses in INIT, are left alone.

use crate::checksum::crc32c;

/// Length of the common header.
pub const HEADER: usize = 12;

/// A common header.
#[derive(Clone, Copy, Debug)]
pub struct Sctp<'p>(&'p [u8; HEADER]);

impl<'p> Sctp<'p> {
    /// The header that `packet` starts with; `None` where it is cut short.
    pub fn new(packet: &'p [u8]) -> Option<Self> {
        packet.first_chunk().map(Self)
    }

    /// Source port.
    pub const fn sport(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Destination port.
    pub const fn dport(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Verification tag; 0 in a packet that holds an INIT.
    pub const fn tag(&self) -> u32 {
        u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    /// The stored CRC32c, which is in little-endian order on the wire (RFC 9260 appendix A).
    pub const fn checksum(&self) -> u32 {
        u32::from_le_bytes([self.0[8], self.0[9], self.0[10], self.0[11]])
    }
}

/// Type of the first chunk: 1 INIT, 2 INIT ACK, 6 ABORT, 7 SHUTDOWN, 14 SHUTDOWN COMPLETE.
pub fn first_chunk_type(packet: &[u8]) -> Option<u8> {
    packet.get(HEADER).copied()
}

/// Writes both ports and corrects the CRC32c, in constant time. `len` is the length of the whole SCTP packet: more than
/// there is here where it is fragmented or a quote. IP addresses are not covered by the CRC.
///
/// False, and nothing changed, where `packet` is cut within the header or `len` is shorter than one.
#[must_use]
pub fn set_ports(packet: &mut [u8], sport: u16, dport: u16, len: u16) -> bool {
    let Some(behind) = len.checked_sub(4).filter(|_| usize::from(len) >= HEADER) else {
        return false;
    };
    let Some(header) = packet.first_chunk_mut::<HEADER>() else {
        return false;
    };
    let [a, b, c, d, _, _, _, _, w, x, y, z] = *header;
    let ports = ((u32::from(sport) << 16) | u32::from(dport)).to_be_bytes();
    let crc = crc32c::update(u32::from_le_bytes([w, x, y, z]), [a, b, c, d], ports, behind);
    header[..4].copy_from_slice(&ports);
    header[8..].copy_from_slice(&crc.to_le_bytes());
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ports_are_rewritten_as_by_recomputation(
            mut packet in prop::collection::vec(any::<u8>(), HEADER..1600), sport: u16, dport: u16,
        ) {
            let crc = crc32c::sctp(&packet);
            packet[8..12].copy_from_slice(&crc.to_le_bytes());
            let len = packet.len() as u16;
            prop_assert!(set_ports(&mut packet, sport, dport, len));
            let view = Sctp::new(&packet).unwrap();
            prop_assert_eq!((view.sport(), view.dport()), (sport, dport));
            prop_assert_eq!(view.checksum(), crc32c::sctp(&packet));
        }
    }

    #[test]
    fn the_crc_is_little_endian_on_the_wire() {
        // The CRC of 32 zero bytes is a test vector of RFC 3720.
        let mut packet = [0; 32];
        let crc = crc32c::sctp(&packet);
        assert_eq!(crc, 0x8a91_36aa);
        packet[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(packet[8..12], [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(crc32c::sctp(&packet), crc);
        assert!(!set_ports(&mut packet[..11], 1, 2, 32));
        assert!(!set_ports(&mut packet, 1, 2, 11));
    }
}
