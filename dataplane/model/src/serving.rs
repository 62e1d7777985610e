//! How the resolver serves, beside what it answers: pages for orchestrators, its log and name, TLS, whole zones, search lists.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What comes to a proxy with the other settings, and is put into effect as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Where `/health` is answered, as CoreDNS's `health` does.
    pub health: Option<SocketAddr>,
    /// Where `/ready` is answered, as CoreDNS's `ready` does.
    pub ready: Option<SocketAddr>,
    /// Where `/metrics` is answered, as CoreDNS's `prometheus` does, beside the proxy's own page.
    pub metrics: Option<SocketAddr>,
    /// Which queries are logged.
    pub log: Option<QueryLog>,
    /// The name told to who asks for one (RFC 5001).
    pub nsid: Option<String>,
    /// Addresses of DNS over TLS and over HTTPS.
    pub secure: Vec<Secure>,
    /// Networks whose clients may have whole zones (AXFR, IXFR over TCP); nobody without.
    pub transfer: Vec<IpNet>,
    /// Whether the search lists of pods are completed for them.
    pub autopath: bool,
}

/// The query log: a line for a query and its reply, in the form of CoreDNS's `log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLog {
    /// Names in these zones; all where there are none.
    pub zones: Vec<String>,
    /// Replies of these classes; all where there are none.
    pub classes: Vec<LogClass>,
    /// One query of so many; at least 1.
    pub sample: u32,
    /// Lines a second at most; at least 1. What is more is counted and lost.
    pub rate: u32,
    /// The file that lines are appended to, and that is opened anew where it has been moved away; standard output where there
    /// is none.
    pub file: Option<PathBuf>,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self { zones: Vec::new(), classes: Vec::new(), sample: 1, rate: 1000, file: None }
    }
}

/// Replies, as CoreDNS classes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogClass {
    /// With records.
    #[default]
    Success,
    /// The name or type does not exist.
    Denial,
    /// Everything else.
    Error,
}

/// Addresses where queries come over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secure {
    /// The addresses.
    pub addresses: Vec<SocketAddr>,
    /// A PEM file: the certificate, then those that vouch for it. Absolute.
    pub certificate: PathBuf,
    /// A PEM file: the private key. Absolute.
    pub key: PathBuf,
    /// The path of requests over HTTPS; DNS over TLS without.
    pub path: Option<String>,
}
