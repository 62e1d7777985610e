//! `dns`: how it is served on this machine.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_saphyr::Spanned;
use sluice_model::Serving;
use sluice_model::serving::{LogClass, MAX_NSID, QueryLog, Secure, can_be_nsid};

use super::dns::domain;
use super::values::{is_host, network};
use super::{Report, choice, folder, number};
use crate::raw::{self, Text};

/// The ports of DNS over TLS (RFC 7858) and of HTTPS.
const TLS: u16 = 853;
const HTTPS: u16 = 443;
/// Where queries are sent to over HTTPS if nothing else is said (RFC 8484, section 4.1.1).
const PATH: &str = "/dns-query";

pub(super) fn check(raw: &raw::Dns, file: &Path, out: &mut Report) -> Serving {
    let transfer = raw.transfer.iter().enumerate();
    let tls = raw.tls.as_ref().and_then(|raw| secure(raw, "dns.tls", TLS, file, out));
    let https = raw.https.as_ref().and_then(|raw| secure(raw, "dns.https", HTTPS, file, out));
    Serving {
        health: raw.health.as_ref().and_then(|text| listen(text, "dns.health", 8080, out)),
        ready: raw.ready.as_ref().and_then(|text| listen(text, "dns.ready", 8181, out)),
        // `metrics.proxy` is for that.
        metrics: None,
        log: raw.log.as_ref().map(|raw| log(raw, file, out)),
        nsid: raw.nsid.as_ref().and_then(|text| nsid(text, out)),
        secure: tls.into_iter().chain(https).collect(),
        transfer: transfer
            .filter_map(|(i, text)| network(text, &format!("dns.transfer[{i}]"), out))
            .collect(),
        autopath: autopath(raw, out),
    }
}

/// How long queries are answered on after the role was told to end.
pub(super) fn lameduck(raw: &raw::Dns, out: &mut Report) -> Option<Duration> {
    let time = Duration::from_secs(number(raw.lameduck.as_ref(), "dns.lameduck", 0..=300, 0, out));
    Some(time).filter(|time| !time.is_zero())
}

/// An address with its port, as a page is served on; wildcards too.
fn listen(text: &Text, key: &str, port: u16, out: &mut Report) -> Option<SocketAddr> {
    let parsed = text.value.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
    if parsed.is_none() {
        let message = format!("`{}` is no address with a port", text.value);
        out.hint(text.referenced, key, message, Some(format!("such as 0.0.0.0:{port}")));
    }
    parsed
}

/// Whose search list it is, only pods that are known tell.
fn autopath(raw: &raw::Dns, out: &mut Report) -> bool {
    let Some(given) = raw.autopath.as_ref().filter(|given| given.value) else { return false };
    if raw.pods.as_ref().is_none_or(|pods| pods.value != "verified") {
        out.add(given.referenced, "dns.autopath", "only for pods that are known: `pods: verified` is needed");
    }
    true
}

fn nsid(text: &Text, out: &mut Report) -> Option<String> {
    let valid = can_be_nsid(&text.value);
    if !valid {
        let message = format!("a name of 1 to {MAX_NSID} octets is needed; {{generation}} takes up to 20");
        out.add(text.referenced, "dns.nsid", message);
    }
    valid.then(|| text.value.clone())
}

fn log(raw: &raw::DnsLog, file: &Path, out: &mut Report) -> QueryLog {
    let classes = [("success", LogClass::Success), ("denial", LogClass::Denial), ("error", LogClass::Error)];
    let each = raw.classes.iter().enumerate();
    let chosen = each.map(|(i, text)| choice(Some(text), &format!("dns.log.classes[{i}]"), &classes, out));
    let chosen: Vec<_> = chosen.collect();
    let zones = raw.zones.iter().enumerate();
    let zones = zones.filter_map(|(i, text)| domain(text, &format!("dns.log.zones[{i}]"), out));
    let zones = zones.map(|zone| zone.to_string()).collect();
    QueryLog {
        file: raw.file.as_ref().map(|text| folder(text, "dns.log.file", file, out)),
        sample: number(raw.sample.as_ref(), "dns.log.sample", 1..=1_000_000, 1, out) as u32,
        rate: number(raw.rate.as_ref(), "dns.log.rate", 1..=1_000_000, 1000, out) as u32,
        zones,
        classes: chosen,
    }
}

fn secure(raw: &Spanned<raw::Secure>, key: &str, port: u16, file: &Path, out: &mut Report) -> Option<Secure> {
    let (raw, place) = (&raw.value, raw.referenced);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for (i, text) in raw.addresses.iter().enumerate() {
        let key = format!("{key}.addresses[{i}]");
        let parsed = text.value.parse::<SocketAddr>().ok();
        let parsed = parsed.or_else(|| Some(SocketAddr::new(text.value.parse::<IpAddr>().ok()?, port)));
        match parsed.filter(|address| is_host(address.ip()) && address.port() != 0) {
            None => {
                let message =
                    format!("`{}` is not the address of a host, with or without a port", text.value);
                out.add(text.referenced, &key, message);
            }
            Some(address) if addresses.contains(&address) => {
                out.add(text.referenced, &key, format!("{address} stands here twice"));
            }
            Some(address) => addresses.push(address),
        }
    }
    if raw.addresses.is_empty() {
        out.add(place, &format!("{key}.addresses"), "at least one address is needed");
    }
    let https = port == HTTPS;
    let path = match &raw.path {
        None => PATH.to_owned(),
        Some(text) if !https => {
            out.add(text.referenced, &format!("{key}.path"), "only `dns.https` has a path");
            PATH.to_owned()
        }
        Some(text) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
            if !text.value.starts_with('/') || text.value.len() > 128 || !text.value.bytes().all(plain) {
                let message = format!("`{}` is no path such as {PATH}", text.value);
                out.add(text.referenced, &format!("{key}.path"), message);
            }
            text.value.clone()
        }
    };
    let mut needed = |text: &Option<Text>, name: &str| match text {
        Some(text) => Some(folder(text, &format!("{key}.{name}"), file, out)),
        None => {
            out.add(place, &format!("{key}.{name}"), "a PEM file is needed");
            None
        }
    };
    let (certificate, key) = (needed(&raw.certificate, "certificate"), needed(&raw.key, "key"));
    let path = https.then_some(path);
    Some(Secure { addresses, certificate: certificate?, key: key?, path })
}
