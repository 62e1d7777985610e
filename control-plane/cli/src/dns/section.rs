//! The `dns` section that does what a Corefile does.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use sluice_corefile::plugins::{Forward, Plugin, Upstream, UpstreamHost};
use sluice_corefile::{Corefile, HostKind, Running, Selector, Transport};
use sluice_model::PodNames;
use sluice_model::resolver::{self, Times};
use sluice_model::serving::{LogClass, QueryLog};

/// What the configuration has under `dns`; a key that has its default is left away.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    #[serde(skip_serializing_if = "Option::is_none")]
    corefile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    zones: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverse_zones: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_pod_names: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hide_empty_services: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zonal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_udp_size: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstreams: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stub_zones: Vec<StubZone>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallthrough: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    multicluster_zones: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_zones: Vec<ExternalZone>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_labels: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lameduck: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nsid: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transfer: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    autopath: Option<bool>,
    /// What was not carried over.
    #[serde(skip)]
    pub(super) left: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Log {
    zones: Vec<String>,
    classes: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct ExternalZone {
    zone: String,
    ttl: u32,
    apex: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    headless: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secondary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ingress_classes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    service_labels: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StubZone {
    zone: String,
    upstreams: Vec<String>,
}

/// The section for a Corefile that lies at `path`. Where keys cannot say it, it names the file.
pub(super) fn section(corefile: &Corefile, running: &Running, path: &Path) -> Section {
    let dns = &running.dns;
    let mut section =
        Section { addresses: dns.listen.iter().map(ToString::to_string).collect(), ..Section::default() };
    if section.addresses.is_empty() {
        section.service = dns.service.as_ref().map(ToString::to_string);
    }
    if let Some(why) = beyond(running) {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        section.corefile = Some(whole.display().to_string());
        section.left.push(format!("keys have no words for {why}: the Corefile itself is named"));
        return section;
    }
    let texts = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    section.zones = texts(&dns.zones);
    section.reverse_zones = Some(texts(&dns.reverse_zones));
    section.namespaces = texts(&running.namespaces);
    section.ttl = Some(dns.ttl);
    section.pods = match dns.pods {
        PodNames::Disabled => None,
        PodNames::Insecure => Some("insecure"),
        PodNames::Verified => Some("verified"),
    };
    section.endpoint_pod_names = dns.endpoint_pod_names.then_some(true);
    section.hide_empty_services = dns.hide_empty.then_some(true);
    section.endpoints = (!dns.endpoints).then_some(false);
    section.zonal = dns.zonal.then_some(true);
    section.max_udp_size = (dns.max_udp != 1232).then_some(dns.max_udp);
    section.fallthrough = texts(&dns.fallthrough);
    for server in &corefile.servers {
        let forward = server.plugins.iter().find_map(|placed| match &placed.plugin {
            Plugin::Forward(forward) => Some(forward),
            _ => None,
        });
        let Some(forward) = forward else { continue };
        for zone in server.zones() {
            match zone.as_str() {
                "." => section.upstreams = upstreams(forward),
                _ => section
                    .stub_zones
                    .push(StubZone { zone: zone.to_string(), upstreams: upstreams(forward) }),
            }
        }
    }
    serving(&mut section, running);
    section.left = lost(running);
    if running.resolver.zones.iter().all(|zone| zone.cache.is_none()) {
        section.cache = Some(false);
    }
    section
}

/// How it serves, and what objects have names.
fn serving(section: &mut Section, running: &Running) {
    let selector = |selector: &Selector| (!selector.is_empty()).then(|| selector.to_string());
    section.multicluster_zones = running.dns.multicluster_zones.iter().map(ToString::to_string).collect();
    section.external_zones = running.dns.external_zones.iter().map(|zone| external(zone, running)).collect();
    (section.namespace_labels, section.labels) =
        (selector(&running.namespace_labels), selector(&running.labels));
    let serving = &running.resolver.serving;
    (section.health, section.ready) = (serving.health, serving.ready);
    section.lameduck = running.resolver.times.lameduck.map(|time| time.as_secs());
    section.log = serving.log.as_ref().map(log);
    section.nsid.clone_from(&serving.nsid);
    section.transfer = serving.transfer.iter().map(ToString::to_string).collect();
    section.autopath = serving.autopath.then_some(true);
}

/// A domain of external addresses, with whose hosts its names are.
fn external(zone: &sluice_model::ExternalZone, running: &Running) -> ExternalZone {
    let hosts = running.hosts.iter().find(|hosts| hosts.zone.eq_ignore_ascii_case(&zone.zone));
    let kinds = hosts.map(|hosts| hosts.kinds.as_slice()).unwrap_or_default();
    let kind = |kind: &HostKind| HostKind::ALL.iter().find(|(_, known)| known == kind).map(|(name, _)| *name);
    ExternalZone {
        zone: zone.zone.to_string(),
        ttl: zone.ttl,
        apex: zone.apex.to_string(),
        headless: zone.headless,
        hosts: kinds.iter().filter_map(kind).collect(),
        secondary: zone.secondary.as_ref().map(ToString::to_string),
        ingress_classes: hosts.iter().flat_map(|it| &it.ingress_classes).map(ToString::to_string).collect(),
        service_labels: hosts.iter().flat_map(|it| &it.service_labels).map(ToString::to_string).collect(),
    }
}

fn log(log: &QueryLog) -> Log {
    let class = |class: &LogClass| match class {
        LogClass::Success => "success",
        LogClass::Denial => "denial",
        LogClass::Error => "error",
    };
    Log { zones: log.zones.clone(), classes: log.classes.iter().map(class).collect() }
}

/// What keys cannot say.
fn beyond(running: &Running) -> Option<&'static str> {
    let plain = resolver::Forward::default();
    let any = |is: fn(&resolver::Zone) -> bool| running.resolver.zones.iter().any(is);
    let forwards = || running.resolver.zones.iter().flat_map(|zone| &zone.forward);
    let cached = running.resolver.zones.iter().filter(|zone| zone.cache.is_some()).count();
    let cases = [
        (any(|zone| zone.hosts.is_some()), "`hosts`"),
        (any(|zone| !zone.files.is_empty()), "`file` and `auto`"),
        (any(|zone| !zone.secondary.is_empty()), "`secondary`"),
        (any(|zone| !zone.rewrite.is_empty()), "`rewrite`"),
        (any(|zone| !zone.template.is_empty()), "`template`"),
        (any(|zone| zone.foreign), "a server for a part of the cluster's zones"),
        (any(|zone| zone.forward.len() > 1), "several `forward`s of one server"),
        (!running.resolver.serving.secure.is_empty(), "servers over TLS or HTTPS"),
        (running.dns.zones.is_empty(), "DNS without the cluster's names"),
        (cached > 0 && cached < running.resolver.zones.len(), "a `cache` for some servers alone"),
        (
            forwards().any(|it| {
                !it.except.is_empty()
                    || it.force_tcp
                    || it.policy != plain.policy
                    || !it.failover.is_empty()
                    || it.fail_fast
                    || it.max_fails != plain.max_fails
                    || it.health != plain.health
                    || it.upstreams.iter().any(|it| it.tls.as_ref().is_some_and(|tls| tls.roots.is_some()))
            }),
            "options of `forward`",
        ),
        (
            running
                .resolver
                .zones
                .iter()
                .filter_map(|zone| zone.cache.as_ref())
                .any(|it| it.prefetch.is_some() || it.serve_stale.is_some() || it.keep_ttl),
            "options of `cache`",
        ),
    ];
    cases.into_iter().find_map(|(is, what)| is.then_some(what))
}

/// What is otherwise with keys, without being worth a Corefile.
fn lost(running: &Running) -> Vec<String> {
    let mut left = Vec::new();
    let (cache, forward) = (resolver::Cache::default(), resolver::Forward::default());
    for zone in &running.resolver.zones {
        let name = &zone.name;
        if let Some(own) = zone.cache.as_ref()
            && (own.success != cache.success || own.denial != cache.denial || own.servfail != cache.servfail)
        {
            let (most, least) = (own.success.max_ttl, own.denial.max_ttl);
            left.push(format!("`cache` of {name}: sizes and times ({most} s, {least} s for denials); answers are kept as long as they say, up to an hour"));
        }
        for own in &zone.forward {
            if own.max_concurrent != forward.max_concurrent {
                left.push(format!(
                    "`max_concurrent {}` of {name}; 4096 queries may wait in all",
                    own.max_concurrent
                ));
            }
            if own.expire != forward.expire {
                left.push(format!("`expire` of {name}; idle connections are kept for 10 s"));
            }
        }
        if zone.forward.is_empty() {
            left.push(format!("the server for {name}, which answers nothing"));
        }
    }
    if running.resolver.times != (Times { lameduck: running.resolver.times.lameduck, ..Times::default() }) {
        left.push("times: `cancel`, `timeouts`".to_owned());
    }
    if let Some(at) = running.resolver.serving.metrics {
        left.push(format!("metrics at {at}: `metrics.proxy` says where they are"));
    }
    left
}

fn upstreams(forward: &Forward) -> Vec<String> {
    let text = |to: &Upstream| match to {
        Upstream::File(path) => path.clone(),
        Upstream::Server { transport, host, port, percent } => {
            let UpstreamHost::Address(ip) = host else { return to.to_string() };
            let address = std::net::SocketAddr::new(*ip, *port);
            let name = percent.as_ref().or(forward.tls.server_name.as_ref());
            match transport {
                Transport::Tls => {
                    format!("tls://{address}{}", name.map(|name| format!("#{name}")).unwrap_or_default())
                }
                _ if *port == 53 => ip.to_string(),
                _ => address.to_string(),
            }
        }
    };
    forward.to.iter().map(text).collect()
}
