//! Who polls which queue, and how packets get from an lcore to a device of which it has no queue.

use std::sync::Arc;

use sluice_dpdk::{Eal, RingError, RingSender, RxQueue, TxQueue, ring};
use sluice_engine::PortId;

use crate::lcore::{Egress, Inlet, LcoreShared, Outlet, Polled};

/// One lcore's ways in and out.
pub struct Wiring {
    /// Ways in.
    pub inlets: Vec<(Polled, Inlet)>,
    /// Ways out.
    pub egress: Egress,
}

/// The queues of a device.
pub type Queues = (Vec<RxQueue>, Vec<TxQueue>);

#[derive(Default)]
struct Lcore {
    inlets: Vec<(Polled, Inlet)>,
    ports: Vec<Outlet>,
    punts: Vec<Outlet>,
    workers: Vec<Option<RingSender>>,
}

/// Shares the queues of ports and of their kernel interfaces among lcores, one for each of `shared`.
///
/// A device with a queue for each lcore costs no detour. One with fewer is polled by some of them; the engine hands over
/// what another lcore owns, and others send to it through the lcore that has its queue.
///
/// # Errors
/// Those of [`ring()`].
pub fn wire(
    eal: &Eal,
    ports: Vec<Queues>,
    punts: Vec<Queues>,
    shared: &[Arc<LcoreShared>],
    places: u32,
) -> Result<Vec<Wiring>, RingError> {
    let count = shared.len();
    let mut lcores: Vec<Lcore> = (0..count).map(|_| Lcore::default()).collect();
    let number_of_ports = ports.len();
    for (at, (rx, tx)) in ports.into_iter().enumerate() {
        let Ok(port) = PortId::try_from(at) else { break };
        let outlets = connect(eal, &mut lcores, at, Polled::Port(port), rx, tx, places)?;
        for (lcore, outlet) in lcores.iter_mut().zip(outlets) {
            lcore.ports.push(outlet);
        }
    }
    for (at, (rx, tx)) in punts.into_iter().enumerate() {
        // What Linux sends on the interface goes out of its port.
        let outlets = connect(eal, &mut lcores, number_of_ports + at, Polled::Through(at), rx, tx, places)?;
        for (lcore, outlet) in lcores.iter_mut().zip(outlets) {
            lcore.punts.push(outlet);
        }
    }
    if count > 1 {
        for to in 0..count {
            let (sender, receiver) = ring(eal, places)?;
            for (from, lcore) in lcores.iter_mut().enumerate() {
                lcore.workers.push((from != to).then(|| sender.clone()));
            }
            if let Some(lcore) = lcores.get_mut(to) {
                lcore.inlets.push((Polled::HandedOver, Inlet::Ring(receiver)));
            }
        }
    }
    let egress = |lcore: Lcore, shared: &Arc<LcoreShared>| Wiring {
        inlets: lcore.inlets,
        egress: Egress::new(lcore.ports, lcore.punts, lcore.workers, Arc::clone(shared)),
    };
    Ok(lcores.into_iter().zip(shared).map(|(lcore, shared)| egress(lcore, shared)).collect())
}

/// Gives out a device's queues and gives each lcore its way to the device.
fn connect(
    eal: &Eal,
    lcores: &mut [Lcore],
    device: usize,
    polled: Polled,
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    places: u32,
) -> Result<Vec<Outlet>, RingError> {
    let count = lcores.len();
    // Devices of few queues start at different lcores, so that the first does not get all of the work.
    let first = if rx.len() < count { device } else { 0 };
    for (queue, rx) in rx.into_iter().enumerate() {
        if let Some(lcore) = lcores.get_mut((first + queue) % count) {
            lcore.inlets.push((polled, Inlet::Queue(rx)));
        }
    }
    let mut outlets: Vec<Option<Outlet>> = (0..count).map(|_| None).collect();
    let mut owners = Vec::new();
    for (queue, tx) in tx.into_iter().enumerate() {
        let at = (first + queue) % count;
        if let Some(free @ None) = outlets.get_mut(at) {
            *free = Some(Outlet::Queue(tx));
            owners.push(at);
        }
    }
    let mut rings: Vec<Option<RingSender>> = vec![None; owners.len()];
    for (at, outlet) in outlets.iter_mut().enumerate().filter(|(_, outlet)| outlet.is_none()) {
        let Some(chosen) = at.checked_rem(owners.len()) else { break };
        let (Some(sender), Some(owner)) = (rings.get_mut(chosen), owners.get(chosen)) else { break };
        if sender.is_none() {
            let (new, receiver) = ring(eal, places)?;
            *sender = Some(new);
            if let Some(lcore) = lcores.get_mut(*owner) {
                lcore.inlets.push((Polled::Through(device), Inlet::Ring(receiver)));
            }
        }
        *outlet = sender.clone().map(Outlet::Ring);
    }
    Ok(outlets.into_iter().flatten().collect())
}
