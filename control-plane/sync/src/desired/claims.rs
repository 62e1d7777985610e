//! Who claims which frontend.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sluice_model::{Protocol, Service, ServiceName, Settings};

/// A frontend that two Services claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// Its address and port.
    pub address: SocketAddr,
    /// Its transport.
    pub protocol: Protocol,
    /// Who gets it: the older Service, or the one whose name sorts first.
    pub winner: ServiceName,
    /// Who does not.
    pub loser: ServiceName,
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, protocol, winner, loser } = self;
        write!(f, "{address}/{protocol} is claimed by {winner} and {loser}; {winner} has it")
    }
}

type Place = (SocketAddr, Protocol);

/// All frontends and their claimants.
#[derive(Debug)]
pub(super) struct Claims {
    settings: Settings,
    claimants: HashMap<Place, Vec<Arc<ServiceName>>>,
    contested: BTreeSet<Place>,
}

impl Claims {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, claimants: HashMap::new(), contested: BTreeSet::new() }
    }

    /// Takes the place of what `before` claims with what `after` claims; both are the same Service.
    pub(super) fn replace(&mut self, before: Option<&Service>, after: Option<&Service>) {
        let old = self.places(before);
        let new = self.places(after);
        if let Some(service) = before {
            for place in old.difference(&new) {
                let Some(list) = self.claimants.get_mut(place) else {
                    continue;
                };
                list.retain(|name| **name != service.name);
                if list.len() < 2 {
                    self.contested.remove(place);
                }
                if list.is_empty() {
                    self.claimants.remove(place);
                }
            }
        }
        if let Some(service) = after {
            let name = Arc::new(service.name.clone());
            for place in new.difference(&old) {
                let list = self.claimants.entry(*place).or_default();
                list.push(Arc::clone(&name));
                if list.len() > 1 {
                    self.contested.insert(*place);
                }
            }
        }
    }

    /// The conflicts, by address; `services` are all there are.
    pub(super) fn conflicts(&self, services: &HashMap<ServiceName, Arc<Service>>) -> Vec<Conflict> {
        let age = |name: &ServiceName| services.get(name).map_or(i64::MAX, |s| s.created);
        let mut conflicts = Vec::new();
        for &(address, protocol) in &self.contested {
            let Some(claimants) = self.claimants.get(&(address, protocol)) else {
                continue;
            };
            let mut order: Vec<&ServiceName> = claimants.iter().map(Arc::as_ref).collect();
            order.sort_by_key(|name| (age(name), *name));
            let Some((winner, losers)) = order.split_first() else {
                continue;
            };
            conflicts.extend(losers.iter().map(|&loser| Conflict {
                address,
                protocol,
                winner: ServiceName::clone(winner),
                loser: loser.clone(),
            }));
        }
        conflicts
    }

    fn places(&self, service: Option<&Service>) -> BTreeSet<Place> {
        service
            .map(|service| service.frontends(&self.settings))
            .unwrap_or_default()
            .iter()
            .map(|frontend| (frontend.address, frontend.protocol))
            .collect()
    }
}
