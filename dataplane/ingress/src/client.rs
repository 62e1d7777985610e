//! Who asks, and by which way.

use std::net::SocketAddr;

use sluice_model::http::HostPattern;

/// The other end of a connection, as requests on it see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address; behind a PROXY protocol header that was believed, what that says.
    pub peer: SocketAddr,
    /// The gateway's address that the client connected to, by the same rule.
    pub local: SocketAddr,
    /// What TLS says of it; none where the connection is without.
    pub tls: Option<TlsInfo>,
    /// Whether its `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and `X-Request-Id` are believed: `peer` is in
    /// [`HttpSettings::trusted`](sluice_model::http::HttpSettings::trusted).
    pub trusted: bool,
}

/// What a TLS handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// The version.
    pub version: TlsVersion,
    /// The name that the client asked for (RFC 6066 section 3), in lower case, without a final dot.
    pub server_name: Option<Box<str>>,
    /// The entry of server names that this came to; requests for hosts of another are misdirected (RFC 9110 section 15.5.20).
    pub entry: HostPattern,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// As logs write it: `TLSv1.2` or `TLSv1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}
