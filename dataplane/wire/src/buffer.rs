//! The packet buffer as the engine sees it.
//!
//! The engine is generic over [`PacketBuf`], so everything it does is tested with [`TestBuf`] on a machine
//! without DPDK; the DPDK `Mbuf` implements the same trait.

/// A contiguous packet that can grow and shrink at both ends.
///
/// `data()` starts at the Ethernet header. Every operation that could fail for lack of room says so; none allocates.
pub trait PacketBuf {
    /// The packet's bytes, from the Ethernet header to the end of the frame.
    fn data(&self) -> &[u8];

    /// The packet's bytes, writable.
    fn data_mut(&mut self) -> &mut [u8];

    /// Grows the packet by `n` bytes at its front; the new bytes' content is unspecified.
    /// False, and nothing changed, where the headroom is too small.
    #[must_use]
    fn prepend(&mut self, n: usize) -> bool;

    /// Drops `n` bytes at the front. False, and nothing changed, where the packet is shorter.
    #[must_use]
    fn trim_front(&mut self, n: usize) -> bool;

    /// Grows the packet by `n` bytes at its end; the new bytes' content is unspecified.
    /// False, and nothing changed, where the tailroom is too small.
    #[must_use]
    fn append(&mut self, n: usize) -> bool;

    /// Shortens the packet to `len` bytes; longer than it is: no change.
    fn truncate(&mut self, len: usize);

    /// Makes the packet `len` bytes long: shorter, or longer by bytes of unspecified content.
    /// False where there is not enough room behind it.
    #[inline(always)]
    #[must_use]
    fn resize(&mut self, len: usize) -> bool {
        let was = self.data().len();
        if len < was {
            self.truncate(len);
            return true;
        }
        self.append(len - was)
    }

    /// Another packet, from where this one's memory came from, with these bytes. `None` where there is no memory left.
    fn another(&self, frame: &[u8]) -> Option<Self>
    where
        Self: Sized;
}

/// A packet in ordinary memory, with the room a DPDK mbuf has by default.
#[derive(Clone, Debug)]
pub struct TestBuf {
    room: Vec<u8>,
    start: usize,
    end: usize,
}

/// Headroom of a fresh [`TestBuf`], as `RTE_PKTMBUF_HEADROOM`.
pub const TEST_HEADROOM: usize = 128;
/// Room behind the headroom of a fresh [`TestBuf`], as in a default DPDK pool.
pub const TEST_ROOM: usize = 2048;

impl TestBuf {
    /// A buffer holding a copy of `frame`, with default headroom and at least the default room.
    pub fn new(frame: &[u8]) -> Self {
        let mut room = vec![0; TEST_HEADROOM + TEST_ROOM.max(frame.len())];
        room[TEST_HEADROOM..TEST_HEADROOM + frame.len()].copy_from_slice(frame);
        Self { room, start: TEST_HEADROOM, end: TEST_HEADROOM + frame.len() }
    }
}

impl PacketBuf for TestBuf {
    #[inline]
    fn data(&self) -> &[u8] {
        &self.room[self.start..self.end]
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.end]
    }

    fn prepend(&mut self, n: usize) -> bool {
        let Some(start) = self.start.checked_sub(n) else {
            return false;
        };
        self.start = start;
        true
    }

    fn trim_front(&mut self, n: usize) -> bool {
        if n > self.end - self.start {
            return false;
        }
        self.start += n;
        true
    }

    fn append(&mut self, n: usize) -> bool {
        if n > self.room.len() - self.end {
            return false;
        }
        self.end += n;
        true
    }

    fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    fn another(&self, frame: &[u8]) -> Option<Self> {
        Some(Self::new(frame))
    }
}
