//! Addresses for Services of type LoadBalancer: given out by the gateway that leads, forwarded by it, then shown in the
//! Service's status, from where the other gateways have them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::runtime::events::Recorder;
use sluice_config::AddressPool;
use sluice_feed::Server;
use sluice_model::{Generation, ServiceName};

use super::election::Election;
use super::events::{self, About};
use super::general;
use super::writer::Writer;
use crate::Problem;
use crate::desired::Desired;
use crate::object::ServiceObject;
use crate::pools::{Allocator, Refusal};
use crate::status::patch;

/// The addresses that are given out.
pub(super) struct Addresses {
    pools: Vec<AddressPool>,
    recorder: Recorder,
    /// While this gateway leads.
    allocator: Option<Allocator>,
    /// Services that have changed since they were last looked at.
    changed: BTreeSet<ServiceName>,
    writer: Writer,
    refusals: BTreeMap<ServiceName, Vec<Refusal>>,
}

impl Addresses {
    /// Gives out addresses of these pools while this gateway leads.
    pub(super) fn new(client: &kube::Client, election: &Election, pools: &[AddressPool]) -> Self {
        Self {
            pools: pools.to_vec(),
            recorder: election.recorder.clone(),
            allocator: None,
            changed: BTreeSet::new(),
            writer: Writer::new(client, &election.leadership),
            refusals: BTreeMap::new(),
        }
    }

    /// This Service has changed, or is gone.
    pub(super) fn changed(&mut self, name: ServiceName) {
        self.changed.insert(name);
    }

    /// Gives out what there is to give out. True where something may have to be published.
    pub(super) fn decide(&mut self, desired: &mut Desired) -> bool {
        if !self.writer.leads() {
            let led = self.allocator.take().is_some();
            if led {
                // From here on statuses say who has what, for whoever leads now.
                desired.unassign();
                self.writer.forget();
                self.refusals.clear();
            }
            return led;
        }
        let allocator = match &mut self.allocator {
            Some(_) if self.changed.is_empty() => return false,
            Some(allocator) => allocator,
            none => {
                tracing::info!("this gateway leads: it gives out addresses and writes statuses");
                self.changed = desired.objects().map(|object| object.name.clone()).collect();
                none.insert(Allocator::new(&self.pools))
            }
        };
        for name in std::mem::take(&mut self.changed) {
            let wish = desired.object(&name).and_then(|object| object.asks.as_ref()?.wish.clone());
            allocator.update(&name, wish);
        }
        let mut news = false;
        for (name, allocation) in allocator.settle() {
            news = true;
            let Some(allocation) = allocation else {
                desired.assign(&name, None);
                self.refusals.remove(&name);
                // Only where the Service lives on as something else.
                self.writer.decide(name, Vec::new());
                continue;
            };
            if self.refusals.get(&name) != Some(&allocation.refusals) {
                if allocation.refusals.is_empty() {
                    self.refusals.remove(&name);
                } else {
                    self.tell(desired.object(&name), &allocation.refusals);
                    self.refusals.insert(name.clone(), allocation.refusals);
                }
            }
            desired.assign(&name, Some(allocation.addresses.clone()));
            self.writer.decide(name, allocation.addresses);
        }
        news
    }

    /// What was decided is published as of this generation.
    pub(super) fn published(&mut self, generation: Generation) {
        self.writer.published(generation);
    }

    /// Writes statuses that are due, of what the data plane forwards.
    pub(super) fn write(&mut self, desired: &Desired, server: &Server) {
        let forwarded =
            |generation| !server.subscribers().is_empty() && server.wait_acked(generation, Duration::ZERO);
        self.writer.write::<Service>(forwarded, |name, addresses| {
            let shown = &desired.object(name)?.asks.as_ref()?.shown;
            patch(name, shown, addresses)
        });
    }

    /// What is wrong: Services without an address, statuses that could not be written.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let refused = self.refusals.iter().flat_map(|(name, refusals)| {
            refusals.iter().map(move |refusal| general(&format!("Service {name}"), refusal.to_string()))
        });
        let failed = self.writer.failures();
        let failed = failed.map(|(name, message)| general(&format!("Service {name}"), message));
        refused.chain(failed).collect()
    }

    /// Nothing more is written.
    pub(super) fn end(self) {
        self.writer.end();
    }

    /// Says in an Event why a Service has no address, or not the one it asks for.
    fn tell(&self, object: Option<&ServiceObject>, refusals: &[Refusal]) {
        let (Some(object), Some(refusal)) = (object, refusals.first()) else { return };
        let about = About {
            api_version: "v1",
            kind: "Service",
            name: &object.name,
            uid: object.asks.as_ref().and_then(|asks| asks.shown.uid.as_deref()),
        };
        events::warn(&self.recorder, &about, "AllocateAddress", refusal.reason(), refusal.to_string());
    }
}
