//! Who is asked first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::seq::SliceRandom;

use crate::config::Policy;
use crate::upstream::Upstream;

/// The upstreams in the policy's order; those that are down last, those that ask us not at all.
pub(super) fn order(upstreams: &[Arc<Upstream>], policy: Policy, next: &AtomicUsize) -> Vec<Arc<Upstream>> {
    let mut order: Vec<_> = upstreams.iter().filter(|upstream| !upstream.is_looping()).cloned().collect();
    match policy {
        Policy::Sequential => {}
        Policy::Random => order.shuffle(&mut rand::rng()),
        Policy::RoundRobin => {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let length = order.len().max(1);
            order.rotate_left(turn % length);
        }
    }
    // A stable sort: the policy's order stays among those that are up, and among those that are down.
    order.sort_by_key(|upstream| upstream.is_down());
    order
}
