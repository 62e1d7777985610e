//! How the gateway serves HTTP, whatever the route.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::CertificateName;

/// The `ingress` part of the YAML file, as far as the proxy goes by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSettings {
    /// Where HTTP is served.
    pub http: Vec<SocketAddr>,
    /// Where HTTP is served within TLS.
    pub https: Vec<SocketAddr>,
    /// The certificate for names that have none of their own; a self-signed one where there is none.
    pub default_certificate: Option<CertificateName>,
    /// Keys of session tickets that other gateways have too, at most [`MAX_TICKET_KEYS`], the one that seals first; none: keys of
    /// the proxy's own.
    pub ticket_keys: Vec<TicketKey>,
    /// Peers whose `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and `X-Request-Id` are believed.
    pub trusted: Vec<IpNet>,
    /// Peers that begin with a PROXY protocol header, version 1 or 2; connections of others are served as they are.
    pub proxy_protocol: Vec<IpNet>,
    /// HTTP/2 is offered (ALPN), and spoken without TLS to clients that begin with its preface.
    pub http2: bool,
    /// The oldest TLS version is 1.3 and not 1.2.
    pub tls13_only: bool,
    /// The largest head of a request in bytes, answered with 431 beyond.
    pub max_head: u32,
    /// Connections at a time, on all workers.
    pub max_connections: u32,
    /// How long an idle connection of a client stays open, in milliseconds.
    pub keep_alive_ms: u32,
    /// How long a client may take for the head of a request, in milliseconds.
    pub head_ms: u32,
    /// How long a client may send nothing of a body, in milliseconds.
    pub body_ms: u32,
    /// How long requests in flight may take when the proxy ends, in milliseconds.
    pub drain_ms: u32,
    /// How long a connection that is passed through may be silent both ways, in milliseconds.
    pub passthrough_ms: u32,
    /// Idle connections kept to endpoints, on each worker.
    pub upstream_idle: u32,
    /// An access log is written, to standard output or a file.
    pub access_log: Option<AccessLog>,
}

/// The most keys of session tickets.
pub const MAX_TICKET_KEYS: usize = 8;

/// What keys of session tickets are derived from: 48 or 80 random bytes, as nginx's `ssl_session_ticket_key` has them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKey(Box<[u8]>);

/// What is no key of session tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of session tickets has 48 or 80 random bytes, not {0}")]
pub struct TicketKeyLength(pub usize);

impl TicketKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// There are more or fewer than 48 or 80.
    pub fn new(bytes: &[u8]) -> Result<Self, TicketKeyLength> {
        let key = Self(bytes.into());
        if key.is_sound() { Ok(key) } else { Err(TicketKeyLength(bytes.len())) }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it has as many bytes as it should.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.0.len(), 48 | 80)
    }
}

impl std::fmt::Debug for TicketKey {
    /// The key is no text for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketKey").finish_non_exhaustive()
    }
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    /// The file that lines are appended to; standard output where there is none.
    pub file: Option<std::path::PathBuf>,
}

impl Default for HttpSettings {
    /// Serves nowhere; limits are ingress-nginx's defaults where it has them.
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            default_certificate: None,
            ticket_keys: Vec::new(),
            trusted: Vec::new(),
            proxy_protocol: Vec::new(),
            http2: true,
            tls13_only: false,
            max_head: 32 << 10,
            max_connections: 16_384,
            keep_alive_ms: 75_000,
            head_ms: 60_000,
            body_ms: 60_000,
            drain_ms: 240_000,
            passthrough_ms: 3_600_000,
            upstream_idle: 320,
            access_log: None,
        }
    }
}
