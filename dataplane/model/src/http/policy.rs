//! The rules that requests of a route are under.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Rewrite;

/// What holds for requests of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Requests that came without TLS are answered with this status and the same address under `https`: 308, 301, 302 or 307.
    pub https_redirect: Option<u16>,
    /// How long clients are to ask by TLS only (`Strict-Transport-Security`, RFC 6797), in seconds; none: nothing is said.
    pub hsts: Option<u64>,
    /// Only these clients; empty: all.
    pub allow: Vec<IpNet>,
    /// Not these clients.
    pub deny: Vec<IpNet>,
    /// What a client may ask; none: anything.
    pub limits: Option<Box<ClientLimits>>,
    /// The largest body of a request in bytes, answered with 413 beyond; none: any.
    pub max_body: Option<u64>,
    /// How endpoints are spoken to.
    pub protocol: BackendProtocol,
    /// Connections to endpoints begin with the client's address, in a PROXY protocol header of this version.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// What is tried again.
    pub retry: Retry,
    /// Another path for the endpoint.
    pub rewrite: Option<Rewrite>,
    /// The `Host` that the endpoint is told; none: as it came.
    pub host: Option<Box<str>>,
    /// Cross-origin resource sharing, answered by the gateway.
    pub cors: Option<Cors>,
    /// Clients stay with an endpoint.
    pub affinity: Option<Affinity>,
    /// How endpoints are chosen.
    pub balance: Balance,
}

impl Default for Policy {
    /// ingress-nginx's defaults, which are what users expect, with bodies of 1 MiB.
    fn default() -> Self {
        Self {
            https_redirect: None,
            hsts: None,
            allow: Vec::new(),
            deny: Vec::new(),
            limits: None,
            max_body: Some(1 << 20),
            protocol: BackendProtocol::Http,
            proxy_protocol: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            rewrite: None,
            host: None,
            cors: None,
            affinity: None,
            balance: Balance::RoundRobin,
        }
    }
}

/// What a client may ask of all routes of one [`origin`](super::Route::origin); 429 beyond (RFC 6585 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientLimits {
    /// Requests in a second; 0: any number.
    pub per_second: u32,
    /// Requests in a minute; 0: any number.
    pub per_minute: u32,
    /// How many seconds' or minutes' worth of them may come ahead of its time.
    pub burst: u32,
    /// Requests at once; 0: any number.
    pub connections: u32,
    /// Clients without limits.
    pub exempt: Vec<IpNet>,
}

impl Default for ClientLimits {
    /// None, with ingress-nginx's burst.
    fn default() -> Self {
        Self { per_second: 0, per_minute: 0, burst: 5, connections: 0, exempt: Vec::new() }
    }
}

/// How endpoints are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BackendProtocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/1.1 within TLS; certificates are not checked, as with ingress-nginx's default.
    Https,
    /// HTTP/2 without TLS.
    Grpc,
    /// HTTP/2 within TLS; certificates are not checked.
    Grpcs,
}

/// A version of the PROXY protocol (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Deadlines in milliseconds, none of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timeouts {
    /// For a connection to an endpoint.
    pub connect_ms: u32,
    /// Between two reads from an endpoint.
    pub read_ms: u32,
    /// Between two writes to an endpoint.
    pub write_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, read_ms: 60_000, write_ms: 60_000 }
    }
}

/// What is tried again at another endpoint, never after a byte of the response has gone to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Retry {
    /// After what.
    pub on: RetryOn,
    /// Endpoints tried in all, at least 1.
    pub tries: u8,
    /// No further try begins after so many milliseconds; 0: no limit.
    pub within_ms: u32,
}

impl Default for Retry {
    fn default() -> Self {
        let on = RetryOn { error: true, timeout: true, ..RetryOn::default() };
        Self { on, tries: 3, within_ms: 0 }
    }
}

/// After what a request is tried again. A connection that could not be made at all counts as `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RetryOn {
    /// The connection failed before the response's head.
    pub error: bool,
    /// A deadline passed before the response's head.
    pub timeout: bool,
    /// The response's head makes no sense.
    pub invalid_header: bool,
    /// Requests that are not idempotent too (RFC 9110 section 9.2.2), once they have been sent.
    pub non_idempotent: bool,
    /// These statuses: bits for 500, 502, 503, 504, 403, 404, 429, from the lowest on.
    pub statuses: u8,
}

impl RetryOn {
    /// The statuses that have a bit in `statuses`, in order.
    pub const STATUSES: [u16; 7] = [500, 502, 503, 504, 403, 404, 429];

    /// Whether a response of this status is tried again.
    pub fn status(self, status: u16) -> bool {
        Self::STATUSES.iter().position(|&s| s == status).is_some_and(|bit| self.statuses & (1 << bit) != 0)
    }
}

/// Cross-origin resource sharing (the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cors {
    /// `*`, or origins such as `https://example.com` and `https://*.example.com`.
    pub origins: Vec<Box<str>>,
    /// `Access-Control-Allow-Methods`.
    pub methods: Box<str>,
    /// `Access-Control-Allow-Headers`.
    pub headers: Box<str>,
    /// `Access-Control-Expose-Headers`; empty: not sent.
    pub expose: Box<str>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age: u32,
}

/// A cookie that names the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Affinity {
    /// The cookie's name.
    pub cookie: Box<str>,
    /// `Path`; none: the route's.
    pub path: Option<Box<str>>,
    /// `Domain`.
    pub domain: Option<Box<str>>,
    /// `Max-Age` in seconds; none: until the browser ends.
    pub max_age: Option<u64>,
    /// `SameSite`.
    pub same_site: Option<SameSite>,
    /// `Secure`: always, or where the request came by TLS.
    pub secure: Option<bool>,
    /// Another endpoint is named after a failure.
    pub change_on_failure: bool,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SameSite {
    /// `Strict`.
    Strict,
    /// `Lax`.
    Lax,
    /// `None`.
    None,
}

/// How endpoints are chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Balance {
    /// One after another, over all workers.
    RoundRobin,
    /// Of two at random the one with fewer requests in flight.
    LeastRequest,
    /// By a hash of something of the request; few requests move when endpoints do.
    Hash(HashKey),
}

/// Of what the hash is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashKey {
    /// The client's address.
    Client,
    /// Path and query.
    Uri,
    /// `Host`.
    Host,
    /// A header's value.
    Header(Box<str>),
    /// A cookie's value.
    Cookie(Box<str>),
    /// A parameter of the query.
    Argument(Box<str>),
}
