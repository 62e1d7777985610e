//! Who waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sluice_model::ServiceName;

/// A Service's place in every queue: older ones first, then by name, so that a restart changes nothing.
pub(super) type Place = (i64, ServiceName);

/// Something to wait for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ticket {
    /// This address, free or to be shared.
    Address(IpAddr),
    /// Any free address of a pool (by index) and family (IPv6 as true).
    Pool(usize, bool),
    /// An address to share by this key.
    Key(Box<str>),
}

/// The queues.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: BTreeMap<Ticket, BTreeSet<Place>>,
    tickets: BTreeMap<Place, BTreeSet<Ticket>>,
}

impl Waiting {
    pub(super) fn enter(&mut self, place: &Place, ticket: Ticket) {
        self.queues.entry(ticket.clone()).or_default().insert(place.clone());
        self.tickets.entry(place.clone()).or_default().insert(ticket);
    }

    /// Takes a Service out of all queues; says which.
    pub(super) fn leave(&mut self, place: &Place) -> BTreeSet<Ticket> {
        let tickets = self.tickets.remove(place).unwrap_or_default();
        for ticket in &tickets {
            if let Some(queue) = self.queues.get_mut(ticket) {
                queue.remove(place);
                if queue.is_empty() {
                    self.queues.remove(ticket);
                }
            }
        }
        tickets
    }

    /// Who waits for this, in order.
    pub(super) fn queue(&self, ticket: &Ticket) -> impl Iterator<Item = &Place> {
        self.queues.get(ticket).into_iter().flatten()
    }

    /// How many Services wait.
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }
}
