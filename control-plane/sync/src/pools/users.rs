//! Who has which address, and who may join.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sluice_model::{Protocol, ServiceName};

use super::refusal::Conflict;
use super::{Refusal, Sharing, Wish};

/// The addresses that Services have.
#[derive(Debug, Default)]
pub(super) struct Users {
    addresses: BTreeMap<IpAddr, Address>,
    /// Addresses that are shared by a key.
    by_key: BTreeMap<Box<str>, BTreeSet<IpAddr>>,
}

#[derive(Debug, Default)]
struct Address {
    users: BTreeSet<ServiceName>,
    /// That of all users.
    sharing: Option<Sharing>,
    ports: BTreeMap<(Protocol, u16), ServiceName>,
}

impl Users {
    /// Whether this Service may have the address beside those who have it already.
    pub(super) fn check(&self, address: IpAddr, wish: &Wish) -> Result<(), Refusal> {
        let Some(state) = self.addresses.get(&address) else { return Ok(()) };
        let Some(first) = state.users.first() else { return Ok(()) };
        let taken = || Refusal::AddressTaken { address, by: first.clone() };
        let (Some(own), Some(theirs)) = (&wish.sharing, &state.sharing) else { return Err(taken()) };
        if own.key != theirs.key {
            return Err(taken());
        }
        if own.backends != theirs.backends {
            let conflict = Conflict::Backends;
            return Err(Refusal::SharingConflict { address, with: first.clone(), conflict });
        }
        for port in &wish.ports {
            if let Some(with) = state.ports.get(port) {
                let conflict = Conflict::Port(port.0, port.1);
                return Err(Refusal::SharingConflict { address, with: with.clone(), conflict });
            }
        }
        Ok(())
    }

    /// Gives an address that [`check`](Self::check) allows. True where nobody had it.
    pub(super) fn claim(&mut self, address: IpAddr, name: &ServiceName, wish: &Wish) -> bool {
        let state = self.addresses.entry(address).or_default();
        let is_first = state.users.is_empty();
        state.users.insert(name.clone());
        state.ports.extend(wish.ports.iter().map(|&port| (port, name.clone())));
        if is_first && let Some(sharing) = &wish.sharing {
            state.sharing = Some(sharing.clone());
            self.by_key.entry(sharing.key.clone()).or_default().insert(address);
        }
        is_first
    }

    /// Takes an address from one who has it. True where nobody has it any more.
    pub(super) fn release(&mut self, address: IpAddr, name: &ServiceName) -> bool {
        let Some(state) = self.addresses.get_mut(&address) else { return false };
        state.users.remove(name);
        if !state.users.is_empty() {
            state.ports.retain(|_, user| user != name);
            return false;
        }
        let state = self.addresses.remove(&address);
        if let Some(key) = state.and_then(|state| state.sharing).map(|sharing| sharing.key)
            && let Some(shared) = self.by_key.get_mut(&key)
        {
            shared.remove(&address);
            if shared.is_empty() {
                self.by_key.remove(&key);
            }
        }
        true
    }

    /// Addresses shared by this key, in order.
    pub(super) fn of_key(&self, key: &str) -> impl Iterator<Item = IpAddr> {
        self.by_key.get(key).into_iter().flatten().copied()
    }

    /// How many addresses are taken.
    pub(super) fn len(&self) -> usize {
        self.addresses.len()
    }
}
