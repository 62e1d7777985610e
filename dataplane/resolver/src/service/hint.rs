//! Hints: what a packet path says will be asked next, so that the answer is here when the query comes.
//!
//! A search list makes a client ask for `x.com.ns.svc.cluster.local` and so on before it asks for `x.com`. A packet path that
//! answers the former tells of the latter by a query from port 0, which no host asks from and no reply can be sent to. It is
//! worth a question to an upstream as long as nobody waits for its like: under load hints go first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hickory_proto::rr::RecordType;

use super::fetch::wait;
use super::{Origin, Service};
use crate::acl;
use crate::authority::Transport;
use crate::cache::Key;
use crate::config::AclAction;
use crate::counters::one;
use crate::message;
use crate::rewrite;
use crate::zones::under_any;

/// What became of a hint, in the order of its counters.
#[derive(Clone, Copy)]
enum Taken {
    Asked,
    Known,
    Shed,
    Refused,
}

/// A hint that is being worked on, counted while this lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(all: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(all.clone());
        (all.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service {
    /// Takes a query from port 0 as a hint, if hints are taken at all.
    pub(crate) fn hint(self: &Arc<Self>, bytes: &[u8], origin: Origin<'_>) -> bool {
        let most = self.state.load().limits.hints;
        if most == 0 {
            return false;
        }
        let taken = self.take_hint(bytes, origin, most);
        if let Some(count) = self.process.hints.get(taken as usize) {
            one(count);
        }
        true
    }

    fn take_hint(self: &Arc<Self>, bytes: &[u8], origin: Origin<'_>, most: usize) -> Taken {
        let state = self.state.load();
        let client = origin.client.ip();
        if !origin.endpoint.allows(client) || !origin.endpoint.recurses(client) {
            return Taken::Refused;
        }
        let Ok(request) = message::parse_bytes(bytes, Transport::Udp, state.limits.udp_payload) else {
            return Taken::Refused;
        };
        let addresses = matches!(request.rtype(), RecordType::A | RecordType::AAAA);
        if !addresses || !request.metadata.recursion_desired {
            return Taken::Refused;
        }
        let mut key = Key::of(&request);
        let tenant = state.tenant(&*self.authority, client);
        let tenant = tenant.as_deref();
        let rules = state.zone(&key.name, tenant).map(|zone| &zone.checked.rewrite);
        if let Some(to) = rules.and_then(|rules| rewrite::apply(rules, request.name(), request.rtype())) {
            key.name = to.name.to_lowercase();
            key.rtype = to.rtype;
        }
        let asked = state.zone(request.name(), tenant).map(|zone| &zone.checked.acl);
        let action = asked.map(|rules| acl::decide(rules, &key.name, key.rtype, origin.client.ip()));
        if action.is_some_and(|action| action != AclAction::Allow) {
            return Taken::Refused;
        }
        let Some(zone) = state.zone(&key.name, tenant) else { return Taken::Refused };
        let Some(forward) = zone.forward(&key.name) else { return Taken::Refused };
        if under_any(&key.name, zone.protected()) {
            return Taken::Refused;
        }
        // Without a cache an answer that nobody waits for is lost.
        let Some(cache) = &zone.cache else { return Taken::Refused };
        let known = self.made(zone, &key, origin).is_some() || cache.has(&key, Instant::now());
        if known || zone.inflight.has(&key) {
            return Taken::Known;
        }
        // Half of the room for questions is kept for those who wait.
        if self.fetches.available_permits() <= state.limits.pending / 2 {
            return Taken::Shed;
        }
        let Some(place) = Place::take(&self.hints, most) else { return Taken::Shed };
        let Some(waiter) = self.fetch(zone, forward, &key, false) else { return Taken::Shed };
        tokio::spawn(async move {
            wait(waiter).await;
            drop(place);
        });
        Taken::Asked
    }
}
