//! How many connections there are, of all clients and of each.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;

/// Counts connections.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// A connection that is counted while this lives.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    client: IpAddr,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Too many in all.
    All,
    /// Too many of this client.
    Client,
}

impl Gate {
    /// Lets a connection in, if there is room.
    pub(crate) fn enter(self: &Arc<Self>, client: IpAddr, limits: &Limits) -> Result<Pass, Full> {
        let client = whole(client);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.all >= limits.connections {
            return Err(Full::All);
        }
        let count = clients.each.entry(client).or_default();
        if *count >= limits.connections_per_client {
            return Err(Full::Client);
        }
        *count += 1;
        clients.all += 1;
        Ok(Pass { gate: self.clone(), client })
    }

    /// Connections there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut clients = self.gate.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.all = clients.all.saturating_sub(1);
        if let Some(count) = clients.each.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.each.remove(&self.client);
            }
        }
    }
}

/// A client: an IPv4 address, or the /64 of an IPv6 one, of which a host has all addresses.
fn whole(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_each_are_bounded_and_leave() {
        let gate = Arc::new(Gate::default());
        let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
        let enter = |client: &str| gate.enter(client.parse().unwrap(), &limits);
        let first = enter("2001:db8::1").unwrap();
        let _second = enter("2001:db8::2:1").unwrap();
        assert_eq!(enter("2001:db8::3").unwrap_err(), Full::Client);
        let _third = enter("192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.2").unwrap_err(), Full::All);
        drop(first);
        assert_eq!(gate.len(), 2);
        let _fourth = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(gate.clients.lock().unwrap().each[&IpAddr::from([192, 0, 2, 1])], 2);
    }
}
