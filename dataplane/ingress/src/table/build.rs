//! Tables from changes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use sluice_model::http::{HttpChange, HttpSettings, PathMatch, Policy, Upstream, VirtualHost};

use super::{CompiledPolicy, CompiledRoute, Table};
use crate::routes::PathsBuilder;
use crate::upstream::{Endpoint, Millis, UpstreamState};

/// What is shared between tables and parts of them.
#[derive(Debug, Default)]
pub struct Builder {
    policies: HashMap<Policy, Weak<CompiledPolicy>>,
    endpoints: HashMap<SocketAddr, Weak<Endpoint>>,
    /// Size at which dead entries are looked for.
    policies_full: usize,
    endpoints_full: usize,
}

/// The fewest entries for which dead ones are looked for.
const FEW: usize = 64;

impl Builder {
    pub fn apply(&mut self, table: &mut Table, change: &HttpChange) {
        match change {
            HttpChange::Settings(settings) => table.settings = Arc::new(HttpSettings::clone(settings)),
            HttpChange::Host(host) => self.host(table, host),
            HttpChange::HostGone(pattern) => drop(table.hosts.remove(pattern)),
            HttpChange::ServerName(name) => table.server_names.insert(&name.host, name.host.clone()),
            HttpChange::ServerNameGone(pattern) => drop(table.server_names.remove(pattern)),
            HttpChange::Upstream(upstream) => self.upstream(table, upstream),
            HttpChange::UpstreamGone(name) => drop(table.upstreams.remove(name)),
            // Certificates are looked up before there is a request.
            HttpChange::Certificate(_) | HttpChange::CertificateGone(_) => {}
        }
    }

    fn host(&mut self, table: &mut Table, host: &VirtualHost) {
        let before = table.hosts.get(&host.host).cloned();
        let before: HashMap<&PathMatch, &Arc<CompiledRoute>> =
            before.iter().flat_map(|paths| paths.values()).map(|route| (route.path(), route)).collect();
        let mut paths = PathsBuilder::default();
        for route in &host.routes {
            let compiled = match before.get(&route.path) {
                Some(before) if before.is_of(route) => Arc::clone(before),
                _ => {
                    let policy = self.policy(&route.policy);
                    Arc::new(CompiledRoute::new(route, policy, |name| table.upstreams.hash(name)))
                }
            };
            paths.add(&route.path, compiled.pattern(), Arc::clone(&compiled));
        }
        table.hosts.insert(&host.host, Arc::new(paths.decoded(host.decoded).build()));
    }

    fn upstream(&mut self, table: &mut Table, upstream: &Upstream) {
        let before = table.upstreams.get(&upstream.name);
        let endpoint = |address| {
            let known = self.endpoints.get(&address).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let endpoint = Arc::new(Endpoint::new(address));
                self.endpoints.insert(address, Arc::downgrade(&endpoint));
                endpoint
            })
        };
        let state = UpstreamState::new(upstream, before.map(|before| &**before), Millis::now(), endpoint);
        table.upstreams.insert(Arc::new(upstream.name.clone()), Arc::new(state));
        forget(&mut self.endpoints, &mut self.endpoints_full);
    }

    fn policy(&mut self, policy: &Policy) -> Arc<CompiledPolicy> {
        if let Some(known) = self.policies.get(policy).and_then(Weak::upgrade) {
            return known;
        }
        forget(&mut self.policies, &mut self.policies_full);
        let compiled = Arc::new(CompiledPolicy::new(policy));
        self.policies.insert(policy.clone(), Arc::downgrade(&compiled));
        compiled
    }
}

/// Takes out what nobody has any more, each time the map has doubled.
fn forget<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, Weak<V>>, full: &mut usize) {
    if map.len() >= (*full).max(FEW) {
        map.retain(|_, value| value.strong_count() > 0);
        *full = map.len() * 2;
    }
}
