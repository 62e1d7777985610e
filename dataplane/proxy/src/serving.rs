//! The role's pages for orchestrators, at the addresses that CoreDNS has them at.

use std::net::SocketAddr;
use std::sync::Arc;

use sluice_model::Serving;
use sluice_observe::Observed;
use sluice_observe::http::{Page, Server};

/// Pages, each with the address it is served at.
pub(crate) struct Pages {
    role: Arc<dyn Observed>,
    health: Option<(SocketAddr, Server)>,
    ready: Option<(SocketAddr, Server)>,
    metrics: Option<(SocketAddr, Server)>,
}

impl Pages {
    /// None yet.
    pub(crate) fn new(role: Arc<dyn Observed>) -> Self {
        Self { role, health: None, ready: None, metrics: None }
    }

    /// Serves them where it is said, and nowhere else. An address that cannot be had is tried again; a page that stays where it
    /// is goes on.
    pub(crate) fn set(&mut self, serving: &Serving) {
        let Self { role, health, ready, metrics } = self;
        put(health, serving.health, |at| probe(role, at, "/health", |role| role.healthy()));
        put(ready, serving.ready, |at| probe(role, at, "/ready", |role| role.ready()));
        put(metrics, serving.metrics, |at| sluice_observe::role::serve(Arc::clone(role), at));
    }
}

fn put(
    page: &mut Option<(SocketAddr, Server)>,
    wanted: Option<SocketAddr>,
    serve: impl FnOnce(SocketAddr) -> std::io::Result<Server>,
) {
    if page.as_ref().map(|(at, _)| *at) == wanted {
        return;
    }
    // The former one ends first: the address may be the same in other words.
    *page = None;
    let Some(at) = wanted else { return };
    match serve(at) {
        Ok(server) => *page = Some((at, server)),
        Err(why) => tracing::warn!(%at, %why, "a page is not served"),
    }
}

fn probe(
    role: &Arc<dyn Observed>,
    at: SocketAddr,
    path: &'static str,
    state: fn(&dyn Observed) -> Result<(), String>,
) -> std::io::Result<Server> {
    let role = Arc::clone(role);
    let answer = move |asked: &str| match state(&*role) {
        _ if asked != path => Page::text(404, format!("there is {path}\n")),
        Ok(()) => Page::text(200, "OK"),
        Err(why) => Page::text(503, why),
    };
    Server::persistent(&path[1..], at, Arc::new(answer))
}
