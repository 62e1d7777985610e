//! Addresses for Services of type LoadBalancer, from the configured pools.
//!
//! A pure function of what it is told: no clock, no I/O, and the order of updates between two calls of
//! [`Allocator::settle`] makes no difference. The rules:
//!
//! * A Service keeps what it has for as long as that is in a pool that it may use and fits what it asks for; after a
//!   restart, what its status says it has. Of two that say so of one address, the older keeps it.
//! * Asking for certain addresses, or a pool, gives up what does not fit at once: two Services can swap addresses.
//! * Otherwise the lowest free address, from pools that choose their Services before those that are for all.
//! * Who cannot be served waits. Whatever becomes free goes to the oldest who can use it, ties broken by name.
//!
//! An operation is O(log n) in addresses and Services, plus those that wait for the same address or share a key.

mod parse;
mod refusal;
mod runs;
mod serve;
mod space;
mod users;
mod waiting;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sluice_config::AddressPool;
use sluice_model::ServiceName;

pub use parse::wish;
pub use refusal::{Conflict, Family, Refusal};
use space::Space;
use users::Users;
use waiting::{Place, Waiting};
pub use wish::{Allocation, Families, Sharing, Wish};

/// Gives addresses to Services. What a status says counts when a Service is first told of, so whoever takes over the
/// writing of statuses starts with a new one.
#[derive(Debug, Default)]
pub struct Allocator {
    space: Space,
    users: Users,
    waiting: Waiting,
    services: BTreeMap<ServiceName, Entry>,
    /// Services whose claims are to be looked at again.
    dirty: BTreeSet<ServiceName>,
    /// Services that may be served now.
    candidates: BTreeSet<Place>,
    /// Services that are gone, and were told to have something.
    gone: BTreeSet<ServiceName>,
}

#[derive(Debug)]
struct Entry {
    wish: Wish,
    /// What it has, of which [`Users`] knows.
    addresses: Vec<IpAddr>,
    /// What it had when it was last told of something new.
    had: Vec<IpAddr>,
    refusals: Vec<Refusal>,
    told: Option<Allocation>,
}

impl Entry {
    fn place(&self, name: &ServiceName) -> Place {
        (self.wish.created, name.clone())
    }
}

impl Allocator {
    /// An allocator over these pools, of which no two have an address in common.
    pub fn new(pools: &[AddressPool]) -> Self {
        Self { space: Space::new(pools), ..Self::default() }
    }

    /// Replaces the pools. Addresses that are in one of the new ones, and permitted there, stay with their Services.
    pub fn set_pools(&mut self, pools: &[AddressPool]) {
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in &names {
            self.withdraw(name);
        }
        self.space = Space::new(pools);
        self.dirty.extend(names);
    }

    /// What a Service asks for now; none where it is gone, or of no concern any more (its type or class has changed).
    pub fn update(&mut self, name: &ServiceName, wish: Option<Wish>) {
        match (wish, self.services.get_mut(name)) {
            (None, None) => {}
            (None, Some(_)) => {
                self.withdraw(name);
                self.dirty.remove(name);
                let entry = self.services.remove(name);
                if entry.is_some_and(|entry| entry.told.is_some()) {
                    self.gone.insert(name.clone());
                }
            }
            (Some(wish), Some(entry)) => {
                let former = std::mem::replace(&mut entry.wish.held, wish.held.clone());
                if entry.wish == wish {
                    return;
                }
                entry.wish.held = former;
                self.withdraw(name);
                if let Some(entry) = self.services.get_mut(name) {
                    entry.wish = wish;
                }
                self.dirty.insert(name.clone());
            }
            (Some(wish), None) => {
                let entry =
                    Entry { wish, addresses: Vec::new(), had: Vec::new(), refusals: Vec::new(), told: None };
                self.services.insert(name.clone(), entry);
                self.dirty.insert(name.clone());
            }
        }
    }

    /// Gives out what there is to give, and says of each Service for which something has changed what it has now; none
    /// where it is gone. A Service that is told of for the first time is always among them.
    ///
    /// Call it first when all Services are known: what their statuses say is only then safe from those without one.
    pub fn settle(&mut self) -> Vec<(ServiceName, Option<Allocation>)> {
        let mut touched = std::mem::take(&mut self.dirty);
        let mut places: Vec<Place> =
            touched.iter().filter_map(|n| self.services.get(n).map(|entry| entry.place(n))).collect();
        places.sort_unstable();
        // What Services have goes before what a status says of one that has it not.
        for (_, name) in &places {
            let had = self.services.get_mut(name).map(|entry| std::mem::take(&mut entry.had));
            self.keep(name, &had.unwrap_or_default());
        }
        for (_, name) in &places {
            let held = self.services.get(name).map(|entry| entry.wish.held.clone());
            self.keep(name, &held.unwrap_or_default());
        }
        self.candidates.extend(places);
        while let Some(place) = self.candidates.pop_first() {
            self.serve(&place);
            touched.insert(place.1);
        }
        let gone = std::mem::take(&mut self.gone).into_iter().filter(|n| !self.services.contains_key(n));
        let mut changes: Vec<_> = gone.map(|name| (name, None)).collect();
        for name in touched {
            let Some(entry) = self.services.get_mut(&name) else { continue };
            let now = entry.allocation();
            if entry.told.as_ref() != Some(&now) {
                entry.told = Some(now.clone());
                changes.push((name, Some(now)));
            }
        }
        changes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        changes
    }

    /// What a Service has, as of the last [`settle`](Self::settle).
    pub fn allocation(&self, name: &ServiceName) -> Option<&Allocation> {
        self.services.get(name)?.told.as_ref()
    }

    /// How many addresses are given out, and how many Services wait for one.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.waiting.len())
    }
}

impl Entry {
    fn allocation(&self) -> Allocation {
        let mut addresses = self.addresses.clone();
        addresses.sort_unstable();
        Allocation { addresses, refusals: self.refusals.clone() }
    }
}
