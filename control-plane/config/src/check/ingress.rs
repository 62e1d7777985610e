//! `ingress`: where and how HTTP is served, and whose Ingresses are ours.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_saphyr::{Location, Spanned};
use sluice_model::http::{AccessLog, CertificateName, HttpSettings, MAX_TICKET_KEYS};
use sluice_model::{IngressSettings, PortRange};

use super::services::distinct;
use super::values::{address, network};
use super::{Report, folder, name, number};
use crate::config::{CertificateFiles, Ingress};
use crate::raw::{self, Text};

/// The `spec.controller` of IngressClasses that are ours, and the name of the one that is there by default.
const CONTROLLER: &str = "sluice.dev/ingress";
const CLASS: &str = "sluice";
/// Each of `secret_namespaces` has a watch of its own.
const NAMESPACES: usize = 64;
/// For how long browsers are to come by TLS only: a year, as ingress-nginx has it.
const HSTS: u64 = 31_536_000;

pub(super) fn check(raw: &Spanned<raw::Ingress>, file: &Path, out: &mut Report) -> Ingress {
    let (raw, place) = (&raw.value, raw.referenced);
    let addresses = distinct(&raw.addresses, "ingress.addresses", address, out);
    if raw.addresses.is_empty() {
        out.add(place, "ingress.addresses", "at least one address is needed");
    }
    let secret_namespaces = secret_namespaces(&raw.secret_namespaces, out);
    let (secret, files) =
        default_certificate(raw.default_certificate.as_ref(), &secret_namespaces, file, out);
    let class = raw.class.as_ref().map(|text| name(text, "ingress.class", out));
    let hsts = number(raw.hsts.as_ref(), "ingress.hsts", 0..=63_072_000, HSTS, out);
    Ingress {
        controller: controller(raw.controller.as_ref(), out),
        class: class.unwrap_or_else(|| CLASS.into()),
        watch_without_class: raw.watch_without_class.unwrap_or(false),
        hsts: Some(hsts).filter(|&seconds| seconds > 0),
        certificate: files,
        session_tickets: session_tickets(&raw.session_tickets, file, out),
        clients: networks(&raw.clients, "ingress.clients", out),
        external_names: distinct(&raw.external_names, "ingress.external_names", external_name, out),
        external_networks: networks(&raw.external_networks, "ingress.external_networks", out),
        secret_namespaces,
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
        passthrough_ms: seconds(limits.passthrough.as_ref(), "passthrough", 1, defaults.passthrough_ms),
        drain_ms: seconds(limits.drain.as_ref(), "drain", 0, defaults.drain_ms),
        max_head: head,
        max_connections: connections,
        upstream_idle: idle,
        http: addresses.iter().map(|&ip| SocketAddr::new(ip, http)).collect(),
        https: addresses.iter().map(|&ip| SocketAddr::new(ip, https)).collect(),
        default_certificate: None,
        ticket_keys: Vec::new(),
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

/// Files, relative to the configuration's own.
fn session_tickets(raw: &[Text], file: &Path, out: &mut Report) -> Vec<PathBuf> {
    const KEY: &str = "ingress.session_tickets";
    if let Some(text) = raw.get(MAX_TICKET_KEYS) {
        out.add(text.referenced, KEY, format!("more than {MAX_TICKET_KEYS} files"));
    }
    raw.iter().map(|text| folder(text, KEY, file, out)).collect()
}

fn networks(raw: &[Text], key: &str, out: &mut Report) -> Vec<IpNet> {
    distinct(raw, key, network, out)
}

/// A name, or `*.` and one. `*` alone would be all names that there are.
fn external_name(text: &Text, key: &str, out: &mut Report) -> Option<Box<str>> {
    let lower = text.value.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_name = rest.len() <= 253
        && rest.parse::<IpAddr>().is_err()
        && rest.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain));
    if !is_name {
        let message = format!("`{}` is neither a domain nor `*.` and a domain", text.value);
        out.add(text.referenced, key, message);
    }
    is_name.then(|| name.into())
}

fn secret_namespaces(raw: &[Text], out: &mut Report) -> Vec<Box<str>> {
    const KEY: &str = "ingress.secret_namespaces";
    if let Some(beyond) = raw.get(NAMESPACES) {
        let message = format!("at most {NAMESPACES} namespaces can be named; none stands for all");
        out.add(beyond.referenced, KEY, message);
    }
    distinct(raw, KEY, namespace, out)
}

/// The name of a namespace (RFC 1123: a label).
fn namespace(text: &Text, key: &str, out: &mut Report) -> Option<Box<str>> {
    let name = text.value.as_str();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_name {
        out.add(text.referenced, key, format!("`{name}` is no namespace's name"));
    }
    is_name.then(|| name.into())
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
    namespaces: &[Box<str>],
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
            if let Some((namespace, _)) = parts
                && !namespaces.is_empty()
                && !namespaces.iter().any(|read| **read == *namespace)
            {
                let message = format!("`{namespace}` is none of ingress.secret_namespaces");
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
