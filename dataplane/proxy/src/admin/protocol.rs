//! Requests and answers of the resolver's admin socket, as JSON.

use serde::{Deserialize, Serialize};
use sluice_observe::admin::Request;
pub use sluice_resolver::overview::{CacheRow, Health, UpstreamRow};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum ProxyRequest {
    /// The caches: [`ProxyResponse::Cache`].
    Cache,
    /// The upstreams: [`ProxyResponse::Upstreams`].
    Upstreams,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
pub enum ProxyResponse {
    /// The cache of each zone.
    Cache(Vec<CacheRow>),
    /// The upstreams of each zone.
    Upstreams(Vec<UpstreamRow>),
}

impl Request for ProxyRequest {
    const ROLE: &'static str = "the resolver";
    type Response = ProxyResponse;
}
