//! Pools of packet buffers.

use std::ffi::CString;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use dpdk_sys as sys;

use crate::eal::{Eal, EalState};
use crate::errno::{Errno, call};
use crate::mbuf::Mbuf;

/// A pool of packet buffers of one size. Clones name the same pool; ports hold the pools that they receive into.
///
/// The memory goes back once the last handle is gone *and* every buffer is home.
#[derive(Clone)]
pub struct Mempool {
    inner: Arc<Inner>,
}

/// How a pool is to be; made by [`Mempool::builder`].
#[derive(Clone, Debug)]
pub struct MempoolBuilder {
    label: String,
    capacity: u32,
    room: u16,
    cache: u32,
    socket: Option<u32>,
}

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MempoolError {
    /// A label that cannot be a part of DPDK's name.
    #[error("the pool's label {0:?} must be 1 to 12 letters, digits, '_' or '-'")]
    BadLabel(String),
    /// No buffers, or more than DPDK's ring can hold.
    #[error("a pool of {0} packets cannot be made; 1 to 2,147,483,646 are possible")]
    BadCapacity(u32),
    /// Room for less than a headroom and the smallest Ethernet frame.
    #[error("a room of {0} bytes is too small; the headroom takes {headroom}, and at least 64 must be left", headroom = sys::SLUICE_MBUF_HEADROOM)]
    BadRoom(u16),
    /// A per-lcore cache that DPDK refuses.
    #[error("a cache of {cache} packets per lcore is too large; at most {most} for this pool")]
    BadCache {
        /// What was asked.
        cache: u32,
        /// What DPDK takes.
        most: u32,
    },
    /// DPDK refused, nearly always for lack of memory.
    #[error(
        "a pool of {capacity} packets with {room} bytes of room: {errno}; likely cause: EAL's memory is too small for it"
    )]
    Create {
        /// Buffers asked for.
        capacity: u32,
        /// Bytes of room of each.
        room: u16,
        /// DPDK's number.
        errno: Errno,
    },
}

impl Mempool {
    /// A pool with default settings: 8,191 buffers with 128 bytes of headroom and 2,048 bytes behind, 256 cached per lcore.
    /// The label is a part of DPDK's name for it, for its logs.
    pub fn builder(label: impl Into<String>) -> MempoolBuilder {
        MempoolBuilder { label: label.into(), capacity: 8191, room: DEFAULT_ROOM, cache: 256, socket: None }
    }

    /// An empty packet, with the default headroom. `None` where the pool is exhausted.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is live; a buffer from it has reference count 1 and no other owner.
        unsafe { NonNull::new(sys::sluice_mbuf_alloc(self.as_ptr())).map(|raw| Mbuf::from_raw(raw)) }
    }

    /// Fills `out` up with empty packets; their number, which is all that fit or none.
    #[inline]
    pub fn alloc_bulk<const N: usize>(&self, out: &mut ArrayVec<Mbuf, N>) -> usize {
        let (len, n) = (out.len(), out.remaining_capacity());
        let Ok(count) = u32::try_from(n) else {
            return 0;
        };
        // SAFETY: `Mbuf` has the layout of a pointer, and `n` places behind `len` are writable. On success all are filled
        // with buffers that nobody else owns; on failure none is, and the length stays.
        unsafe {
            if n == 0
                || sys::sluice_mbuf_alloc_bulk(self.as_ptr(), out.as_mut_ptr().add(len).cast(), count) != 0
            {
                return 0;
            }
            out.set_len(len + n);
        }
        n
    }

    /// A packet holding a copy of `frame`. `None` where the pool is exhausted or the frame larger than a buffer.
    pub fn copy_of(&self, frame: &[u8]) -> Option<Mbuf> {
        use sluice_wire::PacketBuf;
        let mut packet = self.alloc()?;
        if !packet.append(frame.len()) {
            return None;
        }
        packet.data_mut().copy_from_slice(frame);
        Some(packet)
    }

    /// Buffers in the pool and its caches now; exact while no thread works with its packets.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is live; the call reads counters.
        unsafe { sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// All of its buffers.
    pub fn capacity(&self) -> u32 {
        self.inner.capacity
    }

    /// Bytes of a buffer, headroom included.
    pub fn room(&self) -> u16 {
        self.inner.room
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut sys::rte_mempool {
        self.inner.raw.as_ptr()
    }

    pub(crate) fn is_of(&self, eal: &Arc<EalState>) -> bool {
        Arc::ptr_eq(&self.inner.eal, eal)
    }
}

impl MempoolBuilder {
    /// How many buffers. DPDK is most economical with one less than a power of two.
    #[must_use]
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.capacity = capacity;
        self
    }

    /// Bytes of each buffer, headroom (128) included; the default is 2,176. A frame that is longer does not fit.
    #[must_use]
    pub fn room(mut self, room: u16) -> Self {
        self.room = room;
        self
    }

    /// Buffers that each lcore keeps to itself: fewer visits to the shared ring, but buffers that others cannot have.
    #[must_use]
    pub fn cache(mut self, cache: u32) -> Self {
        self.cache = cache;
        self
    }

    /// The NUMA node; default: any.
    #[must_use]
    pub fn socket(mut self, socket: u32) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Makes the pool.
    pub fn build(self, eal: &Eal) -> Result<Mempool, MempoolError> {
        self.check()?;
        let (capacity, room) = (self.capacity, self.room);
        let failed = |errno| MempoolError::Create { capacity, room, errno };
        // Memory of pools that have become whole in the meantime is welcome here.
        eal.state().reap();
        let _control = eal.state().control();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}_{}", self.label, NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).map_err(|_| MempoolError::BadLabel(self.label.clone()))?;
        let socket =
            self.socket.and_then(|socket| i32::try_from(socket).ok()).unwrap_or(sys::SLUICE_SOCKET_ID_ANY);
        let element = size_of::<sys::sluice_mbuf>() as u32 + u32::from(room);
        let private = size_of::<sys::rte_pktmbuf_pool_private>() as u32;
        // SAFETY: EAL is up, the name is NUL-terminated, the sizes are those of an mbuf with `room` bytes behind it.
        let raw = unsafe {
            sys::rte_mempool_create_empty(
                name.as_ptr(),
                capacity,
                element,
                self.cache,
                private,
                socket,
                // Else objects are kept off page borders, see `fill_dense`.
                if eal.virtual_addresses() { sys::SLUICE_MEMPOOL_F_NO_IOVA_CONTIG } else { 0 },
            )
        };
        let raw = NonNull::new(raw).ok_or_else(|| failed(Errno::last()))?;
        let filled = fill(raw, capacity, room, socket, eal);
        if let Err(errno) = filled {
            // SAFETY: the pool was made above and nobody has seen it.
            unsafe { sys::rte_mempool_free(raw.as_ptr()) };
            return Err(failed(errno));
        }
        Ok(Mempool { inner: Arc::new(Inner { raw, capacity, room, eal: eal.state().clone() }) })
    }

    fn check(&self) -> Result<(), MempoolError> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.label.is_empty() || self.label.len() > 12 || !self.label.chars().all(good) {
            return Err(MempoolError::BadLabel(self.label.clone()));
        }
        if self.capacity == 0 || self.capacity >= i32::MAX as u32 {
            return Err(MempoolError::BadCapacity(self.capacity));
        }
        if u32::from(self.room) < sys::SLUICE_MBUF_HEADROOM + 64 {
            return Err(MempoolError::BadRoom(self.room));
        }
        // DPDK flushes a cache at one and a half times its size, and that must not exceed the pool.
        let most = sys::SLUICE_MEMPOOL_CACHE_MAX.min((u64::from(self.capacity) * 2 / 3) as u32);
        if self.cache > most {
            return Err(MempoolError::BadCache { cache: self.cache, most });
        }
        Ok(())
    }
}

/// Default bytes of a buffer: the headroom and 2 KiB, as `RTE_MBUF_DEFAULT_BUF_SIZE`.
const DEFAULT_ROOM: u16 = 2048 + sys::SLUICE_MBUF_HEADROOM as u16;

struct Inner {
    raw: NonNull<sys::rte_mempool>,
    capacity: u32,
    room: u16,
    eal: Arc<EalState>,
}

// SAFETY: DPDK's pools are multi-producer, multi-consumer: each thread with an lcore id has a cache of its own, and threads
// without one go to the shared ring.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        self.eal.retire(self.raw, self.capacity);
    }
}

/// Gives an empty pool its ring, its memory and its initialised buffers.
fn fill(
    raw: NonNull<sys::rte_mempool>,
    capacity: u32,
    room: u16,
    socket: i32,
    eal: &Eal,
) -> Result<(), Errno> {
    let pool = raw.as_ptr();
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut private: sys::rte_pktmbuf_pool_private = unsafe { std::mem::zeroed() };
    private.mbuf_data_room_size = room;
    private.mbuf_priv_size = 0;
    // SAFETY: the pool is empty and seen by nobody else; the calls come in the order that rte_mempool.h prescribes.
    unsafe {
        call(|| sys::rte_mempool_set_ops_byname(pool, c"ring_mp_mc".as_ptr(), std::ptr::null_mut()))?;
        sys::rte_pktmbuf_pool_init(pool, (&raw mut private).cast());
    }
    if eal.virtual_addresses() {
        fill_dense(pool, capacity, socket)?;
    } else {
        // SAFETY: as above.
        call(|| unsafe { sys::rte_mempool_populate_default(pool) })?;
    }
    // SAFETY: all buffers are in place and none has been handed out.
    unsafe { sys::sluice_mempool_init_mbufs(pool) };
    Ok(())
}

/// Lays the buffers back to back in one piece of memory.
///
/// DPDK's default keeps a buffer from crossing a page, since pages need not be neighbours for a device. Without huge pages
/// that leaves one buffer to a 4 KiB page, all headers fall into one set of the first-level cache, and forwarding costs
/// twice as much. Where devices use virtual addresses a piece of memory is one piece for them too.
fn fill_dense(pool: *mut sys::rte_mempool, capacity: u32, socket: i32) -> Result<(), Errno> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name =
        CString::new(format!("sluice_pool_{}", NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap_or_default();
    let mut align = 0;
    // SAFETY: the pool exists and is empty; the zone is as large as DPDK's own computation says, and belongs to the pool
    // once the last call has succeeded (the pool's free gives it back).
    unsafe {
        let size = sys::sluice_mempool_chunk_size(pool, capacity, &raw mut align);
        let size = usize::try_from(size).map_err(|_| Errno::last())?;
        let align = u32::try_from(align).unwrap_or(4096).max(64);
        let zone = sys::rte_memzone_reserve_aligned(name.as_ptr(), size, socket, 0, align);
        if zone.is_null() {
            return Err(Errno::last());
        }
        let added = call(|| sys::sluice_mempool_populate_dense(pool, zone));
        match added {
            Ok(n) if n.unsigned_abs() == capacity => Ok(()),
            // The zone is the pool's already where some buffers fitted: freeing the pool frees it.
            Ok(_) => Err(Errno::from_return(rustix::io::Errno::NOMEM.raw_os_error())),
            Err(errno) => {
                sys::rte_memzone_free(zone);
                Err(errno)
            }
        }
    }
}
