//! What DNS is told: Services by name, namespaces, pods.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use sluice_model::{Change, NamedPod, NamedService, ServiceName};

/// What is wanted of one kind of object, and what was told of it.
#[derive(Debug)]
struct Told<K, V> {
    wanted: HashMap<K, V>,
    told: HashMap<K, V>,
    dirty: BTreeSet<K>,
}

impl<K, V> Default for Told<K, V> {
    fn default() -> Self {
        Self { wanted: HashMap::new(), told: HashMap::new(), dirty: BTreeSet::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V: Clone + PartialEq> Told<K, V> {
    fn set(&mut self, key: K, value: Option<V>) {
        match value {
            Some(value) => drop(self.wanted.insert(key.clone(), value)),
            None => drop(self.wanted.remove(&key)),
        }
        self.dirty.insert(key);
    }

    /// Tells each difference. What was restored is not told to be gone while others may yet turn up.
    fn take(&mut self, unswept: bool, mut tell: impl FnMut(K, Option<&V>)) {
        for key in std::mem::take(&mut self.dirty) {
            match self.wanted.get(&key) {
                Some(value) if self.told.get(&key) == Some(value) => {}
                Some(value) => {
                    self.told.insert(key.clone(), value.clone());
                    tell(key, Some(value));
                }
                None if unswept => {}
                None => {
                    if self.told.remove(&key).is_some() {
                        tell(key, None);
                    }
                }
            }
        }
    }

    fn sweep(&mut self) {
        self.dirty.extend(self.told.keys().cloned());
    }

    fn forget(&mut self) {
        self.wanted.clear();
        self.dirty.clear();
    }
}

/// All that has a name.
#[derive(Debug, Default)]
pub(super) struct Names {
    services: Told<ServiceName, Arc<NamedService>>,
    namespaces: Told<Box<str>, ()>,
    pods: Told<ServiceName, Arc<NamedPod>>,
}

impl Names {
    /// A Service's names as of now; none where it has none.
    pub fn set_service(&mut self, name: &ServiceName, named: Option<NamedService>) {
        self.services.set(name.clone(), named.map(Arc::new));
    }

    pub fn set_namespace(&mut self, name: &str, exists: bool) {
        self.namespaces.set(name.into(), exists.then_some(()));
    }

    pub fn set_pod(&mut self, name: &ServiceName, pod: Option<Arc<NamedPod>>) {
        self.pods.set(name.clone(), pod.filter(|pod| !pod.addresses.is_empty()));
    }

    /// What a former process had told. The changes that say so again.
    pub fn restore(
        &mut self,
        services: Vec<NamedService>,
        namespaces: Vec<Box<str>>,
        pods: Vec<NamedPod>,
    ) -> Vec<Change> {
        let mut changes = Vec::with_capacity(services.len() + namespaces.len() + pods.len());
        for name in namespaces {
            changes.push(Change::Namespace(name.clone()));
            self.namespaces.told.insert(name, ());
        }
        for service in services {
            changes.push(Change::Named(service.clone()));
            self.services.told.insert(service.name.clone(), Arc::new(service));
        }
        for pod in pods {
            changes.push(Change::Pod(pod.clone()));
            self.pods.told.insert(pod.name.clone(), Arc::new(pod));
        }
        changes
    }

    pub fn sweep(&mut self) {
        self.services.sweep();
        self.namespaces.sweep();
        self.pods.sweep();
    }

    /// All of it will be told once more.
    pub fn forget(&mut self) {
        self.services.forget();
        self.namespaces.forget();
        self.pods.forget();
    }

    pub fn is_dirty(&self) -> bool {
        !(self.services.dirty.is_empty() && self.namespaces.dirty.is_empty() && self.pods.dirty.is_empty())
    }

    /// What has changed since the last call.
    pub fn take(&mut self, unswept: bool, changes: &mut Vec<Change>) {
        self.namespaces.take(unswept, |name, exists| {
            changes.push(if exists.is_some() {
                Change::Namespace(name)
            } else {
                Change::NamespaceGone(name)
            });
        });
        self.services.take(unswept, |name, service| {
            changes.push(
                service
                    .map_or(Change::NamedGone(name), |service| Change::Named(NamedService::clone(service))),
            );
        });
        self.pods.take(unswept, |name, pod| {
            changes.push(pod.map_or(Change::PodGone(name), |pod| Change::Pod(NamedPod::clone(pod))));
        });
    }

    /// What was told of a Service.
    pub fn service(&self, name: &ServiceName) -> Option<&NamedService> {
        self.services.wanted.get(name).or_else(|| self.services.told.get(name)).map(Arc::as_ref)
    }

    /// Everything that was told.
    pub fn services(&self) -> impl Iterator<Item = &Arc<NamedService>> {
        self.services.told.values()
    }

    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.told.keys().map(|name| &**name)
    }

    pub fn pods(&self) -> impl Iterator<Item = &Arc<NamedPod>> {
        self.pods.told.values()
    }

    /// How many namespaces and pods are known.
    pub fn counts(&self) -> (usize, usize) {
        (self.namespaces.wanted.len(), self.pods.wanted.len())
    }
}
