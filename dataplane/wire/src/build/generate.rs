//! Arbitrary packets for property tests, each one valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use proptest::prelude::*;

use super::Packet;
use crate::protocol::ip;

/// A packet and what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) packet: Packet,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) proto: u8,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) tags: Vec<u16>,
    pub(crate) options: usize,
    pub(crate) extensions: usize,
    pub(crate) transport_len: usize,
}

/// An address one host can have.
pub(crate) fn v4() -> impl Strategy<Value = IpAddr> {
    (1..=223_u8, any::<[u8; 3]>())
        .prop_filter("loopback", |(top, _)| *top != 127)
        .prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d).into())
}

/// An address one host can have.
pub(crate) fn v6() -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(|low| Ipv6Addr::from((low >> 3) | (1 << 125)).into())
}

/// Source and destination of one family.
fn ends() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![(v4(), v4()), (v6(), v6())]
}

/// Source and destination for either family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtherEnds {
    v4: (IpAddr, IpAddr),
    v6: (IpAddr, IpAddr),
}

impl OtherEnds {
    /// Those of the family `of` is of.
    pub(crate) fn like(self, of: IpAddr) -> (IpAddr, IpAddr) {
        if of.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// Other ends for a packet whose family is not known yet.
pub(crate) fn other_ends() -> impl Strategy<Value = OtherEnds> {
    ((v4(), v4()), (v6(), v6())).prop_map(|(v4, v6)| OtherEnds { v4, v6 })
}

/// TCP, UDP, SCTP and ICMP packets of both families, with every kind of embellishment.
pub(crate) fn packets() -> impl Strategy<Value = Made> {
    packets_of(0..4)
}

/// As [`packets`], without ICMP.
pub(crate) fn packets_with_ports() -> impl Strategy<Value = Made> {
    packets_of(0..3)
}

/// The transports are TCP, UDP, SCTP, ICMP by number.
fn packets_of(transports: Range<usize>) -> impl Strategy<Value = Made> {
    let transport =
        (transports, any::<u16>(), any::<u16>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..=40));
    let extras = (
        prop::collection::vec(0..4096_u16, 0..=2),
        prop::collection::vec(any::<u8>(), 0..=9),
        prop::collection::vec(
            (
                prop::sample::select(vec![ip::DESTINATION_OPTIONS, ip::AUTHENTICATION, ip::MOBILITY]),
                6..30_usize,
            ),
            0..=7,
        ),
        any::<bool>(),
        any::<bool>(),
    );
    (ends(), transport, prop::collection::vec(any::<u8>(), 0..600), extras, 2..=255_u8).prop_map(
        |(
            (src, dst),
            (which, sport, dport, flags, tcp_options),
            payload,
            (tags, options, mut chain, hop_by_hop, no_checksum),
            ttl,
        )| {
            let packet = Packet::new(src, dst).ttl(ttl);
            let v4 = src.is_ipv4();
            let (mut packet, proto, sport, dport, header) = match which {
                0 => {
                    let header = 20 + tcp_options.len().next_multiple_of(4);
                    (
                        packet.tcp_segment(sport, dport, flags, (7, 9), &tcp_options),
                        ip::TCP,
                        sport,
                        dport,
                        header,
                    )
                }
                1 => (packet.udp(sport, dport), ip::UDP, sport, dport, 8),
                2 => (packet.sctp(sport, dport, 99), ip::SCTP, sport, dport, 12),
                _ => {
                    let (kind, proto) = if v4 { (8, ip::ICMP) } else { (128, ip::ICMPV6) };
                    let [a, b] = dport.to_be_bytes();
                    (packet.icmp(kind, 0, [a, b, 0, 1]), proto, u16::from(kind) << 8, dport, 8)
                }
            };
            packet = packet.payload(&payload[..]);
            for id in &tags {
                packet = packet.vlan(*id);
            }
            // No-operations and router alerts: options that do not route.
            let options: Vec<u8> =
                options.iter().flat_map(|o| if o & 1 == 0 { vec![1] } else { vec![0x94, 4, 0, 0] }).collect();
            if v4 {
                packet = packet.options(&options);
                if no_checksum && proto == ip::UDP {
                    packet = packet.no_checksum();
                }
            } else {
                if hop_by_hop {
                    chain.insert(0, (ip::HOP_BY_HOP, 6));
                }
                for (kind, len) in &chain {
                    // AH needs its whole fixed part; the others start with padding options.
                    packet = packet
                        .extension(*kind, &vec![0; if *kind == ip::AUTHENTICATION { len + 4 } else { *len }]);
                }
            }
            Made {
                packet,
                src,
                dst,
                proto,
                sport,
                dport,
                tags,
                options: if v4 { options.len().next_multiple_of(4).min(40) } else { 0 },
                extensions: if v4 { 0 } else { chain.len() },
                transport_len: header + payload.len(),
            }
        },
    )
}
