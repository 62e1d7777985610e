//! Endpoints of what routes lead to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sluice_model::http::{Upstream, UpstreamEndpoint, UpstreamName, UpstreamPort};
use sluice_model::{Protocol, ServiceName, ServicePort};

use super::super::{SliceName, merge};
use crate::object::{ServiceObject, SliceObject};

/// Where Services and their endpoints are found.
pub(in super::super) struct Backends<'a> {
    pub services: &'a HashMap<ServiceName, Arc<ServiceObject>>,
    pub slices: &'a HashMap<SliceName, Arc<SliceObject>>,
    pub slices_of: &'a HashMap<ServiceName, BTreeSet<SliceName>>,
}

impl Backends<'_> {
    /// The endpoints of a Service's port that take requests: those that are ready, or where there are none those that serve
    /// while they terminate. And why there can be none.
    pub(super) fn join(&self, name: &UpstreamName) -> (Upstream, Option<String>) {
        let port = match self.port(name) {
            Ok(port) => port,
            Err(fault) => return (Upstream { name: name.clone(), endpoints: Vec::new() }, Some(fault)),
        };
        let slices = self.slices_of.get(&name.service).into_iter().flatten();
        let slices: Vec<&SliceObject> =
            slices.filter_map(|slice| self.slices.get(slice).map(Arc::as_ref)).collect();
        let mut ports = [ServicePort {
            name: port,
            protocol: Protocol::Tcp,
            port: 0,
            node_port: None,
            endpoints: Vec::new(),
        }];
        merge::join(&mut ports, &slices);
        let [ServicePort { endpoints, .. }] = ports;
        let any_ready = endpoints.iter().any(|endpoint| endpoint.ready);
        let used = endpoints.into_iter().filter(|endpoint| match any_ready {
            true => endpoint.ready,
            false => endpoint.serving && endpoint.terminating,
        });
        let endpoints = used.map(|it| UpstreamEndpoint { address: it.address, pod: it.pod }).collect();
        (Upstream { name: name.clone(), endpoints }, None)
    }

    /// The name of the Service's port, by which slices know it.
    fn port(&self, name: &UpstreamName) -> Result<Box<str>, String> {
        let service = &name.service;
        let Some(object) = self.services.get(service) else {
            return Err(format!("there is no Service {service}"));
        };
        let Some(backend) = &object.backend else { return Err("HTTP is not served".to_owned()) };
        let found = find(&backend.ports, &name.port);
        found.map(|(name, _)| name.clone()).ok_or_else(|| match &name.port {
            UpstreamPort::First => format!("Service {service} has no TCP port"),
            UpstreamPort::Number(port) => format!("Service {service} has no TCP port {port}"),
            UpstreamPort::Name(port) => format!("Service {service} has no TCP port `{port}`"),
        })
    }

    /// The number of the Service's port.
    pub(super) fn number(&self, name: &UpstreamName) -> Option<u16> {
        let backend = self.services.get(&name.service)?.backend.as_ref()?;
        find(&backend.ports, &name.port).map(|&(_, number)| number)
    }
}

fn find<'a>(ports: &'a [(Box<str>, u16)], wanted: &UpstreamPort) -> Option<&'a (Box<str>, u16)> {
    match wanted {
        UpstreamPort::First => ports.first(),
        UpstreamPort::Number(number) => ports.iter().find(|(_, port)| port == number),
        UpstreamPort::Name(name) => ports.iter().find(|(port, _)| port == name),
    }
}
