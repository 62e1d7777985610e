//! Services and their endpoints, as the packet path needs them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Protocol;

/// `metadata.namespace` and `metadata.name` of a Service. Ordered by namespace, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceName {
    /// `metadata.namespace`.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
}

impl ServiceName {
    /// The name of `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service that has at least one frontend of ours, with its endpoints merged from all its EndpointSlices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// `metadata.creationTimestamp` in seconds since the Unix epoch, 0 where unknown. Of two Services that claim one
    /// frontend the older wins, then the one whose name sorts first.
    pub created: i64,
    /// `spec.clusterIPs`, without `None`.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`, empty where the settings switch them off.
    pub external_ips: Vec<IpAddr>,
    /// `status.loadBalancer.ingress[].ip` whose `ipMode` is VIP, where the load-balancer class is ours.
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.externalTrafficPolicy`.
    pub external_policy: TrafficPolicy,
    /// `spec.internalTrafficPolicy`.
    pub internal_policy: TrafficPolicy,
    /// `spec.sessionAffinity: ClientIP`.
    pub affinity: Option<Affinity>,
    /// `spec.loadBalancerSourceRanges`, host bits cleared; empty means everyone.
    pub source_ranges: Vec<IpNet>,
    /// `spec.healthCheckNodePort`, where the policy is Local.
    pub health_check_node_port: Option<u16>,
    /// `spec.ports`, in the object's order.
    pub ports: Vec<ServicePort>,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServicePort {
    /// `name`, empty where the Service has a single unnamed port.
    pub name: Box<str>,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`, never 0.
    pub port: u16,
    /// `nodePort`, where one is allocated.
    pub node_port: Option<u16>,
    /// Endpoints of both families, deduplicated by address and sorted by it.
    pub endpoints: Vec<Endpoint>,
}

/// One address and port behind a service port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// `conditions.ready`; absent means true.
    pub ready: bool,
    /// `conditions.serving`; absent means `ready`.
    pub serving: bool,
    /// `conditions.terminating`; absent means false.
    pub terminating: bool,
    /// `nodeName`.
    pub node: Option<Box<str>>,
    /// `zone`.
    pub zone: Option<Box<str>>,
    /// `hints.forZones[].name`.
    pub hint_zones: Vec<Box<str>>,
    /// `hints.forNodes[].name`.
    pub hint_nodes: Vec<Box<str>>,
    /// `targetRef.name` where it is a Pod.
    pub pod: Option<Box<str>>,
    /// Share of new flows against its siblings, at least 1.
    pub weight: u16,
}

/// `externalTrafficPolicy` and `internalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// Any endpoint.
    #[default]
    Cluster,
    /// Endpoints of this gateway's node (or its configured set) only, the client's address preserved.
    Local,
}

/// `sessionAffinity: ClientIP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affinity {
    /// `sessionAffinityConfig.clientIP.timeoutSeconds`, counted from the last use; 1 to 86,400.
    pub timeout_seconds: u32,
    /// All ports of the Service share a client's endpoint (annotation `sluice.dev/affinity-scope: service`).
    pub across_ports: bool,
}
