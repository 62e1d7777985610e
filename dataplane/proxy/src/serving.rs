//! How the role serves on this machine: its pages for orchestrators, its log, its name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sluice_observe::Observed;
use sluice_observe::http::{Page, Server};
use sluice_resolver::Settings;
use sluice_resolver::config::QueryLog;

use crate::{ProxyError, Secure};

/// Questions to upstreams for hints of the packet path at a time.
const HINTS: usize = 512;

/// What is set for this machine alone.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// Where `/health` is answered, as CoreDNS's `health` does.
    pub health: Option<SocketAddr>,
    /// Where `/ready` is answered, as CoreDNS's `ready` does.
    pub ready: Option<SocketAddr>,
    /// How long queries are answered on after the role was told to end, not ready any more.
    pub lameduck: Duration,
    /// Which queries are logged.
    pub log: Option<QueryLog>,
    /// The name told to who asks for one (RFC 5001).
    pub nsid: Option<String>,
    /// Addresses of DNS over TLS and over HTTPS.
    pub secure: Vec<Secure>,
    /// Networks whose clients may have whole zones (AXFR, IXFR over TCP); nobody without.
    pub transfer: Vec<IpNet>,
    /// Whether the search lists of pods are completed for them.
    pub autopath: bool,
}

impl Serving {
    /// The resolver's settings with these.
    pub(crate) fn apply(&self, settings: &mut Settings) {
        settings.limits.hints = HINTS;
        if !self.lameduck.is_zero() {
            settings.limits.lameduck = self.lameduck;
        }
        settings.log.clone_from(&self.log);
        settings.nsid.clone_from(&self.nsid);
    }

    /// Serves `/health` and `/ready` for as long as the servers live. An address that cannot be had is tried again.
    pub(crate) fn pages(&self, role: &Arc<dyn Observed>) -> Result<Vec<Server>, ProxyError> {
        let page = |address, name, path: &'static str, state: fn(&dyn Observed) -> Result<(), String>| {
            let role = role.clone();
            let answer = move |asked: &str| match state(&*role) {
                _ if asked != path => Page::text(404, format!("there is {path}\n")),
                Ok(()) => Page::text(200, "OK"),
                Err(why) => Page::text(503, why),
            };
            Server::persistent(name, address, Arc::new(answer)).map_err(ProxyError::Start)
        };
        let health = self.health.map(|address| page(address, "health", "/health", |role| role.healthy()));
        let ready = self.ready.map(|address| page(address, "ready", "/ready", |role| role.ready()));
        health.into_iter().chain(ready).collect()
    }
}
