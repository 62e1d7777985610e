//! `services`: addresses, source translation, classes, timeouts.

use ipnet::IpNet;
use serde_saphyr::Spanned;
use sluice_model::{Settings, SnatAddresses, Timeouts};

use super::values::{address, network, port_range};
use super::{Report, number};
use crate::raw::{self, OneOrMany, Text};

/// The load-balancer class that is ours unless the file says otherwise.
const CLASS: &str = "sluice.dev/gateway";

pub(super) fn settings(raw: &raw::Services, out: &mut Report) -> Settings {
    Settings {
        node_port_addresses: distinct(&raw.node_port_addresses, "services.node_port_addresses", address, out),
        cluster_cidrs: networks(&raw.cluster_cidrs, "services.cluster_cidrs", out),
        service_cidrs: networks(&raw.service_cidrs, "services.service_cidrs", out),
        snat_addresses: snat(raw.snat.addresses.as_ref(), out),
        snat_ports: raw
            .snat
            .ports
            .as_ref()
            .and_then(|text| port_range(text, "services.snat.ports", out))
            .unwrap_or_default(),
        // 88 is Linux's TCP_MIN_MSS; 9176 is the largest jumbo frame less the headers.
        mss_clamp: raw
            .mss_clamp
            .as_ref()
            .map(|mss| number(Some(mss), "services.mss_clamp", 88..=9176, 88, out) as u16),
        timeouts: timeouts(&raw.timeouts, out),
        ..Settings::default()
    }
}

/// `services.load_balancer_class`: a label-style name (KEP-1959).
pub(super) fn class(raw: &raw::Services, out: &mut Report) -> Box<str> {
    let Some(text) = &raw.load_balancer_class else {
        return CLASS.into();
    };
    let part = |part: &str, most: usize| {
        (1..=most).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let valid = match text.value.split_once('/') {
        Some((prefix, name)) => part(prefix, 253) && part(name, 63),
        None => part(&text.value, 63),
    };
    if !valid {
        let message = format!("`{}` is not a class such as {CLASS}", text.value);
        out.add(text.referenced, "services.load_balancer_class", message);
    }
    text.value.as_str().into()
}

fn networks(raw: &[Text], key: &str, out: &mut Report) -> Vec<IpNet> {
    distinct(raw, key, network, out)
}

/// A list without repetitions.
pub(super) fn distinct<T: PartialEq + std::fmt::Display>(
    raw: &[Text],
    key: &str,
    read: impl Fn(&Text, &str, &mut Report) -> Option<T>,
    out: &mut Report,
) -> Vec<T> {
    let mut values = Vec::new();
    for (i, text) in raw.iter().enumerate() {
        let key = format!("{key}[{i}]");
        match read(text, &key, out) {
            Some(value) if values.contains(&value) => {
                out.add(text.referenced, &key, format!("{value} stands here twice"));
            }
            Some(value) => values.push(value),
            None => {}
        }
    }
    values
}

fn snat(raw: Option<&Spanned<OneOrMany>>, out: &mut Report) -> SnatAddresses {
    let key = "services.snat.addresses";
    let Some(raw) = raw else {
        return SnatAddresses::Auto;
    };
    let placed = |value: &String| Spanned::new(value.clone(), raw.referenced, raw.defined);
    match &raw.value {
        OneOrMany::One(word) if word == "auto" => SnatAddresses::Auto,
        OneOrMany::One(word) => {
            let hint = address(&placed(word), key, &mut Report::default());
            out.hint(
                raw.referenced,
                key,
                format!("`{word}` is neither auto nor a list of addresses"),
                hint.map(|ip| format!("did you mean [{ip}]?")),
            );
            SnatAddresses::Auto
        }
        OneOrMany::Many(list) if list.is_empty() => {
            out.add(raw.referenced, key, "at least one address is needed");
            SnatAddresses::Auto
        }
        OneOrMany::Many(list) => {
            let list: Vec<Text> = list.iter().map(placed).collect();
            SnatAddresses::List(distinct(&list, key, address, out))
        }
    }
}

fn timeouts(raw: &raw::Timeouts, out: &mut Report) -> Timeouts {
    const YEAR: u64 = 31_536_000;
    let defaults = Timeouts::default();
    let mut seconds = |given: Option<&Spanned<u64>>, name: &str, default: u32| {
        let key = format!("services.timeouts.{name}");
        number(given, &key, 1..=YEAR, default.into(), out) as u32
    };
    Timeouts {
        tcp_handshake: seconds(raw.tcp_handshake.as_ref(), "tcp_handshake", defaults.tcp_handshake),
        tcp_established: seconds(raw.tcp_established.as_ref(), "tcp_established", defaults.tcp_established),
        tcp_closing: seconds(raw.tcp_closing.as_ref(), "tcp_closing", defaults.tcp_closing),
        udp_one_way: seconds(raw.udp_one_way.as_ref(), "udp_one_way", defaults.udp_one_way),
        udp: seconds(raw.udp.as_ref(), "udp", defaults.udp),
        sctp: seconds(raw.sctp.as_ref(), "sctp", defaults.sctp),
    }
}
