//! What the tables say, for people to look at: rows as the admin socket carries them, and what becomes of a request.

mod explain;
mod rows;
mod x509;

pub use explain::{
    CandidateRow, HostExplained, HttpExplanation, HttpQuery, HttpVerdict, RedirectBy, TlsExplained, explain,
};
pub use rows::{
    ActionRow, CanaryRow, CertificateRow, EndpointState, PathKind, RouteRow, UpstreamRow, routes, upstreams,
};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
