use proptest::prelude::*;

use super::*;
use crate::build::Packet;
use crate::build::generate::{Made, other_ends, packets, packets_with_ports};
use crate::{parse, tcp, transport};

/// The error about `packet` as a router sends it to `to`, quoting its first `quoted` bytes.
fn error(packet: &[u8], to: IpAddr, quoted: usize) -> Vec<u8> {
    let quote = &packet[..quoted.min(packet.len())];
    match to {
        IpAddr::V4(to) => Packet::v4([203, 0, 113, 9], to).icmp(3, 3, [0; 4]),
        IpAddr::V6(to) => Packet::v6(0x2001_0db8_u128 << 96 | 9, to).icmp(1, 4, [0; 4]),
    }
    .payload(quote)
    .frame()
}

/// `made` with another tuple.
fn between(made: &Made, src: (IpAddr, u16), dst: (IpAddr, u16)) -> Packet {
    made.packet.clone().readdressed(src, dst)
}

proptest! {
    #[test]
    fn rewriting_is_quoting_the_translated_packet(
        made in packets_with_ports(), other in other_ends(), ports: (u16, u16), quoted in 48..700_usize,
    ) {
        let other = other.like(made.src);
        let (src, dst) = ((other.0, ports.0), (other.1, ports.1));
        let mut frame = error(&made.packet.packet(), made.src, quoted);
        let parsed = parse(&frame).unwrap();
        // A chain of extension headers may be longer than what is quoted.
        let Some(quote) = Quote::find(&frame, &parsed) else {
            prop_assert!(made.extensions > 0 || made.options > 0);
            return Ok(());
        };
        prop_assert_eq!((quote.src, quote.dst, quote.proto), (made.src, made.dst, made.proto));
        prop_assert_eq!((quote.sport, quote.dport), (made.sport, made.dport));

        // A checksum of which a part was quoted cannot be corrected, and nobody can check it.
        let quoted_transport = parsed.end - quote.l4;
        if matches!((made.proto, quoted_transport), (ip::TCP, 17) | (ip::SCTP, 9..=11)) {
            return Ok(());
        }
        prop_assert!(quote.rewrite(&mut frame, &parsed, src, dst));
        prop_assert!(transport::checksum_ok(&frame, &parsed));
        let wanted = error(&between(&made, src, dst).packet(), made.src, quoted);
        prop_assert_eq!(frame, wanted);
    }

    #[test]
    fn a_rewritten_quote_is_found_as_such(made in packets_with_ports(), other in other_ends(), quoted in 200..700_usize) {
        let other = other.like(made.src);
        let original = error(&made.packet.packet(), made.src, quoted);
        let mut frame = original.clone();
        let parsed = parse(&frame).unwrap();
        let Some(quote) = Quote::find(&frame, &parsed) else { return Ok(()) };
        prop_assert!(quote.rewrite(&mut frame, &parsed, (other.0, 1), (other.1, 2)));
        let back = Quote::find(&frame, &parsed).unwrap();
        prop_assert_eq!((back.src, back.sport, back.dst, back.dport), (other.0, 1, other.1, 2));
        prop_assert!(back.rewrite(&mut frame, &parsed, (made.src, made.sport), (made.dst, made.dport)));
        prop_assert_eq!(frame, original);
    }

    #[test]
    fn damaged_errors_never_panic(made in packets(), quoted in 0..200_usize, damage in prop::collection::vec((34..140_usize, any::<u8>()), 0..4)) {
        let mut frame = error(&made.packet.packet(), made.src, quoted);
        for (at, byte) in damage {
            if let Some(to) = frame.get_mut(at) {
                *to = byte;
            }
        }
        if let Ok(parsed) = parse(&frame)
            && let Some(quote) = Quote::find(&frame, &parsed)
        {
            prop_assert!(quote.rewrite(&mut frame, &parsed, (quote.src, 1), (quote.dst, 2)));
        }
    }
}

#[test]
fn what_is_no_quote_with_ports_is_not_found() {
    let find = |frame: &[u8]| Quote::find(frame, &parse(frame).unwrap());
    let host: IpAddr = [192, 0, 2, 7].into();
    let packet = Packet::v4([192, 0, 2, 7], [10, 0, 0, 1]);
    let segment = packet.clone().tcp(1, 2, tcp::ACK);

    assert!(find(&error(&segment.packet(), host, 28)).is_some(), "eight bytes of TCP suffice");
    assert!(find(&error(&segment.packet(), host, 27)).is_none());
    assert!(find(&error(&packet.clone().icmp(8, 0, [0; 4]).packet(), host, 100)).is_none());
    assert!(find(&segment.frame()).is_none());
    let later = segment.fragment(3, false, &[0; 32]);
    assert!(find(&error(&later[14..], host, 100)).is_none());
    let v6 = Packet::v6(7_u128 << 100, 8_u128 << 100).udp(1, 2);
    assert!(find(&error(&v6.packet(), host, 100)).is_none(), "the other family");
    let echo = packet.icmp(8, 0, [0; 4]).payload(segment.packet());
    assert!(find(&echo.frame()).is_none());
}

#[test]
fn another_family_is_refused_and_changes_nothing() {
    let segment = Packet::v4([192, 0, 2, 7], [10, 0, 0, 1]).tcp(1, 2, tcp::ACK);
    let mut frame = error(&segment.packet(), [192, 0, 2, 7].into(), 100);
    let before = frame.clone();
    let parsed = parse(&frame).unwrap();
    let quote = Quote::find(&frame, &parsed).unwrap();
    let v6: IpAddr = [1; 16].into();
    assert!(!quote.rewrite(&mut frame, &parsed, (v6, 1), (v6, 2)));
    assert_eq!(frame, before);
}
