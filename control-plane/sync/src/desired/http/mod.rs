//! Ingresses, classes and Secrets, joined into what HTTP is: virtual hosts, server names, upstreams, certificates.
//!
//! Everything is joined by host: an Ingress that changes has its hosts joined anew, an EndpointSlice only the upstreams of its
//! Service, a Secret only its certificate. Of two claims to one thing that of the older Ingress counts, then that of the one
//! whose namespace and name sort first; the other is told.

mod claims;
mod classes;
mod external;
mod hosts;
mod index;
mod said;
mod secrets;
mod tls;
mod upstreams;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sluice_model::http::{
    Action, Certificate, CertificateName, HostPattern, HttpChange, HttpSettings, ServerName, TicketKey,
    TlsAction, Upstream, UpstreamName, VirtualHost,
};
use sluice_model::{Change, ServiceName};

use super::told::Told;
use crate::Problem;
use crate::object::ingress::{ClassObject, IngressObject, SecretObject};
pub use external::ExternalRules;
use index::Index;
pub(super) use upstreams::Backends;

/// Which Ingresses are ours, and how they are served.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressRules {
    /// The `spec.controller` of IngressClasses that are ours.
    pub controller: Box<str>,
    /// The `kubernetes.io/ingress.class` that is ours whether or not there is such an IngressClass.
    pub class: Box<str>,
    /// Whether Ingresses that name no class are ours.
    pub watch_without_class: bool,
    /// Whether Ingresses that name no class are of the default one. Where there is an API server, that has seen to it when
    /// they were made.
    pub default_class: bool,
    /// For how long browsers are to come by TLS only, in seconds.
    pub hsts: Option<u64>,
    /// Which names outside the cluster may be backends.
    pub external: ExternalRules,
    /// Whose Secrets may be read; those of all namespaces where empty.
    pub secret_namespaces: Vec<Box<str>>,
    /// The rest, as the proxy takes it.
    pub settings: HttpSettings,
}

/// An Ingress, and whether it is ours.
#[derive(Debug)]
struct Entry {
    object: Arc<IngressObject>,
    owned: bool,
    /// Its class has it served as ingress-nginx does.
    compat: bool,
}

/// What HTTP is made from, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Http {
    rules: Option<IngressRules>,
    classes: BTreeMap<Box<str>, Arc<ClassObject>>,
    ingresses: HashMap<ServiceName, Entry>,
    secrets: HashMap<ServiceName, Arc<SecretObject>>,
    /// Namespaces whose Secrets the API server does not show; the empty one stands for all.
    unread: BTreeSet<Box<str>>,
    index: Index,
    dirty: BTreeSet<HostPattern>,
    dirty_upstreams: BTreeSet<UpstreamName>,
    dirty_certificates: BTreeSet<CertificateName>,
    /// Of how many hosts and server names each is a part.
    users: BTreeMap<UpstreamName, usize>,
    shown_by: BTreeMap<CertificateName, usize>,
    told_settings: Option<HttpSettings>,
    hosts: Told<HostPattern, Arc<VirtualHost>>,
    names: Told<HostPattern, ServerName>,
    upstreams: Told<UpstreamName, Arc<Upstream>>,
    certificates: Told<CertificateName, Arc<Certificate>>,
    /// What is to be said of each host.
    said: BTreeMap<HostPattern, Vec<Problem>>,
    /// Upstreams that lead nowhere, and why.
    faults: BTreeMap<UpstreamName, String>,
    externals: external::Externals,
}

impl Http {
    /// Serves by these rules.
    pub fn with(rules: IngressRules) -> Self {
        let mut http = Self::default();
        if let Some(name) = &rules.settings.default_certificate {
            http.shown_by.insert(name.clone(), 1);
        }
        Self { rules: Some(rules), ..http }
    }

    /// Whether HTTP is served.
    pub fn is_on(&self) -> bool {
        self.rules.is_some()
    }

    pub fn set_ticket_keys(&mut self, keys: Vec<TicketKey>) {
        if let Some(rules) = &mut self.rules {
            rules.settings.ticket_keys = keys;
        }
    }

    pub fn set_class(&mut self, name: &str, class: Option<Arc<ClassObject>>) {
        match class {
            Some(class) => drop(self.classes.insert(name.into(), class)),
            None => drop(self.classes.remove(name)),
        }
        // Classes hardly ever change.
        let flipped: Vec<ServiceName> = self
            .ingresses
            .iter()
            .filter(|(_, entry)| {
                let object = &entry.object;
                (self.owns(object), self.is_compat(object)) != (entry.owned, entry.compat)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in flipped {
            let object = self.ingresses.get(&name).map(|entry| Arc::clone(&entry.object));
            self.set_ingress(&name, object);
        }
    }

    pub fn set_ingress(&mut self, name: &ServiceName, object: Option<Arc<IngressObject>>) {
        if let Some(before) = self.ingresses.remove(name)
            && before.owned
        {
            self.index.remove(&before.object, &mut self.dirty);
        }
        if let Some(object) = object {
            let (owned, compat) = (self.owns(&object), self.is_compat(&object));
            if owned {
                self.index.add(&object, &mut self.dirty);
            }
            self.ingresses.insert(name.clone(), Entry { object, owned, compat });
        }
    }

    pub fn set_secret(&mut self, name: &ServiceName, secret: Option<Arc<SecretObject>>) {
        match secret {
            Some(secret) => drop(self.secrets.insert(name.clone(), secret)),
            None => drop(self.secrets.remove(name)),
        }
        if self.shown_by.contains_key(name) {
            self.dirty_certificates.insert(name.clone());
        }
    }

    /// The Service has changed, or its endpoints have.
    pub fn touch(&mut self, service: &ServiceName) {
        let first =
            UpstreamName { service: service.clone(), port: sluice_model::http::UpstreamPort::Number(0) };
        let of_service = self.users.range(first..).take_while(|(name, _)| name.service == *service);
        self.dirty_upstreams.extend(of_service.map(|(name, _)| name.clone()));
    }

    /// All of it will be told once more; what was told stays until [`sweep`](Self::sweep).
    pub fn forget(&mut self) {
        let Some(rules) = self.rules.take() else { return };
        let before = std::mem::replace(self, Self::with(rules));
        self.told_settings = before.told_settings;
        self.externals = before.externals.without_users();
        (self.hosts, self.names) = (before.hosts, before.names);
        (self.upstreams, self.certificates) = (before.upstreams, before.certificates);
        self.hosts.forget();
        self.names.forget();
        self.upstreams.forget();
        self.certificates.forget();
    }

    /// What a former process had told. The changes that say so again.
    pub fn restore(&mut self, saved: Vec<HttpChange>) -> Vec<Change> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let settings = HttpChange::Settings(Box::new(rules.settings.clone()));
        self.told_settings = Some(rules.settings.clone());
        for change in &saved {
            match change.clone() {
                HttpChange::Host(host) => drop(self.hosts.told.insert(host.host.clone(), Arc::new(host))),
                HttpChange::ServerName(name) => drop(self.names.told.insert(name.host.clone(), name)),
                HttpChange::Upstream(upstream) => {
                    drop(self.upstreams.told.insert(upstream.name.clone(), Arc::new(upstream)));
                }
                HttpChange::Certificate(certificate) => {
                    let name = certificate.name.clone();
                    drop(self.certificates.told.insert(name, Arc::new(certificate)));
                }
                _ => {}
            }
        }
        let objects = saved.into_iter().filter(|change| !matches!(change, HttpChange::Settings(_)));
        std::iter::once(settings).chain(objects).map(Change::Http).collect()
    }

    pub fn sweep(&mut self) {
        self.hosts.sweep();
        self.names.sweep();
        self.upstreams.sweep();
        self.certificates.sweep();
    }

    pub fn is_dirty(&self) -> bool {
        !(self.dirty.is_empty()
            && self.dirty_upstreams.is_empty()
            && self.dirty_certificates.is_empty()
            && self.hosts.dirty.is_empty()
            && self.names.dirty.is_empty()
            && self.upstreams.dirty.is_empty()
            && self.certificates.dirty.is_empty())
            || self.told_settings.as_ref() != self.rules.as_ref().map(|rules| &rules.settings)
    }

    /// The settings, where they have changed since the last call.
    pub fn take_settings(&mut self, changes: &mut Vec<Change>) {
        let settings = self.rules.as_ref().map(|rules| &rules.settings);
        if self.told_settings.as_ref() != settings {
            self.told_settings = settings.cloned();
            let settings = settings.cloned().map(|settings| HttpChange::Settings(Box::new(settings)));
            changes.extend(settings.map(Change::Http));
        }
    }

    /// What else has changed since the last call.
    pub fn take(&mut self, unswept: bool, backends: &Backends<'_>, changes: &mut Vec<Change>) {
        self.settle(backends);
        let mut tell = |change| changes.push(Change::Http(change));
        self.certificates.take(
            unswept,
            |_| true,
            |name, _, after| {
                tell(after.map_or(HttpChange::CertificateGone(name), |after| {
                    HttpChange::Certificate(Certificate::clone(after))
                }));
            },
        );
        self.upstreams.take(
            unswept,
            |_| true,
            |name, _, after| {
                tell(after.map_or(HttpChange::UpstreamGone(name), |after| {
                    HttpChange::Upstream(Upstream::clone(after))
                }));
            },
        );
        self.names.take(
            unswept,
            |_| true,
            |host, _, after| {
                tell(
                    after.map_or(HttpChange::ServerNameGone(host), |after| {
                        HttpChange::ServerName(after.clone())
                    }),
                );
            },
        );
        self.hosts.take(
            unswept,
            |_| true,
            |host, _, after| {
                tell(
                    after.map_or(HttpChange::HostGone(host), |after| {
                        HttpChange::Host(VirtualHost::clone(after))
                    }),
                );
            },
        );
    }

    /// How many routes were told, and how many fewer the next [`take`](Self::take) would leave.
    pub fn loss(&mut self, unswept: bool, backends: &Backends<'_>) -> (usize, usize) {
        self.settle(backends);
        let (more, less) = self.hosts.difference(unswept, |_| true, |host| host.routes.len());
        // Counted where it may matter alone: it takes time with thousands of hosts.
        match less.saturating_sub(more) {
            0 => (0, 0),
            lost => (self.hosts.told.values().map(|host| host.routes.len()).sum(), lost),
        }
    }

    /// How many classes, Ingresses and Secrets there are.
    pub fn counts(&self) -> [usize; 3] {
        [self.classes.len(), self.ingresses.len(), self.secrets.len()]
    }

    /// All that was told, for the disk.
    pub fn shared(&self) -> Vec<HttpChange> {
        let certificates = self.certificates.told.values();
        let certificates = certificates.map(|it| HttpChange::Certificate(Certificate::clone(it)));
        let upstreams = self.upstreams.told.values().map(|it| HttpChange::Upstream(Upstream::clone(it)));
        let names = self.names.told.values().map(|it| HttpChange::ServerName(it.clone()));
        let hosts = self.hosts.told.values().map(|it| HttpChange::Host(VirtualHost::clone(it)));
        certificates.chain(upstreams).chain(names).chain(hosts).collect()
    }

    /// Ingresses that are ours, and those that are not.
    pub fn ingresses(&self) -> impl Iterator<Item = (&Arc<IngressObject>, bool)> {
        self.ingresses.values().map(|entry| (&entry.object, entry.owned))
    }

    /// An Ingress, and whether it is ours.
    pub fn ingress(&self, name: &ServiceName) -> Option<(&Arc<IngressObject>, bool)> {
        self.ingresses.get(name).map(|entry| (&entry.object, entry.owned))
    }

    fn settle(&mut self, backends: &Backends<'_>) {
        for host in std::mem::take(&mut self.dirty) {
            let (joined, mut problems) = self.join_host(&host);
            let (name, of_name) = self.join_name(&host);
            problems.extend(of_name);
            if problems.is_empty() {
                self.said.remove(&host);
            } else {
                self.said.insert(host.clone(), problems);
            }
            self.set_host(host.clone(), joined);
            self.set_name(host, name);
        }
        for name in std::mem::take(&mut self.dirty_upstreams) {
            let external = self.join_external(&name, backends);
            let joined = external.or_else(|| self.users.contains_key(&name).then(|| backends.join(&name)));
            self.faults.remove(&name);
            let upstream = joined.map(|(upstream, fault)| {
                if let Some(fault) = fault {
                    self.faults.insert(name.clone(), fault);
                }
                Arc::new(upstream)
            });
            self.upstreams.set(name, upstream);
        }
        for name in std::mem::take(&mut self.dirty_certificates) {
            let certificate = self.shown_by.contains_key(&name).then(|| self.join_certificate(&name));
            self.certificates.set(name, certificate.flatten());
        }
    }

    fn set_host(&mut self, host: HostPattern, joined: Option<VirtualHost>) {
        fn upstreams(host: &VirtualHost) -> BTreeSet<UpstreamName> {
            let forwards = host.routes.iter().filter_map(|route| match &route.action {
                Action::Forward(forward) => Some(forward),
                _ => None,
            });
            let names = forwards.flat_map(|forward| {
                let canary = forward.canary.as_ref().map(|canary| &canary.upstream);
                [Some(&forward.upstream), forward.fallback.as_ref(), canary]
            });
            names.flatten().cloned().collect()
        }
        let before = self.hosts.wanted.get(&host).map(|host| upstreams(host)).unwrap_or_default();
        let after = joined.as_ref().map(upstreams).unwrap_or_default();
        count(&mut self.users, &before, &after, &mut self.dirty_upstreams);
        self.hosts.set(host, joined.map(Arc::new));
    }

    fn set_name(&mut self, host: HostPattern, joined: Option<ServerName>) {
        let upstream = |name: Option<&ServerName>| match name.map(|name| &name.action) {
            Some(TlsAction::Passthrough { upstream, .. }) => BTreeSet::from([upstream.clone()]),
            _ => BTreeSet::new(),
        };
        let certificate = |name: Option<&ServerName>| match name.map(|name| &name.action) {
            Some(TlsAction::Terminate(Some(certificate))) => BTreeSet::from([certificate.clone()]),
            _ => BTreeSet::new(),
        };
        let (before, after) = (self.names.wanted.get(&host), joined.as_ref());
        count(&mut self.users, &upstream(before), &upstream(after), &mut self.dirty_upstreams);
        let (shown, dirty) = (&mut self.shown_by, &mut self.dirty_certificates);
        count(shown, &certificate(before), &certificate(after), dirty);
        self.names.set(host, joined);
    }
}

/// Takes the users of what was used before away and adds those of what is used now. What is used for the first time, or no
/// more, is dirty.
fn count<K: Ord + Clone>(
    users: &mut BTreeMap<K, usize>,
    before: &BTreeSet<K>,
    after: &BTreeSet<K>,
    dirty: &mut BTreeSet<K>,
) {
    for name in after.difference(before) {
        let count = users.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            dirty.insert(name.clone());
        }
    }
    for name in before.difference(after) {
        if let Some(count) = users.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                users.remove(name);
                dirty.insert(name.clone());
            }
        }
    }
}
