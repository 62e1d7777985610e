//! The publisher's side: follows the model and keeps [`Zones`] up to date, at the cost of what changed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use sluice_model::{
    Change, DnsSettings, NamedHost, NamedImport, NamedPod, NamedService, PodNames, ServiceName, Serving,
};

use crate::compile::reverse::{Effect, Reverse};
use crate::compile::{Rules, external, fixed, service};
use crate::hosts::Hosts;
use crate::log::Log;
use crate::name::{self, Name, Seed};
use crate::node::{Node, Role};
use crate::nsid::Nsid;
use crate::pods::{self, Pods};
use crate::soa::Soa;
use crate::zones::Zones;

/// What is known, and the tables made of it.
#[derive(Debug)]
pub struct Catalog {
    rules: Option<Rules>,
    seed: Seed,
    zones: Zones,
    services: HashMap<ServiceName, Known>,
    imports: HashMap<ServiceName, (Arc<NamedImport>, Vec<Node>)>,
    namespaces: HashSet<Box<str>>,
    /// How many Services each namespace has: those alone make it exist where nobody tells of namespaces.
    inhabited: BTreeMap<Box<str>, usize>,
    /// The same of ServiceImports, which have zones of their own.
    importing: BTreeMap<Box<str>, usize>,
    /// The same of Services that are in domains of external addresses.
    reachable: BTreeMap<Box<str>, usize>,
    hosts: Hosts,
    pods: HashMap<ServiceName, NamedPod>,
    /// How many pods have an address in a namespace: two do while one replaces the other.
    pod_addresses: HashMap<(Box<str>, IpAddr), usize>,
    /// Who asks, where that matters.
    clients: Pods,
    reverse: Reverse,
}

#[derive(Debug)]
struct Known {
    service: Arc<NamedService>,
    nodes: Vec<Node>,
    /// Instead of nodes, where endpoints are all it lacks.
    unready: Vec<Node>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new(Seed::random())
    }
}

impl Catalog {
    /// Nothing yet; names are hashed under `seed`.
    pub fn new(seed: Seed) -> Self {
        Self {
            rules: None,
            seed,
            zones: Zones::new(seed),
            services: HashMap::new(),
            imports: HashMap::new(),
            namespaces: HashSet::new(),
            inhabited: BTreeMap::new(),
            importing: BTreeMap::new(),
            reachable: BTreeMap::new(),
            hosts: Hosts::default(),
            pods: HashMap::new(),
            pod_addresses: HashMap::new(),
            clients: Pods::default(),
            reverse: Reverse::default(),
        }
    }

    /// The tables as of now; shares all that later changes leave alone.
    pub fn zones(&self) -> Zones {
        let zones = self.zones.clone();
        Zones { soa: Soa::new(zones.fixed.negative_ttl, zones.serial), ..zones }
    }

    /// Sets the time of day, in seconds since 1970 when the monotonic clock shows `milliseconds`. SOA records have it as
    /// their serial.
    pub fn set_clock(&mut self, seconds: u64, milliseconds: u64) {
        // Both wrap in 2106, which serials and cookies are made for (RFC 1982).
        self.zones.serial = seconds as u32;
        self.zones.start = seconds.wrapping_sub(milliseconds / 1000) as u32;
    }

    /// Takes in a change of the model; those that DNS does not depend on do nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Settings(settings) => self.set_settings(settings.dns.as_ref()),
            Change::Named(service) => self.set_service(&service.name, Some(Arc::new(service.clone()))),
            Change::NamedGone(name) => self.set_service(name, None),
            Change::Namespace(name) => {
                if self.namespaces.insert(name.clone()) {
                    self.update_namespace(name);
                }
            }
            Change::NamespaceGone(name) => {
                if self.namespaces.remove(name) {
                    self.update_namespace(name);
                }
            }
            Change::Pod(pod) => self.set_pod(&pod.name, Some(pod.clone())),
            Change::PodGone(name) => self.set_pod(name, None),
            Change::Imported(import) => {
                self.set_import(&import.service.name, Some(Arc::new(import.clone())));
            }
            Change::ImportedGone(name) => self.set_import(name, None),
            Change::Hosted(host) => self.set_host(&host.name, Some(host.clone())),
            Change::HostedGone(name) => self.set_host(name, None),
            Change::Resolver(settings) => {
                // What it would answer now may be something else.
                self.zones.era += 1;
                self.set_serving(&settings.serving);
            }
            Change::Service(_) | Change::ServiceGone(_) | Change::Http(_) => {}
        }
    }

    /// How many Services are known.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    fn set_settings(&mut self, settings: Option<&DnsSettings>) {
        if self.rules.as_ref().map(|rules| &rules.settings) == settings {
            return;
        }
        if let (Some(rules), Some(settings)) = (&mut self.rules, settings)
            && (DnsSettings { stale: settings.stale, ..rules.settings.clone() }) == *settings
        {
            // Names are the same, whether or not there may be newer ones.
            rules.settings.stale = settings.stale;
            self.zones.configure(rules);
            return;
        }
        // Everything depends on the settings, and they hardly ever change.
        let (serial, start, era) = (self.zones.serial, self.zones.start, self.zones.era + 1);
        let Zones { log, nsid, attends, .. } = self.zones.clone();
        self.zones = Zones { serial, start, era, log, nsid, attends, ..Zones::new(self.seed) };
        self.reverse = Reverse::default();
        self.inhabited.clear();
        self.importing.clear();
        self.reachable.clear();
        self.pod_addresses.clear();
        self.clients = Pods::default();
        self.rules = settings.map(|settings| Rules::new(settings.clone(), self.seed));
        let Some(rules) = &self.rules else { return };
        self.zones.configure(rules);
        for zone in rules.forward_zones() {
            let nodes = fixed::forward(rules, zone).unwrap_or_default();
            nodes.into_iter().for_each(|node| drop(self.zones.table.insert(node)));
        }
        for zone in &rules.reverse_zones {
            let nodes = fixed::backward(rules, zone).unwrap_or_default();
            nodes.into_iter().for_each(|node| drop(self.zones.table.insert(node)));
        }
        let hosts = self.hosts.restart(&rules.external_zones);
        let servers = self.servers(rules);
        for node in hosts.iter().filter_map(|(zone, name)| self.hosts.node(zone, name, &servers)) {
            self.zones.table.insert(node);
        }
        self.set_servers();
        for name in self.namespaces.clone() {
            self.update_namespace(&name);
        }
        for (name, known) in std::mem::take(&mut self.services) {
            self.set_service(&name, Some(known.service));
        }
        for (name, (import, _)) in std::mem::take(&mut self.imports) {
            self.set_import(&name, Some(import));
        }
        for (name, pod) in std::mem::take(&mut self.pods) {
            self.set_pod(&name, Some(pod));
        }
    }

    fn set_serving(&mut self, serving: &Serving) {
        self.zones.nsid = Nsid::new(serving.nsid.as_deref());
        self.zones.attends = self.zones.nsid.is_some() || serving.log.is_some();
        if self.zones.log.as_ref().map(|log| log.settings()) == serving.log.as_ref() {
            return;
        }
        self.zones.log = serving.log.as_ref().map(|log| Arc::new(Log::new(log)));
        if let Some(rules) = &self.rules {
            self.zones.configure(rules);
        }
    }

    fn set_service(&mut self, name: &ServiceName, service: Option<Arc<NamedService>>) {
        let before = self.services.remove(name);
        let Some(rules) = &self.rules else {
            if let Some(service) = service {
                self.services.insert(name.clone(), Known { service, nodes: Vec::new(), unready: Vec::new() });
            }
            return;
        };
        let mut nodes = service.as_ref().map(|service| service::compile(service, rules)).unwrap_or_default();
        let unready = match &service {
            Some(service) if nodes.is_empty() => service::unready(service, rules),
            _ => Vec::new(),
        };
        if let Some(service) = &service {
            nodes.extend(rules.external_zones.iter().flat_map(|zone| zone.service(service)));
        }
        for node in before.iter().flat_map(|before| &before.unready) {
            self.zones.unready.remove(node);
        }
        for node in &unready {
            self.zones.unready.insert(node.clone());
        }
        let kept: HashSet<&[u8]> = nodes.iter().map(Node::name).collect();
        let mut touched = Vec::new();
        if let Some(before) = &before {
            for node in before.nodes.iter().filter(|node| !kept.contains(node.name())) {
                self.zones.table.remove(node);
            }
            touched.extend(self.reverse.update(&before.service, rules, false));
        }
        for node in &nodes {
            if self.zones.table.get(node.hash(), node.name()) != Some(node) {
                self.zones.table.insert(node.clone());
            }
        }
        if let Some(service) = &service {
            touched.extend(self.reverse.update(service, rules, true));
        }
        touched.sort_unstable();
        touched.dedup();
        for ip in touched {
            let name = name::reverse(ip);
            let existed = self.zones.find(name.wire()).is_some();
            for effect in self.reverse.effects(ip, existed, rules) {
                match effect {
                    Effect::Set(node) => {
                        if self.zones.table.get(node.hash(), node.name()) != Some(&node) {
                            self.zones.table.insert(node);
                        }
                    }
                    Effect::Gone(node) => drop(self.zones.table.remove(&node)),
                }
            }
        }
        let front = rules.settings.service.as_ref() == Some(name);
        // Whether it is in the cluster's zones, and in those of external addresses.
        let places = |nodes: &[Node]| {
            let external = |node: &Node| node.role() == Role::External;
            [nodes.iter().any(|node| !external(node)), nodes.iter().any(external)]
        };
        let (had, has) = (before.map_or([false; 2], |before| places(&before.nodes)), places(&nodes));
        if let Some(service) = service {
            self.services.insert(name.clone(), Known { service, nodes, unready });
        }
        for (at, counts) in [&mut self.inhabited, &mut self.reachable].into_iter().enumerate() {
            if let (Some(had), Some(has)) = (had.get(at), has.get(at))
                && had != has
            {
                count(counts, &name.namespace, *has);
            }
        }
        if had != has {
            self.update_namespace(&name.namespace);
        }
        if front {
            self.set_servers();
        }
    }

    /// Puts in the tops of the domains of external addresses, and their name servers as they are now.
    fn set_servers(&mut self) {
        let Some(rules) = &self.rules else { return };
        let servers = self.servers(rules);
        let mut nodes: Vec<Node> = Vec::new();
        for zone in &rules.external_zones {
            nodes.extend(zone.fixed(&servers));
            let own = zone.own().filter(|_| zone.hosts);
            nodes.extend(own.filter_map(|name| self.hosts.node(zone, name, &servers)));
        }
        for node in nodes {
            if self.zones.table.get(node.hash(), node.name()) != Some(&node) {
                self.zones.table.insert(node);
            }
        }
    }

    /// The addresses of the name server of the domains of external addresses.
    fn servers(&self, rules: &Rules) -> Vec<IpAddr> {
        let front = rules.settings.service.as_ref().and_then(|name| self.services.get(name));
        external::servers(rules, front.map(|front| &*front.service))
    }

    /// Takes a host in or out, with the names that are there because of it.
    fn set_host(&mut self, name: &str, host: Option<NamedHost>) {
        let Ok(name) = Name::parse(name).map(Name::lowered) else { return };
        let zones = self.rules.as_ref().map(|rules| &*rules.external_zones).unwrap_or_default();
        let Some((zone, touched)) = self.hosts.set(&name, host, zones) else { return };
        let servers = self.rules.as_ref().map(|rules| self.servers(rules)).unwrap_or_default();
        for name in touched {
            match self.hosts.node(zone, &name, &servers) {
                Some(node) => {
                    if self.zones.table.get(node.hash(), node.name()) != Some(&node) {
                        self.zones.table.insert(node);
                    }
                }
                None => {
                    self.zones.table.remove(&zone.bare(name));
                }
            }
        }
    }

    fn set_import(&mut self, name: &ServiceName, import: Option<Arc<NamedImport>>) {
        let (_, before) = self.imports.remove(name).unzip();
        let Some(rules) = &self.rules else {
            if let Some(import) = import {
                self.imports.insert(name.clone(), (import, Vec::new()));
            }
            return;
        };
        let nodes = import.as_ref().map(|import| service::compile_import(import, rules)).unwrap_or_default();
        let before = before.unwrap_or_default();
        let kept: HashSet<&[u8]> = nodes.iter().map(Node::name).collect();
        for node in before.iter().filter(|node| !kept.contains(node.name())) {
            self.zones.table.remove(node);
        }
        for node in &nodes {
            if self.zones.table.get(node.hash(), node.name()) != Some(node) {
                self.zones.table.insert(node.clone());
            }
        }
        let (had, has) = (!before.is_empty(), !nodes.is_empty());
        if let Some(import) = import {
            self.imports.insert(name.clone(), (import, nodes));
        }
        if had != has {
            count(&mut self.importing, &name.namespace, has);
            self.update_namespace(&name.namespace);
        }
    }

    /// Puts a namespace's own names in or takes them out.
    fn update_namespace(&mut self, namespace: &str) {
        let Some(rules) = &self.rules else { return };
        let known = self.namespaces.contains(namespace);
        for zone in rules.forward_zones() {
            let inhabited = if rules.zones.contains(zone) { &self.inhabited } else { &self.importing };
            let exists = known || inhabited.contains_key(namespace);
            for node in fixed::namespace(rules, namespace, zone).unwrap_or_default() {
                if !exists {
                    self.zones.table.remove(&node);
                } else if self.zones.table.get(node.hash(), node.name()) != Some(&node) {
                    self.zones.table.insert(node);
                }
            }
        }
        let exists = known || self.reachable.contains_key(namespace);
        for node in rules.external_zones.iter().filter_map(|zone| zone.namespace(namespace)) {
            if !exists {
                self.zones.table.remove(&node);
            } else if self.zones.table.get(node.hash(), node.name()) != Some(&node) {
                self.zones.table.insert(node);
            }
        }
    }

    fn set_pod(&mut self, name: &ServiceName, pod: Option<NamedPod>) {
        let before = self.pods.remove(name);
        if let Some(pod) = &pod {
            self.pods.insert(name.clone(), pod.clone());
        }
        if self.rules.as_ref().is_some_and(|rules| rules.settings.knows_clients()) {
            self.set_client(before.as_ref(), pod.as_ref());
        }
        let Some(rules) = self.rules.as_ref().filter(|r| r.settings.pods == PodNames::Verified) else {
            return;
        };
        let addresses = |pod: &Option<NamedPod>| {
            let named = pod.iter().filter(|pod| pod.named);
            named.flat_map(|pod| pod.addresses.clone()).collect::<Vec<_>>()
        };
        let (before, after) = (addresses(&before), addresses(&pod));
        for ip in &after {
            let count = self.pod_addresses.entry((name.namespace.clone(), *ip)).or_default();
            *count += 1;
            if *count == 1 {
                for zone in &rules.zones {
                    if let Ok(node) = fixed::pod(rules, &name.namespace, *ip, zone) {
                        self.zones.table.insert(node);
                    }
                }
            }
        }
        for ip in &before {
            let key = (name.namespace.clone(), *ip);
            let Some(count) = self.pod_addresses.get_mut(&key) else { continue };
            *count -= 1;
            if *count == 0 {
                self.pod_addresses.remove(&key);
                for zone in &rules.zones {
                    if let Ok(node) = fixed::pod(rules, &name.namespace, *ip, zone) {
                        self.zones.table.remove(&node);
                    }
                }
            }
        }
    }

    /// Whose addresses those of a pod are.
    fn set_client(&mut self, before: Option<&NamedPod>, after: Option<&NamedPod>) {
        // What stays is never away.
        let comes = after.map(|pod| self.clients.update(pod, true, self.seed));
        let goes = before.map(|pod| self.clients.update(pod, false, self.seed));
        for effect in comes.into_iter().chain(goes).flatten() {
            match effect {
                pods::Effect::Set(node) => drop(self.zones.pods.insert(node)),
                pods::Effect::Gone(node) => drop(self.zones.pods.remove(&node)),
            }
        }
    }
}

/// One more, or one less, of a namespace.
fn count(counts: &mut BTreeMap<Box<str>, usize>, namespace: &str, more: bool) {
    let count = counts.entry(namespace.into()).or_default();
    *count = if more { *count + 1 } else { count.saturating_sub(1) };
    if *count == 0 {
        counts.remove(namespace);
    }
}

/// The zone among `zones` that `name` is in, the one nearest to it.
pub(crate) fn zone_of<'z>(zones: &'z [Name], name: &[u8]) -> Option<&'z Name> {
    let within = zones.iter().filter(|zone| name::is_within(name, zone.wire()));
    within.max_by_key(|zone| zone.wire().len())
}
