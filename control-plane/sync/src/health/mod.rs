//! `healthCheckNodePort`: tells load balancers in front of several gateways which of them have endpoints of their own.
//!
//! The answers are kube-proxy's (kubernetes/kubernetes `pkg/proxy/healthcheck`): 200 with the number of local ready
//! endpoints, 503 where there is none.

mod http;

use std::collections::HashMap;
use std::net::IpAddr;

use sluice_model::select::locality;
use sluice_model::{Change, Service, ServiceName, Settings};

use crate::desired::Desired;
use http::Listener;

/// What a health check answers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    name: ServiceName,
    local_endpoints: usize,
}

/// The health checks of all Services that have one.
#[derive(Debug, Default)]
pub struct HealthChecks {
    listeners: HashMap<ServiceName, (u16, Vec<IpAddr>, Listener)>,
}

impl HealthChecks {
    /// Takes in what changed. A change of the settings may change every answer.
    pub fn follow(&mut self, changes: &[Change], desired: &Desired) {
        let settings = desired.settings();
        if changes.iter().any(|change| matches!(change, Change::Settings(_))) {
            let services: Vec<&Service> = desired.services().collect();
            services.iter().for_each(|service| self.update(service, &settings));
            return;
        }
        for change in changes {
            match change {
                Change::Service(service) => self.update(service, &settings),
                Change::ServiceGone(name) => {
                    self.listeners.remove(name);
                }
                _ => {}
            }
        }
    }

    fn update(&mut self, service: &Service, settings: &Settings) {
        let Some(port) = service.health_check_node_port else {
            self.listeners.remove(&service.name);
            return;
        };
        let answer =
            Answer { name: service.name.clone(), local_endpoints: local_endpoints(service, settings) };
        let addresses = &settings.node_port_addresses;
        if let Some((at, on, listener)) = self.listeners.get(&service.name)
            && *at == port
            && on == addresses
        {
            listener.set(answer);
            return;
        }
        self.listeners.remove(&service.name);
        match Listener::start(addresses, port, answer) {
            Ok(listener) => {
                self.listeners.insert(service.name.clone(), (port, addresses.clone(), listener));
            }
            Err(error) => {
                tracing::error!(service = %service.name, port, %error, "healthCheckNodePort cannot be served");
            }
        }
    }
}

/// Addresses of ready endpoints that are local, each counted once.
fn local_endpoints(service: &Service, settings: &Settings) -> usize {
    let is_local = locality(settings);
    let mut addresses: Vec<IpAddr> = service
        .ports
        .iter()
        .flat_map(|port| &port.endpoints)
        .filter(|endpoint| endpoint.ready && is_local.as_ref().is_none_or(|local| local(endpoint)))
        .map(|endpoint| endpoint.address.ip())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.len()
}

#[cfg(test)]
mod tests;
