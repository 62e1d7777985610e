//! Counters with labels.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use sluice_model::http::UpstreamName;
use sluice_observe::metrics::{Exposition, Family, Kind};

use crate::Refusal;
use crate::forward::Outcome;

/// Routes, and upstreams, with series of their own; what comes later is counted together, as `other`.
const MAX: usize = 2000;
/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Why a connection came to no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// No PROXY protocol header, or a malformed one.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// It took too long.
    Slow,
    /// The connection ended.
    Gone,
}

type ByClass = [u64; CLASSES.len()];

#[derive(Debug, Default)]
pub(super) struct Series {
    failed: BTreeMap<Failure, u64>,
    refused: BTreeMap<&'static str, u64>,
    routes: HashMap<Arc<str>, ByClass>,
    no_route: ByClass,
    other_routes: ByClass,
    upstreams: HashMap<Arc<UpstreamName>, Upstream>,
    other_upstreams: Upstream,
}

#[derive(Clone, Copy, Debug, Default)]
struct Upstream {
    requests: ByClass,
    retries: u64,
}

impl Series {
    pub(super) fn failed(&mut self, why: Failure) {
        *self.failed.entry(why).or_default() += 1;
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal.as_str()).or_default() += 1;
    }

    pub(super) fn request(&mut self, status: u16, outcome: &Outcome) {
        let class = usize::from(status / 100).saturating_sub(1).min(CLASSES.len() - 1);
        if let Some(refusal) = outcome.refusal {
            *self.refused.entry(refusal.as_str()).or_default() += 1;
        }
        let route = match &outcome.route {
            None => &mut self.no_route,
            Some(name) => known(&mut self.routes, name).unwrap_or(&mut self.other_routes),
        };
        if let Some(count) = route.get_mut(class) {
            *count += 1;
        }
        let Some(name) = &outcome.upstream else { return };
        let upstream = known(&mut self.upstreams, name).unwrap_or(&mut self.other_upstreams);
        upstream.retries += u64::from(outcome.tries.saturating_sub(1));
        if let Some(count) = upstream.requests.get_mut(class) {
            *count += 1;
        }
    }

    /// Adds another worker's.
    pub(super) fn add(&mut self, other: &Self) {
        for (why, count) in &other.failed {
            *self.failed.entry(*why).or_default() += count;
        }
        for (why, count) in &other.refused {
            *self.refused.entry(why).or_default() += count;
        }
        for (name, counts) in &other.routes {
            sum(self.routes.entry(name.clone()).or_default(), counts);
        }
        sum(&mut self.no_route, &other.no_route);
        sum(&mut self.other_routes, &other.other_routes);
        for (name, upstream) in &other.upstreams {
            self.upstreams.entry(name.clone()).or_default().add(upstream);
        }
        self.other_upstreams.add(&other.other_upstreams);
    }

    pub(super) fn render(&self, out: &mut Exposition) {
        let help = "Connections that came to no request, by why.";
        let mut family = out.family("sluice_http_failed_connections_total", Kind::Counter, help);
        for (why, count) in &self.failed {
            family.sample(&[("reason", &why.as_str())], *count);
        }
        let help = "Requests that the gateway itself refused, by why.";
        let mut family = out.family("sluice_http_refused_requests_total", Kind::Counter, help);
        for (why, count) in &self.refused {
            family.sample(&[("reason", why)], *count);
        }
        let help = "Requests, by the route's object and the status' class.";
        let mut family = out.family("sluice_http_requests_total", Kind::Counter, help);
        for (name, counts) in &self.routes {
            classes(&mut family, "route", name, counts);
        }
        classes(&mut family, "route", "", &self.no_route);
        classes(&mut family, "route", "other", &self.other_routes);
        let help = "Requests that went to an upstream, by the status' class.";
        let mut family = out.family("sluice_http_upstream_requests_total", Kind::Counter, help);
        for (name, upstream) in &self.upstreams {
            classes(&mut family, "upstream", &name.to_string(), &upstream.requests);
        }
        classes(&mut family, "upstream", "other", &self.other_upstreams.requests);
        let help = "Further tries after the first.";
        let mut family = out.family("sluice_http_upstream_retries_total", Kind::Counter, help);
        for (name, upstream) in &self.upstreams {
            family.sample(&[("upstream", name)], upstream.retries);
        }
        family.sample(&[("upstream", &"other")], self.other_upstreams.retries);
    }
}

impl Upstream {
    fn add(&mut self, other: &Self) {
        sum(&mut self.requests, &other.requests);
        self.retries += other.retries;
    }
}

impl Failure {
    fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Slow => "slow",
            Self::Gone => "gone",
        }
    }
}

/// The counts of a name; none where there are too many names already.
fn known<'a, K: Eq + Hash + ?Sized, V: Default>(
    counts: &'a mut HashMap<Arc<K>, V>,
    name: &Arc<K>,
) -> Option<&'a mut V> {
    if counts.len() >= MAX && !counts.contains_key(name) {
        return None;
    }
    Some(counts.entry(Arc::clone(name)).or_default())
}

fn sum(total: &mut ByClass, counts: &ByClass) {
    for (total, count) in total.iter_mut().zip(counts) {
        *total += count;
    }
}

fn classes(family: &mut Family<'_>, label: &'static str, name: &str, counts: &ByClass) {
    for (class, count) in CLASSES.iter().zip(counts).filter(|(_, count)| **count > 0) {
        family.sample(&[(label, &name), ("code", class)], *count);
    }
}
