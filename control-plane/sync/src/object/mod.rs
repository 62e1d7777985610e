//! Kubernetes objects, parsed into what the desired state is made from. Nothing else of them is kept.
//!
//! A field that makes no sense either rejects its object, which then keeps its last good version, or is left out and
//! reported, whichever is the safer for traffic; the functions here say which.

mod addresses;
mod hosts;
mod import;
pub mod ingress;
mod names;
mod node;
mod service;
mod slice;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sluice_model::{NamedPod, Service};

pub use hosts::{HostClaim, Hosted, ingress};
pub use import::{ImportObject, ServiceImport, service_import};
pub use names::{NamespaceObject, namespace, pod};
pub use node::{NodeObject, node};
pub use service::{Asks, BackendPorts, Exposed, Rules, ServiceObject, service};
pub use slice::{SliceObject, SlicePort, endpoint_slice};

use crate::FieldProblem;

/// The kinds that the desired state is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `v1`.
    Node,
    /// `v1`.
    Service,
    /// `discovery.k8s.io/v1`.
    EndpointSlice,
    /// `v1`.
    Namespace,
    /// `v1`.
    Pod,
    /// `multicluster.x-k8s.io/v1alpha1`.
    ServiceImport,
    /// `networking.k8s.io/v1`.
    IngressClass,
    /// `networking.k8s.io/v1`.
    Ingress,
    /// `v1`, of type `kubernetes.io/tls`.
    Secret,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "Node",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::ServiceImport => "ServiceImport",
            Self::IngressClass => "IngressClass",
            Self::Ingress => "Ingress",
            Self::Secret => "Secret",
        })
    }
}

/// What identifies an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for a Node or a Namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        match kind {
            Kind::Node | Kind::Namespace | Kind::IngressClass => write!(f, "{kind} {name}"),
            _ => write!(f, "{kind} {namespace}/{name}"),
        }
    }
}

/// A parsed object, cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A Node.
    Node(Arc<NodeObject>),
    /// A Service, without its endpoints.
    Service(Arc<ServiceObject>),
    /// An EndpointSlice.
    EndpointSlice(Arc<SliceObject>),
    /// A Namespace.
    Namespace(Arc<NamespaceObject>),
    /// A Pod.
    Pod(Arc<NamedPod>),
    /// A ServiceImport, without its endpoints.
    ServiceImport(Arc<ImportObject>),
    /// An IngressClass.
    IngressClass(Arc<ingress::ClassObject>),
    /// An Ingress.
    Ingress(Arc<ingress::IngressObject>),
    /// A Secret.
    Secret(Arc<ingress::SecretObject>),
}

/// A parsed object, with what was left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// The object.
    pub object: T,
    /// Fields that were left out.
    pub problems: Vec<FieldProblem>,
}

/// A port number that may be used, 1 to 65,535.
fn port_number(number: i32, field: impl FnOnce() -> String) -> Result<u16, FieldProblem> {
    match u16::try_from(number) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(FieldProblem::new(field(), format!("{number} is no port number"))),
    }
}

/// A transport; TCP where none is named.
pub(crate) fn protocol(
    name: Option<&str>,
    field: impl FnOnce() -> String,
) -> Result<sluice_model::Protocol, FieldProblem> {
    match name {
        None | Some("TCP" | "") => Ok(sluice_model::Protocol::Tcp),
        Some("UDP") => Ok(sluice_model::Protocol::Udp),
        Some("SCTP") => Ok(sluice_model::Protocol::Sctp),
        Some(other) => Err(FieldProblem::new(field(), format!("`{other}` is none of TCP, UDP and SCTP"))),
    }
}

/// A model Service without addresses, ports and endpoints, to be filled in.
fn blank(name: sluice_model::ServiceName) -> Service {
    Service {
        name,
        created: 0,
        cluster_ips: Vec::new(),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        external_policy: sluice_model::TrafficPolicy::Cluster,
        internal_policy: sluice_model::TrafficPolicy::Cluster,
        affinity: None,
        source_ranges: Vec::new(),
        health_check_node_port: None,
        ports: Vec::new(),
    }
}
