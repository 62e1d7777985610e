use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::arp::{self, Arp};
use crate::buffer::TestBuf;
use crate::build::generate::{Made, packets};
use crate::build::{DST_MAC, Packet, SRC_MAC};
use crate::ethernet::{Ethernet, MacAddr};
use crate::protocol::ip;
use crate::quote::Quote;
use crate::tcp::{self as flags, Tcp};
use crate::{icmp as v4_types, icmpv6 as v6_types, ipv6, nd, parse, transport};

const A: [u8; 4] = [192, 0, 2, 7];
const B: [u8; 4] = [10, 96, 0, 1];
const A6: u128 = 0x2001_0db8_0001_0000_0000_0000_0000_0002;
const B6: u128 = 0xfd00_0010_0096_0000_0000_0000_0000_0001;
const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

fn ends(frame: &[u8], parsed: &Parsed) -> (IpAddr, IpAddr) {
    match parsed.kind {
        Kind::V4 => (parsed.src.to_be_bytes().into(), parsed.dst.to_be_bytes().into()),
        _ => {
            let (src, dst) = v6_addrs(frame, parsed);
            (Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into())
        }
    }
}

/// The reply in `buf`, which must be a valid packet on its way back.
fn reply(buf: &TestBuf, from: IpAddr, to: IpAddr, tags: &[u16]) -> Parsed {
    let parsed = parse(buf.data()).unwrap();
    let header = Ethernet::new(buf.data()).unwrap();
    assert_eq!((header.dst(), header.src()), (SRC_MAC, DST_MAC));
    assert_eq!(usize::from(parsed.end), buf.data().len(), "no padding");
    assert_eq!(ends(buf.data(), &parsed), (from, to));
    assert_eq!(usize::from(parsed.l3), 14 + tags.len() * 4);
    assert_eq!(parsed.vlan, tags.first().copied().unwrap_or(0));
    assert!(transport::checksum_ok(buf.data(), &parsed));
    parsed
}

fn received(made: &Made, padding: usize) -> (TestBuf, Parsed) {
    let mut frame = made.packet.frame();
    frame.resize(frame.len() + padding, 0xee);
    (TestBuf::new(&frame), parse(&frame).unwrap())
}

proptest! {
    #[test]
    fn segments_are_reset_in_sequence(made in packets(), padding in 0..20_usize) {
        let (mut buf, parsed) = received(&made, padding);
        let before = buf.data().to_vec();
        let got = tcp_reset(&mut buf, &parsed);
        if made.proto != ip::TCP {
            prop_assert_eq!(got, Err(NoReply::WrongKind));
            prop_assert_eq!(buf.data(), before);
            return Ok(());
        }
        let segment = Tcp::new(parsed.l4_bytes(&before)).unwrap();
        if segment.flags() & flags::RST != 0 {
            prop_assert_eq!(got, Err(NoReply::IsError));
            prop_assert_eq!(buf.data(), before);
            return Ok(());
        }
        prop_assert_eq!(got, Ok(()));
        let answer = reply(&buf, made.dst, made.src, &made.tags);
        prop_assert_eq!((answer.sport, answer.dport), (made.dport, made.sport));
        let reset = Tcp::new(answer.l4_bytes(buf.data())).unwrap();
        if segment.flags() & flags::ACK != 0 {
            prop_assert_eq!((reset.flags(), reset.seq()), (flags::RST, segment.ack()));
        } else {
            let len = made.transport_len - segment.header_len()
                + usize::from(segment.flags() & flags::SYN != 0) + usize::from(segment.flags() & flags::FIN != 0);
            prop_assert_eq!(reset.flags(), flags::RST | flags::ACK);
            prop_assert_eq!((reset.seq(), reset.ack()), (0, segment.seq() + len as u32));
        }
        // And a reset is not answered.
        prop_assert_eq!(tcp_reset(&mut buf, &answer), Err(NoReply::IsError));
    }

    #[test]
    fn errors_quote_what_they_are_about(
        made in packets(), padding in 0..20_usize, more in 0..1400_usize, why in 0..6_usize, headroom: bool, given: bool,
    ) {
        let why = [
            Unreachable::Port, Unreachable::Host, Unreachable::Net, Unreachable::AdminProhibited,
            Unreachable::TooBig { mtu: 1400 }, Unreachable::TimeExceeded,
        ][why];
        // Longer than any quote may be, now and then.
        let mut made = made;
        made.packet = made.packet.payload(vec![0x5a; more]);
        let (mut buf, parsed) = received(&made, padding);
        if !headroom {
            prop_assert!(buf.prepend(crate::buffer::TEST_HEADROOM));
            let full = buf.data().len();
            buf.data_mut().copy_within(crate::buffer::TEST_HEADROOM.., 0);
            buf.truncate(full - crate::buffer::TEST_HEADROOM);
        }
        let v4 = made.src.is_ipv4();
        let router: IpAddr = if v4 { [203, 0, 113, 1].into() } else { Ipv6Addr::from(A6 + 77).into() };
        let packet = made.packet.packet();

        prop_assert_eq!(icmp_unreachable(&mut buf, &parsed, why, given.then_some(router)), Ok(()));
        let answer = reply(&buf, if given { router } else { made.dst }, made.src, &made.tags);
        let limit = if v4 { 576 } else { 1280 };
        let whole = buf.data().len() - usize::from(answer.l3);
        prop_assert!(whole <= limit);
        let message = answer.l4_bytes(buf.data());
        let quote = &message[8..];
        prop_assert!(packet.starts_with(quote));
        prop_assert!(quote.len() == packet.len() || whole == limit, "as much as fits");
        if made.proto != ip::ICMP && made.proto != ip::ICMPV6 {
            let quote = Quote::find(buf.data(), &answer).unwrap();
            prop_assert_eq!((quote.src, quote.dst, quote.sport, quote.dport), (made.src, made.dst, made.sport, made.dport));
        }
        let word = u32::from_be_bytes(message[4..8].try_into().unwrap());
        let expected = match (why, v4) {
            (Unreachable::Port, true) => (3, 3, 0),
            (Unreachable::Host, true) => (3, 1, 0),
            (Unreachable::Net, true) => (3, 0, 0),
            (Unreachable::AdminProhibited, true) => (3, 13, 0),
            (Unreachable::TooBig { .. }, true) => (3, 4, 1400),
            (Unreachable::TimeExceeded, true) => (11, 0, 0),
            (Unreachable::Port, false) => (1, 4, 0),
            (Unreachable::Host, false) => (1, 3, 0),
            (Unreachable::Net, false) => (1, 0, 0),
            (Unreachable::AdminProhibited, false) => (1, 1, 0),
            (Unreachable::TooBig { .. }, false) => (2, 0, 1400),
            (Unreachable::TimeExceeded, false) => (3, 0, 0),
        };
        prop_assert_eq!((answer.icmp_type(), answer.icmp_code(), word), expected);
        // And an error is not answered.
        prop_assert_eq!(icmp_unreachable(&mut buf, &answer, why, None), Err(NoReply::IsError));
    }

    #[test]
    fn echoes_come_back_as_they_were(made in packets(), padding in 0..20_usize) {
        let (mut buf, parsed) = received(&made, padding);
        let before = buf.data().to_vec();
        let got = echo_reply(&mut buf, &parsed);
        if !matches!(made.proto, ip::ICMP | ip::ICMPV6) || made.extensions > 0 {
            prop_assert_eq!(got, Err(NoReply::WrongKind));
            prop_assert_eq!(buf.data(), before);
            return Ok(());
        }
        prop_assert_eq!(got, Ok(()));
        let answer = reply(&buf, made.dst, made.src, &made.tags);
        prop_assert_eq!(answer.ttl, TTL);
        let kind = if made.proto == ip::ICMP { v4_types::ECHO_REPLY } else { v6_types::ECHO_REPLY };
        prop_assert_eq!((answer.icmp_type(), answer.dport), (kind, made.dport));
        prop_assert_eq!(&answer.l4_bytes(buf.data())[4..], &parsed.l4_bytes(&before)[4..]);
        prop_assert_eq!(echo_reply(&mut buf, &answer), Err(NoReply::WrongKind));
    }

    #[test]
    fn nothing_panics_on_a_buffer_that_is_not_the_parsed_one(made in packets(), bytes in prop::collection::vec(any::<u8>(), 0..90)) {
        let (_, parsed) = received(&made, 0);
        let buf = TestBuf::new(&bytes);
        let _ = tcp_reset(&mut buf.clone(), &parsed);
        let _ = icmp_unreachable(&mut buf.clone(), &parsed, Unreachable::Port, None);
        let _ = echo_reply(&mut buf.clone(), &parsed);
        let _ = neighbor_advertisement(&mut buf.clone(), &parsed, OURS);
        let _ = arp_reply(&mut buf.clone(), OURS);
    }
}

#[test]
fn groups_and_errors_get_no_answer() {
    let refused = |packet: Packet, because: NoReply| {
        let frame = packet.frame();
        let parsed = parse(&frame).unwrap();
        let mut buf = TestBuf::new(&frame);
        assert_eq!(icmp_unreachable(&mut buf, &parsed, Unreachable::Port, None), Err(because), "{packet:?}");
        assert_eq!(buf.data(), frame);
    };
    let udp = Packet::v4(A, B).udp(1, 2);
    refused(udp.clone().macs(MacAddr::BROADCAST, SRC_MAC), NoReply::NotUnicast);
    refused(Packet::v4(A, [239, 1, 1, 1]).udp(1, 2), NoReply::NotUnicast);
    refused(Packet::v4(A, [255; 4]).udp(1, 2), NoReply::NotUnicast);
    refused(Packet::v6(A6, nd::ALL_NODES).udp(1, 2), NoReply::NotUnicast);
    refused(Packet::v6(0_u128, B6).icmp(v6_types::ECHO, 0, [0; 4]), NoReply::NotUnicast);
    for kind in [3, 4, 5, 11, 12] {
        refused(Packet::v4(A, B).icmp(kind, 0, [0; 4]).payload(udp.packet()), NoReply::IsError);
    }
    for kind in [1, 2, 3, 4, 100, 127, v6_types::REDIRECT] {
        refused(Packet::v6(A6, B6).icmp(kind, 0, [0; 4]), NoReply::IsError);
    }
    let later = udp.fragment(5, false, &[0; 9]);
    let parsed = parse(&later).unwrap();
    let got = icmp_unreachable(&mut TestBuf::new(&later), &parsed, Unreachable::Port, None);
    assert_eq!(got, Err(NoReply::Fragment));
    let frame = udp.frame();
    let v6 = Some(Ipv6Addr::LOCALHOST.into());
    let got = icmp_unreachable(&mut TestBuf::new(&frame), &parse(&frame).unwrap(), Unreachable::Port, v6);
    assert_eq!(got, Err(NoReply::WrongFamily));
}

#[test]
fn mtus_stay_within_what_the_field_and_the_family_allow() {
    let mtu = |packet: Packet, mtu| {
        let frame = packet.frame();
        let mut buf = TestBuf::new(&frame);
        icmp_unreachable(&mut buf, &parse(&frame).unwrap(), Unreachable::TooBig { mtu }, None).unwrap();
        let answer = parse(buf.data()).unwrap();
        u32::from_be_bytes(answer.l4_bytes(buf.data())[4..8].try_into().unwrap())
    };
    assert_eq!(mtu(Packet::v4(A, B).udp(1, 2), 100_000), 65_535);
    assert_eq!(mtu(Packet::v6(A6, B6).udp(1, 2), 1000), 1280);
}

#[test]
fn arp_requests_are_answered() {
    let request = Arp::request(SRC_MAC, A.into(), B.into());
    let mut buf = TestBuf::new(&[&request.to_frame(MacAddr::BROADCAST)[..], &[0; 18]].concat());
    arp_reply(&mut buf, OURS).unwrap();
    let header = Ethernet::new(buf.data()).unwrap();
    assert_eq!((header.dst(), header.src(), buf.data().len()), (SRC_MAC, OURS, 42));
    let reply = Arp::read(&buf.data()[14..]).unwrap();
    let expected = Arp {
        operation: arp::REPLY,
        sender_mac: OURS,
        sender_ip: B.into(),
        target_mac: SRC_MAC,
        target_ip: A.into(),
    };
    assert_eq!(reply, expected);
    assert_eq!(arp_reply(&mut buf, OURS), Err(NoReply::WrongKind), "a reply is not answered");

    let announcement = Arp::announcement(SRC_MAC, A.into()).to_frame(MacAddr::BROADCAST);
    assert_eq!(arp_reply(&mut TestBuf::new(&announcement), OURS), Err(NoReply::WrongKind));
    let group = Arp::request(MacAddr::BROADCAST, A.into(), B.into()).to_frame(MacAddr::BROADCAST);
    assert_eq!(arp_reply(&mut TestBuf::new(&group), OURS), Err(NoReply::Invalid));
    let probe = Arp::request(SRC_MAC, [0; 4].into(), B.into()).to_frame(MacAddr::BROADCAST);
    arp_reply(&mut TestBuf::new(&probe), OURS).unwrap();

    // Tagged: the answer goes back on the VLAN.
    let mut tagged = request.to_frame(MacAddr::BROADCAST).to_vec();
    tagged.splice(12..12, [0x81, 0, 0, 9]);
    let mut buf = TestBuf::new(&tagged);
    arp_reply(&mut buf, OURS).unwrap();
    assert_eq!(buf.data()[12..18], [0x81, 0, 0, 9, 8, 6]);
    assert_eq!(Arp::read(&buf.data()[18..]).unwrap().sender_ip, std::net::Ipv4Addr::from(B));
}

#[test]
fn solicitations_are_answered() {
    let frame = nd::solicitation_frame(SRC_MAC, A6, B6);
    let mut buf = TestBuf::new(&frame);
    neighbor_advertisement(&mut buf, &parse(&frame).unwrap(), OURS).unwrap();
    let answer = parse(buf.data()).unwrap();
    assert!(transport::checksum_ok(buf.data(), &answer));
    assert_eq!(ends(buf.data(), &answer), (Ipv6Addr::from(B6).into(), Ipv6Addr::from(A6).into()));
    // Router, solicited, override.
    assert_eq!(nd::read_advertisement(&buf.data()[14..]), Some((B6, 0xe0, Some(OURS))));
    assert_eq!(Ethernet::new(buf.data()).unwrap().dst(), SRC_MAC);

    // Duplicate address detection: no source, no option, answered to all nodes.
    let detection = Packet::v6(0_u128, ipv6::solicited_node(B6))
        .icmp(v6_types::NEIGHBOR_SOLICITATION, 0, [0; 4])
        .payload(B6.to_be_bytes())
        .ttl(255)
        .frame();
    let mut buf = TestBuf::new(&detection);
    neighbor_advertisement(&mut buf, &parse(&detection).unwrap(), OURS).unwrap();
    assert_eq!(nd::read_advertisement(&buf.data()[14..]), Some((B6, 0xa0, Some(OURS))));
    let answer = parse(buf.data()).unwrap();
    assert!(transport::checksum_ok(buf.data(), &answer));
    assert_eq!(v6_addrs(buf.data(), &answer).1, nd::ALL_NODES);
    assert_eq!(Ethernet::new(buf.data()).unwrap().dst().to_string(), "33:33:00:00:00:01");
}

#[test]
fn invalid_solicitations_are_ignored() {
    let solicitation = |src: u128, dst: u128, code, payload: &[u8], ttl| {
        Packet::v6(src, dst)
            .icmp(v6_types::NEIGHBOR_SOLICITATION, code, [0; 4])
            .payload(payload)
            .ttl(ttl)
            .frame()
    };
    let target = B6.to_be_bytes();
    let option = [&target[..], &[1, 1, 2, 0, 0, 0, 0, 0x0a]].concat();
    let node = ipv6::solicited_node(B6);
    let answered =
        |frame: &[u8]| neighbor_advertisement(&mut TestBuf::new(frame), &parse(frame).unwrap(), OURS).is_ok();
    assert!(answered(&solicitation(A6, node, 0, &option, 255)));
    assert!(answered(&solicitation(A6, B6, 0, &target, 255)), "unicast, to see whether we are still there");

    assert!(!answered(&solicitation(A6, node, 0, &option, 254)), "crossed a router");
    assert!(!answered(&solicitation(A6, node, 1, &option, 255)), "code");
    assert!(!answered(&solicitation(A6, node, 0, &target[..15], 255)), "short");
    assert!(!answered(&solicitation(A6, node, 0, &nd::ALL_NODES.to_be_bytes(), 255)), "multicast target");
    assert!(!answered(&solicitation(0, node, 0, &option, 255)), "no source but a source link address");
    assert!(!answered(&solicitation(0, B6, 0, &target, 255)), "no source and not to the solicited node");
    let empty_option = [&target[..], &[1, 0, 2, 0, 0, 0, 0, 0x0a]].concat();
    assert!(!answered(&solicitation(A6, node, 0, &empty_option, 255)), "empty option");
    let long_option = [&target[..], &[1, 2, 2, 0, 0, 0, 0, 0x0a]].concat();
    assert!(!answered(&solicitation(A6, node, 0, &long_option, 255)), "option past the end");
    let mut wrong = solicitation(A6, node, 0, &option, 255);
    wrong[70] ^= 1;
    assert!(!answered(&wrong), "checksum");
}

#[test]
fn announcements_are_valid() {
    let frame = nd::announcement(OURS, B6);
    let parsed = parse(&frame).unwrap();
    assert!(transport::checksum_ok(&frame, &parsed));
    assert_eq!(nd::read_advertisement(&frame[14..]), Some((B6, 0xa0, Some(OURS))));
    let frame = nd::solicitation_frame(OURS, A6, B6);
    let parsed = parse(&frame).unwrap();
    assert_eq!(
        nd::solicitation(&frame, &parsed),
        Some(nd::Solicitation { src: A6, target: B6, src_mac: Some(OURS) })
    );
}
