//! How many connections there are, of all clients and of each, and what time is spent on them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::share::Share;
use crate::config::Limits;

/// Counts connections.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    all: usize,
    each: HashMap<IpAddr, Client>,
}

#[derive(Debug, Default)]
struct Client {
    connections: usize,
    share: Arc<Share>,
}

/// A connection that is counted while this lives.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    client: IpAddr,
    /// Of all connections of the client.
    pub(crate) share: Arc<Share>,
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
        // Those that left while they had something to pay for.
        if clients.each.len() > limits.connections.saturating_mul(4) {
            clients.each.retain(|_, client| client.connections > 0);
        }
        let known = clients.each.entry(client).or_default();
        if known.connections >= limits.connections_per_client {
            return Err(Full::Client);
        }
        known.connections += 1;
        let share = Arc::clone(&known.share);
        clients.all += 1;
        Ok(Pass { gate: self.clone(), client, share })
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
        if let Some(client) = clients.each.get_mut(&self.client) {
            client.connections = client.connections.saturating_sub(1);
            // Nobody begins anew by coming anew.
            if client.connections == 0 && client.share.is_paid() {
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
        assert_eq!(gate.clients.lock().unwrap().each[&IpAddr::from([192, 0, 2, 1])].connections, 2);
    }

    #[test]
    fn who_comes_back_has_still_to_pay() {
        let gate = Arc::new(Gate::default());
        let limits = Limits { connections: 1, ..Limits::default() };
        let enter = |host: u8| gate.enter(IpAddr::from([192, 0, 2, host]), &limits).unwrap();
        let each = std::time::Duration::from_millis(100);
        enter(1).share.spend(std::time::Duration::from_secs(5), each);
        assert!(enter(1).share.spend(std::time::Duration::ZERO, each).is_some());
        drop(enter(2));
        assert!(!gate.clients.lock().unwrap().each.contains_key(&IpAddr::from([192, 0, 2, 2])));
        // Of those that are gone only so many are remembered.
        for host in 3..9 {
            enter(host).share.spend(std::time::Duration::from_secs(5), each);
        }
        assert!(gate.clients.lock().unwrap().each.len() <= 5);
    }
}
