//! What a Service object asks for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;

use super::{Families, Sharing, Wish};
use crate::FieldProblem;
use crate::object::{Parsed, Rules};

/// `metadata.annotations`: addresses wanted, separated by commas.
const ADDRESSES: &str = "sluice.dev/load-balancer-ips";
/// `metadata.annotations`: the pool wanted.
const POOL: &str = "sluice.dev/address-pool";
/// `metadata.annotations`: Services with the same value may share an address.
const SHARING: &str = "sluice.dev/allow-shared-ip";
/// `metadata.labels`: another proxy serves this Service.
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
/// The most addresses that a Service may ask for.
const MAX_ADDRESSES: usize = 16;

/// What a Service asks for; none where it is not for us to give it an address. A wanted address that is none is left out
/// and reported; with all of them left out the Service gets any, as one that asks for none.
pub fn wish(object: &core::Service, rules: &Rules) -> Parsed<Option<Wish>> {
    let mut problems = Vec::new();
    let (metadata, spec) = (&object.metadata, object.spec.clone().unwrap_or_default());
    let class = spec.load_balancer_class.as_deref();
    let proxied = metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(PROXY_NAME));
    let is_ours = spec.type_.as_deref() == Some("LoadBalancer")
        && class.is_none_or(|class| class == &*rules.load_balancer_class)
        && !proxied;
    if !is_ours {
        return Parsed { object: None, problems };
    }
    let annotation = |name: &str| {
        let value = metadata.annotations.as_ref()?.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    };
    let wish = Wish {
        created: metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        families: families(&spec),
        addresses: addresses(&spec, annotation(ADDRESSES), &mut problems),
        pool: annotation(POOL).map(Into::into),
        sharing: annotation(SHARING).map(|key| Sharing { key: key.into(), backends: backends(&spec) }),
        ports: ports(&spec),
        labels: metadata
            .labels
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
            .collect(),
        held: held(object),
    };
    Parsed { object: Some(wish), problems }
}

/// `ipFamilies` is what an API server fills in; a manifest written by hand may have no more than cluster addresses.
fn families(spec: &core::ServiceSpec) -> Families {
    let listed = |v6| spec.ip_families.iter().flatten().any(|f| f == if v6 { "IPv6" } else { "IPv4" });
    let clustered = |v6| {
        let all = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
        all.filter_map(|ip| ip.parse::<IpAddr>().ok()).any(|ip| ip.is_ipv6() == v6)
    };
    let either = [listed(false), listed(true)];
    let [v4, v6] = if either == [false, false] { [clustered(false), clustered(true)] } else { either };
    match (v4, v6, spec.ip_family_policy.as_deref()) {
        (true, false, _) => Families::V4,
        (false, true, _) => Families::V6,
        (_, _, Some("RequireDualStack")) => Families::Both,
        _ => Families::Either,
    }
}

/// The annotation goes before `spec.loadBalancerIP`, which is deprecated and can name one family only.
fn addresses(
    spec: &core::ServiceSpec,
    annotation: Option<&str>,
    problems: &mut Vec<FieldProblem>,
) -> Vec<IpAddr> {
    let field = format!("metadata.annotations[\"{ADDRESSES}\"]");
    let (field, list) = match (annotation, spec.load_balancer_ip.as_deref()) {
        (Some(list), _) => (field, list),
        (None, Some(ip)) if !ip.trim().is_empty() => ("spec.loadBalancerIP".to_owned(), ip),
        _ => return Vec::new(),
    };
    let mut wanted = Vec::new();
    for text in list.split(',').map(str::trim) {
        match text.parse::<IpAddr>() {
            Ok(ip) if wanted.contains(&ip) => {}
            Ok(_) if wanted.len() == MAX_ADDRESSES => {
                let message =
                    format!("more than {MAX_ADDRESSES} addresses; `{text}` and what follows left out");
                problems.push(FieldProblem::new(&field, message));
                break;
            }
            Ok(ip) => wanted.push(ip),
            Err(_) => {
                problems.push(FieldProblem::new(&field, format!("`{text}` is no IP address; left out")));
            }
        }
    }
    wanted
}

/// The selector where the policy is Local, as one text; keys are sorted.
fn backends(spec: &core::ServiceSpec) -> Option<Box<str>> {
    (spec.external_traffic_policy.as_deref() == Some("Local")).then(|| {
        let selector = spec.selector.iter().flatten();
        selector.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",").into()
    })
}

/// Ports that make no sense are for whoever serves the Service to report.
fn ports(spec: &core::ServiceSpec) -> BTreeSet<(sluice_model::Protocol, u16)> {
    let ports = spec.ports.iter().flatten().filter_map(|port| {
        let protocol = crate::object::protocol(port.protocol.as_deref(), String::new).ok()?;
        Some((protocol, u16::try_from(port.port).ok()?))
    });
    ports.collect()
}

fn held(object: &core::Service) -> Vec<IpAddr> {
    let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let ours = ingress.iter().filter(|entry| matches!(entry.ip_mode.as_deref(), None | Some("VIP")));
    ours.filter_map(|entry| entry.ip.as_deref()?.parse().ok()).collect()
}
