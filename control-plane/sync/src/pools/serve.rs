//! How a Service loses, keeps and gets addresses, and who may be served after it.

use std::net::IpAddr;

use sluice_model::ServiceName;

use super::waiting::{Place, Ticket};
use super::{Allocator, Entry, Families, Family, Refusal, Sharing, Wish};

/// How many of the addresses that a key shares are tried before a Service gets one of its own.
const SHARED_TRIES: usize = 64;

impl Allocator {
    /// Takes a Service out of everything; what it has becomes what it had.
    pub(super) fn withdraw(&mut self, name: &ServiceName) {
        let Some(entry) = self.services.get_mut(name) else { return };
        let place = entry.place(name);
        let addresses = std::mem::take(&mut entry.addresses);
        entry.had.extend(&addresses);
        let sharing = entry.wish.sharing.clone();
        self.candidates.remove(&place);
        self.leave(&place);
        for address in addresses {
            if self.users.release(address, name) {
                self.space.free(address);
                if let Some(pool) = self.space.pool_of(address) {
                    self.call_first(pool, address.is_ipv6());
                }
            }
            self.call(&Ticket::Address(address));
            self.call_key(sharing.as_ref());
        }
    }

    /// Claims addresses that a Service has a right to, as far as they still suit it and are not another's.
    pub(super) fn keep(&mut self, name: &ServiceName, addresses: &[IpAddr]) {
        for &address in addresses {
            let Some(entry) = self.services.get(name) else { return };
            if self.suits(name, entry, address) && self.users.check(address, &entry.wish).is_ok() {
                self.claim(name, address);
            }
        }
    }

    fn suits(&self, name: &ServiceName, entry: &Entry, address: IpAddr) -> bool {
        let (wish, v6) = (&entry.wish, address.is_ipv6());
        let Some(pool) = self.space.pool_of(address) else { return false };
        let mut wanted = wish.addresses.iter().filter(|a| a.is_ipv6() == v6).peekable();
        let asked_for = match wanted.peek() {
            Some(_) => wanted.any(|a| *a == address),
            None => !entry.addresses.iter().any(|a| a.is_ipv6() == v6),
        };
        asked_for
            && wish.families.has(v6)
            && !entry.addresses.contains(&address)
            && wish.pool.as_ref().is_none_or(|wanted| self.space.named(wanted) == Some(pool))
            && self.space.permits(pool, name, wish).is_ok()
    }

    fn claim(&mut self, name: &ServiceName, address: IpAddr) {
        let Some(entry) = self.services.get_mut(name) else { return };
        entry.addresses.push(address);
        let sharing = entry.wish.sharing.clone();
        if self.users.claim(address, name, &entry.wish) {
            self.space.take(address);
        }
        self.call_key(sharing.as_ref());
    }

    /// Looks for what a Service does not have yet; it waits for what is not to be had.
    pub(super) fn serve(&mut self, place: &Place) {
        let name = &place.1;
        self.leave(place);
        let Some(entry) = self.services.get(name) else { return };
        let wish = entry.wish.clone();
        let mut refusals: Vec<Refusal> = wish
            .addresses
            .iter()
            .filter(|address| !wish.families.has(address.is_ipv6()))
            .map(|&address| Refusal::WrongFamily { address })
            .collect();
        let mut lacks_a_family = Vec::new();
        for v6 in wish.families.each() {
            let wanted: Vec<IpAddr> = wish.addresses.iter().copied().filter(|a| a.is_ipv6() == v6).collect();
            if wanted.is_empty() {
                lacks_a_family.extend(self.serve_any(place, &wish, v6).err());
            }
            for address in wanted {
                refusals.extend(self.serve_this(place, &wish, address).err());
            }
        }
        let Some(entry) = self.services.get_mut(name) else { return };
        if wish.families != Families::Either || entry.addresses.is_empty() {
            refusals.append(&mut lacks_a_family);
        }
        entry.refusals = refusals;
    }

    fn serve_this(&mut self, place: &Place, wish: &Wish, address: IpAddr) -> Result<(), Refusal> {
        let name = &place.1;
        if self.services.get(name).is_some_and(|entry| entry.addresses.contains(&address)) {
            return Ok(());
        }
        let wanted = wish.pool.as_ref().map(|pool| self.asked_for(pool)).transpose()?;
        let pool = self.space.pool_of(address).filter(|&pool| wanted.is_none_or(|wanted| wanted == pool));
        let Some(pool) = pool else {
            return Err(Refusal::NotInPool { address, pool: wish.pool.clone() });
        };
        self.space.permits(pool, name, wish)?;
        if let Err(refusal) = self.users.check(address, wish) {
            self.waiting.enter(place, Ticket::Address(address));
            return Err(refusal);
        }
        self.claim(name, address);
        Ok(())
    }

    fn serve_any(&mut self, place: &Place, wish: &Wish, v6: bool) -> Result<(), Refusal> {
        let name = &place.1;
        if self.services.get(name).is_some_and(|entry| entry.addresses.iter().any(|a| a.is_ipv6() == v6)) {
            return Ok(());
        }
        let family = Family::from_v6(v6);
        let pools = match &wish.pool {
            Some(wanted) => {
                let pool = self.asked_for(wanted)?;
                self.space.permits(pool, name, wish)?;
                if !self.space.has(pool, v6) {
                    return Err(Refusal::NotInFamily { pool: wanted.clone(), family });
                }
                vec![pool]
            }
            None => self.space.automatic(v6, name, wish),
        };
        if pools.is_empty() {
            return Err(Refusal::NoPool { family });
        }
        let shared = wish.sharing.as_ref().and_then(|sharing| self.to_share(&sharing.key, wish, &pools, v6));
        let free = || pools.iter().find_map(|&pool| self.space.lowest_free(pool, v6));
        if let Some(address) = shared.or_else(free) {
            self.claim(name, address);
            return Ok(());
        }
        for &pool in &pools {
            self.waiting.enter(place, Ticket::Pool(pool, v6));
        }
        if let Some(sharing) = &wish.sharing {
            self.waiting.enter(place, Ticket::Key(sharing.key.clone()));
        }
        let pools = pools.iter().map(|&pool| self.space.name(pool)).collect();
        Err(Refusal::PoolExhausted { pools, family })
    }

    fn asked_for(&self, pool: &str) -> Result<usize, Refusal> {
        self.space.named(pool).ok_or_else(|| Refusal::NoSuchPool { pool: pool.into() })
    }

    /// An address that others of the same key have, and that can take one more.
    fn to_share(&self, key: &str, wish: &Wish, pools: &[usize], v6: bool) -> Option<IpAddr> {
        let here = |address: &IpAddr| {
            address.is_ipv6() == v6 && self.space.pool_of(*address).is_some_and(|pool| pools.contains(&pool))
        };
        let mut all = self.users.of_key(key).filter(here).take(SHARED_TRIES);
        all.find(|&address| self.users.check(address, wish).is_ok())
    }

    /// Takes a Service out of all queues. Who comes next there may be served now.
    fn leave(&mut self, place: &Place) {
        for ticket in self.waiting.leave(place) {
            if let Ticket::Pool(pool, v6) = ticket {
                self.call_first(pool, v6);
            }
        }
    }

    /// The first in the queue of a pool may be served, if there is something to give.
    fn call_first(&mut self, pool: usize, v6: bool) {
        if self.space.has_free(pool, v6) {
            self.candidates.extend(self.waiting.queue(&Ticket::Pool(pool, v6)).next().cloned());
        }
    }

    /// All who wait for this may be served.
    fn call(&mut self, ticket: &Ticket) {
        self.candidates.extend(self.waiting.queue(ticket).cloned());
    }

    fn call_key(&mut self, sharing: Option<&Sharing>) {
        if let Some(sharing) = sharing {
            self.call(&Ticket::Key(sharing.key.clone()));
        }
    }
}
