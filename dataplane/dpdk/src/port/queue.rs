//! Receive and transmit queues: bursts of packets in and out.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use arrayvec::ArrayVec;
use dpdk_sys as sys;
use sluice_wire::PacketBuf;

use super::PortInner;
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::quiesce;
use crate::ring::forget_front;

/// One receive queue of a port, polled by one thread at a time.
pub struct RxQueue {
    port: Arc<PortInner>,
    index: u16,
    _one_thread: OneThread,
}

/// One transmit queue of a port, fed by one thread at a time.
pub struct TxQueue {
    port: Arc<PortInner>,
    index: u16,
    /// The only pool whose packets the driver may be given, where it frees them in bulk.
    only: Option<Mempool>,
    _one_thread: OneThread,
}

/// `Send`, not `Sync`, like a `Cell`: a queue belongs to the thread that polls it.
type OneThread = PhantomData<Cell<u8>>;

impl RxQueue {
    /// Appends waiting packets to `packets`, at most as many as it has room for. Their number; never waits.
    #[inline]
    pub fn receive<const N: usize>(&mut self, packets: &mut ArrayVec<Mbuf, N>) -> usize {
        let (len, room) = (packets.len(), packets.remaining_capacity());
        let room = u16::try_from(room).unwrap_or(u16::MAX);
        // SAFETY: the port runs as long as this queue exists, the queue was set up, and `&mut self` of its only handle makes
        // this the only poller. `Mbuf` has the layout of a pointer; the driver fills the first `got` of `room` writable
        // places with buffers that nobody else owns.
        unsafe {
            let start = packets.as_mut_ptr().add(len).cast();
            let got = quiesce::enter(|| sys::sluice_rx_burst(self.port.id(), self.index, start, room));
            let got = usize::from(got);
            packets.set_len(len + got);
            got
        }
    }

    /// The queue's number within its port.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// DPDK's number of the port.
    pub fn port_id(&self) -> u16 {
        self.port.id()
    }

    pub(super) fn new(port: Arc<PortInner>, index: u16) -> Self {
        Self { port, index, _one_thread: PhantomData }
    }
}

impl TxQueue {
    /// Gives packets to the driver, from the front, until it takes no more. Their number; those it did not take stay in
    /// `packets`, in order. Never waits.
    ///
    /// With an empty `packets` it gives the driver a chance to free what it has sent.
    #[inline]
    pub fn transmit<const N: usize>(&mut self, packets: &mut ArrayVec<Mbuf, N>) -> usize {
        let mut n = u16::try_from(packets.len()).unwrap_or(u16::MAX);
        if let Some(pool) = &self.only {
            n = adopt(packets, n, pool);
        }
        // SAFETY: the port runs as long as this queue exists, the queue was set up, and `&mut self` of its only handle makes
        // this the only sender. The driver owns the first `sent` packets afterwards and `forget_front` forgets those.
        unsafe {
            let start = packets.as_mut_ptr().cast();
            let sent = quiesce::enter(|| sys::sluice_tx_burst(self.port.id(), self.index, start, n));
            let sent = usize::from(sent);
            forget_front(packets, sent);
            sent
        }
    }

    /// Asks the driver to free up to `n` packets that it has sent (0: all). Their number, `None` where it cannot be asked.
    pub fn reclaim(&mut self, n: u32) -> Option<usize> {
        // SAFETY: as in `transmit`.
        let freed = quiesce::enter(|| unsafe { sys::sluice_tx_done_cleanup(self.port.id(), self.index, n) });
        usize::try_from(freed).ok()
    }

    /// The queue's number within its port.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// DPDK's number of the port.
    pub fn port_id(&self) -> u16 {
        self.port.id()
    }

    pub(super) fn new(port: Arc<PortInner>, index: u16, only: Option<Mempool>) -> Self {
        Self { port, index, only, _one_thread: PhantomData }
    }
}

/// Frees the packets that wait in a running port's receive queue, whose handle must be gone.
pub(super) fn empty(port: u16, index: u16) {
    // More than any software queue holds, so that a peer that goes on sending cannot keep us here.
    for _ in 0..4096 {
        let mut burst = [std::ptr::null_mut::<sys::sluice_mbuf>(); 32];
        // SAFETY: the port runs, the queue exists, and no handle is left that could poll it; what the driver gives out is
        // freed at once and used no more.
        let got = quiesce::enter(|| unsafe {
            let got = sys::sluice_rx_burst(port, index, burst.as_mut_ptr(), burst.len() as u16);
            sys::sluice_mbuf_free_bulk(burst.as_mut_ptr(), u32::from(got));
            got
        });
        if got == 0 {
            return;
        }
    }
}

/// Makes every one of the first `n` packets a single buffer of `pool`, copying those that are not. How many from the front
/// are so: less than `n` where the pool is exhausted or a packet is too long for it.
#[inline]
fn adopt<const N: usize>(packets: &mut ArrayVec<Mbuf, N>, n: u16, pool: &Mempool) -> u16 {
    for (i, packet) in packets.iter_mut().take(usize::from(n)).enumerate() {
        let plain = packet.header().ol_flags & (sys::SLUICE_MBUF_INDIRECT | sys::SLUICE_MBUF_EXTERNAL) == 0;
        if (packet.is_from(pool) && packet.is_contiguous() && plain) || copy_into(packet, pool) {
            continue;
        }
        return i as u16;
    }
    n
}

/// Replaces a packet by its copy in `pool`.
#[cold]
fn copy_into(packet: &mut Mbuf, pool: &Mempool) -> bool {
    if !packet.linearize() {
        return false;
    }
    let Some(mut copy) = pool.copy_of(packet.data()) else {
        return false;
    };
    let (flags, offload) = (packet.header().ol_flags, packet.header().tx_offload);
    let header = copy.header_mut();
    header.ol_flags = flags & !(sys::SLUICE_MBUF_INDIRECT | sys::SLUICE_MBUF_EXTERNAL);
    header.tx_offload = offload;
    *packet = copy;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Eal, EalOptions, HugePages};

    /// The only test of the unit tests that starts DPDK: no virtual device frees in bulk, so this cannot be shown on one.
    #[test]
    fn packets_of_other_pools_are_copied_before_a_bulk_freeing_driver_sees_them() {
        let options = EalOptions::new().huge_pages(HugePages::Never).memory_mib(32);
        let eal = Eal::init(options).unwrap();
        let build = |capacity| Mempool::builder("x").capacity(capacity).cache(0).build(&eal);
        let (own, other) = (build(4).unwrap(), build(15).unwrap());
        let mut packets: ArrayVec<Mbuf, 8> = ArrayVec::new();
        packets.push(own.copy_of(&[1; 60]).unwrap());
        packets.push(other.copy_of(&[2; 61]).unwrap());
        let mut chain = own.copy_of(&[3; 62]).unwrap();
        chain.chain(other.copy_of(&[4; 63]).unwrap()).unwrap();
        packets.push(chain);
        packets.push(other.copy_of(&[5; 64]).unwrap());
        packets.push(other.copy_of(&[6; 65]).unwrap());
        let first = packets[0].data().as_ptr();
        // The pool has four: one was there, one in the chain, whose first segment takes all of it, and two are free.
        assert_eq!(adopt(&mut packets, 5, &own), 4);
        assert_eq!(packets[0].data().as_ptr(), first);
        assert!(packets[..4].iter().all(|packet| packet.is_from(&own) && packet.is_contiguous()));
        assert!(packets[4].is_from(&other));
        let lengths: Vec<usize> = packets.iter().map(Mbuf::packet_len).collect();
        assert_eq!(lengths, [60, 61, 125, 64, 65]);
        assert_eq!(packets[1].data(), [2; 61]);
        drop(packets);
        assert_eq!((own.available(), other.available()), (4, 15));
    }
}
