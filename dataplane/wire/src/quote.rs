//! The packet quoted in an ICMP or ICMPv6 error, and its translation (RFC 5508 section 4.2, RFC 7915 section 4.3).
//!
//! A quote is cut anywhere behind the transport's first eight bytes, so it is read leniently; its checksums are
//! corrected by what changed, never recomputed.

use std::net::IpAddr;

use crate::checksum::Delta;
use crate::ipv4::{Ipv4, Ipv4Mut};
use crate::ipv6::{self, Ipv6, Ipv6Mut};
use crate::parse::{Kind, Parsed};
use crate::protocol::ip;
use crate::tcp::TcpMut;
use crate::udp::UdpMut;
use crate::{icmp, icmpv6, sctp};

/// Where a quote lies in its frame, and whose packet it was. Addresses and ports are as quoted: the source is whom the
/// error was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Source address of the quoted packet.
    pub src: IpAddr,
    /// Destination address of the quoted packet, of the same family.
    pub dst: IpAddr,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// TCP, UDP or SCTP.
    pub proto: u8,
    l3: u16,
    l4: u16,
    /// Length of the quoted packet's transport part when it was whole.
    l4_len: u16,
}

impl Quote {
    /// The quote in `frame`; `None` where the frame is no ICMP error, and where the quote is of another IP version, too
    /// short to hold ports, a later fragment, or of a protocol without ports.
    pub fn find(frame: &[u8], parsed: &Parsed) -> Option<Self> {
        let is_error = match (parsed.kind, parsed.proto) {
            (Kind::V4, ip::ICMP) => icmp::is_error(parsed.icmp_type()),
            (Kind::V6, ip::ICMPV6) => icmpv6::is_error(parsed.icmp_type()),
            _ => false,
        };
        if !is_error || parsed.is_fragment() {
            return None;
        }
        let l3 = parsed.l4.checked_add(icmp::HEADER as u16)?;
        let quote = parsed.l4_bytes(frame).get(icmp::HEADER..)?;
        let (src, dst, proto, offset, l4_len) = match parsed.kind {
            Kind::V4 => {
                let header = Ipv4::new(quote)?;
                let offset = header.header_len();
                let l4_len = usize::from(header.total_len()).checked_sub(offset)?;
                if header.fragment_offset() != 0 {
                    return None;
                }
                (IpAddr::V4(header.src()), IpAddr::V4(header.dst()), header.protocol(), offset, l4_len)
            }
            _ => {
                let header = Ipv6::new(quote)?;
                let upper = ipv6::upper_layer(quote.get(ipv6::HEADER..)?, header.next_header())?;
                let l4_len = usize::from(header.payload_len()).checked_sub(upper.offset)?;
                if upper.later_fragment {
                    return None;
                }
                let offset = ipv6::HEADER + upper.offset;
                (IpAddr::V6(header.src()), IpAddr::V6(header.dst()), upper.protocol, offset, l4_len)
            }
        };
        let [a, b, c, d, ..] = *quote.get(offset..)?.first_chunk::<8>()?;
        if !matches!(proto, ip::TCP | ip::UDP | ip::SCTP) {
            return None;
        }
        Some(Self {
            src,
            dst,
            sport: u16::from_be_bytes([a, b]),
            dport: u16::from_be_bytes([c, d]),
            proto,
            l3,
            l4: l3.checked_add(offset as u16)?,
            l4_len: l4_len as u16,
        })
    }

    /// Makes the quote one of a packet from `src` to `dst`, its checksums kept right, and corrects the error's own
    /// checksum for that. The error's outer addresses are not touched; an ICMPv6 checksum has to follow them as well.
    ///
    /// False, and nothing changed, where the addresses are of another family or `frame` is not the one this was
    /// found in.
    #[must_use]
    pub fn rewrite(&self, frame: &mut [u8], parsed: &Parsed, src: (IpAddr, u16), dst: (IpAddr, u16)) -> bool {
        let Some(error) = frame.get_mut(usize::from(parsed.l4)..usize::from(parsed.end)) else {
            return false;
        };
        let Some(quote) = error.get_mut(icmp::HEADER..) else {
            return false;
        };
        let before = self.words(quote);
        let addresses = match (src.0, dst.0, self.src) {
            (IpAddr::V4(src), IpAddr::V4(dst), IpAddr::V4(_)) => {
                let Some(mut header) = Ipv4Mut::new(quote) else {
                    return false;
                };
                header.set_src(src.to_bits()) + header.set_dst(dst.to_bits())
            }
            (IpAddr::V6(src), IpAddr::V6(dst), IpAddr::V6(_)) => {
                let Some(mut header) = Ipv6Mut::new(quote) else {
                    return false;
                };
                header.set_src(src.to_bits()) + header.set_dst(dst.to_bits())
            }
            _ => return false,
        };
        self.rewrite_ports(quote, src.1, dst.1, addresses);
        let change = before.reversed() + self.words(quote);
        if let Some(header) = error.first_chunk_mut::<4>() {
            let fixed = change.apply(u16::from_be_bytes([header[2], header[3]]));
            header[2..].copy_from_slice(&fixed.to_be_bytes());
        }
        true
    }

    /// The quoted headers' sum, as a change from nothing: all that `rewrite` touches lies in them.
    fn words(&self, quote: &[u8]) -> Delta {
        // The ports and the checksum of each transport lie within its first 18 bytes.
        let end = (usize::from(self.l4 - self.l3) + 18).min(quote.len());
        let sum = crate::checksum::sum(quote.get(..end).unwrap_or_default());
        Delta::u16(0, sum as u16)
    }

    fn rewrite_ports(&self, quote: &mut [u8], sport: u16, dport: u16, addresses: Delta) {
        let transport = quote.get_mut(usize::from(self.l4 - self.l3)..).unwrap_or_default();
        let whole = match self.proto {
            ip::TCP => TcpMut::new(transport).map(|mut tcp| tcp.set_ports(sport, dport, addresses)).is_some(),
            ip::UDP => UdpMut::new(transport).map(|mut udp| udp.set_ports(sport, dport, addresses)).is_some(),
            _ => sctp::set_ports(transport, sport, dport, self.l4_len),
        };
        // Cut in front of the checksum's end: there is none to keep right, and a part of one is left as it is.
        if !whole {
            let [s0, s1] = sport.to_be_bytes();
            let [d0, d1] = dport.to_be_bytes();
            if let Some(ports) = transport.first_chunk_mut() {
                *ports = [s0, s1, d0, d1];
            }
        }
    }
}

#[cfg(test)]
#[path = "quote_tests.rs"]
mod tests;
