//! A flow as `sluice show flows` prints it.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One flow, at the moment it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// IANA protocol number.
    pub protocol: u8,
    /// The client.
    pub client: SocketAddr,
    /// The address and port it talks to.
    pub frontend: SocketAddr,
    /// Source the backend sees.
    pub source: SocketAddr,
    /// Where it is sent.
    pub backend: SocketAddr,
    /// State of the connection, in words.
    pub state: String,
    /// Seconds since the last packet.
    pub idle_seconds: u32,
    /// Slot of its service port, where the service still exists.
    pub slot: Option<u32>,
}
