//! What DNS is told: Services by name, namespaces, pods.

use std::sync::Arc;

use super::told::Told;
use sluice_model::{Change, NameKind, NamedImport, NamedPod, NamedService, ServiceName};

/// All that has a name.
#[derive(Debug, Default)]
pub(super) struct Names {
    services: Told<ServiceName, Arc<NamedService>>,
    imports: Told<ServiceName, Arc<NamedImport>>,
    /// Endpoints of headless Services that were told, those of imports included.
    headless: usize,
    namespaces: Told<Box<str>, ()>,
    pods: Told<ServiceName, Arc<NamedPod>>,
    /// Of namespaces that nobody has told of, nothing is told.
    by_namespace: bool,
}

impl Names {
    /// Whether from now on only what is in a namespace that exists, and may be told of, has names.
    pub fn only_by_namespace(&mut self, only: bool) {
        self.by_namespace = only;
    }

    /// A Service's names as of now; none where it has none.
    pub fn set_service(&mut self, name: &ServiceName, named: Option<NamedService>) {
        self.services.set(name.clone(), named.map(Arc::new));
    }

    /// A ServiceImport's names as of now; none where it has none.
    pub fn set_import(&mut self, name: &ServiceName, named: Option<NamedImport>) {
        self.imports.set(name.clone(), named.map(Arc::new));
    }

    /// A namespace exists, or does not; whether that changes what may be told.
    pub fn set_namespace(&mut self, name: &str, exists: bool) -> bool {
        let news = self.by_namespace && self.namespaces.wanted.contains_key(name) != exists;
        if news {
            // Looked for among all: labels of namespaces hardly ever change.
            self.services.touch(name);
            self.imports.touch(name);
            self.pods.touch(name);
        }
        self.namespaces.set(name.into(), exists.then_some(()));
        news
    }

    pub fn set_pod(&mut self, name: &ServiceName, pod: Option<Arc<NamedPod>>) {
        self.pods.set(name.clone(), pod.filter(|pod| !pod.addresses.is_empty()));
    }

    /// What a former process had told. The changes that say so again.
    pub fn restore(
        &mut self,
        services: Vec<NamedService>,
        imports: Vec<NamedImport>,
        namespaces: Vec<Box<str>>,
        pods: Vec<NamedPod>,
    ) -> Vec<Change> {
        let count = services.len() + imports.len() + namespaces.len() + pods.len();
        let mut changes = Vec::with_capacity(count);
        for name in namespaces {
            changes.push(Change::Namespace(name.clone()));
            self.namespaces.told.insert(name, ());
        }
        for service in services {
            changes.push(Change::Named(service.clone()));
            self.headless += headless_endpoints(&service);
            self.services.told.insert(service.name.clone(), Arc::new(service));
        }
        for import in imports {
            changes.push(Change::Imported(import.clone()));
            self.headless += headless_endpoints(&import.service);
            self.imports.told.insert(import.service.name.clone(), Arc::new(import));
        }
        for pod in pods {
            changes.push(Change::Pod(pod.clone()));
            self.pods.told.insert(pod.name.clone(), Arc::new(pod));
        }
        changes
    }

    pub fn sweep(&mut self) {
        self.services.sweep();
        self.imports.sweep();
        self.namespaces.sweep();
        self.pods.sweep();
    }

    /// All of it will be told once more.
    pub fn forget(&mut self) {
        self.services.forget();
        self.imports.forget();
        self.namespaces.forget();
        self.pods.forget();
    }

    pub fn is_dirty(&self) -> bool {
        !(self.services.dirty.is_empty()
            && self.imports.dirty.is_empty()
            && self.namespaces.dirty.is_empty()
            && self.pods.dirty.is_empty())
    }

    /// Endpoints of headless Services: those that were told, and those that there are after the next
    /// [`take`](Self::take).
    pub fn headless(&self, unswept: bool) -> (usize, usize) {
        let Self { services, imports, namespaces, by_namespace, .. } = self;
        let may = |name: &ServiceName| !by_namespace || namespaces.wanted.contains_key(&name.namespace);
        let (more, less) = services.difference(unswept, may, |service| headless_endpoints(service));
        let (imported, gone) = imports.difference(unswept, may, |import| headless_endpoints(&import.service));
        (self.headless, self.headless + more + imported - less - gone)
    }

    /// What has changed since the last call.
    pub fn take(&mut self, unswept: bool, changes: &mut Vec<Change>) {
        let Self { services, imports, headless, namespaces, pods, by_namespace } = self;
        namespaces.take(
            unswept,
            |_| true,
            |name, _, exists| {
                changes.push(if exists.is_some() {
                    Change::Namespace(name)
                } else {
                    Change::NamespaceGone(name)
                });
            },
        );
        let namespaces = &namespaces.wanted;
        let may = |name: &ServiceName| !*by_namespace || namespaces.contains_key(&name.namespace);
        services.take(unswept, may, |name, before, service| {
            *headless += service.map_or(0, |service| headless_endpoints(service));
            *headless -= before.map_or(0, |service| headless_endpoints(&service));
            changes.push(
                service
                    .map_or(Change::NamedGone(name), |service| Change::Named(NamedService::clone(service))),
            );
        });
        imports.take(unswept, may, |name, before, import| {
            *headless += import.map_or(0, |import| headless_endpoints(&import.service));
            *headless -= before.map_or(0, |import| headless_endpoints(&import.service));
            changes
                .push(import.map_or(Change::ImportedGone(name), |i| Change::Imported(NamedImport::clone(i))));
        });
        let form = |name: &ServiceName, pod: &Arc<NamedPod>| {
            if may(name) {
                return Some(Arc::clone(pod));
            }
            // It has no names, but may ask.
            pod.client.then(|| Arc::new(NamedPod { named: false, ..NamedPod::clone(pod) }))
        };
        pods.take_as(unswept, form, |name, _, pod| {
            changes.push(pod.map_or(Change::PodGone(name), |pod| Change::Pod(NamedPod::clone(pod))));
        });
    }

    /// Whether what is in a namespace may be told.
    pub fn may_tell(&self, namespace: &str) -> bool {
        !self.by_namespace || self.namespaces.wanted.contains_key(namespace)
    }

    /// What was told of a Service.
    pub fn service(&self, name: &ServiceName) -> Option<&NamedService> {
        self.services.wanted.get(name).or_else(|| self.services.told.get(name)).map(Arc::as_ref)
    }

    /// Everything that was told.
    pub fn services(&self) -> impl Iterator<Item = &Arc<NamedService>> {
        self.services.told.values()
    }

    pub fn imports(&self) -> impl Iterator<Item = &Arc<NamedImport>> {
        self.imports.told.values()
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

/// Endpoints that a Service's own name stands for. Those of others are counted where they take connections.
fn headless_endpoints(service: &NamedService) -> usize {
    match service.kind {
        NameKind::Headless => service.endpoints.iter().map(|group| group.endpoints.len()).sum(),
        NameKind::Cluster(_) | NameKind::External(_) => 0,
    }
}
