//! `ingress`: where and how HTTP is served, and whose Ingresses are ours.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ipnet::IpNet;
use serde_saphyr::{Location, Spanned};
use sluice_model::http::{AccessLog, CertificateName, HttpSettings};
use sluice_model::{IngressSettings, PortRange};

use super::services::distinct;
use super::values::{address, network};
use super::{Report, folder, name, number};
use crate::config::{CertificateFiles, Ingress};
use crate::raw::{self, Text};

/// The `spec.controller` of IngressClasses that are ours, and the name of the one that is there by default.
const CONTROLLER: &str = "sluice.dev/ingress";
const CLASS: &str = "sluice";
/// For how long browsers are to come by TLS only: a year, as ingress-nginx has it.
const HSTS: u64 = 31_536_000;

pub(super) fn check(raw: &Spanned<raw::Ingress>, file: &Path, out: &mut Report) -> Ingress {
    let (raw, place) = (&raw.value, raw.referenced);
    let addresses = distinct(&raw.addresses, "ingress.addresses", address, out);
    if raw.addresses.is_empty() {
        out.add(place, "ingress.addresses", "at least one address is needed");
    }
    let (secret, files) = default_certificate(raw.default_certificate.as_ref(), file, out);
    let class = raw.class.as_ref().map(|text| name(text, "ingress.class", out));
    let hsts = number(raw.hsts.as_ref(), "ingress.hsts", 0..=63_072_000, HSTS, out);
    Ingress {
        controller: controller(raw.controller.as_ref(), out),
        class: class.unwrap_or_else(|| CLASS.into()),
        watch_without_class: raw.watch_without_class.unwrap_or(false),
        hsts: Some(hsts).filter(|&seconds| seconds > 0),
        certificate: files,
        clients: networks(&raw.clients, "ingress.clients", out),
        syn_rate: number(raw.syn_rate.as_ref(), "ingress.syn_rate", 0..=1_000_000_000, 0, out) as u32,
        settings: HttpSettings { default_certificate: secret, ..settings(raw, addresses, file, out) },
    }
}

/// What the packet path goes by.
pub(super) fn packets(ingress: &Ingress) -> IngressSettings {
    IngressSettings {
        listen: ingress.settings.http.iter().chain(&ingress.settings.https).copied().collect(),
        clients: ingress.clients.clone(),
        syns_per_second: Some(ingress.syn_rate).filter(|&rate| rate > 0),
    }
}

/// Ports of full NAT where the proxy connects to endpoints too: below those that Linux gives its own connections
/// (`net.ipv4.ip_local_port_range`), lest two connections from one address to one endpoint have the same.
pub(super) fn snat_ports() -> PortRange {
    PortRange::new(1024, 32_767).unwrap_or_default()
}

fn settings(raw: &raw::Ingress, addresses: Vec<IpAddr>, file: &Path, out: &mut Report) -> HttpSettings {
    let mut port = |given: Option<&Spanned<u64>>, key: &str, default: u64| {
        number(given, &format!("ingress.{key}"), 1..=65_535, default, out) as u16
    };
    let http = port(raw.http_port.as_ref(), "http_port", 80);
    let https = port(raw.https_port.as_ref(), "https_port", 443);
    if http == https {
        let place = raw.https_port.as_ref().or(raw.http_port.as_ref());
        let place = place.map_or(Location::UNKNOWN, |port| port.referenced);
        out.add(place, "ingress.https_port", format!("{http} is the port without TLS already"));
    }
    let defaults = HttpSettings::default();
    let limits = &raw.limits;
    let mut limit = |given: Option<&Spanned<u64>>, key: &str, range, default: u32| {
        number(given, &format!("ingress.limits.{key}"), range, default.into(), out) as u32
    };
    let head = limit(limits.head.as_ref(), "head", 1024..=1 << 20, defaults.max_head);
    let connections =
        limit(limits.connections.as_ref(), "connections", 1..=10_000_000, defaults.max_connections);
    let idle = limit(limits.upstream_idle.as_ref(), "upstream_idle", 0..=1_000_000, defaults.upstream_idle);
    let mut seconds = |given: Option<&Spanned<u64>>, key: &str, least: u64, default: u32| {
        1000 * limit(given, key, least..=86_400, default / 1000)
    };
    HttpSettings {
        keep_alive_ms: seconds(limits.keep_alive.as_ref(), "keep_alive", 1, defaults.keep_alive_ms),
        head_ms: seconds(limits.head_timeout.as_ref(), "head_timeout", 1, defaults.head_ms),
        body_ms: seconds(limits.body_timeout.as_ref(), "body_timeout", 1, defaults.body_ms),
        drain_ms: seconds(limits.drain.as_ref(), "drain", 0, defaults.drain_ms),
        max_head: head,
        max_connections: connections,
        upstream_idle: idle,
        http: addresses.iter().map(|&ip| SocketAddr::new(ip, http)).collect(),
        https: addresses.iter().map(|&ip| SocketAddr::new(ip, https)).collect(),
        default_certificate: None,
        trusted: networks(&raw.trusted_proxies, "ingress.trusted_proxies", out),
        proxy_protocol: networks(&raw.proxy_protocol, "ingress.proxy_protocol", out),
        http2: raw.http2.unwrap_or(defaults.http2),
        tls13_only: match raw.tls_minimum.as_ref() {
            None => false,
            Some(text) if text.value == "1.2" => false,
            Some(text) if text.value == "1.3" => true,
            Some(text) => {
                let message = format!("`{}` is neither 1.2 nor 1.3", text.value);
                out.add(text.referenced, "ingress.tls_minimum", message);
                false
            }
        },
        access_log: match raw.access_log.as_ref() {
            None => None,
            Some(text) if text.value == "none" => None,
            Some(text) if text.value == "stdout" => Some(AccessLog { file: None }),
            Some(text) => Some(AccessLog { file: Some(folder(text, "ingress.access_log", file, out)) }),
        },
    }
}

fn networks(raw: &[Text], key: &str, out: &mut Report) -> Vec<IpNet> {
    distinct(raw, key, network, out)
}

/// `spec.controller` of an IngressClass: a domain, a slash, a path; at most 250 characters.
fn controller(raw: Option<&Text>, out: &mut Report) -> Box<str> {
    let Some(text) = raw else { return CONTROLLER.into() };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%:@!$&'()*+,;=".contains(&b);
    let valid = text.value.len() <= 250
        && text.value.split_once('/').is_some_and(|(domain, path)| {
            !domain.is_empty() && !path.is_empty() && path.bytes().all(plain) && domain.bytes().all(plain)
        });
    if !valid {
        let message = format!("`{}` is no controller such as {CONTROLLER}", text.value);
        out.add(text.referenced, "ingress.controller", message);
    }
    text.value.as_str().into()
}

fn default_certificate(
    raw: Option<&Spanned<raw::DefaultCertificate>>,
    file: &Path,
    out: &mut Report,
) -> (Option<CertificateName>, Option<CertificateFiles>) {
    const KEY: &str = "ingress.default_certificate";
    let Some(raw) = raw else { return (None, None) };
    match (&raw.value.secret, &raw.value.certificate, &raw.value.key) {
        (Some(secret), None, None) => {
            let parts = secret
                .value
                .split_once('/')
                .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
            if parts.is_none() {
                let message = format!("`{}` is no Secret such as NAMESPACE/NAME", secret.value);
                out.add(secret.referenced, &format!("{KEY}.secret"), message);
            }
            (parts.map(|(namespace, name)| CertificateName::new(namespace, name)), None)
        }
        (None, Some(certificate), Some(key)) => {
            let certificate = folder(certificate, &format!("{KEY}.certificate"), file, out);
            let key = folder(key, &format!("{KEY}.key"), file, out);
            let name = CertificateName::new("", &certificate.to_string_lossy());
            (Some(name), Some(CertificateFiles { certificate, key }))
        }
        _ => {
            out.add(raw.referenced, KEY, "either `secret`, or `certificate` and `key`, both PEM files");
            (None, None)
        }
    }
}
