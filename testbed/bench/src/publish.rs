//! What a change costs whoever makes snapshots, and what it takes to take a whole cluster in.

use std::time::Instant;

use sluice_engine::snapshot::Publisher;
use sluice_model::{Change, Generation, Service};

use crate::{dns, gateway};

/// Services that there are, of ten endpoints each.
pub const SERVICES: u32 = 10_000;

/// Service number `n`, somewhere among [`SERVICES`], without one of its endpoints.
pub fn changed(n: u32) -> Service {
    let mut service = gateway::service(n.wrapping_mul(7) % SERVICES, 10);
    service.ports[0].endpoints.remove((n % 10) as usize);
    service
}

/// Microseconds from a changed endpoint to a snapshot.
pub fn endpoint() -> f64 {
    published(gateway::publisher(SERVICES), |n| Change::Service(changed(n)))
}

/// Microseconds from a changed Service to a snapshot that has its names.
pub fn name() -> f64 {
    let mut publisher = gateway::publisher(0);
    dns::names(&mut publisher, SERVICES);
    published(publisher, |n| {
        let mut service = dns::service(n * 7 % SERVICES);
        service.endpoints[0].endpoints.remove((n % 10) as usize);
        Change::Named(service)
    })
}

/// Seconds from the first of so many Services to the first snapshot of all.
pub fn initial(services: u32, endpoints: u32) -> f64 {
    let changes: Vec<Change> =
        (0..services).map(|n| Change::Service(gateway::service(n, endpoints))).collect();
    let mut publisher = gateway::publisher(0);
    let start = Instant::now();
    changes.iter().for_each(|change| publisher.apply(change));
    let snapshot = publisher.publish(Generation(2));
    let took = start.elapsed().as_secs_f64();
    drop(snapshot);
    took
}

/// The median of 1,000 changes.
fn published(mut publisher: Publisher, change: impl Fn(u32) -> Change) -> f64 {
    let mut kept = gateway::snapshot(&mut publisher);
    let mut times: Vec<f64> = (0..1000_u32)
        .map(|n| {
            let change = change(n);
            let start = Instant::now();
            publisher.apply(&change);
            let next = publisher.publish(Generation(u64::from(n) + 2));
            let took = start.elapsed().as_secs_f64() * 1e6;
            // The worker lets go of the former one only now; the publisher frees it at the next turn.
            kept = next;
            took
        })
        .collect();
    drop(kept);
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
