//! Services, endpoints, routes, neighbours.

use sluice_model::{Service, ServiceName};

use super::{Show, mac_text};
use crate::admin::protocol::{BackendRow, NeighborRow, RouteRow, ServiceRow};

impl Show {
    pub(super) fn services(&self, namespace: Option<&str>, name: Option<&str>) -> Vec<ServiceRow> {
        let view = self.view();
        let mut rows = Vec::new();
        for service in view.services.values().filter(|service| is_meant(&service.name, namespace, name)) {
            for frontend in service.frontends(&view.settings) {
                let Some(port) = service.ports.get(usize::from(frontend.port_index)) else { continue };
                let v6 = frontend.address.is_ipv6();
                let endpoints = || port.endpoints.iter().filter(|endpoint| endpoint.address.is_ipv6() == v6);
                rows.push(ServiceRow {
                    name: service.name.to_string(),
                    address: frontend.address,
                    protocol: frontend.protocol,
                    kind: frontend.kind,
                    port: port.name.to_string(),
                    ready: endpoints().filter(|endpoint| endpoint.ready).count() as u64,
                    endpoints: endpoints().count() as u64,
                });
            }
        }
        rows
    }

    pub(super) fn backends(&self, namespace: Option<&str>, name: Option<&str>) -> Vec<BackendRow> {
        let view = self.view();
        let services = view.services.values().filter(|service| is_meant(&service.name, namespace, name));
        services.flat_map(backends_of).collect()
    }

    pub(super) fn routes(&self) -> Vec<RouteRow> {
        let view = self.view();
        let row = |route: &sluice_engine::snapshot::Route| RouteRow {
            to: route.to,
            via: route.via,
            port: self.port_name(route.port),
            metric: route.metric,
        };
        view.routes.values().map(row).collect()
    }

    pub(super) fn neighbors(&self) -> Vec<NeighborRow> {
        let view = self.view();
        let row = |(&(port, ip), &mac): (&(u8, std::net::IpAddr), &[u8; 6])| NeighborRow {
            port: self.port_name(port),
            ip,
            mac: mac_text(mac),
        };
        view.neighbors.iter().map(row).collect()
    }
}

fn backends_of(service: &Service) -> Vec<BackendRow> {
    let rows = service.ports.iter().flat_map(|port| {
        port.endpoints.iter().map(|endpoint| BackendRow {
            service: service.name.to_string(),
            port: port.name.to_string(),
            protocol: port.protocol,
            address: endpoint.address,
            ready: endpoint.ready,
            serving: endpoint.serving,
            terminating: endpoint.terminating,
            node: endpoint.node.as_deref().map(ToOwned::to_owned),
            zone: endpoint.zone.as_deref().map(ToOwned::to_owned),
        })
    });
    rows.collect()
}

fn is_meant(service: &ServiceName, namespace: Option<&str>, name: Option<&str>) -> bool {
    namespace.is_none_or(|namespace| *service.namespace == *namespace)
        && name.is_none_or(|name| *service.name == *name)
}
