//! What is decided about a new flow by the tables alone: worker and [`explain`](crate::explain) decide by the same code.

use std::net::IpAddr;

use sluice_model::{FrontendKind, Scope};

use crate::Tuple;
use crate::flow::hash::{balance, balance_client};
use crate::snapshot::{Backend, Hit, NextHop, ServicePortEntry, Snapshot};

/// The frontend at a packet's destination.
pub(crate) fn frontend_of(snapshot: &Snapshot, tuple: &Tuple) -> Option<Hit> {
    match tuple.dst {
        IpAddr::V4(dst) => snapshot.frontend4(tuple.protocol, dst.to_bits(), tuple.dport),
        IpAddr::V6(dst) => snapshot.frontend6(tuple.protocol, dst.to_bits(), tuple.dport),
    }
}

/// Under which policy endpoints are chosen for a client.
pub(crate) fn scope_of(hit: Hit, source: IpAddr, snapshot: &Snapshot) -> Scope {
    if !hit.kind.is_external() {
        return Scope::Internal;
    }
    let inside = match source {
        IpAddr::V4(ip) => snapshot.is_cluster_source4(ip.to_bits()),
        IpAddr::V6(ip) => snapshot.is_cluster_source6(ip.to_bits()),
    };
    if inside { Scope::ExternalFromCluster } else { Scope::External }
}

/// Whether `loadBalancerSourceRanges` hold here: for everyone on a load-balancer address, and for clients from outside
/// on the same service's other external frontends, which would be ways round otherwise.
pub(crate) fn ranges_hold(hit: Hit, scope: Scope) -> bool {
    hit.kind == FrontendKind::LoadBalancer || scope == Scope::External
}

/// Whether `loadBalancerSourceRanges` let a client in.
pub(crate) fn source_allowed(service: &ServicePortEntry, hit: Hit, scope: Scope, source: IpAddr) -> bool {
    if !ranges_hold(hit, scope) {
        return true;
    }
    match source {
        IpAddr::V4(ip) => service.source_allowed4(ip.to_bits()),
        IpAddr::V6(ip) => service.source_allowed6(ip.to_bits()),
    }
}

/// The endpoint that a new flow gets where affinity remembers none for its client.
pub(crate) fn endpoint_of<'a>(
    service: &'a ServicePortEntry,
    tuple: &Tuple,
    scope: Scope,
) -> Option<&'a Backend> {
    let hash = match service.affinity {
        Some(_) => balance_client(bits(tuple.src)),
        None => flow_hash(tuple),
    };
    service.set(tuple.is_v6(), scope).pick(hash)
}

/// The hash by which a flow's endpoint is chosen where its client alone does not decide.
pub(crate) fn flow_hash(tuple: &Tuple) -> u64 {
    let ports = u32::from(tuple.sport) << 16 | u32::from(tuple.dport);
    balance(bits(tuple.src), bits(tuple.dst), ports, tuple.protocol)
}

/// Where packets to `ip` go next.
pub(crate) fn next_hop(snapshot: &Snapshot, ip: IpAddr) -> NextHop {
    match ip {
        IpAddr::V4(ip) => snapshot.fib().lookup4(ip.to_bits()),
        IpAddr::V6(ip) => snapshot.fib().lookup6(ip.to_bits()),
    }
}

/// An address as a number, IPv4 in the low bits.
pub(crate) fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
