//! `dns`: who is asked for names that are not the cluster's.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::dns::domain;
use super::{Report, visibility};
use sluice_model::ResolverSettings;
use sluice_model::resolver::{Cache, Forward, Upstream, UpstreamTls, Zone};

use crate::raw::{self, Text};

/// The ports of DNS and of DNS over TLS.
const PORT: u16 = 53;
const TLS_PORT: u16 = 853;
/// Upstreams of one domain at most.
const MOST: usize = 15;

/// A domain, who is asked for its names, and of which namespaces' pods; none: of everybody.
struct Stub {
    zone: Box<str>,
    upstreams: Vec<Upstream>,
    namespaces: Vec<Box<str>>,
}

/// What the resolver does; names of the cluster's `zones` are not its own.
pub(super) fn check(raw: &raw::Dns, cluster: &[Box<str>], out: &mut Report) -> ResolverSettings {
    let mut zones: Vec<Stub> = Vec::new();
    for (i, stub) in raw.stub_zones.iter().enumerate() {
        let key = format!("dns.stub_zones[{i}]");
        let Some(zone) = domain(&stub.value.zone, &format!("{key}.zone"), out) else { continue };
        let named = stub.value.namespaces.iter().enumerate();
        let named =
            named.map(|(k, text)| visibility::namespace(text, &format!("{key}.namespaces[{k}]"), out));
        let namespaces: Vec<Box<str>> = named.collect();
        let others = || zones.iter().filter(|other| other.zone.eq_ignore_ascii_case(&zone));
        if namespaces.is_empty() && others().any(|other| other.namespaces.is_empty()) {
            let message = format!("{zone} stands here twice");
            out.add(stub.value.zone.referenced, &format!("{key}.zone"), message);
        }
        for (k, text) in stub.value.namespaces.iter().enumerate() {
            let before = namespaces.get(..k).unwrap_or_default();
            let mut all = before.iter().chain(others().flat_map(|other| &other.namespaces));
            if all.any(|other| **other == *text.value) {
                let message = format!("{zone} stands here twice for {}", text.value);
                out.add(text.referenced, &format!("{key}.namespaces[{k}]"), message);
            }
        }
        let upstreams = upstreams(&stub.value.upstreams, &format!("{key}.upstreams"), out);
        if stub.value.upstreams.is_empty() {
            out.add(stub.referenced, &format!("{key}.upstreams"), "at least one upstream is needed");
        }
        zones.push(Stub { zone, upstreams, namespaces });
    }
    if !raw.upstreams.is_empty() {
        let upstreams = upstreams(&raw.upstreams, "dns.upstreams", out);
        zones.push(Stub { zone: ".".into(), upstreams, namespaces: Vec::new() });
    }
    let zones = zones.into_iter().map(|Stub { zone: name, upstreams, namespaces }| Zone {
        cache: raw.cache.as_ref().is_none_or(|cache| cache.value).then(Cache::default),
        forward: vec![Forward {
            from: name.to_string(),
            upstreams,
            // A client may have its reasons for TCP; none of them is the upstream's.
            prefer_udp: true,
            refuse_private: raw.refuse_private.unwrap_or(false),
            ..Forward::default()
        }],
        name: name.into(),
        namespaces,
        ..Zone::default()
    });
    ResolverSettings {
        zones: zones.collect(),
        protected: cluster.iter().map(ToString::to_string).collect(),
        ..ResolverSettings::default()
    }
}

fn upstreams(list: &[Text], key: &str, out: &mut Report) -> Vec<Upstream> {
    let mut all: Vec<Upstream> = Vec::new();
    for (i, text) in list.iter().enumerate() {
        let key = format!("{key}[{i}]");
        if text.value.starts_with('/') {
            all.extend(system(text, &key, out));
        } else {
            all.extend(upstream(text, &key, out));
        }
        if all.len() > MOST {
            out.add(text.referenced, &key, format!("more than {MOST} upstreams"));
            break;
        }
    }
    all
}

/// `ADDRESS`, `ADDRESS:PORT`, `tls://ADDRESS` or `tls://ADDRESS#NAME`.
fn upstream(text: &Text, key: &str, out: &mut Report) -> Option<Upstream> {
    let (rest, tls) = match text.value.strip_prefix("tls://") {
        Some(rest) => {
            let (rest, name) = rest.split_once('#').map_or((rest, None), |(a, name)| (a, Some(name)));
            (
                rest,
                Some(UpstreamTls {
                    name: name.filter(|name| !name.is_empty()).map(str::to_owned),
                    roots: None,
                }),
            )
        }
        None => (text.value.as_str(), None),
    };
    let port = if tls.is_some() { TLS_PORT } else { PORT };
    let parsed = rest.parse::<SocketAddr>().ok();
    let parsed = parsed.or_else(|| Some(SocketAddr::new(rest.parse::<IpAddr>().ok()?, port)));
    match parsed {
        Some(address) if address.port() != 0 && !address.ip().is_unspecified() => {
            Some(Upstream { address, tls })
        }
        _ => {
            let message = format!(
                "`{}` is no upstream such as 192.0.2.53, 192.0.2.53:5353, tls://192.0.2.53#dns.example or a \
                 resolv.conf's path",
                text.value
            );
            out.add(text.referenced, key, message);
            None
        }
    }
}

/// The name servers of a resolv.conf (resolv.conf(5)).
fn system(text: &Text, key: &str, out: &mut Report) -> Vec<Upstream> {
    let content = match std::fs::read_to_string(Path::new(&text.value)) {
        Ok(content) => content,
        Err(error) => {
            out.add(text.referenced, key, format!("{}: {error}", text.value));
            return Vec::new();
        }
    };
    let servers = content.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next())?
    });
    let upstreams: Vec<Upstream> = servers
        .filter_map(|server| server.parse::<IpAddr>().ok())
        .map(|ip| Upstream::plain(SocketAddr::new(ip, PORT)))
        .collect();
    if upstreams.is_empty() {
        out.add(text.referenced, key, format!("{} names no name server", text.value));
    }
    upstreams
}
