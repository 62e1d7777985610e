//! Hosts of the domains that have such: which there are, and which names are above them.

use std::collections::HashMap;
use std::net::IpAddr;

use sluice_model::NamedHost;

use crate::compile::external::External;
use crate::name::{self, Name};
use crate::node::Node;

/// All hosts, in whatever domain.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    known: HashMap<Name, NamedHost>,
    /// How many names are below each name that is above some (RFC 8020).
    below: HashMap<Name, usize>,
}

impl Hosts {
    /// Takes a host in, or out; the names whose nodes may be others now, all in `zones`.
    pub fn set<'z>(
        &mut self,
        name: &Name,
        host: Option<NamedHost>,
        zones: &'z [External],
    ) -> Option<(&'z External, Vec<Name>)> {
        let has = host.is_some();
        let had = match host {
            Some(host) => self.known.insert(name.clone(), host),
            None => self.known.remove(name),
        };
        let zone = zone_of(zones, name)?;
        let mut touched = vec![name.clone()];
        if had.is_some() != has {
            touched.extend(self.count(zone, name, has));
        }
        // The top has the addresses of the name servers.
        if zone.own().any(|own| own == name) {
            touched.push(zone.zone.clone());
        }
        Some((zone, touched))
    }

    /// Counts anew, under other settings; all names that there may be in these zones, each with its zone.
    pub fn restart<'z>(&mut self, zones: &'z [External]) -> Vec<(&'z External, Name)> {
        self.below.clear();
        let own = zones.iter().filter(|zone| zone.hosts);
        let own = own.flat_map(|zone| zone.own().map(move |name| (zone, name.clone())));
        let hosts = self.known.keys().filter_map(|name| Some((zone_of(zones, name)?, name.clone())));
        let mut all: Vec<(&External, Name)> = own.chain(hosts).collect();
        let mut above = Vec::new();
        for (zone, name) in &all {
            above.extend(self.count(zone, name, true).into_iter().map(|name| (*zone, name)));
        }
        all.append(&mut above);
        all
    }

    /// One more name, or one less; those of the names above it that are there now and were not, or the other way round.
    fn count(&mut self, zone: &External, name: &Name, more: bool) -> Vec<Name> {
        let mut changed = Vec::new();
        for parent in zone.parents(name) {
            let count = self.below.entry(parent.clone()).or_default();
            let before = *count;
            *count = if more { before + 1 } else { before.saturating_sub(1) };
            let after = *count;
            if after == 0 {
                self.below.remove(&parent);
            }
            if (before == 0) != (after == 0) {
                changed.push(parent);
            }
        }
        changed
    }

    /// A name's node as of now; none where there is no such name.
    pub fn node(&self, zone: &External, name: &Name, servers: &[IpAddr]) -> Option<Node> {
        let node = zone.host(name, |name| self.known.get(name), servers);
        node.or_else(|| self.below.contains_key(name).then(|| zone.bare(name.clone())))
    }
}

/// The domain of hosts that a name is in.
fn zone_of<'z>(zones: &'z [External], name: &Name) -> Option<&'z External> {
    zones.iter().find(|zone| zone.hosts && name::is_within(name.wire(), zone.zone.wire()))
}
