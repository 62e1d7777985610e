//! Where a worker's packets go: transmit queues, and rings to other lcores.

use std::sync::Arc;

use arrayvec::ArrayVec;
use sluice_dpdk::{Mbuf, RingSender, TxQueue};
use sluice_engine::{BURST, PortId, Sink};

use super::shared::LcoreShared;

/// How often a full transmit queue is tried again before packets are dropped. Each try lets the driver take back what the
/// device has sent; waiting longer would only make the receive queues overflow instead.
const TRIES: u32 = 4;

/// The way to a device.
pub enum Outlet {
    /// A transmit queue of this worker's own.
    Queue(TxQueue),
    /// The worker that has one, where the device has fewer queues than there are workers.
    Ring(RingSender),
}

impl Outlet {
    fn offer(&mut self, packets: &mut ArrayVec<Mbuf, BURST>) {
        match self {
            Self::Queue(queue) => {
                for _ in 0..TRIES {
                    queue.transmit(packets);
                    if packets.is_empty() {
                        return;
                    }
                }
            }
            Self::Ring(ring) => {
                ring.send(packets);
            }
        }
    }
}

struct Waiting {
    outlet: Outlet,
    packets: ArrayVec<Mbuf, BURST>,
}

/// All ways out of a worker. Packets are collected and leave at the end of each turn of its loop, or when a burst is full.
pub struct Egress {
    /// Ports, then their kernel interfaces.
    devices: Vec<Waiting>,
    ports: usize,
    /// To the other workers; nothing at this worker's own place.
    workers: Vec<Option<Waiting>>,
    shared: Arc<LcoreShared>,
}

impl Egress {
    /// Ways out through `ports` and, in the same order, `punts`; and to the other workers, with nothing at one's own place.
    pub fn new(
        ports: Vec<Outlet>,
        punts: Vec<Outlet>,
        workers: Vec<Option<RingSender>>,
        shared: Arc<LcoreShared>,
    ) -> Self {
        let waiting = |outlet| Waiting { outlet, packets: ArrayVec::new() };
        Self {
            ports: ports.len(),
            devices: ports.into_iter().chain(punts).map(waiting).collect(),
            workers: workers.into_iter().map(|ring| ring.map(|ring| waiting(Outlet::Ring(ring)))).collect(),
            shared,
        }
    }

    /// Sends a packet out of a device, by its number among all of them.
    #[inline]
    pub fn send(&mut self, device: usize, packet: Mbuf) {
        let Some(waiting) = self.devices.get_mut(device) else { return };
        if waiting.packets.is_full() {
            flush_device(waiting, device, &self.shared);
        }
        // There is room now; were there none, the packet would be freed.
        let _ = waiting.packets.try_push(packet);
    }

    /// Sends what waits.
    #[inline]
    pub fn flush(&mut self) {
        for (device, waiting) in self.devices.iter_mut().enumerate() {
            if !waiting.packets.is_empty() {
                flush_device(waiting, device, &self.shared);
            }
        }
        for waiting in self.workers.iter_mut().flatten() {
            if !waiting.packets.is_empty() {
                flush_worker(waiting, &self.shared);
            }
        }
    }
}

#[inline]
fn flush_device(waiting: &mut Waiting, device: usize, shared: &LcoreShared) {
    waiting.outlet.offer(&mut waiting.packets);
    if !waiting.packets.is_empty() {
        shared.device_full(device, waiting.packets.len());
        waiting.packets.clear();
    }
}

#[inline]
fn flush_worker(waiting: &mut Waiting, shared: &LcoreShared) {
    waiting.outlet.offer(&mut waiting.packets);
    if !waiting.packets.is_empty() {
        shared.ring_full(waiting.packets.len());
        waiting.packets.clear();
    }
}

impl Sink<Mbuf> for Egress {
    #[inline]
    fn transmit(&mut self, port: PortId, packet: Mbuf) {
        self.send(usize::from(port), packet);
    }

    #[inline]
    fn punt(&mut self, port: PortId, packet: Mbuf) {
        self.send(self.ports + usize::from(port), packet);
    }

    #[inline]
    fn hand_over(&mut self, lcore: u16, _port: PortId, packet: Mbuf) {
        // The packet itself knows the port that received it.
        let Some(Some(waiting)) = self.workers.get_mut(usize::from(lcore)) else { return };
        if waiting.packets.is_full() {
            flush_worker(waiting, &self.shared);
        }
        let _ = waiting.packets.try_push(packet);
    }
}
