//! Upstreams: the endpoints of a Service's port.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ServiceName;

/// A Service's port, as routes name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UpstreamName {
    /// The Service.
    pub service: ServiceName,
    /// Which of its ports.
    pub port: UpstreamPort,
}

/// One of `spec.ports` of a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UpstreamPort {
    /// By `port`.
    Number(u16),
    /// By `name`.
    Name(Box<str>),
    /// The first that there is.
    First,
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.port {
            UpstreamPort::Number(port) => write!(f, "{}:{port}", self.service),
            UpstreamPort::Name(port) => write!(f, "{}:{port}", self.service),
            UpstreamPort::First => write!(f, "{}", self.service),
        }
    }
}

/// Where requests for a Service's port go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// Those that take requests: ready, or where none is, serving while they terminate. Sorted by address, none twice.
    pub endpoints: Vec<UpstreamEndpoint>,
}

/// An address and port behind a Service's port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamEndpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// `targetRef.name` where it is a Pod.
    pub pod: Option<Box<str>>,
}
