//! Packets without DPDK: buffers that are used again, so that no allocation is counted.

use sluice_engine::{PortId, Sink};
use sluice_wire::PacketBuf;

const HEADROOM: usize = 128;
const ROOM: usize = 2048;

/// A packet in memory that a [`Pool`] lends.
#[derive(Debug)]
pub struct Buffer {
    room: Box<[u8; ROOM]>,
    start: u16,
    end: u16,
}

impl PacketBuf for Buffer {
    #[inline]
    fn data(&self) -> &[u8] {
        &self.room[usize::from(self.start)..usize::from(self.end)]
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        &mut self.room[usize::from(self.start)..usize::from(self.end)]
    }

    fn prepend(&mut self, n: usize) -> bool {
        let Some(start) = usize::from(self.start).checked_sub(n) else { return false };
        self.start = start as u16;
        true
    }

    fn trim_front(&mut self, n: usize) -> bool {
        let fits = n <= usize::from(self.end - self.start);
        self.start += if fits { n as u16 } else { 0 };
        fits
    }

    fn append(&mut self, n: usize) -> bool {
        let fits = n <= ROOM - usize::from(self.end);
        self.end += if fits { n as u16 } else { 0 };
        fits
    }

    fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len.min(ROOM) as u16);
    }

    fn another(&self, _: &[u8]) -> Option<Self> {
        None
    }
}

/// Buffers at hand, and what the engine did with those it was given.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Buffer>,
    /// Packets sent on.
    pub sent: u64,
    /// Packets given to Linux or to another lcore.
    pub other: u64,
}

impl Pool {
    /// A buffer that holds `frame`.
    ///
    /// # Panics
    /// Where the frame is longer than a buffer.
    #[inline]
    pub fn take(&mut self, frame: &[u8]) -> Buffer {
        let mut buffer =
            self.free.pop().unwrap_or_else(|| Buffer { room: Box::new([0; ROOM]), start: 0, end: 0 });
        (buffer.start, buffer.end) = (HEADROOM as u16, (HEADROOM + frame.len()) as u16);
        buffer.data_mut().copy_from_slice(frame);
        buffer
    }
}

impl Sink<Buffer> for Pool {
    #[inline]
    fn transmit(&mut self, _: PortId, packet: Buffer) {
        self.sent += 1;
        self.free.push(packet);
    }

    fn punt(&mut self, _: PortId, packet: Buffer) {
        self.other += 1;
        self.free.push(packet);
    }

    fn hand_over(&mut self, _: u16, _: PortId, packet: Buffer) {
        self.other += 1;
        self.free.push(packet);
    }
}
