//! What new flows will read, on its way into the cache for a whole burst at once.
//!
//! To find the endpoint of a new flow is to follow a chain of pointers: frontends, service port, endpoints. With many
//! Services each of them is a miss, and one packet's misses cannot overlap. Those of different packets can: each round
//! here goes one pointer further for all of them.

use arrayvec::ArrayVec;
use sluice_memory::{prefetch_address, prefetch_read};
use sluice_model::Scope;

use super::trie::Walk;
use super::{AddressKey, FrontendKey, Hit, Snapshot};
use crate::choice::{bits, flow_hash};
use crate::{BURST, Tuple};

/// Frontends up to which everything is in the second level of any cache, so that only the instructions would be felt.
const FEW: usize = 1024;

/// A new flow on its way through the tables.
struct Ahead<'a> {
    tuple: Tuple,
    frontend: Walk<'a, FrontendKey, Hit>,
    source: Walk<'a, AddressKey, ()>,
}

impl Snapshot {
    /// Whether [`Snapshot::load_ahead`] is worth its instructions.
    #[inline(always)]
    pub(crate) fn is_large(&self) -> bool {
        self.frontends.len() > FEW
    }

    /// Starts loading what the first packets of these flows will look up.
    pub(crate) fn load_ahead(&self, new: impl Iterator<Item = Tuple>) {
        let mut ahead: ArrayVec<Ahead<'_>, BURST> = ArrayVec::new();
        for tuple in new.take(BURST) {
            let key = FrontendKey {
                address: bits(tuple.dst),
                port: tuple.dport,
                protocol: tuple.protocol,
                v6: tuple.is_v6(),
            };
            let frontend = self.frontends.walk(key);
            let source = self.vips.walk(AddressKey(tuple.src));
            ahead.push(Ahead { tuple, frontend, source });
        }
        let mut further = true;
        while further {
            further = false;
            for one in &mut ahead {
                further |= one.frontend.down();
                further |= one.source.down();
            }
        }
        let hits: ArrayVec<(Tuple, Hit), BURST> =
            ahead.iter().filter_map(|one| Some((one.tuple, *one.frontend.value()?))).collect();
        for (_, hit) in &hits {
            if let Some(place) = self.ports.get(hit.slot as usize) {
                prefetch_read(place);
            }
            if let Some(epoch) = self.epochs.get(hit.slot as usize) {
                prefetch_read(epoch);
            }
        }
        let services =
            || hits.iter().filter_map(|(tuple, hit)| Some((tuple, hit, self.service_port(hit.slot)?)));
        for (_, _, service) in services() {
            service.prefetch();
        }
        let sets = || {
            services().map(|(tuple, hit, service)| {
                // Of a client inside the cluster it may be another, seldom enough.
                let scope = if hit.kind.is_external() { Scope::External } else { Scope::Internal };
                (tuple, service.set(tuple.is_v6(), scope))
            })
        };
        for (_, set) in sets() {
            prefetch_read(set);
        }
        for (tuple, set) in sets() {
            if let Some(place) = set.place(flow_hash(tuple)) {
                prefetch_address(place);
            }
        }
        for (tuple, set) in sets() {
            if let Some(backend) = set.pick(flow_hash(tuple)) {
                prefetch_read(backend);
            }
        }
    }
}
