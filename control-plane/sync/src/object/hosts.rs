//! Hosts that Ingresses and Services name, in the domains whose names they are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sluice_corefile::{HostKind, HostZone};
use sluice_model::check::MAX_ADDRESSES;
use sluice_model::http::HostPattern;
use sluice_model::{ExternalAddress, ServiceName};

use super::addresses::host;
use super::ingress::IngressObject;
use super::names::no_alias;
use super::{Parsed, Rules};

/// `metadata.labels`: no host of the object has a name.
const IGNORE: &str = "k8s-gateway.dns/ignore";
/// `metadata.annotations` of a Service: its hosts, the first of these that there is.
const HOSTNAMES: [&str; 2] = ["coredns.io/hostname", "external-dns.alpha.kubernetes.io/hostname"];
/// Hosts of an object that are looked at.
const MOST: usize = 10_000;

/// A host that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostClaim {
    /// The whole name, in lower case and without the last dot; its first label may be a star.
    pub host: Box<str>,
    /// The place of the object's kind among those of the domain: of several kinds the first counts.
    pub rank: u8,
}

/// Hosts of an Ingress, and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// Which.
    pub hosts: Vec<HostClaim>,
    /// `status.loadBalancer.ingress`.
    pub addresses: Vec<ExternalAddress>,
}

/// Parses an Ingress, for who serves it and for DNS.
pub fn ingress(object: &networking::Ingress, rules: &Rules) -> Parsed<IngressObject> {
    let mut parsed = super::ingress::ingress(object);
    if !rules.ingress {
        // Of its routes nothing is wrong here: they are another's.
        parsed.problems.clear();
    }
    let metadata = &object.metadata;
    if rules.exposes(&parsed.object.name.namespace) && !is_ignored(metadata) {
        let hosts = of_ingress(&parsed.object, rules);
        let addresses = if hosts.is_empty() { Vec::new() } else { addresses(object) };
        parsed.object.hosted = Hosted { hosts, addresses };
    }
    parsed
}

fn of_ingress(object: &IngressObject, rules: &Rules) -> Vec<HostClaim> {
    let class = object.class.as_deref().or(object.annotation.as_deref());
    let names = object.rules.iter().filter_map(|rule| match &rule.host {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Wildcard(suffix) => Some(format!("*.{suffix}").into()),
        HostPattern::Any => None,
    });
    let claims = names.filter_map(|name| {
        let (zone, rank) = zones(rules, HostKind::Ingress).find(|(zone, _)| is_within(&name, &zone.zone))?;
        let classes = &zone.ingress_classes;
        let is_one = classes.is_empty() || class.is_some_and(|class| classes.iter().any(|it| &**it == class));
        is_one.then_some(HostClaim { host: name, rank })
    });
    each_once(claims)
}

fn addresses(object: &networking::Ingress) -> Vec<ExternalAddress> {
    let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let shown = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let shown = shown.iter().filter_map(|entry| match entry.ip.as_deref().filter(|ip| !ip.is_empty()) {
        Some(ip) => host(ip).ok().map(ExternalAddress::Ip),
        None => {
            let name = entry.hostname.as_deref().filter(|name| no_alias(name).is_none());
            name.map(|name| ExternalAddress::Host(name.into()))
        }
    });
    shown.take(MAX_ADDRESSES).collect()
}

/// The hosts of a Service: those of its annotation, else its name.
pub(super) fn of_service(object: &core::Service, name: &ServiceName, rules: &Rules) -> Vec<HostClaim> {
    let metadata = &object.metadata;
    let kind = object.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    if kind != Some("LoadBalancer") || is_ignored(metadata) {
        return Vec::new();
    }
    let labels = metadata.labels.as_ref().unwrap_or(const { &BTreeMap::new() });
    let annotations = metadata.annotations.as_ref();
    let given = HOSTNAMES.iter().find_map(|key| annotations.and_then(|all| all.get(*key)));
    let own = format!("{}.{}", name.name, name.namespace);
    // What is no name of a host is left out, and whoever annotates has no name besides (k8s_gateway).
    let names: Vec<String> = match given {
        Some(text) => text.to_ascii_lowercase().split(',').map(|name| name.replace(' ', "")).collect(),
        None => vec![own],
    };
    let domains = || rules.names.iter().flat_map(|names| &names.hosts);
    let claims = names.iter().filter(|name| is_host(name)).flat_map(|name| {
        let whole = given.is_some() && domains().any(|zone| is_within(name, &zone.zone));
        let of_zone = move |(zone, rank): (&HostZone, u8)| {
            let selectors = &zone.service_labels;
            let is_one = selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels));
            // A name in none of the domains is in each of them.
            let host = match whole {
                true => is_within(name, &zone.zone).then(|| name.clone())?,
                false => format!("{name}.{}", zone.zone),
            };
            (is_one && host.len() <= 253).then(|| HostClaim { host: host.into(), rank })
        };
        zones(rules, HostKind::Service).filter_map(of_zone)
    });
    each_once(claims)
}

/// The domains that have hosts of a kind, and its place among the kinds there.
fn zones(rules: &Rules, kind: HostKind) -> impl Iterator<Item = (&HostZone, u8)> {
    let zones = rules.names.iter().flat_map(|names| &names.hosts);
    zones.filter_map(move |zone| Some((zone, zone.kinds.iter().position(|it| *it == kind)? as u8)))
}

fn each_once(claims: impl Iterator<Item = HostClaim>) -> Vec<HostClaim> {
    let mut seen = std::collections::HashSet::new();
    claims.filter(|claim| seen.insert(claim.host.clone())).take(MOST).collect()
}

fn is_ignored(metadata: &ObjectMeta) -> bool {
    metadata.labels.as_ref().and_then(|labels| labels.get(IGNORE)).is_some_and(|value| value == "true")
}

fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// RFC 1123, in lower case, and a star for its first label.
fn is_host(name: &str) -> bool {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && plain.split('.').all(label)
}
