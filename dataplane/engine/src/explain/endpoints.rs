//! The endpoints that were considered, and why those that are not used are not.

use std::net::SocketAddr;

use sluice_model::{Scope, Service, Step};

use super::{Endpoint, Exclusion, hop};
use crate::snapshot::{Backend, ServicePortEntry, Snapshot};

/// All endpoints of a family that are known: those selected, and where the object is at hand the others too.
pub(super) fn of(
    snapshot: &Snapshot,
    service: &ServicePortEntry,
    object: Option<&Service>,
    v6: bool,
    scope: Scope,
    chosen: Option<SocketAddr>,
) -> Vec<Endpoint> {
    let set = service.set(v6, scope);
    let selected = |backend: &Backend| Endpoint {
        address: backend.addr,
        pod: backend.pod.as_deref().map(ToOwned::to_owned),
        node: backend.node.as_deref().map(ToOwned::to_owned),
        weight: backend.weight,
        excluded: None,
        chosen: chosen == Some(backend.addr),
        hop: hop(snapshot, backend.addr.ip()),
    };
    let mut all: Vec<Endpoint> = set.backends.iter().map(selected).collect();
    let port = object.and_then(|object| object.ports.get(usize::from(service.port_index)));
    for other in port.iter().flat_map(|port| &port.endpoints) {
        if other.address.is_ipv6() != v6 || set.by_address(other.address).is_some() {
            continue;
        }
        all.push(Endpoint {
            address: other.address,
            pod: other.pod.as_deref().map(ToOwned::to_owned),
            node: other.node.as_deref().map(ToOwned::to_owned),
            weight: other.weight,
            excluded: Some(why(other, set.step)),
            chosen: false,
            hop: None,
        });
    }
    all
}

fn why(endpoint: &sluice_model::Endpoint, step: Step) -> Exclusion {
    let takes_flows = endpoint.ready || endpoint.serving && endpoint.terminating;
    if !takes_flows {
        return Exclusion::NotReady;
    }
    match step {
        Step::Local | Step::LocalTerminating | Step::Nothing(_) => Exclusion::NotLocal,
        _ if !endpoint.ready => Exclusion::Terminating,
        Step::HintNode | Step::HintZone => Exclusion::HintedElsewhere,
        Step::Ready | Step::Terminating => Exclusion::TooMany,
    }
}
