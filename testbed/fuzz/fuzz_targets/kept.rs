//! Any bytes as an answer of the resolver's that passes an lcore: what is kept of it, and given to the next query.
#![no_main]

#[path = "../../../dataplane/dns/tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use hickory_proto::op::Message;
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::{Kept, Zones, parse};
use sluice_model::DnsSettings;

/// The question: `www.example.com`, type A.
const QUESTION: &[u8] = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01";
/// A header, and where its counts begin.
const HEADER: usize = 12;
const ANSWERS: usize = 6;
/// An OPT record without options.
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

static ZONES: LazyLock<Zones> = LazyLock::new(|| {
    let settings = DnsSettings { forward: true, ..common::settings() };
    common::zones_of(settings, &common::cluster(), &["default", "shop"])
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else { return };
    // As it comes, and as the rest of an answer to the question.
    let mut kept = Kept::default();
    kept.keep(&ZONES, data, 0);
    let Some((&[code, answers, authority, additional], records)) = data.split_first_chunk() else { return };
    let mut answer = vec![0x12, 0x34, 0x81, 0x80 | code, 0, 1, 0, answers, 0, authority, 0, additional];
    answer.extend(QUESTION);
    answer.extend(records);
    kept.keep(&ZONES, &answer, 0);

    let edns = how & 1 != 0;
    let mut message = vec![0x56, 0x78, 1, 0x10 & code, 0, 1, 0, 0, 0, 0, 0, edns.into()];
    message.extend(QUESTION.to_ascii_uppercase());
    if edns {
        message.extend(OPT);
        message[HEADER + QUESTION.len() + 7] = how & 0x80;
    }
    let query = parse(&message).expect("a query");
    message.resize(1232, 0xa5);
    let age = u64::from(how >> 1 & 0x3f);
    let before = message.clone();
    let Some((length, rcode)) = kept.answer(&ZONES, &query, &mut message, &common::ASKED, age * 1000) else {
        // It goes on to the resolver, which has to find it as it came.
        assert_eq!(message, before);
        return;
    };
    let reply = &message[..length];
    assert!(length <= if edns { 1232 } else { 512 }, "{length} bytes");
    assert_eq!((&reply[..2], reply[2] & 0xfa, reply[3] & 15), (&[0x56, 0x78][..], 0x80, rcode));
    assert_eq!(reply[HEADER..HEADER + QUESTION.len()], QUESTION.to_ascii_uppercase());
    assert!(matches!(rcode, 0 | 3) && reply[ANSWERS..HEADER].iter().any(|count| *count > 0));
    // What another implementation reads in the answer it reads in the reply, older by as much.
    let (Ok(was), Ok(is)) = (Message::from_bytes(&answer), Message::from_bytes(reply)) else {
        assert!(Message::from_bytes(&answer).is_err(), "the reply cannot be read");
        return;
    };
    assert_eq!(is.edns.is_some(), edns, "EDNS only to who speaks it");
    for (was, is) in [
        (&was.answers, &is.answers),
        (&was.authorities, &is.authorities),
        (&was.additionals, &is.additionals),
    ] {
        assert_eq!(was.len(), is.len());
        for (was, is) in was.iter().zip(is) {
            assert_eq!((was.ttl - is.ttl, was.record_type()), (age as u32, is.record_type()));
            assert_eq!(was.data, is.data);
        }
    }
});
