//! What the feed says of HTTP, as requests look it up.

mod build;
mod policy;
mod rewrite;
mod route;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use sluice_model::http::{HostPattern, HttpChange, HttpSettings, UpstreamName};

pub use policy::{CompiledCors, CompiledPolicy};
pub use rewrite::Template;
pub use route::{CompiledAction, CompiledCanary, CompiledForward, CompiledRoute, HeaderSwitch, Target};

use crate::routes::{Found, Hosts, Pages, Paths};
use crate::upstream::UpstreamState;
use build::Builder;

/// The table in effect, and how it comes to be.
#[derive(Debug, Default)]
pub struct Tables {
    current: ArcSwap<Table>,
    builder: Mutex<Builder>,
}

/// One state of all tables; readers keep it for as long as they work by it. A copy costs the same at any size.
#[derive(Clone, Debug, Default)]
pub struct Table {
    settings: Arc<HttpSettings>,
    hosts: Hosts<Arc<Paths<Arc<CompiledRoute>>>>,
    server_names: Hosts<HostPattern>,
    upstreams: Pages<Arc<UpstreamName>, Arc<UpstreamState>>,
}

/// What a host and a path come to.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// No host fits: nothing is known of it.
    NoHost,
    /// The host fits, none of its paths does.
    NoPath,
    /// A route.
    Route(Found<'a, Arc<CompiledRoute>>),
}

impl Tables {
    /// The table in effect.
    pub fn load(&self) -> Arc<Table> {
        self.current.load_full()
    }

    /// The table in effect where it is another one than `known`; takes part in no reference count where it is not.
    pub fn load_if_changed(&self, known: &Arc<Table>) -> Option<Arc<Table>> {
        let current = self.current.load();
        (!Arc::ptr_eq(&current, known)).then(|| Arc::clone(&current))
    }

    /// Takes changes over; when this returns, they are in effect, all at once. One caller at a time.
    ///
    /// The cost is that of the changes: what they do not touch is shared with the table before.
    pub fn apply<'a>(&self, changes: impl IntoIterator<Item = &'a HttpChange>) {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Table::clone(&self.current.load());
        for change in changes {
            builder.apply(&mut next, change);
        }
        self.current.store(Arc::new(next));
    }
}

impl Table {
    /// How HTTP is served.
    pub fn settings(&self) -> &Arc<HttpSettings> {
        &self.settings
    }

    /// The route for a host in lower case, without port and final dot, and a [normalised](crate::routes::normalise) path.
    pub fn find(&self, host: &str, path: &str) -> Lookup<'_> {
        match self.hosts.find(host) {
            None => Lookup::NoHost,
            Some(paths) => paths.find(path).map_or(Lookup::NoPath, Lookup::Route),
        }
    }

    /// The entry of server names that a host comes to, as TLS would choose it; `Any` where there is none.
    pub fn server_name(&self, host: &str) -> &HostPattern {
        self.server_names.find(host).unwrap_or(&HostPattern::Any)
    }

    /// The upstream that a route names; none where the feed has none of that name.
    pub fn upstream(&self, target: &Target) -> Option<&Arc<UpstreamState>> {
        self.upstreams.get_hashed(target.hash(), target.name())
    }

    /// The upstream of a name.
    pub fn upstream_named(&self, name: &UpstreamName) -> Option<&Arc<UpstreamState>> {
        self.upstreams.get(name)
    }

    /// All upstreams, in no order.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<UpstreamState>> {
        self.upstreams.iter().map(|(_, upstream)| upstream)
    }

    /// All virtual hosts with their routes, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = (HostPattern, &Paths<Arc<CompiledRoute>>)> {
        self.hosts.entries().map(|(pattern, paths)| (pattern, &**paths))
    }

    /// The virtual host that a host in lower case, without port and final dot, comes to.
    pub fn host_entry(&self, host: &str) -> Option<(HostPattern, &Paths<Arc<CompiledRoute>>)> {
        self.hosts.find_entry(host).map(|(pattern, paths)| (pattern, &**paths))
    }

    /// Whether there is a virtual host of this pattern.
    pub fn has_host(&self, pattern: &HostPattern) -> bool {
        self.hosts.get(pattern).is_some()
    }

    /// All routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<CompiledRoute>> {
        self.hosts.values().flat_map(|paths| paths.values())
    }

    /// How many virtual hosts there are.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
