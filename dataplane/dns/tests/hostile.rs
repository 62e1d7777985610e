//! Queries that nobody should send, and ordinary ones with damage, judged by another implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/oracle.rs"]
mod oracle;

use common::*;
use hickory_proto::op::Edns;
use proptest::prelude::*;
use sluice_dns::Asked;
use sluice_model::{DnsSettings, PodNames};

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
