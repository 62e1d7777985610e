//! EndpointSlices.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::jiff::Timestamp;
use sluice_model::{Endpoint, EndpointGroup, Protocol, ServiceName};

use super::addresses::host;
use super::{Parsed, Rules, names, port_number, protocol};
use crate::FieldProblem;

/// `metadata.labels`: the Service that a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// `metadata.labels`: the slice is a headless Service's, of no use to a load balancer.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// `metadata.annotations`: when what the slice changed by happened (RFC 3339).
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// `metadata.labels`: the ServiceImport that a slice belongs to (KEP-1645).
const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
/// `metadata.labels`: the cluster that a slice's endpoints are in (KEP-1645).
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceObject {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// The Service it belongs to; none where it is of no use here: no label, headless and without names, FQDN.
    pub service: Option<ServiceName>,
    /// The ServiceImport it belongs to, with the cluster its endpoints are in where that is known; only where imports have
    /// names.
    pub import: Option<(ServiceName, Option<Box<str>>)>,
    /// What DNS tells of it.
    pub named: Option<Arc<EndpointGroup>>,
    /// It is a headless Service's, whose endpoints only Ingresses have a use for.
    pub headless: bool,
    /// The ports that its endpoints have.
    pub ports: Vec<SlicePort>,
    /// When what it last changed by happened.
    pub triggered: Triggered,
    /// Its endpoints, each with port 0: every one has all of `ports`.
    pub endpoints: Vec<Endpoint>,
}

/// When a Pod or a Service changed so that a slice had to (`metadata.annotations`), where its writer says so. It is no part of what
/// the slice is: two slices are alike whenever they were written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Triggered(pub Option<SystemTime>);

impl PartialEq for Triggered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Triggered {}

/// A port of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the Service's port that it belongs to.
    pub name: Box<str>,
    /// The transport.
    pub protocol: Protocol,
    /// Where the endpoints listen.
    pub port: u16,
}

/// Parses an EndpointSlice. Ports and endpoints that make no sense are left out and reported: the others can serve.
pub fn endpoint_slice(object: &discovery::EndpointSlice, rules: &Rules) -> Parsed<SliceObject> {
    let metadata = &object.metadata;
    let label = |name| metadata.labels.as_ref().and_then(|l| l.get(name));
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let mut problems = Vec::new();
    let mut slice = SliceObject {
        namespace: namespace.into(),
        name: metadata.name.as_deref().unwrap_or_default().into(),
        service: None,
        import: None,
        named: None,
        headless: label(HEADLESS).is_some(),
        triggered: Triggered(triggered(object)),
        ports: Vec::new(),
        endpoints: Vec::new(),
    };
    let v6 = match object.address_type.as_str() {
        "IPv4" => Some(false),
        "IPv6" => Some(true),
        "FQDN" => None,
        other => {
            problems.push(FieldProblem::new(
                "addressType",
                format!("`{other}` is none of IPv4, IPv6 and FQDN; the slice is not used"),
            ));
            None
        }
    };
    let import = label(IMPORT_NAME).filter(|name| !name.is_empty() && v6.is_some() && rules.imports());
    if let Some(import) = import.filter(|_| rules.exposes(namespace)) {
        let cluster = label(SOURCE_CLUSTER).filter(|id| !id.is_empty());
        slice.import = Some((ServiceName::new(namespace, import), cluster.map(|id| id.as_str().into())));
        slice.named = names::endpoints(object, rules).map(Arc::new);
    }
    let service = label(SERVICE_NAME).filter(|name| !name.is_empty());
    if let (Some(v6), Some(service)) = (v6, service) {
        if rules.exposes(namespace) {
            slice.service = Some(ServiceName::new(namespace, service));
            slice.named = names::endpoints(object, rules).map(Arc::new);
        }
        if !slice.headless || rules.ingress {
            slice.service = Some(ServiceName::new(namespace, service));
            slice.ports = ports(object, &mut problems);
            slice.endpoints = endpoints(object, v6, &mut problems);
        }
    }
    Parsed { object: slice, problems }
}

fn triggered(object: &discovery::EndpointSlice) -> Option<SystemTime> {
    let text = object.metadata.annotations.as_ref()?.get(TRIGGERED)?;
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

fn ports(object: &discovery::EndpointSlice, problems: &mut Vec<FieldProblem>) -> Vec<SlicePort> {
    let mut ports = Vec::new();
    for (i, port) in object.ports.iter().flatten().enumerate() {
        // No number means "all ports", which a Service's port cannot be mapped to.
        let Some(number) = port.port else {
            continue;
        };
        let parsed = port_number(number, || format!("ports[{i}].port")).and_then(|number| {
            let protocol = protocol(port.protocol.as_deref(), || format!("ports[{i}].protocol"))?;
            Ok(SlicePort { name: port.name.as_deref().unwrap_or_default().into(), protocol, port: number })
        });
        match parsed {
            Ok(port) => ports.push(port),
            Err(problem) => problems.push(FieldProblem::new(problem.field, problem.message + "; left out")),
        }
    }
    ports
}

fn endpoints(object: &discovery::EndpointSlice, v6: bool, problems: &mut Vec<FieldProblem>) -> Vec<Endpoint> {
    let mut endpoints = Vec::with_capacity(object.endpoints.len());
    for (i, endpoint) in object.endpoints.iter().enumerate() {
        // Only the first address has a meaning (discovery/v1, Endpoint.addresses).
        let Some(text) = endpoint.addresses.first() else {
            continue;
        };
        let family = |ip: IpAddr| {
            let family = if v6 { "IPv6" } else { "IPv4" };
            let message = format!("{ip} is not of the slice's address type, {family}");
            (ip.is_ipv6() == v6).then_some(ip).ok_or(message)
        };
        match host(text).and_then(family) {
            Ok(ip) => endpoints.push(parse(endpoint, ip)),
            Err(message) => problems
                .push(FieldProblem::new(format!("endpoints[{i}].addresses[0]"), message + "; left out")),
        }
    }
    endpoints.shrink_to_fit();
    endpoints
}

fn parse(endpoint: &discovery::Endpoint, ip: IpAddr) -> Endpoint {
    let conditions = endpoint.conditions.as_ref();
    let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
    let hints = endpoint.hints.as_ref();
    let text = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty());
        text.map(Box::from)
    };
    Endpoint {
        address: SocketAddr::new(ip, 0),
        ready,
        serving: conditions.and_then(|c| c.serving).unwrap_or(ready),
        terminating: conditions.and_then(|c| c.terminating).unwrap_or(false),
        node: text(&endpoint.node_name),
        zone: text(&endpoint.zone),
        hint_zones: hints
            .and_then(|hints| hints.for_zones.as_ref())
            .map(|zones| zones.iter().map(|zone| zone.name.as_str().into()).collect())
            .unwrap_or_default(),
        hint_nodes: hints
            .and_then(|hints| hints.for_nodes.as_ref())
            .map(|nodes| nodes.iter().map(|node| node.name.as_str().into()).collect())
            .unwrap_or_default(),
        pod: endpoint
            .target_ref
            .as_ref()
            .filter(|target| target.kind.as_deref() == Some("Pod"))
            .and_then(|target| text(&target.name)),
        weight: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slice_changed_by_is_known_and_no_part_of_it() {
        let parse = |at: Option<&str>| {
            let annotations = at.map(|at| (TRIGGERED.to_owned(), at.to_owned())).into_iter().collect();
            let metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                annotations: Some(annotations),
                ..Default::default()
            };
            let object =
                discovery::EndpointSlice { metadata, address_type: "IPv4".to_owned(), ..Default::default() };
            let rules = Rules {
                load_balancer_class: "".into(),
                external_ips: false,
                names: None,
                ingress: false,
                secret_namespaces: Vec::new(),
            };
            endpoint_slice(&object, &rules).object
        };
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(1_767_225_600_250_000);
        assert_eq!(parse(Some("2026-01-01T00:00:00.25Z")).triggered.0, Some(then));
        assert_eq!(parse(Some("2026-01-01T01:00:00.25+01:00")).triggered.0, Some(then));
        for none in [None, Some(""), Some("yesterday"), Some("2026-01-01")] {
            assert_eq!(parse(none).triggered.0, None);
        }
        assert_eq!(parse(None), parse(Some("2026-01-01T00:00:00Z")));
    }
}
