//! Which Ingresses have a say in which host.

use std::collections::{BTreeSet, HashMap};

use sluice_model::ServiceName;
use sluice_model::http::HostPattern;

use crate::object::ingress::IngressObject;

/// Ingresses that are ours, by host.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_host: HashMap<HostPattern, BTreeSet<ServiceName>>,
    /// Of the domain of each name, which names there are.
    below: HashMap<Box<str>, BTreeSet<HostPattern>>,
    /// Hosts that have the routes of another one, by that one, and how many Ingresses say so.
    followers: HashMap<HostPattern, HashMap<HostPattern, usize>>,
}

impl Index {
    /// Those that have a say in a host.
    pub fn of(&self, host: &HostPattern) -> impl Iterator<Item = &ServiceName> {
        self.by_host.get(host).into_iter().flatten()
    }

    pub fn add(&mut self, ingress: &IngressObject, dirty: &mut BTreeSet<HostPattern>) {
        for host in hosts(ingress) {
            self.by_host.entry(host.clone()).or_default().insert(ingress.name.clone());
            if let Some(domain) = domain(&host) {
                self.below.entry(domain.into()).or_default().insert(host.clone());
            }
            dirty.insert(host);
        }
        for (host, follower) in followers(ingress) {
            *self.followers.entry(host).or_default().entry(follower).or_default() += 1;
        }
        self.spread(ingress, dirty);
    }

    pub fn remove(&mut self, ingress: &IngressObject, dirty: &mut BTreeSet<HostPattern>) {
        self.spread(ingress, dirty);
        for host in hosts(ingress) {
            if let Some(names) = self.by_host.get_mut(&host) {
                names.remove(&ingress.name);
                if names.is_empty() {
                    self.by_host.remove(&host);
                    if let Some(domain) = domain(&host)
                        && let Some(below) = self.below.get_mut(domain)
                    {
                        below.remove(&host);
                        if below.is_empty() {
                            self.below.remove(domain);
                        }
                    }
                }
            }
            dirty.insert(host);
        }
        for (host, follower) in followers(ingress) {
            if let Some(of_host) = self.followers.get_mut(&host) {
                if let Some(count) = of_host.get_mut(&follower) {
                    *count -= 1;
                    if *count == 0 {
                        of_host.remove(&follower);
                    }
                }
                if of_host.is_empty() {
                    self.followers.remove(&host);
                }
            }
        }
    }

    /// Hosts that go by what this Ingress says of others: those below its wildcards, whose TLS may be theirs, and aliases.
    fn spread(&self, ingress: &IngressObject, dirty: &mut BTreeSet<HostPattern>) {
        for host in hosts(ingress) {
            if let HostPattern::Wildcard(suffix) = &host {
                dirty.extend(self.below.get(suffix).into_iter().flatten().cloned());
            }
            dirty.extend(self.followers.get(&host).into_iter().flat_map(HashMap::keys).cloned());
        }
    }
}

/// The host that stands for this one and all beside it.
pub(super) fn wildcard_of(host: &HostPattern) -> Option<HostPattern> {
    domain(host).map(|domain| HostPattern::Wildcard(domain.into()))
}

/// With `www.` before it, or without.
pub(super) fn www_of(host: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = host else { return None };
    Some(HostPattern::Exact(match name.strip_prefix("www.") {
        Some(rest) if rest.contains('.') => rest.into(),
        _ => format!("www.{name}").into(),
    }))
}

/// What follows the first label of a name.
fn domain(host: &HostPattern) -> Option<&str> {
    let HostPattern::Exact(name) = host else { return None };
    name.split_once('.').map(|(_, domain)| domain)
}

/// All hosts that the Ingress has a say in.
fn hosts(ingress: &IngressObject) -> BTreeSet<HostPattern> {
    let mut hosts: BTreeSet<HostPattern> = ingress.rules.iter().map(|rule| rule.host.clone()).collect();
    for (_, follower) in followers(ingress) {
        hosts.insert(follower);
    }
    for entry in &ingress.tls {
        hosts.extend(entry.hosts.iter().cloned());
    }
    if ingress.default_backend.is_some() || ingress.tls.iter().any(|entry| entry.hosts.is_empty()) {
        hosts.insert(HostPattern::Any);
    }
    hosts
}

/// Pairs of a host and one that goes by it.
fn followers(ingress: &IngressObject) -> BTreeSet<(HostPattern, HostPattern)> {
    let options = &ingress.options;
    let mut pairs = BTreeSet::new();
    if options.www_redirect {
        let hosts = ingress.rules.iter().map(|rule| &rule.host);
        pairs.extend(hosts.filter_map(|host| Some((host.clone(), www_of(host)?))));
    }
    if let Some(first) = ingress.rules.first() {
        pairs.extend(options.aliases.iter().map(|alias| (first.host.clone(), alias.clone())));
    }
    pairs
}
