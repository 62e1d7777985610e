//! What DNS is told of Services and ServiceImports: objects joined with the endpoints of their slices.

use std::collections::BTreeSet;

use sluice_model::check::{MAX_ENDPOINTS, MAX_HOST_ADDRESSES};
use sluice_model::{EndpointGroup, ExternalAddress, NamedImport, NamedService, ServiceName};

use super::{Desired, SliceName};
use crate::object::{Hosted, Kind, SliceObject};

impl Desired {
    /// Joins what names of Services have become. Nothing is told of it yet.
    pub(super) fn settle_names(&mut self) {
        for name in &self.dirty {
            let named = self.join_names(name);
            let hosted = named.as_ref().and_then(|named| self.hosted(named));
            self.hosts.set(Kind::Service, name, hosted);
            self.names.set_service(name, named);
        }
        for name in std::mem::take(&mut self.dirty_imports) {
            let named = self.join_import(&name);
            self.names.set_import(&name, named);
        }
    }

    /// A Service's names, with the endpoints of all its slices.
    fn join_names(&self, name: &ServiceName) -> Option<NamedService> {
        let mut named = NamedService::clone(self.services.get(name)?.named.as_ref()?);
        named.endpoints = self.groups(self.slices_of.get(name)).map(|(group, _)| group.clone()).collect();
        if let Some(addresses) = self.assigned.get(name) {
            // What the status is going to say, and says as soon as it is written.
            let own = self.services.get(name).map_or(0, |object| object.external_ips);
            named.external.truncate(own);
            named.external.extend(addresses.iter().copied().map(ExternalAddress::Ip));
        }
        Some(named)
    }

    /// The hosts that a Service names, at its own addresses or, where it has none, at those of its status.
    fn hosted(&self, named: &NamedService) -> Option<Hosted> {
        let object = self.services.get(&named.name).filter(|object| !object.hosts.is_empty())?;
        let (own, shown) = named.external.split_at_checked(object.external_ips)?;
        let addresses = if own.is_empty() { shown } else { own };
        let addresses = addresses.iter().take(MAX_HOST_ADDRESSES).cloned().collect();
        let created = object.service.as_ref().map_or(0, |service| service.created);
        Some(Hosted { created, hosts: object.hosts.clone(), addresses })
    }

    /// A ServiceImport's names, with the endpoints of all its slices and the clusters that they are in.
    fn join_import(&self, name: &ServiceName) -> Option<NamedImport> {
        let mut service = NamedService::clone(self.imports.get(name)?.named.as_ref()?);
        let groups = self.groups(self.slices_of_imports.get(name));
        let groups = groups.map(|(group, slice)| {
            let cluster = slice.import.as_ref().and_then(|(_, cluster)| cluster.clone());
            (group.clone(), cluster)
        });
        let clusters;
        (service.endpoints, clusters) = groups.unzip();
        Some(NamedImport { service, clusters })
    }

    /// The endpoints that DNS tells of these slices, as many as there may be.
    fn groups<'a>(
        &'a self,
        slices: Option<&'a BTreeSet<SliceName>>,
    ) -> impl Iterator<Item = (&'a EndpointGroup, &'a SliceObject)> {
        let slices = slices.into_iter().flatten().filter_map(|name| self.slices.get(name));
        let mut room = MAX_ENDPOINTS;
        slices.filter_map(|slice| Some((slice.named.as_deref()?, slice.as_ref()))).take_while(
            move |(group, _)| {
                let left = room.checked_sub(group.endpoints.len());
                room = left.unwrap_or(0);
                left.is_some()
            },
        )
    }
}
