//! Queries that nobody should send, and ordinary ones with damage, judged by another implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/oracle.rs"]
mod oracle;

use common::*;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};
use hickory_proto::serialize::binary::BinDecodable;
use proptest::prelude::*;
use sluice_dns::{Asked, nsid, parse};
use sluice_model::{Change, DnsSettings, Generation, PodNames, ResolverSettings, Serving};

const NAMES: [&str; 11] = [
    "web.default.svc.cluster.local.",
    "Twice.shop.svc.CLUSTER.local.",
    "1-2-3-4.default.pod.cluster.local.",
    "http.tcp.web.default.svc.Cluster.local.",
    "_sql._tcp.db.default.svc.CLUSTER.local.",
    "5.1.244.10.in-addr.arpa.",
    "cluster.local.",
    "www.example.com.default.svc.cluster.local.",
    "example.com.",
    "us-a.Prefer._zone.db.default.svc.CLUSTER.local.",
    "us.a.pin._zone.db.default.svc.cluster.local.",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_queries_get_replies_that_others_can_read(
        name in 0..NAMES.len(), kind in 0_u16..300, edns: bool, damage in proptest::collection::vec((0_usize..120, any::<u8>()), 0..3),
        cut in 0_usize..200, how: u8
    ) {
        let settings =
            DnsSettings { pods: PodNames::Insecure, zonal: true, cookie_key: Some([7; 16]), ..settings() };
        let zones = zones_of(settings, &cluster(), &["default", "shop"]);
        let mut message = query(NAMES[name], kind.into());
        if edns {
            message.set_edns(Edns::new());
        }
        let mut bytes = message.to_vec().unwrap();
        let length = bytes.len();
        for (at, value) in damage {
            bytes[at % length] = value;
        }
        if cut < length {
            bytes.truncate(length - cut % 3);
        }
        let asked = Asked { stream: how & 1 != 0, turn: u32::from(how >> 1), ..ASKED };
        oracle::judge(&zones, &bytes, asked);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Of the reply to any query, whatever else is in its options, nothing changes but that the name is the last of them.
    #[test]
    fn who_answers_is_told_without_any_other_change(
        name in 0..NAMES.len(), kind in 0_u16..300, size in 400_u16..1500, told in 1_usize..=128, cookie: bool, version in 0_u8..2,
        damage in proptest::collection::vec((0_usize..120, any::<u8>()), 0..2)
    ) {
        let settings = DnsSettings { pods: PodNames::Insecure, cookie_key: Some([7; 16]), ..settings() };
        let mut catalog = catalog_of(settings, &cluster(), &["default", "shop"]);
        let nsid = "n".repeat(told);
        let serving = Serving { nsid: Some(nsid.clone()), ..Serving::default() };
        catalog.apply(&Change::Resolver(Box::new(ResolverSettings { serving, ..ResolverSettings::default() })));
        let zones = catalog.zones().of(Generation(1));
        let mut edns = Edns::new();
        edns.set_max_payload(size).set_version(version);
        edns.options_mut().insert(EdnsOption::Unknown(3, vec![]));
        if cookie {
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![9; 8]));
        }
        let mut message = query(NAMES[name], kind.into());
        message.set_edns(edns);
        let mut bytes = message.to_vec().unwrap();
        let length = bytes.len();
        for (at, value) in damage {
            bytes[at % length] = value;
        }
        let (Ok(parsed), Ok(bare)) = (parse(&bytes), raw(&zones, &bytes, ASKED)) else { return Ok(()) };
        let mut reply = bare.clone();
        reply.resize(1232, 0xaa);
        let length = nsid::tell(&zones, &parsed, &mut reply, bare.len(), &ASKED);
        reply.truncate(length);
        let limit = parsed.edns.map_or(512, |edns| usize::from(edns.size.clamp(512, 1232)));
        let fits = parsed.edns.is_some_and(|edns| edns.nsid) && bare.len() + 4 + told <= limit;
        prop_assert_eq!(length, bare.len() + if fits { 4 + told } else { 0 });
        if let (true, Ok(mut before), Ok(mut after)) = (fits, Message::from_bytes(&bare), Message::from_bytes(&reply)) {
            let options = after.edns.take().unwrap();
            prop_assert_eq!(options.option(EdnsCode::NSID), Some(&EdnsOption::NSID(NSIDPayload::new(nsid.into_bytes()).unwrap())));
            let others = before.edns.take().unwrap();
            prop_assert_eq!(options.options().as_ref().len(), others.options().as_ref().len() + 1);
            prop_assert_eq!(after, before);
        } else {
            prop_assert!(reply.starts_with(&bare[..12]));
        }
    }
}

/// Names that end as a zone does, byte by byte, and are not in it or none at all.
#[test]
fn a_zone_within_a_label_is_no_zone() {
    let zones = zones_of(settings(), &cluster(), &["default"]);
    const ZONE: &[u8] = b"\x07cluster\x05local\0";
    let inside = [&[ZONE.len() as u8 + 1, b'x'][..], ZONE].concat();
    for front in
        [&b"\x01a"[..], b"\x03a", b"\x40a", b"\xc0\x0c", b"\0", b"\x01a\0", b"\x04nope\x07default\x03svc"]
    {
        for zone in [ZONE, &inside] {
            let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            bytes.extend_from_slice(front);
            bytes.extend_from_slice(zone);
            bytes.extend_from_slice(&[0, 1, 0, 1]);
            oracle::judge(&zones, &bytes, ASKED);
        }
    }
}
