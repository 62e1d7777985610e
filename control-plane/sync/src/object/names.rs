//! What of an object DNS tells.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use sluice_model::check::MAX_ADDRESSES;
use sluice_model::{
    EndpointGroup, ExternalAddress, NameKind, NamedEndpoint, NamedPod, NamedPort, NamedService, ServiceName,
};

use super::addresses::host;
use super::service::{cluster_ips, is_headless};
use super::{Parsed, Rules, port_number, protocol};
use crate::FieldProblem;

/// `metadata.labels` of a Namespace: its own name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A Service's name and ports, without its endpoints, and how many of its external addresses are its own; none where it cannot
/// have a name, and why.
pub(super) fn service(
    object: &core::Service,
    name: &ServiceName,
    problems: &mut Vec<FieldProblem>,
) -> Option<(NamedService, usize)> {
    let spec = object.spec.clone().unwrap_or_default();
    let kind = if spec.type_.as_deref() == Some("ExternalName") {
        let target = spec.external_name.as_deref().unwrap_or_default();
        if let Some(why) = no_alias(target) {
            problems.push(FieldProblem::new("spec.externalName", why));
            return None;
        }
        NameKind::External(target.into())
    } else if is_headless(&spec) {
        NameKind::Headless
    } else {
        match cluster_ips(&spec) {
            Ok(addresses) if !addresses.is_empty() => NameKind::Cluster(addresses),
            // Not given one yet, or refused already by whoever reads the Service's frontends.
            _ => return None,
        }
    };
    let ports = spec.ports.iter().flatten().filter_map(|port| {
        Some(NamedPort {
            name: port.name.as_deref().unwrap_or_default().into(),
            protocol: protocol(port.protocol.as_deref(), String::new).ok()?,
            port: port_number(port.port, String::new).ok()?,
        })
    });
    let (external, own) = external(object, &spec);
    let named =
        NamedService { name: name.clone(), kind, ports: ports.collect(), endpoints: Vec::new(), external };
    named.check().is_ok().then_some((named, own))
}

/// Where it is reached from outside, whoever sees to that: its own addresses, so many, and those of its status. What is no
/// address has been told where frontends are parsed.
fn external(object: &core::Service, spec: &core::ServiceSpec) -> (Vec<ExternalAddress>, usize) {
    let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let shown = ingress.iter().filter_map(|entry| match entry.ip.as_deref().filter(|ip| !ip.is_empty()) {
        Some(ip) => host(ip).ok().map(ExternalAddress::Ip),
        None => {
            let name = entry.hostname.as_deref().filter(|name| no_alias(name).is_none());
            name.map(|name| ExternalAddress::Host(name.into()))
        }
    });
    let own = spec.external_ips.iter().flatten().filter_map(|ip| host(ip).ok().map(ExternalAddress::Ip));
    let mut all: Vec<ExternalAddress> = own.take(MAX_ADDRESSES).collect();
    let own = all.len();
    all.extend(shown.take(MAX_ADDRESSES));
    (all, own)
}

/// Why an `externalName` gives no alias.
pub(super) fn no_alias(target: &str) -> Option<String> {
    if target.parse::<std::net::IpAddr>().is_ok() {
        return Some(format!(
            "{target} is an address, and a CNAME record needs a name; the Service has none"
        ));
    }
    let name = target.strip_suffix('.').unwrap_or(target);
    let label = |label: &str| (1..=63).contains(&label.len());
    (name.len() > 253 || !name.split('.').all(label))
        .then(|| format!("`{target}` is no domain; the Service has no name"))
}

/// The endpoints of a slice that are ready, with their ports; none where there are none.
pub(super) fn endpoints(slice: &discovery::EndpointSlice, rules: &Rules) -> Option<EndpointGroup> {
    let by_zone = rules.names.as_ref().is_some_and(|names| names.zones);
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        Some(NamedPort {
            name: port.name.as_deref().unwrap_or_default().into(),
            protocol: protocol(port.protocol.as_deref(), String::new).ok()?,
            port: port_number(port.port?, String::new).ok()?,
        })
    });
    let endpoints: Vec<NamedEndpoint> = slice
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true))
        .filter_map(|endpoint| {
            let pod = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
            Some(NamedEndpoint {
                address: host(endpoint.addresses.first()?).ok()?,
                hostname: endpoint.hostname.as_deref().map(Box::from),
                pod: pod.and_then(|pod| pod.name.as_deref()).map(Box::from),
                zone: endpoint.zone.as_deref().filter(|zone| by_zone && !zone.is_empty()).map(Box::from),
            })
        })
        .collect();
    (!endpoints.is_empty()).then(|| EndpointGroup { ports: ports.collect(), endpoints })
}

/// A Namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceObject {
    /// Its name.
    pub name: Box<str>,
    /// Whether DNS may tell of it.
    pub exposed: bool,
}

/// Parses a Namespace.
pub fn namespace(object: &core::Namespace, rules: &Rules) -> NamespaceObject {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let labels = || {
        let mut labels = object.metadata.labels.clone().unwrap_or_default();
        // Every Namespace has it; API servers see to that, who writes manifests need not.
        labels.insert(NAMESPACE_NAME.to_owned(), name.to_owned());
        labels
    };
    let names = rules.names.as_ref();
    let selected =
        names.is_some_and(|n| n.namespace_labels.is_empty() || n.namespace_labels.matches(&labels()));
    NamespaceObject { name: name.into(), exposed: rules.exposes(name) && selected }
}

/// A pod's addresses; none where DNS may not tell of it, and nobody wants to know who asks.
pub fn pod(object: &core::Pod, rules: &Rules) -> Parsed<NamedPod> {
    let metadata = &object.metadata;
    let name = ServiceName::new(
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let status = object.status.as_ref();
    // Of a pod that has ended another one has the address by now.
    let alive = status.and_then(|s| s.phase.as_deref()).is_none_or(|p| !matches!(p, "Succeeded" | "Failed"));
    let named = rules.names(&name.namespace, metadata);
    // Its node's addresses are those of whatever runs there.
    let own = object.spec.as_ref().is_none_or(|spec| spec.host_network != Some(true));
    let client = own && rules.names.as_ref().is_some_and(|names| names.clients);
    let mut addresses = Vec::new();
    if let Some(status) = status.filter(|_| alive && (named || client)) {
        let several = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
        for ip in several.chain(status.pod_ip.as_deref()).filter_map(|ip| host(ip).ok()) {
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
    }
    Parsed { object: NamedPod { name, addresses, named, client }, problems: Vec::new() }
}
