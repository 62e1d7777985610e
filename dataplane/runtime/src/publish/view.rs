//! What is in effect, for people to look at: objects by their names, which the tables no longer know.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use sluice_engine::PortId;
use sluice_engine::nat::pressure::Scarcity;
use sluice_engine::snapshot::{Conflict, FibChange, PortInfo, Route};
use sluice_model::{Change, Generation, Service, ServiceName, Settings};

/// Everything that was published, as it was said.
#[derive(Debug, Default)]
pub struct View {
    /// The generation in effect; 0 before the first.
    pub generation: Generation,
    /// Settings.
    pub settings: Settings,
    /// Services.
    pub services: BTreeMap<ServiceName, Service>,
    /// Frontends that two Services claim.
    pub conflicts: Vec<Conflict>,
    /// Ports, as last told to the engine.
    pub ports: BTreeMap<PortId, PortInfo>,
    /// Routes by prefix, metric and port.
    pub routes: BTreeMap<(IpNet, u32, PortId), Route>,
    /// Neighbours.
    pub neighbors: BTreeMap<(PortId, IpAddr), [u8; 6]>,
    /// Addresses of pods, where the settings want them known.
    pub pods: HashMap<ServiceName, Vec<IpAddr>>,
    /// The feed.
    pub feed: FeedState,
    /// Service ports whose new flows found source ports scarce, over all lcores since the start.
    pub scarcity: BTreeMap<(ServiceName, Box<str>), Scarcity>,
}

/// Service ports that [`View::scarcity`] names at most.
const MOST_SCARCE: usize = 1024;

/// How the feed is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedState {
    /// Control is connected.
    pub connected: bool,
    /// Why not.
    pub error: Option<String>,
}

impl View {
    /// Takes in a change from control.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Settings(settings) => self.settings = settings,
            Change::Service(service) => drop(self.services.insert(service.name.clone(), service)),
            Change::ServiceGone(name) => drop(self.services.remove(&name)),
            Change::Pod(pod) => drop(self.pods.insert(pod.name, pod.addresses)),
            Change::PodGone(name) => drop(self.pods.remove(&name)),
            // The tables themselves know names, and the resolver its settings.
            Change::Resolver(_)
            | Change::Named(_)
            | Change::NamedGone(_)
            | Change::Namespace(_)
            | Change::NamespaceGone(_)
            | Change::Imported(_)
            | Change::ImportedGone(_)
            | Change::Hosted(_)
            | Change::HostedGone(_)
            | Change::Http(_) => {}
        }
    }

    /// Adds what a worker counted for a service port. Those of Services that are gone make room.
    pub fn add_scarcity(&mut self, service: &ServiceName, port: &str, more: Scarcity) {
        if self.scarcity.len() >= MOST_SCARCE {
            let services = &self.services;
            self.scarcity.retain(|(name, _), _| services.contains_key(name));
        }
        let key = (service.clone(), port.into());
        if self.scarcity.len() < MOST_SCARCE || self.scarcity.contains_key(&key) {
            let sum = self.scarcity.entry(key).or_default();
            sum.hard += more.hard;
            sum.failed += more.failed;
        }
    }

    /// Takes in a change from Linux.
    pub fn apply_fib(&mut self, change: FibChange) {
        let key = |route: &Route| (route.to, route.metric, route.port);
        match change {
            FibChange::Port(info) => drop(self.ports.insert(info.id, info)),
            FibChange::Route(route) => drop(self.routes.insert(key(&route), route)),
            FibChange::RouteGone(route) => drop(self.routes.remove(&key(&route))),
            FibChange::Neighbor { port, ip, mac } => drop(self.neighbors.insert((port, ip), mac)),
            FibChange::NeighborGone { port, ip } => drop(self.neighbors.remove(&(port, ip))),
        }
    }
}
