//! The desired state: objects by kind, joined into model Services. Whoever watches objects feeds it, one by one.

mod claims;
mod merge;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sluice_model::{Change, Service, ServiceName, Settings};

pub use claims::Conflict;

use crate::object::{Key, Kind, NodeObject, Object, ServiceObject, SliceObject};
use claims::Claims;

/// Objects in, changes out. What an object changes costs that Service's size, whatever else there is.
#[derive(Debug)]
pub struct Desired {
    configured: Settings,
    node: Option<Arc<NodeObject>>,
    services: HashMap<ServiceName, Arc<ServiceObject>>,
    slices: HashMap<SliceName, Arc<SliceObject>>,
    /// Which slices each Service has; ordered, so that merging them has one outcome.
    slices_of: HashMap<ServiceName, BTreeSet<SliceName>>,
    dirty: BTreeSet<ServiceName>,
    published: HashMap<ServiceName, Service>,
    published_settings: Option<Settings>,
    claims: Claims,
}

type SliceName = (Box<str>, Box<str>);

impl Desired {
    /// An empty state on a gateway with the settings of the configuration file.
    pub fn new(configured: Settings) -> Self {
        Self {
            claims: Claims::new(configured.clone()),
            configured,
            node: None,
            services: HashMap::new(),
            slices: HashMap::new(),
            slices_of: HashMap::new(),
            dirty: BTreeSet::new(),
            published: HashMap::new(),
            published_settings: None,
        }
    }

    /// Takes a new or changed object.
    pub fn apply(&mut self, object: Object) {
        match object {
            Object::Node(node) => {
                if node.name == self.configured.node {
                    self.node = Some(node);
                }
            }
            Object::Service(service) => {
                self.dirty.insert(service.name.clone());
                self.services.insert(service.name.clone(), service);
            }
            Object::EndpointSlice(slice) => {
                let name = (slice.namespace.clone(), slice.name.clone());
                // A slice may have moved to another Service, which then is not to keep its endpoints.
                self.drop_slice(&name);
                if let Some(service) = &slice.service {
                    let slices = self.slices_of.entry(service.clone()).or_default();
                    slices.insert(name.clone());
                    self.dirty.insert(service.clone());
                    self.slices.insert(name, slice);
                }
            }
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &Key) {
        match key.kind {
            Kind::Node => {
                if self.node.as_ref().is_some_and(|node| node.name == key.name) {
                    self.node = None;
                }
            }
            Kind::Service => {
                let name = ServiceName::new(&key.namespace, &key.name);
                self.services.remove(&name);
                self.dirty.insert(name);
            }
            Kind::EndpointSlice => self.drop_slice(&(key.namespace.clone(), key.name.clone())),
        }
    }

    /// What has changed since the last call, and nothing else.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let settings = self.settings();
        if self.published_settings.as_ref() != Some(&settings) {
            self.published_settings = Some(settings.clone());
            changes.push(Change::Settings(settings));
        }
        for name in std::mem::take(&mut self.dirty) {
            match self.join(&name) {
                Some(service) => {
                    if self.published.get(&name) == Some(&service) {
                        continue;
                    }
                    let before = self.published.insert(name, service.clone());
                    self.claims.replace(before.as_ref(), Some(&service));
                    changes.push(Change::Service(service));
                }
                None => {
                    let Some(before) = self.published.remove(&name) else {
                        continue;
                    };
                    self.claims.replace(Some(&before), None);
                    changes.push(Change::ServiceGone(name));
                }
            }
        }
        changes
    }

    /// The configured settings with what the gateway's Node object adds.
    pub fn settings(&self) -> Settings {
        let mut settings = self.configured.clone();
        if let Some(node) = &self.node {
            settings.is_node = true;
            if node.zone.is_some() {
                settings.zone.clone_from(&node.zone);
            }
        }
        settings
    }

    /// The Services as of the last [`take_changes`](Self::take_changes), in no order.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.published.values()
    }

    /// Frontends that several Services claim, as of the last [`take_changes`](Self::take_changes).
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.claims.conflicts(&self.published)
    }

    /// How many Services, and EndpointSlices with a Service, there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.services.len(), self.slices.len())
    }

    fn join(&self, name: &ServiceName) -> Option<Service> {
        let mut service = self.services.get(name)?.service.clone()?;
        let slices: Vec<&SliceObject> = self
            .slices_of
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|slice| self.slices.get(slice).map(Arc::as_ref))
            .collect();
        for port in &mut service.ports {
            port.endpoints = merge::endpoints(port, &slices);
        }
        Some(service)
    }

    fn drop_slice(&mut self, name: &SliceName) {
        let Some(service) = self.slices.remove(name).and_then(|s| s.service.clone()) else {
            return;
        };
        if let Some(slices) = self.slices_of.get_mut(&service) {
            slices.remove(name);
            if slices.is_empty() {
                self.slices_of.remove(&service);
            }
        }
        self.dirty.insert(service);
    }
}
