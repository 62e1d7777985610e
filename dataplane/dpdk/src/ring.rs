//! Handing packets from several threads to one, without locks: DPDK's ring.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use dpdk_sys as sys;

use crate::eal::{Eal, EalState};
use crate::errno::Errno;
use crate::mbuf::Mbuf;

/// Why a ring could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// No place at all, or more than DPDK's rings can have.
    #[error("a ring of {0} packets cannot be made; 1 to 1,073,741,824 are possible")]
    BadCapacity(u32),
    /// DPDK refused, nearly always for lack of memory.
    #[error("a ring of {capacity} packets: {errno}; likely cause: EAL's memory is too small for it")]
    Create {
        /// Places asked for.
        capacity: u32,
        /// DPDK's number.
        errno: Errno,
    },
}

/// A ring for `capacity` packets, and its two ends. Packets that are in it when both ends are gone go back to their pools.
pub fn ring(eal: &Eal, capacity: u32) -> Result<(RingSender, RingReceiver), RingError> {
    if capacity == 0 || capacity > 1 << 30 {
        return Err(RingError::BadCapacity(capacity));
    }
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("sluice_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let name = CString::new(name).unwrap_or_default();
    // DPDK keeps one place of a power of two empty.
    let places = (capacity + 1).next_power_of_two();
    let _control = eal.state().control();
    // SAFETY: EAL is up, the name is NUL-terminated, the count a power of two. Many senders, one receiver: `RingReceiver` is
    // not `Clone` and receives by `&mut self`.
    let raw = unsafe {
        sys::rte_ring_create(name.as_ptr(), places, sys::SLUICE_SOCKET_ID_ANY, sys::SLUICE_RING_F_SC_DEQ)
    };
    let raw = NonNull::new(raw).ok_or_else(|| RingError::Create { capacity, errno: Errno::last() })?;
    let inner = Arc::new(Inner { raw, eal: eal.state().clone() });
    Ok((RingSender { inner: inner.clone() }, RingReceiver { inner }))
}

/// The end that packets go into; clones feed the same ring.
#[derive(Clone)]
pub struct RingSender {
    inner: Arc<Inner>,
}

/// The end that packets come out of; there is one.
pub struct RingReceiver {
    inner: Arc<Inner>,
}

impl RingSender {
    /// Puts as many of the packets into the ring as it has room for, and returns their number. What did not fit stays in
    /// `packets`, in order. Never waits for the receiver.
    #[inline]
    pub fn send<const N: usize>(&self, packets: &mut ArrayVec<Mbuf, N>) -> usize {
        let Ok(n) = u32::try_from(packets.len()) else {
            return 0;
        };
        if n == 0 {
            return 0;
        }
        // SAFETY: `Mbuf` has the layout of a pointer; the ring takes the first `sent` and `take_front` forgets those.
        unsafe {
            let sent = sys::sluice_ring_enqueue_burst(self.inner.raw.as_ptr(), packets.as_mut_ptr().cast(), n)
                as usize;
            forget_front(packets, sent);
            sent
        }
    }
}

impl RingReceiver {
    /// Takes packets out of the ring until it is empty or `packets` is full, and returns their number.
    #[inline]
    pub fn receive<const N: usize>(&mut self, packets: &mut ArrayVec<Mbuf, N>) -> usize {
        let (len, room) = (packets.len(), packets.remaining_capacity());
        let Ok(n) = u32::try_from(room) else { return 0 };
        if n == 0 {
            return 0;
        }
        // SAFETY: `room` places behind `len` are writable; the ring fills the first `got` with packets that were sent into
        // it and belong to nobody else. `&mut self` of the only receiver makes this the only reader.
        unsafe {
            let start = packets.as_mut_ptr().add(len).cast();
            let got = sys::sluice_ring_dequeue_burst(self.inner.raw.as_ptr(), start, n) as usize;
            packets.set_len(len + got);
            got
        }
    }
}

/// Removes the first `n` packets without freeing them and moves the others to the front.
///
/// # Safety
/// `n ≤ packets.len()`, and somebody else owns the first `n` by now.
#[inline]
pub(crate) unsafe fn forget_front<const N: usize>(packets: &mut ArrayVec<Mbuf, N>, n: usize) {
    let left = packets.len() - n;
    // SAFETY: `n + left` is the initialised length; after the move the first `left` places hold the kept packets, each once.
    unsafe {
        packets.set_len(0);
        if n > 0 && left > 0 {
            let start = packets.as_mut_ptr();
            std::ptr::copy(start.add(n), start, left);
        }
        packets.set_len(left);
    }
}

struct Inner {
    raw: NonNull<sys::rte_ring>,
    /// Keeps EAL up: dropped after the ring is freed.
    eal: Arc<EalState>,
}

// SAFETY: the ring is made for several senders and one receiver, and the two ends keep to that.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut one = [std::ptr::null_mut::<sys::sluice_mbuf>(); 1];
        // SAFETY: both ends are gone, so this is the only access; each pointer is a packet that was sent and not received.
        unsafe {
            while sys::sluice_ring_dequeue_burst(self.raw.as_ptr(), one.as_mut_ptr(), 1) == 1 {
                if let Some(raw) = NonNull::new(one[0]) {
                    drop(Mbuf::from_raw(raw));
                }
            }
        }
        {
            let _control = self.eal.control();
            // SAFETY: nothing refers to the ring any more.
            unsafe { sys::rte_ring_free(self.raw.as_ptr()) };
        }
        self.eal.reap();
    }
}
