//! kube-dns's ConfigMap: `stubDomains` and `upstreamNameservers`, each a text of JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::ConfigMap;
use crate::address::{Listen, Transport};
use crate::corefile::{Corefile, Listener, Placed, Server};
use crate::plugins::{
    Cache, Errors, Forward, Health, Kubernetes, Loadbalance, Loop, Plugin, PodMode, Prometheus, Ready,
    Reload, Upstream,
};
use crate::problem::{Place, Problems};
use crate::{Imported, Options, Zone};

/// Upstreams that kube-dns takes.
const MOST_UPSTREAMS: usize = 3;

pub(super) fn import(map: &ConfigMap, options: &Options) -> Result<Imported, Problems> {
    let mut problems = Problems::default();
    for key in map.data.keys() {
        match key.as_str() {
            "stubDomains" | "upstreamNameservers" => {}
            "federations" => {
                problems.warning(&map.place(key), "federation is gone from Kubernetes; it is ignored")
            }
            _ => problems.warning(&map.place(key), format!("kube-dns knows no `{key}`; it is ignored")),
        }
    }
    let upstreams: Vec<String> = read(map, "upstreamNameservers", &mut problems);
    let stubs: BTreeMap<String, Vec<String>> = read(map, "stubDomains", &mut problems);
    let place = map.place("upstreamNameservers");
    if upstreams.len() > MOST_UPSTREAMS {
        problems.warning(
            &place,
            format!("kube-dns takes {MOST_UPSTREAMS} upstreams, here are {}", upstreams.len()),
        );
    }
    let upstreams = match servers(&upstreams, &place, &mut problems) {
        servers if servers.is_empty() => vec![Upstream::File("/etc/resolv.conf".to_owned())],
        servers => servers,
    };
    let mut corefile = Corefile { servers: vec![cluster(upstreams, options, &place, &mut problems)] };
    let place = map.place("stubDomains");
    for (domain, upstreams) in &stubs {
        let to = servers(upstreams, &place, &mut problems);
        match Zone::parse(domain) {
            Ok(_) if to.is_empty() => problems.error(&place, format!("`{domain}` names nobody to ask")),
            Ok(zone) => corefile.servers.push(stub(zone, to, &place)),
            Err(error) => problems.error(&place, error.to_string()),
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(Imported { corefile, warnings: problems }) }
}

/// The JSON of a key; nothing where there is none.
fn read<T: DeserializeOwned + Default>(map: &ConfigMap, key: &str, problems: &mut Problems) -> T {
    let Some(text) = map.data.get(key).filter(|text| !text.trim().is_empty()) else { return T::default() };
    serde_json::from_str(text).unwrap_or_else(|error| {
        let line = u32::try_from(error.line()).unwrap_or(1).max(1);
        problems.error(&Place { line, ..map.place(key) }, format!("`{key}`: {error}"));
        T::default()
    })
}

fn servers(texts: &[String], place: &Place, problems: &mut Problems) -> Vec<Upstream> {
    let mut servers = Vec::new();
    for text in texts {
        match Upstream::parse(text) {
            Ok(server @ Upstream::Server { transport: Transport::Dns, .. }) => servers.push(server),
            _ => problems.error(place, format!("`{text}` is no address with or without a port")),
        }
    }
    servers
}

/// The block that does what kube-dns does of itself.
fn cluster(to: Vec<Upstream>, options: &Options, place: &Place, problems: &mut Problems) -> Server {
    let domain = options.pillars.dns_domain.as_deref().unwrap_or("cluster.local");
    let mut zones = Vec::new();
    for domain in [domain, "in-addr.arpa", "ip6.arpa"] {
        match Zone::parse(domain) {
            Ok(zone) => zones.push(zone),
            Err(error) => problems.error(place, error.to_string()),
        }
    }
    let reverse = zones.iter().filter(|zone| zone.is_reverse()).cloned().collect();
    let kubernetes =
        Kubernetes { pods: PodMode::Insecure, ttl: 30, fallthrough: reverse, ..Kubernetes::new(zones) };
    let health = Health { lameduck: Duration::from_secs(5), ..Health::default() };
    let prometheus = Prometheus { listen: Listen::new("", 9153), tls: None };
    let plugins = vec![
        Plugin::Reload(Reload::default()),
        Plugin::Ready(Ready::default()),
        Plugin::Health(health),
        Plugin::Prometheus(prometheus),
        Plugin::Errors(Errors::default()),
        Plugin::Loadbalance(Loadbalance::default()),
        Plugin::Cache(cache()),
        Plugin::Kubernetes(kubernetes),
        Plugin::Loop(Loop),
        Plugin::Forward(Forward::new(Zone::root(), to)),
    ];
    server(Zone::root(), plugins, place)
}

/// The block of a stub domain.
fn stub(zone: Zone, to: Vec<Upstream>, place: &Place) -> Server {
    let mut cache = cache();
    cache.zones = vec![zone.clone()];
    let plugins = vec![
        Plugin::Errors(Errors::default()),
        Plugin::Cache(cache),
        Plugin::Loop(Loop),
        Plugin::Forward(Forward::new(Zone::root(), to)),
    ];
    server(zone, plugins, place)
}

fn cache() -> Cache {
    let mut cache = Cache::new(vec![Zone::root()]);
    (cache.success.most, cache.denial.most) = (30, 30);
    cache
}

fn server(zone: Zone, plugins: Vec<Plugin>, place: &Place) -> Server {
    let listeners = vec![Listener { transport: Transport::Dns, zone, port: 53 }];
    let plugins = plugins
        .into_iter()
        .map(|plugin| Placed { plugin, place: place.clone(), options: Vec::new() })
        .collect();
    Server { listeners, plugins, place: place.clone() }
}
