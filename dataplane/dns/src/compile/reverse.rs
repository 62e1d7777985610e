//! From addresses to names: PTR records, and the names above them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use sluice_model::{NameKind, NamedService, ServiceName};

use super::record::{QUESTION, record};
use super::{Rules, service};
use crate::name::{self, Name};
use crate::node::{Builder, MOST, Node};
use crate::query::kind;

/// Who an address belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// Services with this cluster IP.
    services: BTreeSet<ServiceName>,
    /// Endpoints at it, by Service and label.
    endpoints: BTreeSet<(ServiceName, Box<str>)>,
}

impl Owners {
    fn is_empty(&self) -> bool {
        self.services.is_empty() && self.endpoints.is_empty()
    }
}

/// The owners of all addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reverse {
    owners: HashMap<IpAddr, Owners>,
    /// Names between a zone's top and its PTR records, and how many there are below.
    inner: HashMap<Name, usize>,
}

/// What a Service's change did to one address.
pub(crate) enum Effect {
    /// A node is new or different.
    Set(Node),
    /// A node is no more.
    Gone(Node),
}

impl Reverse {
    /// Adds (or takes away) a Service's addresses. Returns all addresses whose owners changed.
    pub fn update(&mut self, service: &NamedService, rules: &Rules, add: bool) -> Vec<IpAddr> {
        let mut touched = Vec::new();
        if let NameKind::Cluster(addresses) = &service.kind {
            for ip in addresses {
                let owners = self.owners.entry(*ip).or_default();
                if add {
                    owners.services.insert(service.name.clone());
                } else {
                    owners.services.remove(&service.name);
                }
                touched.push(*ip);
            }
        }
        for endpoint in service.endpoints.iter().flat_map(|group| &group.endpoints) {
            let label = service::host(endpoint, rules.settings.endpoint_pod_names).into_boxed_str();
            let owners = self.owners.entry(endpoint.address).or_default();
            if add {
                owners.endpoints.insert((service.name.clone(), label));
            } else {
                owners.endpoints.remove(&(service.name.clone(), label));
            }
            touched.push(endpoint.address);
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// The effects of an address's owners as they are now, given whether its name existed before.
    pub fn effects(&mut self, ip: IpAddr, existed: bool, rules: &Rules) -> Vec<Effect> {
        let name = name::reverse(ip);
        let owned = self.owners.get(&ip).filter(|owners| !owners.is_empty());
        let zone = rules.reverse_zones.iter().filter(|zone| name::is_within(name.wire(), zone.wire()));
        let Some(zone) = zone.max_by_key(|zone| zone.wire().len()).cloned() else { return Vec::new() };
        let mut effects = Vec::new();
        match owned {
            Some(owners) => {
                effects.push(Effect::Set(pointers(owners, name.clone(), &zone, rules)));
                if !existed && !rules.compat() {
                    for inner in between(&name, &zone) {
                        let count = self.inner.entry(inner.clone()).or_default();
                        *count += 1;
                        if *count == 1 {
                            effects.push(Effect::Set(rules.bare(inner, &zone)));
                        }
                    }
                }
            }
            None => {
                self.owners.remove(&ip);
                if existed {
                    effects.push(Effect::Gone(rules.bare(name.clone(), &zone)));
                    for inner in between(&name, &zone) {
                        let Some(count) = self.inner.get_mut(&inner) else { continue };
                        *count -= 1;
                        if *count == 0 {
                            self.inner.remove(&inner);
                            effects.push(Effect::Gone(rules.bare(inner, &zone)));
                        }
                    }
                }
            }
        }
        effects
    }
}

/// A cluster IP is its first Service's; any other address is all endpoints that have it.
fn pointers(owners: &Owners, name: Name, zone: &Name, rules: &Rules) -> Node {
    let mut builder = Builder::new(name, zone.wire().len());
    let mut targets = Vec::new();
    if let Some(primary) = rules.zones.first() {
        let base = |service: &ServiceName| rules.service_name(service, primary).ok();
        match owners.services.first() {
            Some(service) => targets.extend(base(service)),
            None => targets.extend(
                owners
                    .endpoints
                    .iter()
                    .filter_map(|(service, host)| base(service)?.child(host).ok().map(Name::lowered)),
            ),
        }
    }
    let mut room = MOST;
    let records: Vec<Vec<u8>> = targets
        .iter()
        .map(|target| record(&QUESTION, kind::PTR, rules.settings.ttl, target.wire()))
        .take_while(|record| {
            let left = room.checked_sub(record.len());
            room = left.unwrap_or(0);
            left.is_some()
        })
        .collect();
    builder.fixed(kind::PTR, &records, &[]);
    builder.build(rules.seed)
}

/// Names above `name` and below `zone`.
fn between(name: &Name, zone: &Name) -> Vec<Name> {
    let mut names = Vec::new();
    let mut rest = name.wire();
    while let Some((&length, _)) = rest.split_first() {
        rest = rest.get(usize::from(length) + 1..).unwrap_or_default();
        if rest.len() <= zone.wire().len() {
            break;
        }
        names.push(Name::from_wire(rest));
    }
    names
}
