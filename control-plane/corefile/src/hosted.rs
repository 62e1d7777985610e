//! Whose hosts are the names of a domain.

use serde::{Deserialize, Serialize};

use crate::labels::Selector;

/// A domain of hosts, and which objects name them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostZone {
    /// Its name in lower case, without the last dot.
    pub zone: Box<str>,
    /// Kinds of objects. Of several kinds that name one host, the first that says where it is counts.
    pub kinds: Vec<HostKind>,
    /// Classes of Ingresses; all where empty.
    pub ingress_classes: Vec<Box<str>>,
    /// Labels of Services: those that one of these selects; all where empty.
    pub service_labels: Vec<Selector>,
}

/// A kind of objects that name hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostKind {
    /// `spec.rules[].host`, at the addresses of the status.
    Ingress,
    /// Services of type LoadBalancer, by annotation, else as `name.namespace`.
    Service,
}

impl HostKind {
    /// All of them, with their names in configurations.
    pub const ALL: [(&'static str, Self); 2] = [("ingress", Self::Ingress), ("service", Self::Service)];
}
