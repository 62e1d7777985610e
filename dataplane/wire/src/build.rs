//! Whole frames with right lengths and checksums, for tests and tools. Allocates; not for the packet path.
//!
//! ```
//! use sluice_wire::{build::Packet, parse, tcp};
//!
//! let frame = Packet::v4([192, 0, 2, 7], [10, 0, 0, 1]).tcp(4000, 80, tcp::SYN).frame();
//! assert_eq!(parse(&frame).map(|parsed| parsed.dport), Ok(80));
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ethernet::MacAddr;
use crate::protocol::{ethertype, ip};
use crate::transport;
use crate::{ipv4, ipv6, tcp};

mod fragment;

/// The source MAC address of built frames unless told otherwise.
pub const SRC_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0a]);
/// The destination MAC address of built frames unless told otherwise.
pub const DST_MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x0b]);

/// An IP packet in an Ethernet frame, described field by field.
#[derive(Clone, Debug)]
pub struct Packet {
    macs: (MacAddr, MacAddr),
    tags: Vec<(u16, u16)>,
    src: IpAddr,
    dst: IpAddr,
    ttl: u8,
    tos: u8,
    id: u32,
    dont_fragment: bool,
    options: Vec<u8>,
    extensions: Vec<(u8, Vec<u8>)>,
    proto: u8,
    header: Vec<u8>,
    payload: Vec<u8>,
    checksum: bool,
}

impl Packet {
    /// An IPv4 packet.
    pub fn v4(src: impl Into<Ipv4Addr>, dst: impl Into<Ipv4Addr>) -> Self {
        Self::new(src.into().into(), dst.into().into())
    }

    /// An IPv6 packet.
    pub fn v6(src: impl Into<Ipv6Addr>, dst: impl Into<Ipv6Addr>) -> Self {
        Self::new(src.into().into(), dst.into().into())
    }

    /// A packet of the addresses' family; where they differ, of the source's, to an unspecified destination.
    pub fn new(src: IpAddr, dst: IpAddr) -> Self {
        let dst = match (src, dst) {
            (IpAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (IpAddr::V6(_), IpAddr::V4(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ => dst,
        };
        Self {
            macs: (DST_MAC, SRC_MAC),
            tags: Vec::new(),
            src,
            dst,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
            options: Vec::new(),
            extensions: Vec::new(),
            proto: ip::NO_NEXT,
            header: Vec::new(),
            payload: Vec::new(),
            checksum: true,
        }
    }

    /// Carries a TCP segment with sequence number 1000, acknowledgement number 2000 where `flags` has ACK.
    pub fn tcp(self, sport: u16, dport: u16, flags: u8) -> Self {
        let ack = if flags & tcp::ACK != 0 { 2000 } else { 0 };
        self.tcp_segment(sport, dport, flags, (1000, ack), &[])
    }

    /// Carries a TCP segment with these numbers (sequence, acknowledgement) and options, padded to words with "end".
    pub fn tcp_segment(
        mut self,
        sport: u16,
        dport: u16,
        flags: u8,
        numbers: (u32, u32),
        options: &[u8],
    ) -> Self {
        self.proto = ip::TCP;
        let words = (tcp::HEADER + options.len()).div_ceil(4);
        self.header = [
            &sport.to_be_bytes()[..],
            &dport.to_be_bytes(),
            &numbers.0.to_be_bytes(),
            &numbers.1.to_be_bytes(),
            &[(words as u8) << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0],
            options,
        ]
        .concat();
        self.header.resize(words * 4, 0);
        self
    }

    /// Carries a UDP datagram.
    pub fn udp(mut self, sport: u16, dport: u16) -> Self {
        self.proto = ip::UDP;
        self.header = [&sport.to_be_bytes()[..], &dport.to_be_bytes(), &[0; 4]].concat();
        self
    }

    /// Carries an SCTP packet, its chunks being the payload.
    pub fn sctp(mut self, sport: u16, dport: u16, tag: u32) -> Self {
        self.proto = ip::SCTP;
        self.header = [&sport.to_be_bytes()[..], &dport.to_be_bytes(), &tag.to_be_bytes(), &[0; 4]].concat();
        self
    }

    /// Carries an ICMP or ICMPv6 message, as the family has it; `rest` are bytes 4 to 7.
    pub fn icmp(mut self, kind: u8, code: u8, rest: [u8; 4]) -> Self {
        self.proto = if self.src.is_ipv4() { ip::ICMP } else { ip::ICMPV6 };
        self.header = [&[kind, code, 0, 0][..], &rest].concat();
        self
    }

    /// Carries `payload` as protocol `proto`, with no header of its own.
    pub fn raw(mut self, proto: u8) -> Self {
        self.proto = proto;
        self.header.clear();
        self
    }

    /// The same packet between other ends, of its family and with ports.
    pub fn readdressed(mut self, src: (IpAddr, u16), dst: (IpAddr, u16)) -> Self {
        (self.src, self.dst) = (src.0, dst.0);
        if let Some(ports) = self.header.first_chunk_mut::<4>() {
            let ([a, b], [c, d]) = (src.1.to_be_bytes(), dst.1.to_be_bytes());
            *ports = [a, b, c, d];
        }
        self
    }

    /// What is behind the transport header.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Destination and source MAC address.
    pub fn macs(mut self, dst: MacAddr, src: MacAddr) -> Self {
        self.macs = (dst, src);
        self
    }

    /// Adds an 802.1Q tag inside the ones there are.
    pub fn vlan(self, id: u16) -> Self {
        self.tag(ethertype::VLAN, id)
    }

    /// Adds a tag with any ethertype and control information.
    pub fn tag(mut self, ethertype: u16, control: u16) -> Self {
        self.tags.push((ethertype, control));
        self
    }

    /// TTL or hop limit, instead of 64.
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// Type of service or traffic class.
    pub fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// Identification, and may be fragmented: "don't fragment" is off.
    pub fn id(mut self, id: u32) -> Self {
        self.id = id;
        self.dont_fragment = false;
        self
    }

    /// IPv4 options, padded to words with "end"; at most 40 bytes.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4).min(40), 0);
        self
    }

    /// Adds an IPv6 extension header behind the ones there are: `body` is what follows next header and length, padded
    /// to the format's unit with zeroes.
    pub fn extension(mut self, kind: u8, body: &[u8]) -> Self {
        self.extensions.push((kind, body.to_vec()));
        self
    }

    /// UDP without a checksum; other transports with zero in its place.
    pub fn no_checksum(mut self) -> Self {
        self.checksum = false;
        self
    }

    /// The Ethernet frame, not padded to the least length.
    pub fn frame(&self) -> Vec<u8> {
        self.framed(&self.packet())
    }

    /// The IP packet alone.
    pub fn packet(&self) -> Vec<u8> {
        let (protocol, chain) = self.chain();
        self.ip(protocol, &[chain, self.transport()].concat(), (0, false))
    }

    /// Transport header and payload, checksummed.
    fn transport(&self) -> Vec<u8> {
        let mut transport = [&self.header[..], &self.payload].concat();
        if self.proto == ip::UDP
            && let Some(len) = transport.get_mut(4..6)
        {
            let total = u16::try_from(self.header.len() + self.payload.len()).unwrap_or(u16::MAX);
            len.copy_from_slice(&total.to_be_bytes());
        }
        if self.checksum {
            transport::set_checksum_between(self.src, self.dst, self.proto, &mut transport);
        }
        transport
    }

    /// The extension headers, and what the IP header calls the first of them.
    fn chain(&self) -> (u8, Vec<u8>) {
        let mut chain = Vec::new();
        let kinds = self.extensions.iter().map(|(kind, _)| *kind).chain([self.proto]);
        for ((kind, body), next) in self.extensions.iter().zip(kinds.clone().skip(1)) {
            let start = chain.len();
            chain.extend([next, 0]);
            chain.extend(body);
            let unit = if *kind == ip::AUTHENTICATION { 4 } else { 8 };
            chain.resize(start + (2 + body.len()).next_multiple_of(unit), 0);
            let units = (chain.len() - start) / unit;
            let len = match *kind {
                ip::FRAGMENT => 0,
                ip::AUTHENTICATION => units.saturating_sub(2),
                _ => units.saturating_sub(1),
            };
            if let Some(stored) = chain.get_mut(start + 1) {
                *stored = len as u8;
            }
        }
        (kinds.clone().next().unwrap_or(self.proto), chain)
    }

    /// An IP packet around `payload`; for IPv4, the fragment with this offset (in units of 8) and "more" bit.
    fn ip(&self, protocol: u8, payload: &[u8], fragment: (u16, bool)) -> Vec<u8> {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let len = self.options.len() + payload.len();
                let mut header =
                    ipv4::header(src.to_bits(), dst.to_bits(), protocol, self.tos, self.ttl, len).to_vec();
                header[0] += (self.options.len() / 4) as u8;
                header[4..6].copy_from_slice(&(self.id as u16).to_be_bytes());
                let flags = if self.dont_fragment { 0x4000 } else { 0 } | if fragment.1 { 0x2000 } else { 0 };
                header[6..8].copy_from_slice(&(flags | fragment.0).to_be_bytes());
                header.extend(&self.options);
                let checksum = crate::checksum::ipv4_header_checksum(&header);
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                [&header[..], payload].concat()
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let header =
                    ipv6::header(src.to_bits(), dst.to_bits(), protocol, self.tos, self.ttl, payload.len());
                [&header[..], payload].concat()
            }
            // `new` does not let families differ.
            _ => Vec::new(),
        }
    }

    fn framed(&self, packet: &[u8]) -> Vec<u8> {
        let mut frame = [self.macs.0.0, self.macs.1.0].concat();
        for (ethertype, control) in &self.tags {
            frame.extend([ethertype.to_be_bytes(), control.to_be_bytes()].as_flattened());
        }
        let kind = if self.src.is_ipv4() { ethertype::IPV4 } else { ethertype::IPV6 };
        frame.extend(kind.to_be_bytes());
        frame.extend(packet);
        frame
    }
}

#[cfg(test)]
pub(crate) mod generate;

#[cfg(test)]
#[path = "build/tests.rs"]
mod tests;
