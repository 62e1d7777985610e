//! Where the proxy serves HTTP, as packets are tested against it.

use std::net::IpAddr;

use sluice_model::IngressSettings;

use super::ranges::Ranges;

/// Listeners of the proxy, and who may connect.
#[derive(Clone, Debug, Default)]
pub struct Ingress {
    /// Ports of all listeners, each once: mostly two, so that packets to others cost next to nothing.
    ports: Box<[u16]>,
    /// Listeners, in order.
    listeners: Box<[(IpAddr, u16)]>,
    clients: Option<Ranges>,
    syns_per_second: Option<u32>,
}

impl Ingress {
    pub(super) fn new(settings: &IngressSettings) -> Self {
        let mut listeners: Vec<_> = settings.listen.iter().map(|at| (at.ip(), at.port())).collect();
        listeners.sort_unstable();
        listeners.dedup();
        let mut ports: Vec<u16> = listeners.iter().map(|(_, port)| *port).collect();
        ports.sort_unstable();
        ports.dedup();
        Self {
            ports: ports.into(),
            listeners: listeners.into(),
            clients: (!settings.clients.is_empty()).then(|| Ranges::new(&settings.clients)),
            syns_per_second: settings.syns_per_second,
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Whether TCP to this address and port is the proxy's.
    #[inline]
    pub fn listens(&self, address: IpAddr, port: u16) -> bool {
        self.ports.contains(&port) && self.listeners.binary_search(&(address, port)).is_ok()
    }

    /// Whether this client may connect.
    #[inline]
    pub fn admits(&self, client: IpAddr) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.contains(client))
    }

    /// Connections that a client may begin in a second on each lcore; none: any number.
    #[inline]
    pub fn syns_per_second(&self) -> Option<u32> {
        self.syns_per_second
    }
}
