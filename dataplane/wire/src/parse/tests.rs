use proptest::prelude::*;

use super::*;
use crate::build::Packet;
use crate::build::generate::packets;
use crate::checksum::ipv4_header_checksum;
use crate::ethernet::MacAddr;
use crate::protocol::ip;
use crate::tcp;

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [10, 0, 0, 1];
const A6: u128 = 0x2001_0db8_0001_0000_0000_0000_0000_0002;
const B6: u128 = 0x2001_0db8_0002_0000_0000_0000_0000_0010;

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_parse(&bytes);
    }

    #[test]
    fn damaged_packets_never_panic(made in packets(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut frame = made.packet.frame();
        for (at, byte) in damage {
            let at = at.index(frame.len().min(120));
            frame[at] = byte;
        }
        fuzz_parse(&frame);
        fix_header_checksum(&mut frame);
        fuzz_parse(&frame);
    }

    #[test]
    fn the_short_way_finds_what_the_general_one_does(
        made in packets(), damage in prop::option::of((14..60_usize, any::<u8>())), padding in 0..40_usize,
    ) {
        let mut frame = made.packet.frame();
        frame.resize(frame.len() + padding, 0);
        if let Some((at, byte)) = damage {
            let at = at.min(frame.len() - 1);
            frame[at] = byte;
            fix_header_checksum(&mut frame);
        }
        let mut parsed = Parsed::default();
        let generally = general(&frame, &mut parsed).map(|()| parsed);
        prop_assert_eq!(parse(&frame), generally);
    }

    #[test]
    fn a_packet_cut_anywhere_is_refused(made in packets(), at in any::<prop::sample::Index>()) {
        let frame = made.packet.frame();
        let cut = &frame[..at.index(frame.len())];
        fuzz_parse(cut);
        prop_assert!(parse(cut).is_err());
    }

    #[test]
    fn padding_is_not_part_of_the_packet(made in packets(), padding in 1..64_usize) {
        let mut frame = made.packet.frame();
        let whole = parse(&frame).unwrap();
        frame.resize(frame.len() + padding, 0xa5);
        prop_assert_eq!(parse(&frame), Ok(whole));
    }
}

fn fix_header_checksum(frame: &mut [u8]) {
    if frame.len() >= 34 && frame[12..14] == [8, 0] {
        let end = (14 + usize::from(frame[14] & 15) * 4).clamp(34, frame.len());
        let checksum = ipv4_header_checksum(&frame[14..end]);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// A frame with bytes changed, its IPv4 header checksum made right again.
fn with(packet: &Packet, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = packet.frame();
    for (at, byte) in changes {
        frame[*at] = *byte;
    }
    fix_header_checksum(&mut frame);
    frame
}

#[test]
fn every_refusal_has_its_name() {
    use ParseError::*;
    let tcp = Packet::v4(A, B).tcp(4000, 80, tcp::SYN).payload(vec![0; 20]);
    let udp = Packet::v4(A, B).udp(4000, 53).payload(vec![0; 20]);
    let tcp6 = Packet::v6(A6, B6).tcp(4000, 80, tcp::SYN);
    let udp6 = Packet::v6(A6, B6).udp(4000, 53);
    let cut = |packet: &Packet, len: usize| packet.frame()[..len].to_vec();
    let options = |bytes: &[u8]| udp.clone().options(bytes).frame();
    let fragment = |packet: &Packet, offset, more, len: usize| packet.fragment(offset, more, &vec![0; len]);
    let mut unchecked = udp.frame();
    unchecked[14 + 10] ^= 1;
    let arp = crate::arp::Arp::request(MacAddr([2; 6]), A.into(), B.into());
    let mut strange_arp = arp.to_frame(MacAddr::BROADCAST);
    strange_arp[18] = 8;
    let chain =
        |len: usize| (0..len).fold(udp6.clone(), |p, _| p.extension(ip::DESTINATION_OPTIONS, &[0; 6]));
    let first = [&[0x0f, 0xa0, 0, 53, 0, 16, 0, 0][..], &[0; 8]].concat();

    let cases: Vec<(ParseError, Vec<u8>)> = vec![
        (EthernetTruncated, vec![]),
        (EthernetTruncated, cut(&tcp, 13)),
        (EthernetTruncated, cut(&tcp.clone().vlan(1), 17)),
        (FrameTooLong, vec![0; 65_536]),
        (VlanStackTooDeep, tcp.clone().vlan(1).vlan(2).vlan(3).frame()),
        (ArpTruncated, arp.to_frame(MacAddr::BROADCAST)[..41].to_vec()),
        (ArpUnknown, strange_arp.to_vec()),
        (Ipv4Truncated, cut(&udp, 33)),
        (Ipv4Truncated, cut(&tcp, 60)),
        (Ipv4Version, with(&tcp, &[(14, 0x65)])),
        (Ipv4HeaderLength, with(&tcp, &[(14, 0x44)])),
        (Ipv4TotalLength, with(&tcp, &[(17, 19)])),
        (Ipv4TotalLength, with(&tcp, &[(14, 0x46), (17, 23)])),
        (Ipv4Checksum, unchecked),
        (Ipv4Options, options(&[7, 1, 0, 0])),
        (Ipv4Options, options(&[7, 5, 0, 0])),
        (Ipv4Options, options(&[1, 1, 1, 7])),
        (Ipv4SourceRoute, options(&[131, 7, 4, 10, 0, 0, 9])),
        (Ipv4SourceRoute, options(&[1, 137, 7, 4, 10, 0, 0, 9])),
        (Ipv6Truncated, cut(&udp6, 53)),
        (Ipv6Truncated, cut(&udp6, 61)),
        (Ipv6Version, with(&tcp6, &[(14, 0x45)])),
        (Ipv6ExtensionTruncated, with(&udp6, &[(14 + 6, ip::DESTINATION_OPTIONS), (54 + 1, 3)])),
        (Ipv6ExtensionChain, chain(9).frame()),
        (Ipv6ExtensionOrder, chain(1).extension(ip::HOP_BY_HOP, &[0; 6]).frame()),
        (Ipv6ExtensionOrder, fragment(&udp6.clone().extension(ip::FRAGMENT, &[0; 6]), 0, true, 8)),
        (Ipv6RoutingType0, udp6.clone().extension(ip::ROUTING, &[0, 1, 0, 0, 0, 0]).frame()),
        (BadFragment, fragment(&udp, 0, true, 17)),
        (BadFragment, fragment(&udp6, 0, true, 17)),
        (BadFragment, fragment(&udp, 4, false, 0)),
        (BadFragment, fragment(&udp, 8190, false, 100)),
        (BadFragment, fragment(&udp6, 8190, false, 100)),
        (TinyFragment, fragment(&tcp, 0, true, 8)),
        (TinyFragment, fragment(&tcp6, 0, true, 16)),
        (TinyFragment, fragment(&Packet::v4(A, B).sctp(1, 2, 3), 0, true, 8)),
        (OverlappingFragment, fragment(&udp, 1, false, 8)),
        (OverlappingFragment, fragment(&tcp, 2, false, 8)),
        (OverlappingFragment, fragment(&tcp6, 1, true, 8)),
        (L4Truncated, Packet::v4(A, B).raw(ip::TCP).payload(vec![0; 19]).frame()),
        (L4Truncated, Packet::v4(A, B).raw(ip::UDP).payload(vec![0; 7]).frame()),
        (L4Truncated, Packet::v4(A, B).raw(ip::SCTP).payload(vec![0; 11]).frame()),
        (L4Truncated, Packet::v4(A, B).raw(ip::ICMP).payload(vec![0; 7]).frame()),
        (L4Truncated, Packet::v6(A6, B6).raw(ip::ICMPV6).payload(vec![0; 3]).frame()),
        (L4Truncated, Packet::v6(A6, B6).raw(ip::ICMPV6).payload(vec![128, 0, 0, 0]).frame()),
        (TcpDataOffset, with(&tcp, &[(34 + 12, 0x40)])),
        (TcpDataOffset, with(&tcp, &[(34 + 12, 0xf0)])),
        (TcpDataOffset, with(&tcp6, &[(54 + 12, 0x60)])),
        (UdpLength, with(&udp, &[(34 + 5, 7)])),
        (UdpLength, with(&udp, &[(34 + 5, 29)])),
        (UdpLength, with(&udp6, &[(54 + 4, 1)])),
        (MartianSource, Packet::v4([0, 0, 0, 0], B).udp(68, 67).frame()),
        (MartianSource, Packet::v4([127, 0, 0, 1], B).udp(68, 67).frame()),
        (MartianSource, Packet::v4([239, 1, 2, 3], B).tcp(1, 2, tcp::SYN).frame()),
        (MartianSource, Packet::v4([255; 4], B).udp(68, 67).frame()),
        (MartianSource, Packet::v6(0_u128, B6).udp(1, 2).frame()),
        (MartianSource, Packet::v6(1_u128, B6).udp(1, 2).frame()),
        (MartianSource, Packet::v6(0xffff_0a00_0001_u128, B6).udp(1, 2).frame()),
        (MartianSource, Packet::v6(0xff02_u128 << 112 | 1, B6).icmp(128, 0, [0; 4]).frame()),
    ];
    for (expected, frame) in &cases {
        assert_eq!(parse(frame), Err(*expected), "{frame:02x?}");
        fuzz_parse(frame);
    }
    for error in ParseError::ALL {
        assert!(cases.iter().any(|(expected, _)| *expected == error), "{error} is never given");
    }
    // The other side of the limits.
    let good = [
        chain(8).frame(),
        tcp.clone().vlan(1).vlan(2).frame(),
        udp6.clone().extension(ip::ROUTING, &[4, 0, 0, 0, 0, 0]).frame(),
        options(&[7, 4, 0, 0]),
        udp.fragment(0, true, &first),
        fragment(&udp, 2, false, 1),
        fragment(&udp, 8189, false, 15),
        Packet::v6(0_u128, crate::ipv6::solicited_node(B6)).icmp(135, 0, [0; 4]).payload(vec![0; 16]).frame(),
        Packet::v4([240, 1, 2, 3], B).tcp(1, 2, tcp::SYN).frame(),
    ];
    for frame in good {
        parse(&frame).unwrap();
    }
}

#[test]
fn errors_are_numbered_in_order() {
    for (number, error) in ParseError::ALL.into_iter().enumerate() {
        assert_eq!(error as usize, number);
    }
}

#[test]
fn layer_two_groups_are_noted() {
    let packet = Packet::v4(A, [255; 4]).udp(68, 67);
    let broadcast = parse(&packet.clone().macs(MacAddr::BROADCAST, MacAddr([2; 6])).frame()).unwrap();
    assert!(broadcast.flags.contains(Flags::BROADCAST | Flags::MULTICAST_L2));
    let group = parse(&packet.macs(MacAddr([1, 0, 0x5e, 0, 0, 1]), MacAddr([2; 6])).frame()).unwrap();
    assert!(group.flags.contains(Flags::MULTICAST_L2) && !group.flags.contains(Flags::BROADCAST));
}

#[test]
fn other_ethertypes_are_for_the_kernel() {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[0x88, 0xcc]);
    let lldp = parse(&frame).unwrap();
    assert_eq!((lldp.kind, lldp.dport, lldp.l3, lldp.end), (Kind::Other, 0x88cc, 14, 60));
}

#[test]
fn a_priority_tag_is_a_tag_without_a_vlan() {
    let parsed = parse(&Packet::v4(A, B).udp(1, 2).tag(ethertype::VLAN, 0xe000).frame()).unwrap();
    assert_eq!((parsed.vlan, parsed.l3), (0, 18));
    assert!(parsed.flags.contains(Flags::VLAN));
    let double = parse(&Packet::v4(A, B).udp(1, 2).tag(ethertype::QINQ, 100).vlan(7).frame()).unwrap();
    assert_eq!((double.vlan, double.l3), (100, 22));
}

#[test]
fn icmp_fields_lie_in_the_ports() {
    let unreachable =
        parse(&Packet::v4(A, B).icmp(3, 4, [0, 0, 5, 0xdc]).payload(vec![0; 28]).frame()).unwrap();
    assert_eq!((unreachable.icmp_type(), unreachable.icmp_code(), unreachable.dport), (3, 4, 0));
    let echo = parse(&Packet::v6(A6, B6).icmp(128, 0, [0x12, 0x34, 0, 1]).frame()).unwrap();
    assert_eq!((echo.icmp_type(), echo.dport), (128, 0x1234));
}

#[test]
fn an_atomic_fragment_is_no_fragment() {
    let frame = Packet::v6(A6, B6).udp(1, 2).extension(ip::FRAGMENT, &[0, 0, 0, 0, 0, 9]).frame();
    let parsed = parse(&frame).unwrap();
    assert!(!parsed.is_fragment() && parsed.flags.contains(Flags::V6_EXT));
    assert_eq!((parsed.frag_id, parsed.sport, parsed.dport), (9, 1, 2));
}
