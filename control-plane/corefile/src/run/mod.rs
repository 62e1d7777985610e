//! From a Corefile to what the gateway runs: settings of the cluster's names, and what the resolver does with all others.
//!
//! Each line is honoured, or told: refused where the gateway would answer otherwise than the line says, a warning where it
//! answers somewhat otherwise, a note where nothing is missing. CoreDNS passes a query through its plugins in a fixed order,
//! `rewrite`, `template`, `hosts`, `kubernetes`, `forward`. Names of `kubernetes` are answered by the packet path, before the
//! resolver sees them; so names within the cluster's zones that something before `kubernetes` may answer are
//! [`elsewhere`](DnsSettings::elsewhere), with the resolver, which has the same order.

mod cache;
mod elsewhere;
mod forward;
mod hosts;
mod kubernetes;
mod listeners;
mod rewrite;
mod server;
mod template;

use std::collections::HashSet;

use sluice_model::{DnsSettings, ResolverSettings};

use crate::corefile::{Corefile, Server};
use crate::files::Files;
use crate::plugins::Plugin;
use crate::problem::{Place, Problems};
use crate::zone::Zone;

/// What a Corefile has no word for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    /// Addresses, clients, the Service in front, the secret of cookies; the rest is not looked at.
    pub dns: DnsSettings,
    /// Whether private addresses of upstreams are not believed.
    pub refuse_private: bool,
}

/// What the gateway is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Names of the cluster, and where queries are answered.
    pub dns: DnsSettings,
    /// Namespaces that have names; all where empty.
    pub namespaces: Vec<Box<str>>,
    /// What the resolver does.
    pub resolver: ResolverSettings,
    /// Warnings and notes.
    pub told: Problems,
}

/// Makes settings of a Corefile. Files that it names (a resolv.conf, hosts, authorities of TLS) are read here, so that whoever
/// gets the settings needs none.
///
/// # Errors
///
/// Everything that cannot be done, and the warnings.
pub fn run(corefile: &Corefile, files: &dyn Files, base: &Base) -> Result<Running, Problems> {
    let mut run = Run { files, base, problems: Problems::default() };
    let mut dns = DnsSettings {
        zones: Vec::new(),
        reverse_zones: Vec::new(),
        elsewhere: Vec::new(),
        fallthrough: Vec::new(),
        ..base.dns.clone()
    };
    run.listeners(corefile, &mut dns);
    let mut resolver = ResolverSettings::default();
    let mut seen: HashSet<&Zone> = HashSet::new();
    for server in &corefile.servers {
        let Some(content) = run.server(server, &mut dns, &mut resolver) else { continue };
        for listener in &server.listeners {
            if seen.insert(&listener.zone) {
                let name = listener.zone.as_str().to_owned();
                resolver.zones.push(sluice_model::resolver::Zone { name, ..content.clone() });
            }
        }
    }
    let namespaces = run.kubernetes(corefile, &mut dns);
    run.elsewhere(corefile, &mut dns, &mut resolver);
    dns.forward = resolver.zones.iter().any(|zone| {
        !(zone.forward.is_empty() && zone.template.is_empty() && zone.rewrite.is_empty())
            || zone.hosts.is_some()
    });
    // A cache is an answer's way to others; where there is none, each query wants its own, and so does each client that is
    // told of itself.
    let told_apart = corefile.servers.iter().any(template::speaks_of_clients);
    dns.keep = !told_apart && resolver.zones.iter().all(|zone| zone.cache.is_some());
    if run.problems.has_errors() {
        return Err(run.problems);
    }
    Ok(Running { dns, namespaces, resolver, told: run.problems })
}

/// The work in progress.
struct Run<'a> {
    files: &'a dyn Files,
    base: &'a Base,
    problems: Problems,
}

impl Run<'_> {
    fn refuse(&mut self, place: &Place, text: impl Into<String>) {
        self.problems.error(place, text);
    }

    fn warn(&mut self, place: &Place, text: impl Into<String>) {
        self.problems.warning(place, text);
    }

    fn note(&mut self, place: &Place, text: impl Into<String>) {
        self.problems.note(place, text);
    }
}

/// The names of zones, with their final dots.
fn texts(zones: &[Zone]) -> Vec<String> {
    zones.iter().map(|zone| zone.as_str().to_owned()).collect()
}

/// The server in which the cluster's names are.
fn cluster(corefile: &Corefile) -> Option<&Server> {
    corefile
        .servers
        .iter()
        .find(|server| server.plugins.iter().any(|placed| matches!(placed.plugin, Plugin::Kubernetes(_))))
}

#[cfg(test)]
mod tests;
