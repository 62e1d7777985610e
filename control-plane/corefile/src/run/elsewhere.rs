//! Names within the cluster's zones that others answer first.

use std::collections::BTreeSet;

use sluice_model::check::MAX_ELSEWHERE;
use sluice_model::{DnsSettings, Elsewhere, ResolverSettings};

use super::hosts::reverse_name;
use super::kubernetes::short;
use super::{Run, answered};
use crate::corefile::{Corefile, Placed, Server};
use crate::names::RecordType;
use crate::plugins::{Hosts, Match, Plugin, Rule, Template};
use crate::zone::Zone;

/// PTR.
const PTR: u16 = 12;

impl Run<'_> {
    /// Fills in what is the resolver's before it is the cluster's, and what is the cluster's alone.
    pub(super) fn elsewhere(
        &mut self,
        corefile: &Corefile,
        dns: &mut DnsSettings,
        resolver: &mut ResolverSettings,
    ) {
        let parsed = |names: &[Box<str>]| -> Vec<Zone> {
            names.iter().filter_map(|name| Zone::parse(name).ok()).collect()
        };
        let external: Vec<Box<str>> = dns.external_zones.iter().map(|it| it.zone.clone()).collect();
        let own = [parsed(&dns.zones), parsed(&dns.multicluster_zones), parsed(&external)].concat();
        let zones = [own.clone(), parsed(&dns.reverse_zones)].concat();
        let mut found = Found { zones: zones.clone(), set: BTreeSet::new() };
        for server in corefile.servers.iter().filter(|server| super::serving::is_plain(server)) {
            self.of_acls(server, &mut found);
        }
        let mut place = None;
        for server in answered(corefile) {
            place.get_or_insert(&server.place);
            found.zones = zones.iter().filter(|zone| comes_to(server, zone, corefile)).cloned().collect();
            self.other_servers(corefile, server, &mut found, resolver);
            for placed in &server.plugins {
                match &placed.plugin {
                    Plugin::Rewrite(rewrite) => self.of_rule(&rewrite.rule, placed, &mut found),
                    Plugin::Template(template) => self.of_template(template, placed, &mut found),
                    Plugin::Hosts(hosts) => self.of_hosts(hosts, server, &mut found),
                    Plugin::Dns64(dns64) => self.of_dns64(dns64, &mut found),
                    Plugin::Local(local) => self.of_local(*local, &mut found, dns),
                    Plugin::Header(header) => self.of_header(header, placed, &mut found),
                    _ => {}
                }
            }
        }
        if let Some(place) = place.filter(|_| found.set.len() > MAX_ELSEWHERE) {
            self.refuse(
                place,
                format!("more than {MAX_ELSEWHERE} names within the cluster's zones are others'"),
            );
        }
        dns.elsewhere = found.set.into_iter().collect();
        // A name that is asked of upstreams where the cluster does not know it cannot be the cluster's alone.
        let falls = parsed(&dns.fallthrough);
        let apart = |zone: &Zone| !falls.iter().any(|fall| fall.contains(zone) || zone.contains(fall));
        resolver.protected = own.into_iter().filter(apart).map(|zone| zone.as_str().to_owned()).collect();
    }

    /// Servers for zones within the cluster's: their names are not the cluster's.
    fn other_servers(
        &mut self,
        corefile: &Corefile,
        server: &Server,
        found: &mut Found,
        resolver: &mut ResolverSettings,
    ) {
        for other in corefile.servers.iter().filter(|other| !std::ptr::eq(*other, server)) {
            // The same names over TLS are no others.
            for listener in other.listeners.iter().filter(|it| it.transport == crate::address::Transport::Dns)
            {
                if found.is_within(&listener.zone) {
                    found.add(&listener.zone, None);
                    let same = resolver.zones.iter_mut().filter(|zone| zone.name == listener.zone.as_str());
                    same.for_each(|zone| zone.foreign = true);
                }
            }
        }
    }

    fn of_rule(&mut self, rule: &Rule, placed: &Placed, found: &mut Found) {
        let names = match rule {
            Rule::Name(rule) => &rule.from,
            Rule::Ttl(rule) => &rule.names,
            Rule::Type { from, .. } => {
                found.everywhere(Some(from.0).filter(|_| *from != RecordType::ANY));
                return;
            }
            _ => return,
        };
        let domain = match names {
            Match::Exact(name) => Zone::parse(name).ok(),
            Match::Suffix(suffix) => domain_of(suffix),
            Match::Regex(pattern) => pattern.suffix().and_then(|suffix| domain_of(&suffix)),
            Match::Prefix(_) | Match::Substring(_) => None,
        };
        match domain {
            Some(domain) => found.overlap(&domain, None),
            None => {
                found.everywhere(None);
                self.warn(&placed.place, "this rule may be for any name, those of the cluster included: the resolver answers them all, and not the lcore");
            }
        }
    }

    fn of_template(&mut self, template: &Template, placed: &Placed, found: &mut Found) {
        let kind = Some(template.kind.0).filter(|_| template.kind != RecordType::ANY);
        let before = found.set.len();
        for zone in &template.zones {
            let within =
                template.matching.iter().map(|pattern| pattern.suffix().and_then(|it| domain_of(&it)));
            let within: Option<Vec<Zone>> = within.collect();
            match within {
                // Without a match and without a way on, the template says that there is no such name.
                Some(domains)
                    if !domains.is_empty() && template.fallthrough.iter().any(|fall| fall.contains(zone)) =>
                {
                    for domain in
                        domains.iter().filter(|domain| zone.contains(domain) || domain.contains(zone))
                    {
                        found.overlap(if zone.contains(domain) { domain } else { zone }, kind);
                    }
                }
                _ => found.overlap(zone, kind),
            }
        }
        if found.set.len() > before {
            let what = kind.map_or_else(String::new, |_| format!(" of type {}", template.kind));
            self.note(&placed.place, format!("queries{what} for names of the cluster are answered by the resolver, since this template comes first"));
        }
    }

    fn of_hosts(&mut self, hosts: &Hosts, server: &Server, found: &mut Found) {
        for zone in &hosts.zones {
            for cluster in found.zones.clone().iter().filter(|cluster| !cluster.is_reverse()) {
                let (wide, narrow) = if zone.contains(cluster) { (zone, cluster) } else { (cluster, zone) };
                if wide.contains(narrow) && !hosts.fallthrough.iter().any(|fall| fall.contains(narrow)) {
                    found.add(narrow, None);
                }
            }
        }
        for host in self.table(hosts, None, server) {
            for name in host.names.iter() {
                if found.is_within(name) {
                    found.add(name, None);
                }
            }
            let reverse = Zone::parse(&reverse_name(host.address)).ok().filter(|_| !hosts.no_reverse);
            if let Some(name) = reverse.filter(|name| found.is_within(name)) {
                found.add(&name, Some(PTR));
            }
        }
    }
}

/// Whether queries for a zone's names come to this server: no other has a longer zone that they are in.
fn comes_to(server: &Server, zone: &Zone, corefile: &Corefile) -> bool {
    let longest = |server: &Server| {
        let listened = server.listeners.iter().map(|listener| &listener.zone);
        listened.filter(|listened| listened.contains(zone)).map(|listened| listened.as_str().len()).max()
    };
    let here = longest(server);
    here.is_some() && corefile.servers.iter().all(|other| longest(other) <= here)
}

/// A domain that all names are in which end so: what it begins with may be a label's end.
fn domain_of(suffix: &str) -> Option<Zone> {
    let (_, domain) = suffix.split_once('.')?;
    Zone::parse(domain).ok().filter(|zone| *zone != Zone::root())
}

/// Names that were found.
pub(super) struct Found {
    /// Those of the server that is looked at which the packet path answers.
    zones: Vec<Zone>,
    set: BTreeSet<Elsewhere>,
}

impl Found {
    /// The cluster's zones.
    pub(super) fn zones(&self) -> Vec<Zone> {
        self.zones.clone()
    }

    pub(super) fn is_within(&self, name: &Zone) -> bool {
        self.zones.iter().any(|zone| zone.contains(name))
    }

    fn add(&mut self, zone: &Zone, kind: Option<u16>) {
        self.some(zone, Elsewhere { kind, ..Elsewhere::default() });
    }

    /// Such queries for a zone's names.
    pub(super) fn some(&mut self, zone: &Zone, queries: Elsewhere) {
        // Enough to see that there are too many.
        if self.set.len() <= MAX_ELSEWHERE {
            let zone = if *zone == Zone::root() { ".".into() } else { short(zone) };
            self.set.insert(Elsewhere { zone, ..queries });
        }
    }

    /// What a domain has in common with the cluster's.
    fn overlap(&mut self, domain: &Zone, kind: Option<u16>) {
        if self.is_within(domain) {
            self.add(domain, kind);
        }
        for zone in self.zones.clone().iter().filter(|zone| domain.contains(zone)) {
            self.add(zone, kind);
        }
    }

    pub(super) fn everywhere(&mut self, kind: Option<u16>) {
        self.overlap(&Zone::root(), kind);
    }
}
