//! What became of a request, for logs and metrics.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use sluice_model::http::UpstreamName;

/// Where a request went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// [`Route::origin`](sluice_model::http::Route::origin) of the route; none where no route fits.
    pub route: Option<Arc<str>>,
    /// The upstream; none where the gateway itself answered.
    pub upstream: Option<Arc<UpstreamName>>,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<SocketAddr>,
    /// Endpoints tried.
    pub tries: u8,
    /// From the first try to the response's head.
    pub upstream_time: Option<Duration>,
    /// Why the gateway itself answered, where that is no plan of the route's.
    pub refusal: Option<Refusal>,
    /// The client's address: the connection's, or what trusted proxies say.
    pub client: Option<IpAddr>,
    /// `X-Request-Id` as the endpoint was told.
    pub request_id: Option<HeaderValue>,
}

/// Why the gateway answers a request with an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No host, two that differ, or a malformed one (RFC 9112 section 3.2).
    #[error("malformed host")]
    MalformedHost,
    /// See [`PathError`](crate::routes::PathError).
    #[error("malformed path")]
    MalformedPath,
    /// The body's framing, or the client's connection broke off.
    #[error("request body broke off")]
    BrokenBody,
    /// The client is not among those that the route is for.
    #[error("client address not allowed")]
    Forbidden,
    /// More requests than the route's limits allow a client, in a time or at once.
    #[error("too many requests of this client")]
    Limited,
    /// No route of this host fits.
    #[error("no route for the path")]
    NoRoute,
    /// Nothing is known of the host.
    #[error("no such host")]
    NoHost,
    /// `CONNECT` and `TRACE`.
    #[error("method not allowed")]
    Method,
    /// The client sent nothing of the body for too long.
    #[error("request body too slow")]
    SlowBody,
    /// Longer than the route allows.
    #[error("request body too large")]
    TooLarge,
    /// An expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// The host is not one of the TLS connection's.
    #[error("misdirected request")]
    Misdirected,
    /// gRPC needs trailers, and the client does not speak HTTP/2.
    #[error("gRPC needs HTTP/2")]
    GrpcVersion,
    /// `CONNECT` for another protocol than WebSocket (RFC 8441), or to an endpoint that cannot be asked for it.
    #[error("unknown protocol for CONNECT")]
    Protocol,
    /// The upstream is not known, or has no endpoint.
    #[error("no endpoint")]
    NoEndpoint,
    /// No connection to an endpoint.
    #[error("no connection to an endpoint")]
    Connect,
    /// No connection within the deadline.
    #[error("connecting to an endpoint took too long")]
    ConnectTimeout,
    /// The endpoint's connection broke off before the response's head.
    #[error("the endpoint broke off")]
    Reset,
    /// What came makes no sense.
    #[error("the endpoint's answer is malformed")]
    InvalidResponse,
    /// No head within the deadline.
    #[error("the endpoint did not answer in time")]
    Timeout,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::MalformedHost,
        Self::MalformedPath,
        Self::BrokenBody,
        Self::Forbidden,
        Self::Limited,
        Self::NoRoute,
        Self::NoHost,
        Self::Method,
        Self::SlowBody,
        Self::TooLarge,
        Self::Expectation,
        Self::Misdirected,
        Self::GrpcVersion,
        Self::Protocol,
        Self::NoEndpoint,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Reset,
        Self::InvalidResponse,
        Self::Timeout,
    ];

    /// A name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedHost => "malformed-host",
            Self::MalformedPath => "malformed-path",
            Self::BrokenBody => "broken-body",
            Self::Forbidden => "forbidden",
            Self::Limited => "limited",
            Self::NoRoute => "no-route",
            Self::NoHost => "no-host",
            Self::Method => "method",
            Self::SlowBody => "slow-body",
            Self::TooLarge => "too-large",
            Self::Expectation => "expectation",
            Self::Misdirected => "misdirected",
            Self::GrpcVersion => "grpc-version",
            Self::Protocol => "protocol",
            Self::NoEndpoint => "no-endpoint",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::Reset => "reset",
            Self::InvalidResponse => "invalid-response",
            Self::Timeout => "timeout",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedHost | Self::MalformedPath | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Limited => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoute | Self::NoHost => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::GrpcVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NoEndpoint => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect | Self::Reset | Self::InvalidResponse => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}
