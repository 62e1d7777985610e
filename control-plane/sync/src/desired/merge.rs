//! The endpoints of a service port, from all slices.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use sluice_model::check::MAX_ENDPOINTS;
use sluice_model::{Endpoint, ServicePort};

use crate::object::SliceObject;

/// The most endpoints of all ports of a Service together, shared out evenly. A Service of five ports has as many as five
/// may have, one of a hundred ten thousand each.
const MOST: usize = 5 * MAX_ENDPOINTS;

/// Gives each port its endpoints.
pub(super) fn join(ports: &mut [ServicePort], slices: &[&SliceObject]) {
    let most = MAX_ENDPOINTS.min(MOST / ports.len().max(1));
    for port in ports {
        port.endpoints = endpoints(port, slices, most);
    }
}

/// Endpoints of `port` from all `slices` of its Service: matched by the port's name and transport, with each slice's own
/// number, sorted by address and each address once. Of more than `most` the first: a port of so many does not lack choice.
///
/// While an endpoint moves between slices it may stand in both, in different conditions: the usable one counts
/// (kube-proxy's `addEndpoints` does the same).
///
/// Every endpoint of a slice has every number that its port's name stands for: a small manifest may name tens of millions
/// of addresses, so they are made in order and no more of them than count.
fn endpoints(port: &ServicePort, slices: &[&SliceObject], most: usize) -> Vec<Endpoint> {
    let numbers: Vec<BTreeSet<u16>> = slices.iter().map(|slice| numbers(port, slice)).collect();
    // By slices' names among equals.
    let mut hosts: Vec<(IpAddr, usize, &Endpoint)> = Vec::new();
    for (n, slice) in
        slices.iter().enumerate().filter(|(n, _)| numbers.get(*n).is_some_and(|n| !n.is_empty()))
    {
        hosts.extend(slice.endpoints.iter().map(|endpoint| (endpoint.address.ip(), n, endpoint)));
    }
    hosts.sort_by(|a, b| {
        let order = (a.0, a.1).cmp(&(b.0, b.1));
        order.then_with(|| usability(b.2).cmp(&usability(a.2)))
    });
    hosts.dedup_by(|later, first| (later.0, later.1) == (first.0, first.1));
    let mut all = Vec::new();
    let mut found = Vec::new();
    for of_host in hosts.chunk_by(|a, b| a.0 == b.0) {
        found.clear();
        for (_, n, endpoint) in of_host {
            found.extend(numbers.get(*n).into_iter().flatten().map(|number| (*number, *endpoint)));
        }
        // Stable: of equals the one of the slice whose name sorts first stays.
        found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| usability(b.1).cmp(&usability(a.1))));
        found.dedup_by(|later, first| later.0 == first.0);
        let addressed = |(number, endpoint): &(u16, &Endpoint)| Endpoint {
            address: SocketAddr::new(endpoint.address.ip(), *number),
            ..Endpoint::clone(endpoint)
        };
        all.extend(found.iter().take(most - all.len()).map(addressed));
        if all.len() >= most {
            break;
        }
    }
    all
}

/// The numbers that a slice has for a Service's port, each once.
fn numbers(port: &ServicePort, slice: &SliceObject) -> BTreeSet<u16> {
    let ports = slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol);
    ports.map(|p| p.port).collect()
}

fn usability(endpoint: &Endpoint) -> u8 {
    if endpoint.ready { 2 } else { u8::from(endpoint.serving && endpoint.terminating) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sluice_model::Protocol;

    use super::*;
    use crate::object::SlicePort;

    /// Everything joined, then sorted and cut: what it is to be, at any cost.
    fn simply(port: &ServicePort, slices: &[&SliceObject], most: usize) -> Vec<Endpoint> {
        let mut all = Vec::new();
        for slice in slices {
            for number in slice.ports.iter().filter(|p| p.name == port.name && p.protocol == port.protocol) {
                all.extend(slice.endpoints.iter().map(|endpoint| Endpoint {
                    address: SocketAddr::new(endpoint.address.ip(), number.port),
                    ..endpoint.clone()
                }));
            }
        }
        all.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| usability(b).cmp(&usability(a))));
        all.dedup_by(|later, first| later.address == first.address);
        all.truncate(most);
        all
    }

    fn endpoint((host, ready, serving, terminating): (u8, bool, bool, bool), node: &str) -> Endpoint {
        Endpoint {
            address: SocketAddr::new(IpAddr::from([10, 0, 0, host]), 0),
            ready,
            serving,
            terminating,
            node: Some(node.into()),
            zone: None,
            hint_zones: Vec::new(),
            hint_nodes: Vec::new(),
            pod: None,
            weight: 1,
        }
    }

    fn slice() -> impl Strategy<Value = SliceObject> {
        let ports = prop::collection::vec((prop::bool::ANY, 1u16..5), 0..5);
        let endpoints = prop::collection::vec((1u8..6, any::<bool>(), any::<bool>(), any::<bool>()), 0..8);
        (ports, endpoints, "[a-z]{3}").prop_map(|(ports, endpoints, name)| SliceObject {
            namespace: "default".into(),
            name: name.as_str().into(),
            service: None,
            import: None,
            named: None,
            headless: false,
            triggered: Default::default(),
            ports: ports
                .into_iter()
                .map(|(ours, port)| SlicePort {
                    name: if ours { "http" } else { "other" }.into(),
                    protocol: Protocol::Tcp,
                    port,
                })
                .collect(),
            endpoints: endpoints.into_iter().map(|of| endpoint(of, &name)).collect(),
        })
    }

    proptest! {
        #[test]
        fn the_first_of_all_that_there_are(slices in prop::collection::vec(slice(), 0..5), most in 0usize..20) {
            let port = ServicePort {
                name: "http".into(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: None,
                endpoints: Vec::new(),
            };
            let slices: Vec<&SliceObject> = slices.iter().collect();
            prop_assert_eq!(endpoints(&port, &slices, most), simply(&port, &slices, most));
        }
    }
}
