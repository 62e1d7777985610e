//! Any bytes as a DNS query on the fast path, judged by hickory-proto.
#![no_main]

#[path = "../../../dataplane/dns/tests/common/mod.rs"]
mod common;
#[path = "../../../dataplane/dns/tests/common/oracle.rs"]
mod oracle;

use std::sync::LazyLock;

use sluice_dns::Zones;
use sluice_model::{DnsSettings, PodNames};

static ZONES: LazyLock<Zones> = LazyLock::new(|| {
    let settings =
        DnsSettings { pods: PodNames::Insecure, zonal: true, cookie_key: Some([7; 16]), ..common::settings() };
    common::zones_of(settings, &common::cluster(), &["default", "shop"])
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&how, query)) = data.split_first() else { return };
    let asked = sluice_dns::Asked { stream: how & 1 != 0, turn: u32::from(how >> 1), ..common::ASKED };
    oracle::judge(&ZONES, query, asked);
});
