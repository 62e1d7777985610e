//! From changes of the model and of Linux's routes to snapshots.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sluice_dns::Catalog;
use sluice_model::{Change, Generation, Service, ServiceName, Settings};

use super::claims::{Claims, Conflict};
use super::fib::{FibChange, FibError};
use super::service::ServicePortEntry;
use crate::Now;

use super::{AddressKey, Derived, FrontendKey, Hit, Snapshot, bits};

/// A Service as the publisher knows it.
#[derive(Debug)]
struct Known {
    service: Service,
    /// One for each of its ports.
    slots: Vec<u32>,
    /// Frontends it claims.
    claims: Vec<FrontendKey>,
}

/// Makes snapshots. Lives on one thread; all methods cost what changed, but for settings, which cost everything.
#[derive(Debug, Default)]
pub struct Publisher {
    next: Snapshot,
    settings: Settings,
    services: HashMap<ServiceName, Known>,
    claims: Claims,
    /// How many frontends each address has, and whether DNS or HTTP is answered there.
    vips: HashMap<IpAddr, u32>,
    free_slots: Vec<u32>,
    slots: u32,
    epoch: u32,
    catalog: Catalog,
    derived_is_stale: bool,
    published: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a change of the model.
    pub fn apply(&mut self, change: &Change) {
        self.catalog.apply(change);
        match change {
            Change::Settings(settings) => self.set_settings(settings),
            Change::Service(service) => self.set_service(service.clone()),
            Change::ServiceGone(name) => self.remove_service(name),
            // The catalog's, and the resolver's.
            Change::Resolver(_)
            | Change::Named(_)
            | Change::NamedGone(_)
            | Change::Namespace(_)
            | Change::NamespaceGone(_)
            | Change::Pod(_)
            | Change::PodGone(_)
            | Change::Imported(_)
            | Change::ImportedGone(_)
            | Change::Hosted(_)
            | Change::HostedGone(_)
            | Change::Http(_) => {}
        }
    }

    /// Sets the time of day, in seconds since 1970 at the moment `now`: SOA records and cookies carry it.
    pub fn set_clock(&mut self, seconds: u64, now: Now) {
        self.catalog.set_clock(seconds, now.0);
    }

    /// Takes in a change that Linux reports.
    ///
    /// # Errors
    /// [`FibError`], and the change is not taken.
    pub fn apply_fib(&mut self, change: FibChange) -> Result<(), FibError> {
        self.derived_is_stale |= matches!(change, FibChange::Port(_));
        self.next.fib.apply(change)
    }

    /// The snapshot of everything taken in so far.
    pub fn publish(&mut self, generation: Generation) -> Arc<Snapshot> {
        if self.derived_is_stale {
            self.next.derived = Arc::new(Derived::new(self.settings.clone(), &self.next.fib));
            self.derived_is_stale = false;
        }
        self.next.dns = self.catalog.zones().of(generation);
        self.next.generation = generation;
        let snapshot = Arc::new(self.next.clone());
        self.published.push(snapshot.clone());
        self.retire();
        snapshot
    }

    /// Frees former snapshots that nobody holds any more. Holders only ever drop their reference, so that this thread, and
    /// no packet core, pays for freeing.
    pub fn retire(&mut self) {
        self.published.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }

    /// Former snapshots that are still held, the current one included.
    pub fn held(&self) -> usize {
        self.published.len()
    }

    /// Frontends that several Services claim.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.claims.conflicts()
    }

    /// All Services, in no order.
    pub fn services(&self) -> impl Iterator<Item = (&Service, &[u32])> {
        self.services.values().map(|known| (&known.service, &known.slots[..]))
    }

    fn set_settings(&mut self, settings: &Settings) {
        if *settings == self.settings {
            return;
        }
        let listen = |settings: &Settings| -> BTreeSet<IpAddr> {
            let dns = settings.dns.iter().flat_map(|dns| &dns.listen);
            let ingress = settings.ingress.iter().flat_map(|ingress| &ingress.listen);
            dns.chain(ingress).map(SocketAddr::ip).collect()
        };
        let (before, after) = (listen(&self.settings), listen(settings));
        after.difference(&before).for_each(|ip| self.add_vip(*ip));
        before.difference(&after).for_each(|ip| self.remove_vip(*ip));
        self.settings = settings.clone();
        self.derived_is_stale = true;
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            if let Some(known) = self.services.remove(&name) {
                self.replace(Some(known.slots), known.claims, known.service);
            }
        }
    }

    fn set_service(&mut self, service: Service) {
        match self.services.remove(&service.name) {
            Some(known) if known.service == service => {
                self.services.insert(service.name.clone(), known);
            }
            Some(known) => self.replace(Some(known.slots), known.claims, service),
            None => self.replace(None, Vec::new(), service),
        }
    }

    fn remove_service(&mut self, name: &ServiceName) {
        let Some(known) = self.services.remove(name) else { return };
        for key in known.claims {
            self.release(key, name);
        }
        for slot in known.slots {
            self.clear_slot(slot);
        }
    }

    /// Puts a Service in the place of what it was before: its slots are kept as far as it has ports for them.
    fn replace(&mut self, slots: Option<Vec<u32>>, claims: Vec<FrontendKey>, service: Service) {
        let mut slots = slots.unwrap_or_default();
        for slot in slots.split_off(slots.len().min(service.ports.len())) {
            self.clear_slot(slot);
        }
        while slots.len() < service.ports.len() {
            let slot = self.take_slot();
            slots.push(slot);
        }
        for (index, &slot) in slots.iter().enumerate() {
            let entry = ServicePortEntry::compile(&service, index, &self.settings);
            self.set_slot(slot, entry.map(Arc::new));
        }
        let frontends = service.frontends(&self.settings);
        let mut now: Vec<FrontendKey> = Vec::with_capacity(frontends.len());
        // Who loses a frontend to this change, or had a claim before it, is claimed anew: kinds and slots may differ.
        for key in &claims {
            self.release(*key, &service.name);
        }
        for frontend in frontends {
            let key = FrontendKey::new(frontend.address, frontend.protocol.number());
            if now.contains(&key) {
                continue;
            }
            let Some(&slot) = slots.get(usize::from(frontend.port_index)) else { continue };
            let owner = self.claims.add(key, service.created, &service.name, frontend.kind, slot);
            self.give(key, owner);
            self.add_vip(frontend.address.ip());
            now.push(key);
        }
        self.services.insert(service.name.clone(), Known { service, slots, claims: now });
    }

    /// Sets who has a frontend. Flows of who had it are to look again.
    fn give(&mut self, key: FrontendKey, owner: Hit) {
        if let Some(before) = self.next.frontends.get(&key).copied()
            && before.slot != owner.slot
        {
            self.epoch = self.epoch.wrapping_add(1);
            self.next.epochs.set(before.slot as usize, self.epoch);
        }
        self.next.frontends.insert(key, owner);
    }

    /// Takes a Service's claim on a frontend away; the next claimant gets it.
    fn release(&mut self, key: FrontendKey, name: &ServiceName) {
        match self.claims.remove(key, name) {
            Some(owner) => self.give(key, owner),
            None => {
                self.next.frontends.remove(&key);
            }
        }
        self.remove_vip(key.socket_address().ip());
    }

    /// The address serves one thing more.
    fn add_vip(&mut self, ip: IpAddr) {
        let count = self.vips.entry(ip).or_default();
        *count += 1;
        if *count == 1 {
            self.next.vips.insert(AddressKey(ip), ());
        }
    }

    fn remove_vip(&mut self, ip: IpAddr) {
        if let Some(count) = self.vips.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.vips.remove(&ip);
                self.next.vips.remove(&AddressKey(ip));
            }
        }
    }

    fn take_slot(&mut self) -> u32 {
        self.free_slots.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    fn clear_slot(&mut self, slot: u32) {
        self.set_slot(slot, None);
        self.free_slots.push(slot);
    }

    fn set_slot(&mut self, slot: u32, entry: Option<Arc<ServicePortEntry>>) {
        let before = self.next.service_port(slot).is_some_and(|port| port.preserve_client);
        let after = entry.as_ref().is_some_and(|port| port.preserve_client);
        self.next.preserving = self.next.preserving + u32::from(after) - u32::from(before);
        self.next.ports.set(slot as usize, entry);
        // 0 is a slot that never was, u32::MAX a flow without service.
        self.epoch = if self.epoch >= u32::MAX - 1 { 1 } else { self.epoch + 1 };
        self.next.epochs.set(slot as usize, self.epoch);
    }
}

impl FrontendKey {
    fn new(address: SocketAddr, protocol: u8) -> Self {
        Self { address: bits(address.ip()), port: address.port(), protocol, v6: address.is_ipv6() }
    }

    pub(super) fn socket_address(self) -> SocketAddr {
        let ip =
            if self.v6 { IpAddr::V6(self.address.into()) } else { IpAddr::V4((self.address as u32).into()) };
        SocketAddr::new(ip, self.port)
    }
}
