//! What fuzz targets call: everything here that a stranger's bytes reach, with its promises checked.

use crate::buffer::{PacketBuf, TestBuf};
use crate::ethernet::MacAddr;
use crate::parse::{Kind, Parsed, fuzz_parse};
use crate::quote::Quote;
use crate::reply::{self, Unreachable};
use crate::{parse, tcp, transport};

/// Parses `data` as a frame, finds and rewrites a quote in it, clamps its MSS and makes every answer to it.
///
/// # Panics
/// Where something here breaks a promise: an answer that does not parse, or whose checksum is wrong.
pub fn fuzz_packet(data: &[u8]) {
    fuzz_parse(data);
    let Ok(parsed) = parse(data) else { return };
    let mut frame = data.to_vec();
    if let Some(quote) = Quote::find(&frame, &parsed) {
        assert!(quote.rewrite(&mut frame, &parsed, (quote.dst, 1), (quote.src, 2)));
        assert!(Quote::find(&frame, &parsed).is_some_and(|again| (again.sport, again.dport) == (1, 2)));
        let right = transport::checksum_ok(data, &parsed);
        assert_eq!(transport::checksum_ok(&frame, &parsed), right, "a checksum keeps right, or wrong");
    }
    tcp::clamp_mss(parsed.l4_bytes_mut(&mut frame), 1200);

    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let errors = [Unreachable::Port, Unreachable::TooBig { mtu: 1400 }, Unreachable::TimeExceeded];
    answered(data, |buf| reply::tcp_reset(buf, &parsed).is_ok());
    answered(data, |buf| reply::neighbor_advertisement(buf, &parsed, mac).is_ok());
    answered(data, |buf| reply::arp_reply(buf, mac).is_ok());
    for error in errors {
        answered(data, |buf| reply::icmp_unreachable(buf, &parsed, error, None).is_ok());
    }
    let mut buf = TestBuf::new(data);
    if reply::echo_reply(&mut buf, &parsed).is_ok() {
        let answer = checked(&buf);
        // An echo keeps the asker's checksum error.
        assert_eq!(transport::checksum_ok(buf.data(), &answer), transport::checksum_ok(data, &parsed));
    }
}

fn answered(data: &[u8], answer: impl FnOnce(&mut TestBuf) -> bool) {
    let mut buf = TestBuf::new(data);
    if answer(&mut buf) {
        let parsed = checked(&buf);
        assert!(transport::checksum_ok(buf.data(), &parsed), "{parsed:?}");
    } else {
        assert_eq!(buf.data(), data, "no answer, no change");
    }
}

/// The answer, which parses, and as something that is sent.
fn checked(buf: &TestBuf) -> Parsed {
    let parsed = parse(buf.data());
    assert!(matches!(parsed, Ok(Parsed { kind: Kind::V4 | Kind::V6 | Kind::Arp, .. })), "{parsed:?}");
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::build::Packet;
    use crate::build::generate::packets;
    use crate::checksum::ipv4_header_checksum;

    proptest! {
        #[test]
        fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_packet(&bytes);
        }

        #[test]
        fn damaged_packets(made in packets(), damage in prop::collection::vec((0..160_usize, any::<u8>()), 0..6), quoted: bool) {
            let packet = if quoted {
                let kind = if made.src.is_ipv4() { 3 } else { 1 };
                Packet::new(made.dst, made.src).icmp(kind, 1, [0; 4]).payload(made.packet.packet())
            } else {
                made.packet
            };
            let mut frame = packet.frame();
            for (at, byte) in damage {
                if let Some(to) = frame.get_mut(at) {
                    *to = byte;
                }
            }
            fuzz_packet(&frame);
            if frame.len() > 34 {
                let checksum = ipv4_header_checksum(&frame[14..34]);
                frame[24..26].copy_from_slice(&checksum.to_be_bytes());
                fuzz_packet(&frame);
            }
        }
    }
}
