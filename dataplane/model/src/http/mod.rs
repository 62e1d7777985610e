//! HTTP as the gateway serves it: virtual hosts with their routes, certificates by server name, upstreams with endpoints.
//!
//! No word here is Ingress's own: other sources of routes lead to the same values. Who owns what, and which of two claims
//! wins, is decided before; every value here stands for itself.

mod change;
mod check;
mod host;
mod policy;
mod route;
mod settings;
mod tls;
mod upstream;

pub use change::{HttpChange, HttpKey};
pub use host::{HostPattern, VirtualHost};
pub use policy::{
    Affinity, BackendProtocol, Balance, ClientLimits, Cors, HashKey, Policy, ProxyVersion, Retry, RetryOn,
    SameSite, Timeouts,
};
pub use route::{Action, Canary, Forward, HeaderMatch, PathMatch, Redirect, Rewrite, Route};
pub use settings::{AccessLog, HttpSettings, MAX_TICKET_KEYS, TicketKey, TicketKeyLength};
pub use tls::{Certificate, CertificateName, ServerName, TlsAction};
pub use upstream::{Upstream, UpstreamEndpoint, UpstreamName, UpstreamPort};
