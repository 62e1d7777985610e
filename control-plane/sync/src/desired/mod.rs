//! The desired state: objects by kind, joined into model Services. Whoever watches objects feeds it, one by one.

mod claims;
mod hosts;
mod http;
mod join;
mod merge;
mod names;
mod shrink;
mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sluice_model::{Change, DnsSettings, NameKind, ResolverSettings, Service, ServiceName, Settings};

use sluice_model::http::TicketKey;

pub use claims::Conflict;
pub use http::{ExternalRules, IngressRules};
pub use shrink::{Shrink, Things};

use crate::Problem;
use crate::object::ingress::IngressObject;
use crate::object::{ImportObject, Key, Kind, NodeObject, Object, ServiceObject, SliceObject};
use crate::state::{Published, Saved};
use claims::Claims;
use hosts::Hosts;
use http::{Backends, Http};
use names::Names;

/// Objects in, changes out. What an object changes costs that Service's size, whatever else there is.
#[derive(Debug)]
pub struct Desired {
    configured: Settings,
    resolver: ResolverSettings,
    /// Whoever was told nothing has those that do nothing.
    published_resolver: ResolverSettings,
    node: Option<Arc<NodeObject>>,
    services: HashMap<ServiceName, Arc<ServiceObject>>,
    slices: HashMap<SliceName, Arc<SliceObject>>,
    /// Which slices each Service has; ordered, so that merging them has one outcome.
    slices_of: HashMap<ServiceName, BTreeSet<SliceName>>,
    /// Load-balancer addresses that this gateway has given out; they count, and not the status.
    assigned: HashMap<ServiceName, Vec<IpAddr>>,
    imports: HashMap<ServiceName, Arc<ImportObject>>,
    slices_of_imports: HashMap<ServiceName, BTreeSet<SliceName>>,
    dirty: BTreeSet<ServiceName>,
    dirty_imports: BTreeSet<ServiceName>,
    published: HashMap<ServiceName, Arc<Service>>,
    /// Endpoints of all that is published which take connections.
    usable: usize,
    published_settings: Option<Settings>,
    claims: Claims,
    names: Names,
    hosts: Hosts,
    http: Http,
    /// What was restored stands until [`sweep`](Self::sweep).
    unswept: bool,
    /// The Node is the restored one; no watcher has told of it.
    node_unheard: bool,
    /// What was saved is told, and the source has not been heard.
    stale: bool,
}

type SliceName = (Box<str>, Box<str>);

/// Endpoints that take connections: ready ones, and those that serve while they terminate.
fn usable(service: &Service) -> usize {
    let endpoints = service.ports.iter().flat_map(|port| &port.endpoints);
    endpoints.filter(|e| e.ready || (e.serving && e.terminating)).count()
}

impl Desired {
    /// An empty state on a gateway with the settings of the configuration file.
    pub fn new(configured: Settings) -> Self {
        Self {
            claims: Claims::new(configured.clone()),
            configured,
            resolver: ResolverSettings::default(),
            published_resolver: ResolverSettings::default(),
            node: None,
            services: HashMap::new(),
            slices: HashMap::new(),
            slices_of: HashMap::new(),
            imports: HashMap::new(),
            slices_of_imports: HashMap::new(),
            assigned: HashMap::new(),
            dirty: BTreeSet::new(),
            dirty_imports: BTreeSet::new(),
            published: HashMap::new(),
            usable: 0,
            published_settings: None,
            names: Names::default(),
            hosts: Hosts::default(),
            http: Http::default(),
            unswept: false,
            node_unheard: false,
            stale: false,
        }
    }

    /// The same, where the labels of namespaces say what has names: nothing has before its Namespace is known.
    pub fn by_namespace_labels(mut self, labels: bool) -> Self {
        self.names.only_by_namespace(labels);
        self
    }

    /// The same, where Ingresses are served.
    pub fn with_ingress(mut self, rules: Option<IngressRules>) -> Self {
        self.http = rules.map(Http::with).unwrap_or_default();
        self
    }

    /// Other settings of DNS, and of the resolver.
    pub fn set_names(&mut self, dns: Option<DnsSettings>, resolver: ResolverSettings) {
        self.configured.dns = dns;
        self.resolver = resolver;
    }

    /// Session tickets are sealed with these keys.
    pub fn set_ticket_keys(&mut self, keys: Vec<TicketKey>) {
        self.http.set_ticket_keys(keys);
    }

    /// All objects will be told once more, as other rules read them: by labels of namespaces or not. What is published stays
    /// until [`sweep`](Self::sweep).
    pub fn restart(&mut self, by_namespace_labels: bool) {
        self.names.only_by_namespace(by_namespace_labels);
        self.services.clear();
        self.slices.clear();
        self.slices_of.clear();
        self.imports.clear();
        self.slices_of_imports.clear();
        self.dirty.clear();
        self.dirty_imports.clear();
        self.names.forget();
        self.hosts.forget();
        self.http.forget();
        self.node_unheard = self.node.is_some();
        self.unswept = true;
    }

    /// Takes a new or changed object.
    pub fn apply(&mut self, object: Object) {
        match object {
            Object::Node(node) => {
                if node.name == self.configured.node {
                    self.node = Some(node);
                    self.node_unheard = false;
                }
            }
            Object::Service(service) => {
                self.dirty.insert(service.name.clone());
                self.http.touch(&service.name);
                self.services.insert(service.name.clone(), service);
            }
            Object::EndpointSlice(slice) => {
                let name = (slice.namespace.clone(), slice.name.clone());
                // A slice may have moved to another Service, which then is not to keep its endpoints.
                self.drop_slice(&name);
                if let Some(service) = &slice.service {
                    self.slices_of.entry(service.clone()).or_default().insert(name.clone());
                    self.dirty.insert(service.clone());
                    self.http.touch(service);
                }
                if let Some((import, _)) = &slice.import {
                    self.slices_of_imports.entry(import.clone()).or_default().insert(name.clone());
                    self.dirty_imports.insert(import.clone());
                }
                if slice.service.is_some() || slice.import.is_some() {
                    self.slices.insert(name, slice);
                }
            }
            Object::ServiceImport(import) => {
                self.dirty_imports.insert(import.name.clone());
                self.imports.insert(import.name.clone(), import);
            }
            Object::Namespace(namespace) => self.set_namespace(&namespace.name, namespace.exposed),
            Object::Pod(pod) => self.names.set_pod(&pod.name, Some(Arc::clone(&pod))),
            Object::IngressClass(class) => self.http.set_class(&class.name, Some(Arc::clone(&class))),
            Object::Ingress(ingress) => {
                self.hosts.set(Kind::Ingress, &ingress.name, Some(ingress.hosted.clone()));
                if self.http.is_on() {
                    self.http.set_ingress(&ingress.name, Some(Arc::clone(&ingress)));
                }
            }
            Object::Secret(secret) => self.http.set_secret(&secret.name, Some(Arc::clone(&secret))),
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
                self.http.touch(&name);
                self.dirty.insert(name);
            }
            Kind::EndpointSlice => self.drop_slice(&(key.namespace.clone(), key.name.clone())),
            Kind::Namespace => self.set_namespace(&key.name, false),
            Kind::ServiceImport => {
                let name = ServiceName::new(&key.namespace, &key.name);
                self.imports.remove(&name);
                self.dirty_imports.insert(name);
            }
            Kind::Pod => self.names.set_pod(&ServiceName::new(&key.namespace, &key.name), None),
            Kind::IngressClass => self.http.set_class(&key.name, None),
            Kind::Ingress => {
                let name = ServiceName::new(&key.namespace, &key.name);
                self.hosts.set(Kind::Ingress, &name, None);
                self.http.set_ingress(&name, None);
            }
            Kind::Secret => self.http.set_secret(&ServiceName::new(&key.namespace, &key.name), None),
        }
    }

    /// Takes what a former process had published for published, so that only what has changed since is told later. Until
    /// [`sweep`](Self::sweep) nothing of it goes. It is served first: traffic waits for nothing else.
    pub fn restore(&mut self, saved: Saved, serve: impl FnOnce(&[Change])) {
        if let Some(node) = saved.node {
            self.apply(Object::Node(Arc::new(node)));
            self.node_unheard = self.node.is_some();
        }
        (self.unswept, self.stale) = (true, true);
        // Where the configuration has no DNS any more, nobody is to be told of names.
        let mut names = Vec::new();
        if self.configured.dns.is_some() {
            names = self.names.restore(saved.named, saved.imported, saved.namespaces, saved.pods);
            names.extend(self.hosts.restore(saved.hosted));
        }
        let settings = self.settings();
        self.published_settings = Some(settings.clone());
        let mut changes = Vec::with_capacity(saved.services.len() + names.len() + 2);
        changes.push(Change::Settings(settings));
        if self.published_resolver != self.resolver {
            self.published_resolver = self.resolver.clone();
            changes.push(Change::Resolver(Box::new(self.resolver.clone())));
        }
        changes.extend(names);
        changes.extend(self.http.restore(saved.http));
        changes.extend(saved.services.into_iter().map(Change::Service));
        serve(&changes);
        for change in changes {
            if let Change::Service(service) = change {
                self.claims.replace(None, Some(&service));
                self.usable += usable(&service);
                self.published.insert(service.name.clone(), Arc::new(service));
            }
        }
    }

    /// All objects are known now: what was restored and is not among them goes with the next changes.
    pub fn sweep(&mut self) {
        (self.unswept, self.stale) = (false, false);
        if std::mem::take(&mut self.node_unheard) {
            self.node = None;
        }
        self.dirty.extend(self.published.keys().cloned());
        self.names.sweep();
        self.hosts.sweep();
        self.http.sweep();
    }

    /// As [`take_changes`](Self::take_changes), unless that took away over half of all endpoints, or routes, at once: then nothing
    /// changes, and what would have stays to be asked for again.
    ///
    /// # Errors
    /// The [`Shrink`] that is held back.
    pub fn take_guarded_changes(&mut self) -> Result<Vec<Change>, Shrink> {
        self.settle_names();
        let (named, mut after) = self.names.headless(self.unswept);
        after += self.usable;
        for name in self.dirty.iter().filter(|name| !self.is_restored(name)) {
            after += self.join(name).as_ref().map_or(0, usable);
            after -= self.published.get(name).map_or(0, |service| usable(service));
        }
        let (routes, lost) = self.with_http(|http, backends, unswept| http.loss(unswept, backends));
        for shrink in [
            Shrink { of: Things::Endpoints, before: self.usable + named, after },
            Shrink { of: Things::Routes, before: routes, after: routes.saturating_sub(lost) },
        ] {
            if shrink.is_large() {
                return Err(shrink);
            }
        }
        Ok(self.take_changes())
    }

    /// Gives a Service these load-balancer addresses in place of those of its status; none: what the status says.
    pub fn assign(&mut self, name: &ServiceName, addresses: Option<Vec<IpAddr>>) {
        let changed = match addresses {
            Some(addresses) => self.assigned.insert(name.clone(), addresses.clone()) != Some(addresses),
            None => self.assigned.remove(name).is_some(),
        };
        if changed {
            self.dirty.insert(name.clone());
        }
    }

    /// From here on statuses alone say which load-balancer addresses there are.
    pub fn unassign(&mut self) {
        self.dirty.extend(self.assigned.drain().map(|(name, _)| name));
    }

    /// All Services, as they were last applied.
    pub fn objects(&self) -> impl Iterator<Item = &ServiceObject> {
        self.services.values().map(Arc::as_ref)
    }

    /// A Service, as it was last applied.
    pub fn object(&self, name: &ServiceName) -> Option<&ServiceObject> {
        self.services.get(name).map(Arc::as_ref)
    }

    /// Whether there may be something to tell.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
            || !self.dirty_imports.is_empty()
            || self.names.is_dirty()
            || self.hosts.is_dirty()
            || self.http.is_dirty()
            || self.published_settings.as_ref() != Some(&self.settings())
            || self.published_resolver != self.resolver
    }

    /// Names outside the cluster that Ingresses lead to, as of the last [`take_changes`](Self::take_changes): they have to be
    /// looked up.
    pub fn external_names(&self) -> impl Iterator<Item = &str> {
        self.http.external_names()
    }

    /// What such a name has come to: its addresses, or why it has none. True where that is news.
    pub fn set_external(&mut self, name: &str, outcome: Result<Vec<IpAddr>, String>) -> bool {
        self.http.set_external(name, outcome)
    }

    /// The gateway's own Node.
    pub fn node(&self) -> Option<&Arc<NodeObject>> {
        self.node.as_ref()
    }

    /// What has changed since the last call, and nothing else.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.settle_names();
        let dirty = std::mem::take(&mut self.dirty);
        changes.append(&mut self.take_settings());
        // Names first: an address that is told of is one that is forwarded in the same generation.
        self.names.take(self.unswept, &mut changes);
        let names = &self.names;
        self.hosts.take(self.unswept, |namespace| names.may_tell(namespace), &mut changes);
        self.with_http(|http, backends, unswept| http.take(unswept, backends, &mut changes));
        for name in dirty {
            // The sweep comes back to it.
            if self.is_restored(&name) {
                continue;
            }
            match self.join(&name) {
                Some(service) => {
                    if self.published.get(&name).is_some_and(|before| **before == service) {
                        continue;
                    }
                    let before = self.published.insert(name, Arc::new(service.clone()));
                    self.usable += usable(&service);
                    self.usable -= before.as_ref().map_or(0, |service| usable(service));
                    self.claims.replace(before.as_deref(), Some(&service));
                    changes.push(Change::Service(service));
                }
                None => {
                    let Some(before) = self.published.remove(&name) else {
                        continue;
                    };
                    self.usable -= usable(&before);
                    self.claims.replace(Some(&before), None);
                    changes.push(Change::ServiceGone(name));
                }
            }
        }
        changes
    }

    /// Settings that have changed since the last call, and nothing else.
    pub fn take_settings(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let settings = self.settings();
        if self.published_settings.as_ref() != Some(&settings) {
            self.published_settings = Some(settings.clone());
            changes.push(Change::Settings(settings));
        }
        if self.published_resolver != self.resolver {
            self.published_resolver = self.resolver.clone();
            changes.push(Change::Resolver(Box::new(self.resolver.clone())));
        }
        self.http.take_settings(&mut changes);
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
        if let Some(dns) = &mut settings.dns {
            // The packet path lets through what the resolver serves, and leaves to it what that completes.
            let serving = &self.resolver.serving;
            dns.secure = serving.secure.iter().flat_map(|it| it.addresses.iter().copied()).collect();
            dns.autopath = serving.autopath;
            dns.stale = self.stale;
        }
        if let Some(dns) = &mut settings.dns
            && let Some(service) = &dns.service
            && let Some(addresses) = self.cluster_ips(service)
        {
            let port = dns.listen.first().map_or(53, SocketAddr::port);
            for ip in addresses {
                let address = SocketAddr::new(*ip, port);
                if !dns.listen.contains(&address) {
                    dns.listen.push(address);
                }
            }
        }
        settings
    }

    /// The Services as of the last [`take_changes`](Self::take_changes), in no order.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.published.values().map(Arc::as_ref)
    }

    /// All that is published, shared: for who takes longer to look at it than it may stay as it is.
    pub fn shared(&self) -> Published {
        Published {
            node: self.node.clone(),
            services: self.published.values().cloned().collect(),
            named: self.names.services().cloned().collect(),
            namespaces: self.names.namespaces().map(Box::from).collect(),
            pods: self.names.pods().cloned().collect(),
            imported: self.names.imports().cloned().collect(),
            hosted: self.hosts.shared().cloned().collect(),
            http: self.http.shared(),
        }
    }

    /// Frontends that several Services claim, as of the last [`take_changes`](Self::take_changes).
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.claims.conflicts(&self.published)
    }

    /// What is wrong with Ingresses, as of the last [`take_changes`](Self::take_changes).
    pub fn problems(&self) -> Vec<Problem> {
        self.http.problems()
    }

    /// Whether nobody here need know of a problem: it is of another's Ingress, or a Secret that no Ingress of ours has.
    pub fn is_foreign(&self, problem: &Problem) -> bool {
        self.http.is_on() && self.http.is_foreign(problem)
    }

    /// All Ingresses, and whether each is ours.
    pub fn ingresses(&self) -> impl Iterator<Item = (&IngressObject, bool)> {
        self.http.ingresses().map(|(ingress, owned)| (&**ingress, owned))
    }

    /// An Ingress as it was last applied, and whether it is ours.
    pub fn ingress(&self, name: &ServiceName) -> Option<(&IngressObject, bool)> {
        self.http.ingress(name).map(|(ingress, owned)| (&**ingress, owned))
    }

    /// How many Services there are as of the last [`take_changes`](Self::take_changes).
    pub fn published(&self) -> usize {
        self.published.len()
    }

    /// How many objects of each kind there are; of EndpointSlices those with a Service, of Nodes the gateway's own.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let (namespaces, pods) = self.names.counts();
        let [classes, ingresses, secrets] = self.http.counts();
        BTreeMap::from([
            (Kind::IngressClass, classes),
            (Kind::Ingress, if self.http.is_on() { ingresses } else { self.hosts.ingresses() }),
            (Kind::Secret, secrets),
            (Kind::Node, usize::from(self.node.is_some())),
            (Kind::Service, self.services.len()),
            (Kind::EndpointSlice, self.slices.len()),
            (Kind::Namespace, namespaces),
            (Kind::Pod, pods),
            (Kind::ServiceImport, self.imports.len()),
        ])
    }

    /// Whether this Service stands as it was restored: of its objects some may not be known yet.
    fn is_restored(&self, name: &ServiceName) -> bool {
        self.unswept && self.published.contains_key(name)
    }

    /// A Service's addresses, whether or not it has a name.
    fn cluster_ips(&self, name: &ServiceName) -> Option<&[IpAddr]> {
        if let Some(NameKind::Cluster(addresses)) = self.names.service(name).map(|named| &named.kind) {
            return Some(addresses);
        }
        let applied = self.services.get(name).and_then(|object| object.service.as_ref());
        let service = applied.or_else(|| self.published.get(name).map(Arc::as_ref))?;
        Some(&service.cluster_ips)
    }

    fn join(&self, name: &ServiceName) -> Option<Service> {
        let mut service = self.services.get(name)?.service.clone()?;
        if let Some(addresses) = self.assigned.get(name) {
            service.load_balancer_ips.clone_from(addresses);
        }
        let slices: Vec<&SliceObject> = self
            .slices_of
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|slice| self.slices.get(slice).map(Arc::as_ref))
            .filter(|slice| !slice.headless)
            .collect();
        merge::join(&mut service.ports, &slices);
        Some(service)
    }

    fn with_http<T>(&mut self, work: impl FnOnce(&mut Http, &Backends<'_>, bool) -> T) -> T {
        let Self { services, slices, slices_of, http, unswept, .. } = self;
        work(http, &Backends { services, slices, slices_of }, *unswept)
    }

    fn set_namespace(&mut self, name: &str, exists: bool) {
        if self.names.set_namespace(name, exists) {
            self.hosts.touch(name);
        }
    }

    fn drop_slice(&mut self, name: &SliceName) {
        let Some(slice) = self.slices.remove(name) else { return };
        let forget = |slices_of: &mut HashMap<ServiceName, BTreeSet<SliceName>>, owner: &ServiceName| {
            if let Some(slices) = slices_of.get_mut(owner) {
                slices.remove(name);
                if slices.is_empty() {
                    slices_of.remove(owner);
                }
            }
        };
        if let Some(service) = &slice.service {
            forget(&mut self.slices_of, service);
            self.dirty.insert(service.clone());
            self.http.touch(service);
        }
        if let Some((import, _)) = &slice.import {
            forget(&mut self.slices_of_imports, import);
            self.dirty_imports.insert(import.clone());
        }
    }
}
