//! A server as people look at it.

use std::sync::Arc;

use super::Server;
use super::shared::Shared;
use crate::overview::{self, CertificateRow, HttpExplanation, HttpQuery, RouteRow, UpstreamRow};
use crate::upstream::Millis;

/// What a server knows, as long as anybody asks.
#[derive(Clone, Debug)]
pub struct View(Arc<Shared>);

impl Server {
    /// What it knows.
    pub fn view(&self) -> View {
        View(Arc::clone(&self.shared))
    }
}

impl View {
    /// All routes.
    pub fn routes(&self) -> Vec<RouteRow> {
        overview::routes(&self.0.tables.load())
    }

    /// All endpoints.
    pub fn upstreams(&self) -> Vec<UpstreamRow> {
        overview::upstreams(&self.0.tables.load(), Millis::now())
    }

    /// All certificates.
    pub fn certificates(&self) -> Vec<CertificateRow> {
        self.0.tls.certificates()
    }

    /// What becomes of a request.
    pub fn explain(&self, query: HttpQuery) -> HttpExplanation {
        let table = self.0.tables.load();
        overview::explain(&table, query, |name| Some(self.0.tls.explain(name)), Millis::now())
    }
}
