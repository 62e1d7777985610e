//! The endpoints of a service port, from all slices.

use std::net::SocketAddr;

use sluice_model::check::MAX_ENDPOINTS;
use sluice_model::{Endpoint, ServicePort};

use crate::object::SliceObject;

/// Endpoints of `port` from all `slices` of its Service: matched by the port's name and transport, with each slice's own
/// number, sorted by address and each address once.
///
/// While an endpoint moves between slices it may stand in both, in different conditions: the usable one counts
/// (kube-proxy's `addEndpoints` does the same).
pub(super) fn endpoints(port: &ServicePort, slices: &[&SliceObject]) -> Vec<Endpoint> {
    let mut all = Vec::new();
    for slice in slices {
        let ports = slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol);
        for number in ports.map(|p| p.port) {
            all.extend(slice.endpoints.iter().map(|endpoint| Endpoint {
                address: SocketAddr::new(endpoint.address.ip(), number),
                ..endpoint.clone()
            }));
        }
    }
    // Stable: of equals the one of the slice whose name sorts first stays.
    all.sort_by(|a, b| {
        let order = a.address.cmp(&b.address);
        order.then_with(|| usability(b).cmp(&usability(a)))
    });
    all.dedup_by(|later, first| later.address == first.address);
    // What the feed's receivers accept; a port of so many endpoints does not lack choice.
    all.truncate(MAX_ENDPOINTS);
    all
}

fn usability(endpoint: &Endpoint) -> u8 {
    if endpoint.ready { 2 } else { u8::from(endpoint.serving && endpoint.terminating) }
}
