//! From a Corefile to what the gateway runs: settings of the cluster's names, and what the resolver does with all others.
//!
//! Each line is honoured, or told: refused where the gateway would answer otherwise than the line says, a warning where it
//! answers somewhat otherwise, a note where nothing is missing. CoreDNS passes a query through its plugins in a fixed order,
//! `rewrite`, `template`, `hosts`, `kubernetes`, `forward`. Names of `kubernetes` are answered by the packet path, before the
//! resolver sees them; so names within the cluster's zones that something before `kubernetes` may answer are
//! [`elsewhere`](DnsSettings::elsewhere), with the resolver, which has the same order. So are queries that an `acl` may forbid.

mod cache;
mod clients;
mod elsewhere;
mod external;
mod forward;
mod gateway;
mod hosts;
mod kubernetes;
mod listeners;
mod rewrite;
mod server;
mod serving;
mod template;
mod zonefile;

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use sluice_model::{DnsSettings, ResolverSettings, Serving};

use crate::corefile::{Corefile, Server};
use crate::files::Files;
use crate::hosted::HostZone;
use crate::labels::Selector;
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
    /// Pages, the log and so on, as far as they are set beside the Corefile.
    pub serving: Serving,
    /// How long answers go on after the end, if it is set beside the Corefile.
    pub lameduck: Option<Duration>,
    /// What the machine is called.
    pub name: Box<str>,
}

/// What the gateway is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Names of the cluster, and where queries are answered.
    pub dns: DnsSettings,
    /// Namespaces that have names; all where empty.
    pub namespaces: Vec<Box<str>>,
    /// What labels namespaces have that have names.
    pub namespace_labels: Selector,
    /// What labels Services and pods have that have names.
    pub labels: Selector,
    /// Whose hosts are the names of domains of hosts.
    pub hosts: Vec<HostZone>,
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
    let mut run = Run { files, base, problems: Problems::default(), zone_octets: 0 };
    let mut dns = DnsSettings {
        zones: Vec::new(),
        multicluster_zones: Vec::new(),
        reverse_zones: Vec::new(),
        external_zones: Vec::new(),
        elsewhere: Vec::new(),
        fallthrough: Vec::new(),
        ..base.dns.clone()
    };
    run.listeners(corefile, &mut dns);
    let mut resolver = ResolverSettings::default();
    let mut seen: HashSet<&Zone> = HashSet::new();
    // Where a zone is served over TLS, too, what is answered is what the server over UDP and TCP says.
    let (plain, secure): (Vec<&Server>, Vec<&Server>) =
        corefile.servers.iter().partition(|server| serving::is_plain(server));
    for server in plain.into_iter().chain(secure) {
        let Some(content) = run.server(server, &mut dns, &mut resolver) else { continue };
        for listener in &server.listeners {
            if seen.insert(&listener.zone) {
                let name = listener.zone.as_str().to_owned();
                resolver.zones.push(sluice_model::resolver::Zone { name, ..content.clone() });
            } else if !serving::is_plain(server) {
                let same = resolver.zones.iter().find(|zone| zone.name == listener.zone.as_str());
                if same.is_some_and(|zone| {
                    *zone != sluice_model::resolver::Zone { name: zone.name.clone(), ..content.clone() }
                }) {
                    let text = format!("`{listener}`: names are answered as they are over UDP and TCP");
                    run.warn(&server.place, text);
                }
            }
        }
    }
    let primaries = resolver.zones.iter().flat_map(|zone| &zone.secondary).flat_map(|zone| &zone.from);
    let primaries: BTreeSet<IpAddr> = primaries.map(|server| server.ip().to_canonical()).collect();
    dns.primaries = primaries.into_iter().collect();
    let exposed = run.kubernetes(corefile, &mut dns);
    run.external(corefile, &mut dns);
    let hosts = run.gateway(corefile, &mut dns);
    resolver.serving = run.serving(corefile, &dns);
    resolver.times.lameduck = base.lameduck.or(resolver.times.lameduck);
    run.elsewhere(corefile, &mut dns, &mut resolver);
    dns.tables = resolver.zones.iter().any(|zone| {
        !(zone.template.is_empty() && zone.rewrite.is_empty() && zone.acl.is_empty())
            || zone.hosts.is_some()
            || zone.local.is_some()
            || zone.dns64.is_some()
            || !zone.files.is_empty()
            || !zone.secondary.is_empty()
    }) || !dns.elsewhere.is_empty();
    dns.forward = dns.tables || resolver.zones.iter().any(|zone| !zone.forward.is_empty());
    // A cache is an answer's way to others; where there is none, each query wants its own, and so does each client that is
    // told of itself.
    let told_apart = corefile
        .servers
        .iter()
        .any(|server| template::speaks_of_clients(server) || clients::tells_apart(server));
    dns.keep = !told_apart && resolver.zones.iter().all(|zone| zone.cache.is_some());
    if run.problems.has_errors() {
        return Err(run.problems);
    }
    let namespaces = exposed.iter().flat_map(|it| &it.namespaces).map(|name| name.as_str().into()).collect();
    let selector = |selector: Option<&Selector>| selector.cloned().unwrap_or_default();
    Ok(Running {
        dns,
        namespaces,
        namespace_labels: selector(exposed.and_then(|it| it.namespace_labels.as_ref())),
        labels: selector(exposed.and_then(|it| it.labels.as_ref())),
        hosts,
        resolver,
        told: run.problems,
    })
}

/// The work in progress.
struct Run<'a> {
    files: &'a dyn Files,
    base: &'a Base,
    problems: Problems,
    /// Octets of zone files so far.
    zone_octets: usize,
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

/// The servers in which names are that the packet path answers. The same ones over TLS are no others.
fn answered(corefile: &Corefile) -> Vec<&Server> {
    let mut servers: Vec<&Server> = cluster(corefile).into_iter().collect();
    let mut known: Vec<&Plugin> = Vec::new();
    for server in &corefile.servers {
        let plugins = server.plugins.iter().map(|placed| &placed.plugin);
        let Some(gateway) = plugins.into_iter().find(|it| matches!(it, Plugin::K8sGateway(_))) else {
            continue;
        };
        if !known.contains(&gateway) {
            known.push(gateway);
            if !servers.iter().any(|other| std::ptr::eq(*other, server)) {
                servers.push(server);
            }
        }
    }
    servers
}

#[cfg(test)]
mod tests;
