//! Services.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sluice_corefile::{HostKind, HostZone, Selector};
use sluice_model::check::{MAX_ADDRESSES, MAX_PORTS};
use sluice_model::{Affinity, NamedService, Protocol, Service, ServiceName, ServicePort, TrafficPolicy};

use super::addresses::{host, hosts as addresses, source_ranges};
use super::hosts::{self, HostClaim};
use super::{Parsed, blank, names, port_number, protocol};
use crate::FieldProblem;

/// `metadata.labels`: another proxy serves this Service.
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
/// `metadata.annotations`: source ranges, from before they had a field.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// `metadata.annotations`: `service` makes all ports share a client's endpoint.
const AFFINITY_SCOPE: &str = "sluice.dev/affinity-scope";
/// `sessionAffinityConfig.clientIP.timeoutSeconds` where it is not given.
const AFFINITY_TIMEOUT: i32 = 10_800;

/// What of Services is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The `spec.loadBalancerClass` that is ours, beside none.
    pub load_balancer_class: Box<str>,
    /// Whether `spec.externalIPs` are served.
    pub external_ips: bool,
    /// Which objects have names in DNS, if any have.
    pub names: Option<Exposed>,
    /// Whether Ingresses are served.
    pub ingress: bool,
    /// Whose Secrets are read then; those of all namespaces where empty.
    pub secret_namespaces: Vec<Box<str>>,
}

/// What DNS may tell of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Namespaces; all where empty.
    pub namespaces: Vec<Box<str>>,
    /// What labels their Namespace objects have.
    pub namespace_labels: Selector,
    /// What labels Services and pods have.
    pub labels: Selector,
    /// Whose hosts are the names of domains of hosts.
    pub hosts: Vec<HostZone>,
    /// Whether pods are to be known.
    pub pods: bool,
    /// Whether those are that have no names, too: it matters who asks.
    pub clients: bool,
    /// Whether ServiceImports are to be known.
    pub imports: bool,
    /// Whether the topology zones of endpoints are to be known.
    pub zones: bool,
}

impl Rules {
    /// Whether DNS may tell of this namespace, as far as its name goes.
    pub fn exposes(&self, namespace: &str) -> bool {
        let names = self.names.as_ref();
        names.is_some_and(|n| n.namespaces.is_empty() || n.namespaces.iter().any(|n| &**n == namespace))
    }

    /// Whether DNS may tell of this object, as far as its own labels and its namespace's name go.
    pub fn names(&self, namespace: &str, metadata: &ObjectMeta) -> bool {
        let labels = || metadata.labels.as_ref().unwrap_or(const { &BTreeMap::new() });
        self.exposes(namespace) && self.names.as_ref().is_some_and(|names| names.labels.matches(labels()))
    }

    /// Whether ServiceImports are to be known.
    pub fn imports(&self) -> bool {
        self.names.as_ref().is_some_and(|names| names.imports)
    }

    /// Whether hosts of Ingresses are to be known.
    pub fn ingress_hosts(&self) -> bool {
        let zones = self.names.iter().flat_map(|names| &names.hosts);
        zones.into_iter().any(|zone| zone.kinds.contains(&HostKind::Ingress))
    }

    /// Whether only namespaces whose labels are known have names.
    pub fn by_namespace_labels(&self) -> bool {
        self.names.as_ref().is_some_and(|names| !names.namespace_labels.is_empty())
    }
}

/// A Service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceObject {
    /// Its name.
    pub name: ServiceName,
    /// All of it but the endpoints; none where it has no frontends of ours: ExternalName, headless, another proxy's.
    pub service: Option<Service>,
    /// What DNS tells of it, but for the endpoints; none where it has no name.
    pub named: Option<Box<NamedService>>,
    /// How many of the external addresses that DNS tells are the Service's own, and not of its status.
    pub external_ips: usize,
    /// The hosts that it names in domains of hosts.
    pub hosts: Vec<HostClaim>,
    /// What it asks for of address pools, and what its status says; only of an API server's.
    pub asks: Option<Box<Asks>>,
    /// What Ingresses may send requests to; only where Ingresses are served.
    pub backend: Option<Box<BackendPorts>>,
}

/// A Service as a backend of HTTP, of whatever type it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPorts {
    /// `spec.externalName`, in lower case and without a final dot, where its type is ExternalName.
    pub external: Option<Box<str>>,
    /// Name and number of each of its TCP ports, in their order.
    pub ports: Vec<(Box<str>, u16)>,
}

/// What a Service asks for, beside being served.
#[derive(Clone, Debug, PartialEq)]
pub struct Asks {
    /// Addresses; none where they are not ours to give.
    pub wish: Option<crate::pools::Wish>,
    /// What its status says.
    pub shown: crate::status::Shown,
}

/// Parses a Service.
///
/// # Errors
/// A field without which the Service cannot be served as meant rejects it: names, ports, cluster addresses, policies,
/// affinity.
pub fn service(object: &core::Service, rules: &Rules) -> Result<Parsed<ServiceObject>, FieldProblem> {
    let metadata = &object.metadata;
    let name = ServiceName::new(
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let mut problems = Vec::new();
    let spec = object.spec.clone().unwrap_or_default();
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    let labelled = |label| metadata.labels.as_ref().is_some_and(|l| l.contains_key(label));
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        return Err(FieldProblem::new("spec.type", format!("`{kind}` is no type of Service")));
    }
    let service = if kind == "ExternalName" || is_headless(&spec) || labelled(PROXY_NAME) {
        None
    } else {
        let annotations = Annotations(object);
        within_bounds(object, &spec)?;
        let mut service = blank(name.clone());
        service.created = metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        service.cluster_ips = cluster_ips(&spec)?;
        if rules.external_ips {
            let list = spec.external_ips.iter().flatten().enumerate();
            let list = list.map(|(i, ip)| (format!("spec.externalIPs[{i}]"), ip.as_str()));
            service.external_ips = addresses(list, &mut problems);
        }
        let class = spec.load_balancer_class.as_deref();
        if kind == "LoadBalancer" && class.is_none_or(|c| c == &*rules.load_balancer_class) {
            service.load_balancer_ips = load_balancer_ips(object, &mut problems);
        }
        service.external_policy =
            policy(spec.external_traffic_policy.as_deref(), "spec.externalTrafficPolicy")?;
        service.internal_policy =
            policy(spec.internal_traffic_policy.as_deref(), "spec.internalTrafficPolicy")?;
        service.affinity = affinity(&spec, &annotations, &mut problems)?;
        service.source_ranges = ranges(&spec, kind, &annotations, &mut problems)?;
        service.ports = ports(&spec, kind != "ClusterIP")?;
        service.health_check_node_port = health_check_port(&spec, kind, service.external_policy)?;
        // Who forwards refuses what is beyond the model's limits, and with it everything that comes in the same breath.
        service.check().map_err(|error| FieldProblem::new("spec", error.to_string()))?;
        Some(service)
    };
    let named = match rules.names(&name.namespace, metadata) {
        true => names::service(object, &name, &mut problems),
        false => None,
    };
    let (named, external_ips) = named.map(|(named, own)| (Box::new(named), own)).unzip();
    let external_ips = external_ips.unwrap_or(0);
    let hosts = match named {
        Some(_) => hosts::of_service(object, &name, rules, &mut problems),
        None => Vec::new(),
    };
    let backend = rules.ingress.then(|| Box::new(backend(&spec, kind)));
    Ok(Parsed {
        object: ServiceObject { name, service, named, external_ips, hosts, asks: None, backend },
        problems,
    })
}

/// What makes no sense is told where it is parsed as a frontend.
fn backend(spec: &core::ServiceSpec, kind: &str) -> BackendPorts {
    let ports = spec.ports.iter().flatten().take(MAX_PORTS);
    let ports = ports.filter(|port| matches!(port.protocol.as_deref(), None | Some("TCP" | "")));
    let ports = ports.filter_map(|port| {
        let number = port_number(port.port, String::new).ok()?;
        Some((port.name.as_deref().unwrap_or_default().into(), number))
    });
    let external = (kind == "ExternalName").then(|| {
        let name = spec.external_name.as_deref().unwrap_or_default().to_ascii_lowercase();
        name.strip_suffix('.').unwrap_or(&name).into()
    });
    BackendPorts { external, ports: ports.collect() }
}

/// No list is longer than the data plane takes. One that is would have it refuse all that comes with it.
fn within_bounds(object: &core::Service, spec: &core::ServiceSpec) -> Result<(), FieldProblem> {
    fn length<T>(list: Option<&Vec<T>>) -> usize {
        list.map_or(0, Vec::len)
    }
    let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    for (field, length, most) in [
        ("spec.clusterIPs", length(spec.cluster_ips.as_ref()), MAX_ADDRESSES),
        ("spec.externalIPs", length(spec.external_ips.as_ref()), MAX_ADDRESSES),
        ("spec.loadBalancerSourceRanges", length(spec.load_balancer_source_ranges.as_ref()), MAX_ADDRESSES),
        ("status.loadBalancer.ingress", length(status.and_then(|s| s.ingress.as_ref())), MAX_ADDRESSES),
        ("spec.ports", length(spec.ports.as_ref()), MAX_PORTS),
    ] {
        if length > most {
            return Err(FieldProblem::new(field, format!("{length} entries are more than {most}")));
        }
    }
    Ok(())
}

struct Annotations<'a>(&'a core::Service);

impl<'a> Annotations<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        let all = self.0.metadata.annotations.as_ref()?;
        all.get(name).map(String::as_str)
    }
}

pub(super) fn is_headless(spec: &core::ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None") || spec.cluster_ips.iter().flatten().any(|ip| ip == "None")
}

/// `clusterIPs`, or `clusterIP` where only that is given, as in a hand-written manifest.
pub(super) fn cluster_ips(spec: &core::ServiceSpec) -> Result<Vec<IpAddr>, FieldProblem> {
    let mut ips = Vec::new();
    let several = spec.cluster_ips.iter().flatten().enumerate();
    let several = several.map(|(i, ip)| (format!("spec.clusterIPs[{i}]"), ip.as_str()));
    let single = spec.cluster_ip.iter().map(|ip| ("spec.clusterIP".to_owned(), ip.as_str()));
    for (field, text) in several.chain(single) {
        if text.is_empty() {
            continue;
        }
        let ip = host(text).map_err(|message| FieldProblem::new(field, message))?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

/// `status.loadBalancer.ingress[].ip` where `ipMode` is VIP, which is also what none means (KEP-1860).
fn load_balancer_ips(object: &core::Service, problems: &mut Vec<FieldProblem>) -> Vec<IpAddr> {
    let status = object.status.as_ref().and_then(|s| s.load_balancer.as_ref());
    let ingress = status.and_then(|s| s.ingress.as_deref()).unwrap_or_default();
    let mut list = Vec::new();
    for (i, entry) in ingress.iter().enumerate() {
        let at = format!("status.loadBalancer.ingress[{i}]");
        match (entry.ip.as_deref(), entry.ip_mode.as_deref()) {
            (Some(ip), None | Some("VIP")) if !ip.is_empty() => list.push((format!("{at}.ip"), ip)),
            (_, None | Some("VIP" | "Proxy")) => {}
            (_, Some(mode)) => problems.push(FieldProblem::new(
                format!("{at}.ipMode"),
                format!("`{mode}` is neither VIP nor Proxy; the address is not served"),
            )),
        }
    }
    addresses(list, problems)
}

fn policy(text: Option<&str>, field: &str) -> Result<TrafficPolicy, FieldProblem> {
    match text {
        None | Some("Cluster" | "") => Ok(TrafficPolicy::Cluster),
        Some("Local") => Ok(TrafficPolicy::Local),
        Some(other) => Err(FieldProblem::new(field, format!("`{other}` is neither Cluster nor Local"))),
    }
}

fn affinity(
    spec: &core::ServiceSpec,
    annotations: &Annotations<'_>,
    problems: &mut Vec<FieldProblem>,
) -> Result<Option<Affinity>, FieldProblem> {
    match spec.session_affinity.as_deref() {
        None | Some("None" | "") => return Ok(None),
        Some("ClientIP") => {}
        Some(other) => {
            return Err(FieldProblem::new(
                "spec.sessionAffinity",
                format!("`{other}` is neither None nor ClientIP"),
            ));
        }
    }
    let config = spec.session_affinity_config.as_ref();
    let seconds =
        config.and_then(|config| config.client_ip.as_ref()?.timeout_seconds).unwrap_or(AFFINITY_TIMEOUT);
    if !(1..=86_400).contains(&seconds) {
        return Err(FieldProblem::new(
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            format!("{seconds} is not within 1 to 86400"),
        ));
    }
    let across_ports = match annotations.value(AFFINITY_SCOPE) {
        None | Some("port") => false,
        Some("service") => true,
        Some(other) => {
            problems.push(FieldProblem::new(
                format!("metadata.annotations[\"{AFFINITY_SCOPE}\"]"),
                format!("`{other}` is neither port nor service; taken as port"),
            ));
            false
        }
    };
    Ok(Some(Affinity { timeout_seconds: seconds.unsigned_abs(), across_ports }))
}

/// The field goes before the annotation, which counts for load balancers only, as in Kubernetes' own service helpers.
fn ranges(
    spec: &core::ServiceSpec,
    kind: &str,
    annotations: &Annotations<'_>,
    problems: &mut Vec<FieldProblem>,
) -> Result<Vec<ipnet::IpNet>, FieldProblem> {
    let list = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    if !list.is_empty() {
        let fields = list.iter().enumerate();
        let fields = fields.map(|(i, text)| (format!("spec.loadBalancerSourceRanges[{i}]"), text.as_str()));
        return Ok(source_ranges(fields, problems));
    }
    let text = annotations.value(SOURCE_RANGES).unwrap_or_default().trim();
    if kind != "LoadBalancer" || text.is_empty() {
        return Ok(Vec::new());
    }
    let field = format!("metadata.annotations[\"{SOURCE_RANGES}\"]");
    if text.split(',').count() > MAX_ADDRESSES {
        return Err(FieldProblem::new(field, format!("more than {MAX_ADDRESSES} entries")));
    }
    Ok(source_ranges(text.split(',').map(|range| (field.clone(), range)), problems))
}

fn ports(spec: &core::ServiceSpec, node_ports: bool) -> Result<Vec<ServicePort>, FieldProblem> {
    let given = spec.ports.as_deref().unwrap_or_default();
    let mut ports: Vec<ServicePort> = Vec::with_capacity(given.len());
    let mut seen = HashMap::<(u16, Protocol), usize>::new();
    let mut node_ports_seen = HashMap::<(u16, Protocol), usize>::new();
    for (i, port) in given.iter().enumerate() {
        let at = |field: &str| format!("spec.ports[{i}].{field}");
        let name: Box<str> = port.name.as_deref().unwrap_or_default().into();
        let protocol = protocol(port.protocol.as_deref(), || at("protocol"))?;
        let number = port_number(port.port, || at("port"))?;
        let node_port = match port.node_port {
            // A type without node ports may still carry them from before it was changed.
            Some(node_port) if node_ports && node_port != 0 => {
                Some(port_number(node_port, || at("nodePort"))?)
            }
            _ => None,
        };
        if let Some(first) = seen.insert((number, protocol), i) {
            return Err(FieldProblem::new(
                at("port"),
                format!("{number}/{protocol} stands in spec.ports[{first}] already"),
            ));
        }
        if let Some(node_port) = node_port
            && let Some(first) = node_ports_seen.insert((node_port, protocol), i)
        {
            return Err(FieldProblem::new(
                at("nodePort"),
                format!("{node_port}/{protocol} stands in spec.ports[{first}] already"),
            ));
        }
        if name.is_empty() && given.len() > 1 {
            return Err(FieldProblem::new(at("name"), "a port needs a name where there are several"));
        }
        if ports.iter().any(|other| other.name == name) {
            return Err(FieldProblem::new(at("name"), format!("another port is called `{name}`")));
        }
        ports.push(ServicePort { name, protocol, port: number, node_port, endpoints: Vec::new() });
    }
    Ok(ports)
}

fn health_check_port(
    spec: &core::ServiceSpec,
    kind: &str,
    policy: TrafficPolicy,
) -> Result<Option<u16>, FieldProblem> {
    match spec.health_check_node_port {
        Some(port) if port != 0 && kind == "LoadBalancer" && policy == TrafficPolicy::Local => {
            port_number(port, || "spec.healthCheckNodePort".to_owned()).map(Some)
        }
        _ => Ok(None),
    }
}
