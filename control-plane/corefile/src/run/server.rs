//! A server block, plugin by plugin.

use std::time::Duration;

use sluice_model::resolver::{self, Times};
use sluice_model::{DnsSettings, ResolverSettings};

use super::{Run, clients};
use crate::corefile::{Placed, Server};
use crate::plugins::{Loadbalance, Plugin};
use crate::problem::Place;

/// What the time for a query and those of connections may be.
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(600);
/// The longest time in which the end is announced.
const LONGEST_LAMEDUCK: Duration = Duration::from_secs(3600);

impl Run<'_> {
    /// What the resolver does with the names of a server block; none where it answers nothing that is asked here.
    pub(super) fn server(
        &mut self,
        server: &Server,
        dns: &mut DnsSettings,
        resolver: &mut ResolverSettings,
    ) -> Option<resolver::Zone> {
        let mut zone = resolver::Zone::default();
        for placed in &server.plugins {
            self.plugin(placed, server, dns, &mut resolver.times, &mut zone);
        }
        Some(zone)
    }

    fn plugin(
        &mut self,
        placed: &Placed,
        server: &Server,
        dns: &mut DnsSettings,
        times: &mut Times,
        zone: &mut resolver::Zone,
    ) {
        let place = &placed.place;
        match &placed.plugin {
            Plugin::Rewrite(rewrite) => zone.rewrite.extend(self.rewrite(rewrite, placed)),
            Plugin::Template(template) => zone.template.extend(self.template(template, placed)),
            Plugin::Hosts(hosts) => zone.hosts = Some(self.hosts(hosts, placed, server)),
            Plugin::Acl(acl) => zone.acl.push(clients::acl(acl)),
            Plugin::File(file) => self.file(file, placed, server, &mut zone.files),
            Plugin::Auto(auto) => self.auto(auto, placed, server, &mut zone.files),
            Plugin::Secondary(secondary) => self.secondary(secondary, placed, &mut zone.secondary),
            Plugin::Local(local) => zone.local = Some(resolver::Local { prefix: local.localhost_prefix }),
            Plugin::Dns64(dns64) => zone.dns64 = Some(clients::dns64(dns64)),
            Plugin::Header(header) => zone.header = self.header(header, placed),
            Plugin::Cache(cache) => zone.cache = Some(self.cache(cache, placed)),
            Plugin::Forward(forward) => {
                let made = self.forward(forward, placed, server);
                if zone.forward.iter().any(|other| other.from == made.from) {
                    let text = format!(
                        "a `forward` of `{}` stands here before; this one is never asked",
                        forward.from
                    );
                    self.warn(place, text);
                } else if !made.upstreams.is_empty() {
                    zone.forward.push(made);
                }
            }
            Plugin::Bufsize(bufsize) => self.bufsize(bufsize.octets, dns, place),
            Plugin::Cancel(cancel) => set(&mut times.query, cancel.timeout.clamp(LEAST, MOST)),
            Plugin::Timeouts(timeouts) => {
                if let Some(time) = timeouts.read.into_iter().chain(timeouts.write).min() {
                    set(&mut times.message, time.clamp(LEAST, MOST));
                }
                if let Some(time) = timeouts.idle {
                    set(&mut times.idle, time.clamp(LEAST, MOST));
                }
                if timeouts.max_tcp_queries.is_some() {
                    let line = placed.line("maxtcpqueries");
                    self.note(line, "a connection may ask any number of queries, 64 at a time");
                }
            }
            Plugin::Health(health) => {
                if !health.lameduck.is_zero() {
                    set(&mut times.lameduck, health.lameduck.min(LONGEST_LAMEDUCK));
                }
            }
            // Read before all others, or nothing to say about.
            Plugin::Root(_) | Plugin::Bind(_) | Plugin::Kubernetes(_) => {}
            Plugin::K8sExternal(_) | Plugin::K8sGateway(_) => {}
            Plugin::Ready(_) | Plugin::Prometheus(_) | Plugin::Log(_) | Plugin::Nsid(_) => {}
            Plugin::Transfer(_) | Plugin::Autopath(_) | Plugin::Tls(_) | Plugin::Https(_) => {}
            Plugin::Minimal(_) | Plugin::Any(_) | Plugin::Loop(_) => {}
            // Told when they were read.
            Plugin::Debug(_)
            | Plugin::Pprof(_)
            | Plugin::Shed(_)
            | Plugin::Multisocket(_)
            | Plugin::GrpcServer(_) => {}
            Plugin::Loadbalance(balance) => self.balance(balance, placed),
            Plugin::Reload(reload) => {
                if reload.interval.is_zero() {
                    self.note(place, "the Corefile is read again whenever it changes");
                }
            }
            Plugin::Errors(errors) => {
                if !errors.consolidate.is_empty() {
                    self.note(
                        placed.line("consolidate"),
                        "failures are counted, and told to clients as extended errors",
                    );
                }
            }
            other => self.other(other, place),
        }
    }

    /// What there is no counterpart for.
    fn other(&mut self, plugin: &Plugin, place: &Place) {
        let name = plugin.name();
        match plugin {
            Plugin::Metadata(_) => self.note(place, "`metadata` has no effect: nothing here reads it"),
            Plugin::Quic(_) | Plugin::Https3(_) => {
                self.warn(
                    place,
                    format!("`{name}` has no effect: queries come over UDP, TCP, TLS and HTTPS"),
                );
            }
            Plugin::Chaos(_) => self.warn(place, "`chaos` has no effect: class CH is refused"),
            _ => self.refuse(
                place,
                format!("`{name}` is not supported when running from a Corefile: {}", why(plugin)),
            ),
        }
    }

    fn balance(&mut self, balance: &Loadbalance, placed: &Placed) {
        if balance.weights.is_some() {
            self.refuse(
                &placed.place,
                "`weighted_round_robin` is not supported: each address comes first equally often",
            );
        }
        if !balance.prefer.is_empty() {
            self.refuse(
                placed.line("prefer"),
                "`prefer` is not supported: each address comes first equally often",
            );
        }
    }

    fn bufsize(&mut self, octets: u16, dns: &mut DnsSettings, place: &Place) {
        let before = std::mem::replace(&mut dns.max_udp, octets);
        // The first one replaces the default.
        if before != self.base.dns.max_udp && before != octets {
            dns.max_udp = before.min(octets);
            self.warn(place, format!("one size holds for all servers: {}", dns.max_udp));
        }
    }
}

/// Of several servers' times the shortest holds: they share their connections.
fn set(time: &mut Option<Duration>, given: Duration) {
    *time = Some(time.map_or(given, |before| before.min(given)));
}

fn why(plugin: &Plugin) -> &'static str {
    match plugin {
        Plugin::Dnstap(_) => "queries are not copied to collectors",
        Plugin::View(_) => "all clients get one view",
        Plugin::Whoami(_) => "clients are not told their addresses",
        _ => "there is nothing like it here",
    }
}
