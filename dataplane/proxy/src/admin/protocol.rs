//! Requests and answers of the proxy's admin socket, as JSON.

use serde::{Deserialize, Serialize};
pub use sluice_ingress::overview::{
    ActionRow, CanaryRow, CandidateRow, CertificateRow, EndpointState, HostExplained, HttpExplanation,
    HttpQuery, HttpVerdict, PathKind, RedirectBy, RouteRow, TlsExplained, UpstreamRow as HttpUpstreamRow,
};
use sluice_observe::admin::Request;
pub use sluice_resolver::overview::{CacheRow, Health, UpstreamRow};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum ProxyRequest {
    /// The caches: [`ProxyResponse::Cache`].
    Cache,
    /// The upstreams: [`ProxyResponse::Upstreams`].
    Upstreams,
    /// Routes of HTTP: [`ProxyResponse::HttpRoutes`].
    HttpRoutes,
    /// Endpoints of HTTP: [`ProxyResponse::HttpUpstreams`].
    HttpUpstreams,
    /// Certificates: [`ProxyResponse::HttpCertificates`].
    HttpCertificates,
    /// What becomes of a request: [`ProxyResponse::ExplainHttp`].
    ExplainHttp(HttpQuery),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
pub enum ProxyResponse {
    /// The cache of each zone.
    Cache(Vec<CacheRow>),
    /// The upstreams of each zone.
    Upstreams(Vec<UpstreamRow>),
    /// Routes of HTTP.
    HttpRoutes(Vec<RouteRow>),
    /// Endpoints of HTTP.
    HttpUpstreams(Vec<HttpUpstreamRow>),
    /// Certificates.
    HttpCertificates(Vec<CertificateRow>),
    /// What becomes of a request.
    ExplainHttp(Box<HttpExplanation>),
}

impl Request for ProxyRequest {
    const ROLE: &'static str = "the proxy";
    type Response = ProxyResponse;
}
