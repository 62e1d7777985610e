//! What would happen to the first packet of a connection, and why: `sluice explain`.
//!
//! A pure function of the tables. What lcores remember beside them is left out and said so: a running flow goes on as it
//! began, a client with session affinity keeps the endpoint it has, and limits may refuse what the tables allow.

mod answer;
mod endpoints;

use std::net::{IpAddr, SocketAddr};

use sluice_model::{Empty, Protocol, Scope, Service, ServiceName};

pub use answer::{
    Affinity, Client, Endpoint, Exclusion, Explanation, Frontend, Hop, Policy, Query, Source, SourceRanges,
    Verdict,
};

use crate::choice::{endpoint_of, frontend_of, next_hop, ranges_hold, scope_of, source_allowed};
use crate::snapshot::{AddressClass, Hit, NextHop, ServicePortEntry, Snapshot};
use crate::{DropReason, Tuple};

/// Explains what the tables do with a packet. `object` gives the Service of a name, for what tables do not keep: the
/// endpoints that were not selected.
pub fn explain(
    snapshot: &Snapshot,
    query: &Query,
    object: impl FnOnce(&ServiceName) -> Option<Service>,
) -> Explanation {
    let mut out = Explanation::new(*query, snapshot.generation());
    if query.source.is_ipv4() != query.destination.is_ipv4() {
        out.verdict = Verdict::Impossible;
        return out;
    }
    let tuple = Tuple {
        src: query.source,
        dst: query.destination.ip(),
        sport: query.source_port.unwrap_or(0),
        dport: query.destination.port(),
        protocol: query.protocol.number(),
    };
    if query.protocol == Protocol::Tcp && snapshot.ingress().listens(tuple.dst, tuple.dport) {
        out.verdict = proxied(snapshot, tuple.src);
        return out;
    }
    match frontend_of(snapshot, &tuple) {
        Some(hit) => balanced(snapshot, &tuple, hit, object, &mut out),
        None => out.verdict = elsewhere(snapshot, &tuple),
    }
    out
}

/// A packet to a listener of the proxy.
fn proxied(snapshot: &Snapshot, client: IpAddr) -> Verdict {
    if !snapshot.ingress().admits(client) {
        dropped(DropReason::IngressClient)
    } else if !matches!(snapshot.address(client), AddressClass::Other | AddressClass::ServiceRange) {
        dropped(DropReason::SpoofedSource)
    } else {
        Verdict::Proxy
    }
}

/// A packet to no frontend.
fn elsewhere(snapshot: &Snapshot, tuple: &Tuple) -> Verdict {
    match snapshot.address(tuple.dst) {
        AddressClass::Own(port) => Verdict::Linux { own: Some(port_name(snapshot, port)) },
        AddressClass::Vip => Verdict::Refuse { served: false },
        AddressClass::ServiceRange => dropped(DropReason::UnallocatedService),
        AddressClass::Other => Verdict::Linux { own: None },
    }
}

/// A packet to a frontend: the steps of the worker's, in its order.
fn balanced(
    snapshot: &Snapshot,
    tuple: &Tuple,
    hit: Hit,
    object: impl FnOnce(&ServiceName) -> Option<Service>,
    out: &mut Explanation,
) {
    let Some(service) = snapshot.service_port(hit.slot) else {
        out.verdict = dropped(DropReason::NoEndpoint);
        return;
    };
    out.frontend = Some(Frontend {
        kind: hit.kind,
        service: service.name.to_string(),
        port: service.port,
        port_name: service.port_name.to_string(),
    });
    if !matches!(snapshot.address(tuple.src), AddressClass::Other | AddressClass::ServiceRange) {
        out.verdict = dropped(DropReason::SpoofedSource);
        return;
    }
    let scope = scope_of(hit, tuple.src, snapshot);
    out.client = Some(match scope {
        Scope::External => Client::Outside,
        Scope::ExternalFromCluster => Client::Inside,
        Scope::Internal => Client::Any,
    });
    let object = object(&service.name);
    let set = service.set(tuple.is_v6(), scope);
    let policy = object.as_ref().map(|object| match scope {
        Scope::Internal => object.internal_policy,
        Scope::External => object.external_policy,
        Scope::ExternalFromCluster => Default::default(),
    });
    out.policy = Some(Policy { policy, step: set.step });
    let allowed = source_allowed(service, hit, scope, tuple.src);
    let ranges = service.source_ranges();
    if !ranges.is_empty() {
        out.source_ranges = Some(SourceRanges { ranges, apply: ranges_hold(hit, scope), allowed });
    }
    let certain = out.query.source_port.is_some() || service.affinity.is_some() || set.backends.len() < 2;
    let chosen = endpoint_of(service, tuple, scope).filter(|_| certain).map(|backend| backend.addr);
    out.endpoints = endpoints::of(snapshot, service, object.as_ref(), tuple.is_v6(), scope, chosen);
    out.affinity = service
        .affinity
        .map(|a| Affinity { timeout_seconds: a.timeout_seconds, across_ports: a.across_ports });
    if !allowed {
        out.verdict = dropped(DropReason::SourceRange);
        return;
    }
    if let Some(empty) = set.empty() {
        out.verdict = match empty {
            Empty::Refuse => Verdict::Refuse { served: true },
            Empty::Drop => dropped(DropReason::NoLocalEndpoint),
        };
        return;
    }
    out.back = hop(snapshot, tuple.src);
    forwarded(snapshot, service, tuple, scope, chosen, out);
}

/// The packet goes to an endpoint, if there is a way.
fn forwarded(
    snapshot: &Snapshot,
    service: &ServicePortEntry,
    tuple: &Tuple,
    scope: Scope,
    chosen: Option<SocketAddr>,
    out: &mut Explanation,
) {
    // Where the endpoint depends on a source port that was not given, the first one with a route stands for all.
    let usable = |e: &&Endpoint| e.excluded.is_none() && chosen.is_none_or(|chosen| e.address == chosen);
    let Some(way) = out.endpoints.iter().filter(usable).find_map(|e| Some((e.address, e.hop.clone()?)))
    else {
        out.verdict = dropped(DropReason::NoRoute);
        return;
    };
    let (address, hop) = way;
    if out.back.is_none() {
        out.verdict = dropped(DropReason::NoRoute);
        return;
    }
    // The worker's rule: a client that is its own endpoint is translated even where the policy preserves.
    let preserve = scope == Scope::External && service.preserve_client && address.ip() != tuple.src;
    out.source = Some(if preserve {
        Source::Preserved
    } else {
        let addresses = snapshot.snat_addresses(tuple.is_v6(), hop.port_id).to_vec();
        if addresses.is_empty() {
            out.verdict = dropped(DropReason::NoSnatAddress);
            return;
        }
        let ports = snapshot.settings().snat_ports;
        Source::Translated { addresses, first_port: ports.first(), last_port: ports.last() }
    });
    out.verdict = Verdict::Forward { endpoint: chosen };
}

/// The way to `ip`, where there is one.
fn hop(snapshot: &Snapshot, ip: IpAddr) -> Option<Hop> {
    let fib = snapshot.fib();
    let (port, next_hop, resolved) = match next_hop(snapshot, ip) {
        NextHop::Adjacency(n) => {
            let adjacency = fib.adjacency(n);
            (adjacency.port, adjacency.next_hop, adjacency.resolved)
        }
        NextHop::Unresolved { port, ip } => (port, ip, false),
        NextHop::NoRoute => return None,
    };
    Some(Hop { route: fib.route(ip)?.to, next_hop, port: port_name(snapshot, port), port_id: port, resolved })
}

fn port_name(snapshot: &Snapshot, port: crate::PortId) -> String {
    snapshot.fib().port(port).map_or_else(|| port.to_string(), |info| info.name.to_string())
}

fn dropped(reason: DropReason) -> Verdict {
    Verdict::Drop { reason: reason.name().to_owned(), help: reason.help().trim().to_owned() }
}
