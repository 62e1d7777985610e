//! The packet buffer.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use dpdk_sys::sluice_mbuf;

use crate::mempool::Mempool;
use crate::quiesce;

/// One packet in a pool's memory, owned alone: dropping it gives it back.
///
/// It may move to another thread and is used by one at a time. A packet may lie in several segments (a driver makes such
/// packets only where scattered receive was asked for); [`PacketBuf`](sluice_wire::PacketBuf)'s `data` is then the first one, see
/// [`is_contiguous`](Self::is_contiguous) and [`linearize`](Self::linearize).
#[repr(transparent)]
pub struct Mbuf {
    raw: NonNull<sluice_mbuf>,
    /// `Send`, not `Sync`, like a `Cell`: DPDK's drivers write to a buffer without atomics.
    _not_sync: PhantomData<std::cell::Cell<u8>>,
}

// SAFETY: an `Mbuf` is the only owner of its buffer (it is neither `Clone` nor handed out twice), and DPDK's pools take a
// buffer back on any thread.
unsafe impl Send for Mbuf {}

const _: () = {
    assert!(size_of::<Mbuf>() == size_of::<*mut sluice_mbuf>());
    assert!(size_of::<Option<Mbuf>>() == size_of::<*mut sluice_mbuf>());
    assert!(align_of::<Mbuf>() == align_of::<*mut sluice_mbuf>());
};

impl Mbuf {
    /// Takes ownership of a buffer that DPDK gave out.
    ///
    /// # Safety
    /// `raw` is a live mbuf with reference count 1 that nothing else owns.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: NonNull<sluice_mbuf>) -> Self {
        Self { raw, _not_sync: PhantomData }
    }

    /// Gives the buffer away without freeing it.
    #[inline(always)]
    pub(crate) fn into_raw(self) -> NonNull<sluice_mbuf> {
        ManuallyDrop::new(self).raw
    }

    /// The header. A reference is sound, since nothing else reads or writes an owned buffer's header.
    #[inline(always)]
    pub(crate) fn header(&self) -> &sluice_mbuf {
        // SAFETY: the buffer is live until `self` is dropped, and owned alone.
        unsafe { self.raw.as_ref() }
    }

    /// The header, to change. Callers keep its invariants: `data_off + data_len ≤ buf_len`, `pkt_len` the sum over segments.
    #[inline(always)]
    pub(crate) fn header_mut(&mut self) -> &mut sluice_mbuf {
        // SAFETY: as in `header`, and `&mut self` makes it the only reference.
        unsafe { self.raw.as_mut() }
    }

    /// Bytes of the whole packet, over all its segments.
    #[inline(always)]
    pub fn packet_len(&self) -> usize {
        self.header().pkt_len as usize
    }

    /// Segments of the packet; nearly always 1.
    #[inline(always)]
    pub fn segments(&self) -> usize {
        usize::from(self.header().nb_segs)
    }

    /// True where the whole packet is in the first segment.
    #[inline(always)]
    pub fn is_contiguous(&self) -> bool {
        self.header().nb_segs == 1
    }

    /// Moves a packet of several segments into its first one. False, and nothing changed, where that is too small.
    #[must_use]
    pub fn linearize(&mut self) -> bool {
        if self.is_contiguous() {
            return true;
        }
        let raw = self.raw.as_ptr();
        // SAFETY: the chain is owned by this buffer; the call copies within its bounds and frees the other segments.
        quiesce::enter(|| unsafe { dpdk_sys::sluice_mbuf_linearize(raw) }) == 0
    }

    /// Appends another packet's segments to this one without copying. Gives it back where the chain would be too long (a
    /// packet has at most 65,535 bytes in the first headers' eyes and DPDK counts segments in 16 bits).
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        if self.packet_len() + tail.packet_len() > usize::from(u16::MAX) {
            return Err(tail);
        }
        let tail = tail.into_raw();
        // SAFETY: both chains are owned here; on success the tail belongs to `self`.
        if unsafe { dpdk_sys::sluice_mbuf_chain(self.raw.as_ptr(), tail.as_ptr()) } == 0 {
            return Ok(());
        }
        // SAFETY: the call refused, so the tail is still owned by nobody else.
        Err(unsafe { Mbuf::from_raw(tail) })
    }

    /// Bytes before the packet in its first segment.
    #[inline(always)]
    pub fn headroom(&self) -> usize {
        usize::from(self.header().data_off)
    }

    /// Bytes behind the data of the first segment.
    #[inline(always)]
    pub fn tailroom(&self) -> usize {
        let header = self.header();
        usize::from(header.buf_len) - usize::from(header.data_off) - usize::from(header.data_len)
    }

    /// The number of the port that received the packet, as [`Port::id`](crate::Port::id); 65,535 for a packet made here.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        self.header().port
    }

    /// An empty packet of the same pool. `None` where that is exhausted.
    pub(crate) fn sibling(&self) -> Option<Self> {
        // SAFETY: a pool outlives its buffers; one from it has reference count 1 and no other owner.
        unsafe {
            NonNull::new(dpdk_sys::sluice_mbuf_alloc(self.header().pool)).map(|raw| Self::from_raw(raw))
        }
    }

    /// True where the buffer belongs to this pool.
    #[inline(always)]
    pub fn is_from(&self, pool: &Mempool) -> bool {
        self.header().pool == pool.as_ptr()
    }

    /// Starts to load the header's first cache line, which every other accessor reads.
    #[inline(always)]
    pub fn prefetch_header(&self) {
        prefetch(self.raw.as_ptr().cast());
    }

    /// Starts to load the first cache line of the data; reads the header.
    #[inline(always)]
    pub fn prefetch_data(&self) {
        let header = self.header();
        prefetch(header.buf_addr.cast::<u8>().wrapping_add(usize::from(header.data_off)));
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        let raw = self.raw.as_ptr();
        // SAFETY: the buffer is live and owned alone, and is not used after this.
        quiesce::enter(|| unsafe { dpdk_sys::sluice_mbuf_free(raw) });
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("packet_len", &self.packet_len())
            .field("segments", &self.segments())
            .field("headroom", &self.headroom())
            .field("port", &self.port())
            .finish()
    }
}

#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and faults on no address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
