//! Names of Services for the outside: `k8s_external`, and `k8s_gateway`, which is not part of CoreDNS itself.

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::labels::Selector;
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `k8s_external`: `service.namespace.ZONE` has the Service's load-balancer addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct K8sExternal {
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Seconds that records may be kept, at most 3600.
    pub ttl: u32,
    /// The label under the zone that name servers have.
    pub apex: String,
    /// Whether headless Services have names.
    pub headless: bool,
    /// Zones whose other names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
}

/// `k8s_gateway`: hosts of Ingresses, Gateway API routes and Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct K8sGateway {
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Kinds of objects whose hosts are served.
    pub resources: Vec<String>,
    /// Seconds that records may be kept, at most 3600.
    pub ttl: u32,
    /// The name under the zone that the name server has.
    pub apex: String,
    /// The same for a second name server.
    pub secondary: Option<String>,
    /// A kubeconfig, and its context.
    pub kubeconfig: Option<(String, Option<String>)>,
    /// Classes of Ingresses; all where empty.
    pub ingress_classes: Vec<String>,
    /// Classes of Gateways; all where empty.
    pub gateway_classes: Vec<String>,
    /// Services by label: those that one of them selects; all where empty.
    pub service_label_selectors: Vec<Selector>,
    /// Which addresses of nodes are used: `InternalIP` or `ExternalIP`.
    pub node_address_type: Option<String>,
    /// Zones whose other names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
}

/// Kinds that `k8s_gateway` serves.
const RESOURCES: [&str; 7] =
    ["DNSEndpoint", "GRPCRoute", "HTTPRoute", "Ingress", "Node", "Service", "TLSRoute"];
const DEFAULT_RESOURCES: [&str; 2] = ["Ingress", "Service"];
const NODE_ADDRESSES: [&str; 2] = ["InternalIP", "ExternalIP"];

impl Read for K8sExternal {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let zones = reader.origins(&directive.args);
        let mut external =
            Self { zones, ttl: 5, apex: "dns".to_owned(), headless: false, fallthrough: Vec::new() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "ttl" => {
                    let ttl = reader.first(line).and_then(|arg| reader.number(arg, 0..=3600));
                    external.ttl = ttl.unwrap_or(external.ttl);
                }
                "apex" => external.apex = reader.first(line).map(|arg| arg.text.clone()).unwrap_or_default(),
                "headless" => {
                    reader.nothing(&line.name, &line.args);
                    external.headless = true;
                }
                "fallthrough" => {
                    external.fallthrough = reader.fallthrough("k8s_external", line, &external.zones);
                }
                "upstream" => reader.warning(&line.name, "`upstream` is gone from CoreDNS and ignored"),
                _ => reader.unknown("k8s_external", line, &["apex", "fallthrough", "headless", "ttl"]),
            }
        }
        external
    }
}

impl Write for K8sExternal {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server).unless(5, "ttl", self.ttl);
        stanza.unless("dns", "apex", self.apex.as_str()).flag("headless", self.headless);
        stanza.fallthrough(&self.fallthrough);
    }
}

impl Read for K8sGateway {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut gateway = Self {
            zones: reader.origins(&directive.args),
            resources: Vec::new(),
            ttl: 60,
            apex: "dns1.kube-system".to_owned(),
            secondary: None,
            kubeconfig: None,
            ingress_classes: Vec::new(),
            gateway_classes: Vec::new(),
            service_label_selectors: Vec::new(),
            node_address_type: None,
            fallthrough: Vec::new(),
        };
        let texts = |args: &[Token]| args.iter().map(|arg| arg.text.clone()).collect::<Vec<_>>();
        for line in directive.lines() {
            match line.name.text.as_str() {
                "resources" => {
                    for arg in reader.some(line) {
                        if RESOURCES.contains(&arg.text.as_str()) {
                            gateway.resources.push(arg.text.clone());
                        } else {
                            reader.none_of(arg, "kind of objects", &RESOURCES);
                        }
                    }
                }
                "ttl" => {
                    let ttl = reader.first(line).and_then(|arg| reader.number(arg, 0..=3600));
                    gateway.ttl = ttl.unwrap_or(gateway.ttl);
                }
                "apex" => gateway.apex = reader.first(line).map(|arg| arg.text.clone()).unwrap_or_default(),
                "secondary" => gateway.secondary = reader.first(line).map(|arg| arg.text.clone()),
                "kubeconfig" => match line.args.as_slice() {
                    [path] => gateway.kubeconfig = Some((path.text.clone(), None)),
                    [path, context] => {
                        gateway.kubeconfig = Some((path.text.clone(), Some(context.text.clone())))
                    }
                    _ => reader.error(&line.name, "`kubeconfig` takes a path and a context"),
                },
                "ingressClasses" => gateway.ingress_classes = texts(reader.some(line)),
                "gatewayClasses" => gateway.gateway_classes = texts(reader.some(line)),
                "serviceLabelSelectors" => {
                    for arg in reader.some(line) {
                        match Selector::parse(&arg.text).filter(|selector| !selector.0.is_empty()) {
                            Some(selector) => gateway.service_label_selectors.push(selector),
                            None => reader.error(arg, format!("`{}` is no label selector", arg.text)),
                        }
                    }
                }
                "nodeAddressType" => {
                    let Some(arg) = reader.one(line) else { continue };
                    if !NODE_ADDRESSES.contains(&arg.text.as_str()) {
                        reader.none_of(arg, "type of addresses", &NODE_ADDRESSES);
                    }
                    gateway.node_address_type = Some(arg.text.clone());
                }
                "fallthrough" => {
                    gateway.fallthrough = reader.fallthrough("k8s_gateway", line, &gateway.zones);
                }
                _ => reader.unknown("k8s_gateway", line, &GATEWAY_OPTIONS),
            }
        }
        if gateway.resources.is_empty() {
            gateway.resources = DEFAULT_RESOURCES.map(str::to_owned).to_vec();
        }
        gateway
    }
}

const GATEWAY_OPTIONS: [&str; 10] = [
    "apex",
    "fallthrough",
    "gatewayClasses",
    "ingressClasses",
    "kubeconfig",
    "nodeAddressType",
    "resources",
    "secondary",
    "serviceLabelSelectors",
    "ttl",
];

impl Write for K8sGateway {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        if self.resources != DEFAULT_RESOURCES {
            stanza.list("resources", &self.resources);
        }
        stanza.unless(60, "ttl", self.ttl).unless("dns1.kube-system", "apex", self.apex.as_str());
        stanza.list("secondary", self.secondary.as_slice());
        if let Some((path, context)) = &self.kubeconfig {
            stanza.option("kubeconfig", std::iter::once(path).chain(context));
        }
        stanza.list("ingressClasses", &self.ingress_classes).list("gatewayClasses", &self.gateway_classes);
        stanza.list("serviceLabelSelectors", &self.service_label_selectors);
        stanza.list("nodeAddressType", self.node_address_type.as_slice());
        stanza.fallthrough(&self.fallthrough);
    }
}
