//! Ingress as packets go by it: what the proxy makes of their content is told in [`crate::http`].

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::check::MAX_ADDRESSES;

/// Where the proxy serves HTTP, and who may connect. TCP to there goes to Linux, whose sockets the proxy listens on; the
/// addresses are held, and neighbours told of them, as those of Services are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressSettings {
    /// Addresses and ports of HTTP and HTTPS. They come before frontends of Services.
    pub listen: Vec<SocketAddr>,
    /// Networks of clients that may connect; empty: all.
    pub clients: Vec<IpNet>,
    /// Connections that a client may begin, in a second on each lcore; its networks may begin a multiple of that. None: any
    /// number.
    pub syns_per_second: Option<u32>,
}

impl IngressSettings {
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        if self.listen.len() > MAX_ADDRESSES || self.clients.len() > MAX_ADDRESSES {
            return Some("ingress: a list is too long");
        }
        let usable = |at: &SocketAddr| {
            let ip = at.ip();
            at.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback()
        };
        if !self.listen.iter().all(usable) {
            return Some("ingress: a listener has port 0 or no proper address");
        }
        if self.clients.iter().any(|network| network.trunc() != *network) {
            return Some("ingress: a network of clients has host bits");
        }
        if self.syns_per_second == Some(0) {
            return Some("ingress: no client may ever connect");
        }
        None
    }
}
