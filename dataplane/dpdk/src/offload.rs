//! What a NIC already checked on receive, and what it is asked to fill in on transmit.

use dpdk_sys as sys;

use crate::mbuf::Mbuf;

/// A checksum as the NIC saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Not checked: check it in software where it matters.
    Unknown,
    /// Correct.
    Good,
    /// Wrong.
    Bad,
    /// Not in the packet, but its content was checked by other means (a virtual device's peer).
    NotNeeded,
}

/// A transport checksum that the NIC is to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L4Checksum {
    /// TCP; the field holds the pseudo-header's sum.
    Tcp,
    /// UDP; the field holds the pseudo-header's sum.
    Udp,
    /// SCTP's CRC-32c; the field holds zero.
    Sctp,
}

/// A request for checksum offload on transmit. The port must have been given it, see [`Offloads`](crate::Offloads).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxChecksums {
    /// Bytes before the IP header, at most 127.
    pub l2_len: u8,
    /// Bytes of the IP header with its options or extension headers, at most 511.
    pub l3_len: u16,
    /// IPv6 rather than IPv4.
    pub ipv6: bool,
    /// Compute the IPv4 header's checksum; its field must hold zero.
    pub ip: bool,
    /// Compute the transport's checksum.
    pub l4: Option<L4Checksum>,
}

impl Mbuf {
    /// The IPv4 header's checksum as the NIC saw it.
    #[inline]
    pub fn ip_checksum(&self) -> Checksum {
        match self.header().ol_flags & sys::SLUICE_RX_IP_CKSUM_MASK {
            sys::SLUICE_RX_IP_CKSUM_GOOD => Checksum::Good,
            sys::SLUICE_RX_IP_CKSUM_BAD => Checksum::Bad,
            sys::SLUICE_RX_IP_CKSUM_NONE => Checksum::NotNeeded,
            _ => Checksum::Unknown,
        }
    }

    /// The transport's checksum as the NIC saw it.
    #[inline]
    pub fn l4_checksum(&self) -> Checksum {
        match self.header().ol_flags & sys::SLUICE_RX_L4_CKSUM_MASK {
            sys::SLUICE_RX_L4_CKSUM_GOOD => Checksum::Good,
            sys::SLUICE_RX_L4_CKSUM_BAD => Checksum::Bad,
            sys::SLUICE_RX_L4_CKSUM_NONE => Checksum::NotNeeded,
            _ => Checksum::Unknown,
        }
    }

    /// The VLAN tag control information that the NIC took out of the packet; `None` where it took none.
    #[inline]
    pub fn stripped_vlan(&self) -> Option<u16> {
        let header = self.header();
        (header.ol_flags & sys::SLUICE_RX_VLAN_STRIPPED != 0).then_some(header.vlan_tci)
    }

    /// The NIC's RSS hash, where it computed one.
    #[inline]
    pub fn rss_hash(&self) -> Option<u32> {
        let header = self.header();
        (header.ol_flags & sys::SLUICE_RX_RSS_HASH != 0).then_some(header.rss_hash)
    }

    /// Asks the NIC to fill in checksums when this packet is sent, in place of earlier requests. False, and nothing asked,
    /// where a length does not fit or the headers would not lie in the first segment.
    #[must_use]
    pub fn request_checksums(&mut self, request: TxChecksums) -> bool {
        let (l2, l3) = (u64::from(request.l2_len), u64::from(request.l3_len));
        let header = self.header_mut();
        let fits = l2 < 1 << sys::SLUICE_TX_L2_LEN_BITS && l3 < 1 << sys::SLUICE_TX_L3_LEN_BITS;
        if !fits || l2 + l3 > u64::from(header.data_len) {
            return false;
        }
        let mut flags = if request.ipv6 { sys::SLUICE_TX_IPV6 } else { sys::SLUICE_TX_IPV4 };
        if request.ip && !request.ipv6 {
            flags |= sys::SLUICE_TX_IP_CKSUM;
        }
        flags |= match request.l4 {
            None => 0,
            Some(L4Checksum::Tcp) => sys::SLUICE_TX_TCP_CKSUM,
            Some(L4Checksum::Udp) => sys::SLUICE_TX_UDP_CKSUM,
            Some(L4Checksum::Sctp) => sys::SLUICE_TX_SCTP_CKSUM,
        };
        header.ol_flags = (header.ol_flags & !TX_FLAGS) | flags;
        // Bits 0…6 are l2_len, the next nine l3_len; the other fields belong to segmentation and tunnels.
        header.tx_offload = l2 | (l3 << sys::SLUICE_TX_L2_LEN_BITS);
        true
    }
}

const TX_FLAGS: u64 =
    sys::SLUICE_TX_IPV4 | sys::SLUICE_TX_IPV6 | sys::SLUICE_TX_IP_CKSUM | sys::SLUICE_TX_L4_MASK;
