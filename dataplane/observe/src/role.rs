//! The pages that every role serves: `/metrics`, `/healthz`, `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::http::{Answer, Page, Server};
use crate::metrics;

/// A role that says how it is.
pub trait Observed: Send + Sync {
    /// Its metrics, in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Whether the process works; where it does not, it should be started again.
    ///
    /// # Errors
    /// Why not, in a sentence.
    fn healthy(&self) -> Result<(), String>;

    /// Whether it does what it is there for.
    ///
    /// # Errors
    /// Why not yet, in a sentence.
    fn ready(&self) -> Result<(), String>;
}

/// Serves a role's pages on an address for as long as the server lives. An address that cannot be had is tried again; a
/// role does its work without.
pub fn serve(role: Arc<dyn Observed>, address: SocketAddr) -> std::io::Result<Server> {
    let answer: Arc<Answer> = Arc::new(move |path: &str| page(&*role, path));
    Server::persistent("metrics", address, answer)
}

fn page(role: &dyn Observed, path: &str) -> Page {
    let state = |state: Result<(), String>| match state {
        Ok(()) => Page::text(200, "ok\n"),
        Err(why) => Page::text(503, why + "\n"),
    };
    match path {
        "/metrics" => Page { content_type: metrics::CONTENT_TYPE, ..Page::text(200, role.metrics()) },
        "/healthz" | "/livez" => state(role.healthy()),
        "/readyz" => state(role.ready()),
        "/" => Page::text(200, "/metrics\n/healthz\n/readyz\n"),
        _ => Page::text(404, "there are /metrics, /healthz and /readyz\n"),
    }
}
