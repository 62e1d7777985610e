use proptest::prelude::*;

use super::generate::packets;
use super::*;
use crate::parse::{Flags, Kind, v6_addrs};
use crate::{parse, transport};

proptest! {
    #[test]
    fn what_is_built_is_parsed_as_meant(made in packets()) {
        let frame = made.packet.frame();
        let parsed = parse(&frame).unwrap();
        let v4 = made.src.is_ipv4();
        prop_assert_eq!(parsed.kind, if v4 { Kind::V4 } else { Kind::V6 });
        prop_assert_eq!((parsed.proto, parsed.sport, parsed.dport), (made.proto, made.sport, made.dport));
        prop_assert_eq!(usize::from(parsed.l3), 14 + 4 * made.tags.len());
        prop_assert_eq!(usize::from(parsed.end), frame.len());
        prop_assert_eq!(usize::from(parsed.end - parsed.l4), made.transport_len);
        prop_assert_eq!(parsed.vlan, made.tags.first().copied().unwrap_or(0));
        prop_assert_eq!(parsed.flags.contains(Flags::VLAN), !made.tags.is_empty());
        prop_assert_eq!(parsed.flags.contains(Flags::V4_OPTIONS), made.options > 0);
        prop_assert_eq!(parsed.flags.contains(Flags::V6_EXT), made.extensions > 0);
        let ends = if v4 {
            (Ipv4Addr::from(parsed.src).into(), Ipv4Addr::from(parsed.dst).into())
        } else {
            let (src, dst) = v6_addrs(&frame, &parsed);
            (Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into())
        };
        prop_assert_eq!(ends, (made.src, made.dst));
        prop_assert!(transport::checksum_ok(&frame, &parsed));
        prop_assert!(parsed.proto != ip::UDP || transport::udp_checksum_ok(&frame, &parsed));
    }

    #[test]
    fn a_flipped_bit_is_seen_by_the_checksum(made in packets(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut frame = made.packet.frame();
        let parsed = parse(&frame).unwrap();
        let checked = made.packet.checksum && parsed.l4 < parsed.end;
        let at = usize::from(parsed.l4) + at.index(usize::from(parsed.end - parsed.l4).max(1));
        // UDP's length says what is covered; a bit of it is the parser's matter.
        let length_or_checksum = (4..8).contains(&(at - usize::from(parsed.l4)));
        if !checked || (parsed.proto == ip::UDP && length_or_checksum) {
            return Ok(());
        }
        frame[at] ^= 1_u8 << bit;
        prop_assert!(!transport::checksum_ok(&frame, &parsed));
        prop_assert!(parsed.proto != ip::UDP || !transport::udp_checksum_ok(&frame, &parsed));
        transport::set_checksum(&mut frame, &parsed);
        prop_assert!(transport::checksum_ok(&frame, &parsed));
    }

    #[test]
    fn fragments_are_followed_by_id(made in packets(), size in 64..300_usize, id: u16) {
        let packet = made.packet.id(id.into());
        let unfragmented = packet.frame();
        let whole = parse(&unfragmented).unwrap();
        let fragments = packet.fragments(size);
        // The fragment header counts towards the eight.
        if fragments.len() < 2 || made.extensions == 8 {
            return Ok(());
        }
        let mut payload: Vec<u8> = Vec::new();
        for (at, frame) in fragments.iter().enumerate() {
            let parsed = parse(frame).unwrap();
            let kind = if at == 0 { Flags::FRAGMENT_FIRST } else { Flags::FRAGMENT_LATER };
            prop_assert!(parsed.flags.contains(kind));
            prop_assert_eq!(parsed.frag_id, u32::from(id));
            prop_assert_eq!(usize::from(parsed.frag_off), payload.len());
            let ports = if at == 0 { (made.sport, made.dport) } else { (0, 0) };
            prop_assert_eq!((parsed.sport, parsed.dport), ports);
            payload.extend(parsed.l4_bytes(frame));
        }
        prop_assert_eq!(payload, whole.l4_bytes(&unfragmented));
    }
}

#[test]
fn a_known_packet() {
    // ping -c1 192.0.2.2 from 192.0.2.1, laid out by hand.
    let frame = Packet::v4([192, 0, 2, 1], [192, 0, 2, 2]).icmp(8, 0, [0, 1, 0, 1]).frame();
    let expected = [
        &[2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a, 8, 0][..],
        &[0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0xb6, 0xdd, 192, 0, 2, 1, 192, 0, 2, 2],
        &[8, 0, 0xf7, 0xfd, 0, 1, 0, 1],
    ]
    .concat();
    assert_eq!(frame, expected);
}
