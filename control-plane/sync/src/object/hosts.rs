//! Hosts that Ingresses and Services name, in the domains whose names they are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sluice_corefile::{HostKind, HostZone};
use sluice_model::check::MAX_HOST_ADDRESSES;
use sluice_model::http::HostPattern;
use sluice_model::{ExternalAddress, ServiceName};

use super::addresses::host;
use super::ingress::IngressObject;
use super::names::no_alias;
use super::{Parsed, Rules};
use crate::FieldProblem;

/// `metadata.labels`: no host of the object has a name.
const IGNORE: &str = "k8s-gateway.dns/ignore";
/// `metadata.annotations` of a Service: its hosts, the first of these that there is.
const HOSTNAMES: [&str; 2] = ["coredns.io/hostname", "external-dns.alpha.kubernetes.io/hostname"];
/// The most hosts of an object, and the most labels of one before its domain: each is a name in the tables.
const MOST: usize = 1000;
const DEEPEST: usize = 8;

/// A host that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostClaim {
    /// The whole name, in lower case and without the last dot; its first label may be a star.
    pub host: Box<str>,
    /// 0 for the name that is the object's own, `svc.ns`, which nobody else can have; else the place of its kind among those of
    /// the domain, from 1: of several kinds the first counts.
    pub rank: u8,
}

/// Hosts of an object, and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// When the object was made, in seconds since 1970.
    pub created: i64,
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
        parsed.problems.retain(|problem| problem.field.ends_with("].host"));
    }
    let metadata = &object.metadata;
    if rules.exposes(&parsed.object.name.namespace) && !is_ignored(metadata) {
        let hosts = of_ingress(&parsed.object, rules, &mut parsed.problems);
        let addresses = if hosts.is_empty() { Vec::new() } else { addresses(object) };
        parsed.object.hosted = Hosted { created: parsed.object.created, hosts, addresses };
    }
    parsed
}

fn of_ingress(object: &IngressObject, rules: &Rules, problems: &mut Vec<FieldProblem>) -> Vec<HostClaim> {
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
        is_one.then_some((HostClaim { host: name, rank }, &*zone.zone))
    });
    kept(claims, "spec.rules", problems)
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
    shown.take(MAX_HOST_ADDRESSES).collect()
}

/// The hosts of a Service: those of its annotation, else its name.
pub(super) fn of_service(
    object: &core::Service,
    name: &ServiceName,
    rules: &Rules,
    problems: &mut Vec<FieldProblem>,
) -> Vec<HostClaim> {
    let metadata = &object.metadata;
    let kind = object.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    if kind != Some("LoadBalancer") || is_ignored(metadata) {
        return Vec::new();
    }
    let labels = metadata.labels.as_ref().unwrap_or(const { &BTreeMap::new() });
    let annotations = metadata.annotations.as_ref();
    let domains = || rules.names.iter().flat_map(|names| &names.hosts);
    if domains().next().is_none() {
        return Vec::new();
    }
    let given = HOSTNAMES.iter().find_map(|key| Some((*key, annotations?.get(*key)?)));
    let own = format!("{}.{}", name.name, name.namespace);
    // What is no name of a host is left out, and whoever annotates has no name besides (k8s_gateway).
    let names: Vec<String> = match given {
        Some((_, text)) => text.to_ascii_lowercase().split(',').map(|name| name.replace(' ', "")).collect(),
        None => vec![own],
    };
    let field = given.map_or_else(String::new, |(key, _)| format!("metadata.annotations[\"{key}\"]"));
    if names.iter().any(|name| !is_host(name)) {
        let message = "has what is no name of a host (RFC 1123), which is left out";
        problems.push(FieldProblem::new(&field, message));
    }
    let claims = names.iter().filter(|name| is_host(name)).flat_map(|name| {
        let whole = given.is_some() && domains().any(|zone| is_within(name, &zone.zone));
        zones(rules, HostKind::Service).filter_map(move |(zone, rank)| {
            let selectors = &zone.service_labels;
            let is_one = selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels));
            // A name in none of the domains is in each of them.
            let host = match whole {
                true => is_within(name, &zone.zone).then(|| name.clone())?,
                false => format!("{name}.{}", zone.zone),
            };
            let rank = if given.is_some() { rank } else { 0 };
            is_one.then(|| (HostClaim { host: host.into(), rank }, &*zone.zone))
        })
    });
    kept(claims, &field, problems)
}

/// The domains that have hosts of a kind, and its place among the kinds there, from 1.
fn zones(rules: &Rules, kind: HostKind) -> impl Iterator<Item = (&HostZone, u8)> {
    let zones = rules.names.iter().flat_map(|names| &names.hosts);
    zones.filter_map(move |zone| Some((zone, zone.kinds.iter().position(|it| *it == kind)? as u8 + 1)))
}

/// Those of the claims, each with its domain, that are within the limits, each once; the others are told.
fn kept<'a>(
    claims: impl Iterator<Item = (HostClaim, &'a str)>,
    field: &str,
    problems: &mut Vec<FieldProblem>,
) -> Vec<HostClaim> {
    let mut seen = std::collections::HashSet::new();
    let (mut kept, mut long, mut many) = (Vec::new(), false, false);
    for (claim, zone) in claims {
        let before = claim.host.strip_suffix(zone).unwrap_or_default();
        if claim.host.len() > 253 || before.split_terminator('.').count() > DEEPEST {
            long = true;
        } else if seen.insert(claim.host.clone()) {
            many |= kept.len() >= MOST;
            if !many {
                kept.push(claim);
            }
        }
    }
    let mut tell = |is_so: bool, what: &str| {
        let message = || format!("{what}: DNS does not tell of those beyond");
        problems.extend(is_so.then(|| FieldProblem::new(field, message())));
    };
    tell(long, &format!("a host has over 253 characters, or over {DEEPEST} labels before its domain"));
    tell(many, &format!("there are over {MOST} hosts"));
    kept
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
