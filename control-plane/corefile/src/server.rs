//! From blocks of words to servers.

use std::collections::HashMap;

use crate::address::Transport;
use crate::corefile::{Corefile, Listener, Placed, Server};
use crate::grammar::{Block, Directive};
use crate::lexer::Token;
use crate::plugins::{self, Autopath, Plugin, PodMode, Repeat, SearchPath, Support};
use crate::problem::{Place, Problems};
use crate::reader::{MOST_ZONES, Reader};
use crate::zone;

/// Addresses that all `bind`s of one block may name.
const MOST_HOSTS: usize = 64;

/// Makes servers of blocks.
pub(crate) fn servers(blocks: &[Block], problems: &mut Problems) -> Corefile {
    let mut zones_read = 0;
    let servers: Vec<Server> = blocks.iter().map(|block| server(block, &mut zones_read, problems)).collect();
    overlaps(&servers, problems);
    Corefile { servers }
}

fn server(block: &Block, zones_read: &mut usize, problems: &mut Problems) -> Server {
    let mut listeners = Vec::new();
    for key in &block.keys {
        listeners.extend(listeners_of(key, problems));
        if zones_read.saturating_add(listeners.len()) > MOST_ZONES {
            problems.error(&key.place, format!("there are more than {MOST_ZONES} zones"));
            break;
        }
    }
    *zones_read = zones_read.saturating_add(listeners.len());
    let zones: Vec<_> = listeners.iter().map(|listener| listener.zone.clone()).collect();
    let mut plugins: Vec<(usize, Placed)> = Vec::new();
    for (order, directive) in ordered(&block.directives, problems) {
        let mut reader = Reader { zones: &zones, problems, zones_read };
        if let Some(plugin) = Plugin::read(directive, &mut reader) {
            let lines = directive.lines().iter();
            let options = lines.map(|line| (line.name.text.clone(), line.name.place.clone())).collect();
            plugins.push((order, Placed { plugin, place: directive.name.place.clone(), options }));
        }
        if *zones_read > MOST_ZONES {
            problems.error(&directive.name.place, format!("there are more than {MOST_ZONES} zones"));
            break;
        }
    }
    let plugins = plugins.into_iter().map(|(_, placed)| placed).collect();
    let server = Server { listeners, plugins, place: block.place.clone() };
    relations(&server, problems);
    server
}

fn listeners_of(key: &Token, problems: &mut Problems) -> Vec<Listener> {
    let (transport, rest) = match Transport::split(&key.text) {
        Ok(split) => split,
        Err(scheme) => {
            let hint = problems.hint(scheme, Transport::ALL.map(Transport::scheme));
            problems.error(&key.place, format!("`{scheme}` is no transport{hint}"));
            return Vec::new();
        }
    };
    match zone::with_port(rest) {
        Ok((zones, port)) => {
            let port = port.unwrap_or(transport.default_port());
            zones.into_iter().map(|zone| Listener { transport, zone, port }).collect()
        }
        Err(error) => {
            problems.error(&key.place, error.to_string());
            Vec::new()
        }
    }
}

/// The directives in the order of their plugins; of those that may not stand twice, the one that holds.
fn ordered<'d>(directives: &'d [Directive], problems: &mut Problems) -> Vec<(usize, &'d Directive)> {
    let mut kept: Vec<(usize, &Directive)> = Vec::new();
    // Where each plugin that stands only once is in `kept`.
    let mut seen: HashMap<usize, usize> = HashMap::new();
    for directive in directives {
        let Some((order, repeat)) = known(directive, problems) else { continue };
        let Some(before) = seen.get(&order).copied() else {
            seen.insert(order, kept.len());
            kept.push((order, directive));
            continue;
        };
        let (name, place) = (&directive.name.text, &directive.name.place);
        match repeat {
            Repeat::Many => kept.push((order, directive)),
            Repeat::Once => problems.error(place, format!("`{name}` stands twice in this server block")),
            Repeat::First => {
                problems.warning(place, format!("`{name}` stands here before; this one is ignored"))
            }
            Repeat::Last => {
                if let Some(held) = kept.get_mut(before) {
                    let old = &held.1.name.place;
                    problems.warning(
                        old,
                        format!("`{name}` stands here again, in line {}; this one is ignored", place.line),
                    );
                    held.1 = directive;
                }
            }
        }
    }
    kept.sort_by_key(|(order, _)| *order);
    kept
}

fn known(directive: &Directive, problems: &mut Problems) -> Option<(usize, Repeat)> {
    let (name, place) = (directive.name.text.as_str(), &directive.name.place);
    match plugins::support(name) {
        Some(Support::Honoured) => {}
        Some(Support::NoEffect(why)) => problems.warning(place, format!("`{name}` has no effect: {why}")),
        Some(Support::Gone(_)) if name == "proxy" => return Plugin::order("forward"),
        Some(Support::Gone(why)) => {
            problems.warning(place, format!("`{name}` is gone from CoreDNS: {why}"));
            return None;
        }
        Some(Support::Refused(why)) => {
            problems.error(place, format!("`{name}` is not supported: {why}"));
            return None;
        }
        None => {
            let all = plugins::NAMES.iter().copied().chain(plugins::special());
            let hint = problems.hint(name, all);
            problems.error(place, format!("there is no plugin `{name}`{hint}"));
            return None;
        }
    }
    Plugin::order(name)
}

/// What one plugin needs of another.
fn relations(server: &Server, problems: &mut Problems) {
    let has = |name: &str| server.plugins.iter().any(|placed| placed.plugin.name() == name);
    for Placed { plugin, place, .. } in &server.plugins {
        match plugin {
            Plugin::K8sExternal(_) if !has("kubernetes") => {
                problems.error(place, "`k8s_external` needs `kubernetes` in the same server block");
            }
            Plugin::Autopath(Autopath { from: SearchPath::Plugin(_), .. }) => {
                let knows = |placed: &Placed| match &placed.plugin {
                    Plugin::Kubernetes(kubernetes) => kubernetes.pods == PodMode::Verified,
                    _ => false,
                };
                if !server.plugins.iter().any(knows) {
                    let text = "`autopath @kubernetes` does nothing without `kubernetes` and `pods verified` beside it";
                    problems.warning(place, text);
                }
            }
            Plugin::Shed(_)
                if server.listeners.iter().any(|listener| listener.transport != Transport::Dns) =>
            {
                problems.error(place, "`shed` is for servers of plain DNS alone");
            }
            _ => {}
        }
    }
    let encrypted = server.listeners.iter().find(|listener| {
        matches!(listener.transport, Transport::Tls | Transport::Quic | Transport::Https | Transport::Https3)
    });
    if let Some(listener) = encrypted
        && !has("tls")
    {
        let scheme = listener.transport.scheme();
        problems.warning(&server.place, format!("{scheme}:// has no certificate without the plugin `tls`"));
    }
}

/// Who listens for a zone on a port.
#[derive(Default)]
struct Taken<'s> {
    /// On all addresses.
    everywhere: Option<&'s Place>,
    /// On some.
    bound: HashMap<&'s str, &'s Place>,
}

/// Zones that two server blocks serve on one port.
fn overlaps(servers: &[Server], problems: &mut Problems) {
    let mut all: HashMap<&Listener, Taken<'_>> = HashMap::new();
    for server in servers {
        let mut hosts: Vec<&str> = Vec::new();
        let (mut view, mut bound) = (false, false);
        for placed in &server.plugins {
            match &placed.plugin {
                Plugin::Bind(bind) => {
                    bound = true;
                    hosts.extend(bind.to.iter().filter(|to| !bind.except.contains(to)).map(String::as_str));
                }
                Plugin::View(_) => view = true,
                _ => {}
            }
        }
        if let Some(extra) = hosts.len().checked_sub(MOST_HOSTS).filter(|extra| *extra > 0) {
            problems.error(&server.place, format!("this block is bound to {extra} addresses too many"));
            continue;
        }
        // A view shares its zone with the server for all other queries.
        if view {
            continue;
        }
        for listener in &server.listeners {
            let taken = all.entry(listener).or_default();
            let other = taken.everywhere.or_else(|| match bound {
                true => hosts.iter().find_map(|host| taken.bound.get(host)).copied(),
                false => taken.bound.values().min_by_key(|place| place.line).copied(),
            });
            if let Some(Place { file, line }) = other {
                let text = format!("`{listener}` is served by the block at {file}:{line} already");
                problems.error(&server.place, text);
            }
            if bound {
                taken.bound.extend(hosts.iter().map(|host| (*host, &server.place)));
            } else {
                taken.everywhere.get_or_insert(&server.place);
            }
        }
    }
}
