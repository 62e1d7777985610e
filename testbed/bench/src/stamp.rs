//! More flows than a capture file holds: each packet is given the addresses and ports of the next connection.
//!
//! What this costs is part of the figures that use it, so they are a little worse than the truth.

use std::net::IpAddr;

use sluice_wire::PacketBuf;

use crate::traffic::Ends;

/// What makes a packet one of another connection's.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    /// Header checksum, both addresses, both ports: bytes 24 to 37 of an untagged IPv4 frame without options.
    bytes: [u8; 14],
}

/// The connections whose packets arrive on one port, in turn.
#[derive(Debug, Default)]
pub struct Stamps {
    all: Vec<Stamp>,
    next: usize,
}

impl Stamps {
    /// Those of these ends. Empty: packets stay as they are.
    ///
    /// # Panics
    /// Where one is not IPv4.
    pub fn new(ends: impl Iterator<Item = Ends>, port: u8) -> Self {
        Self::of(ends.map(|ends| {
            assert!(matches!(ends.src.0, IpAddr::V4(_)), "stamps are for IPv4");
            crate::traffic::segment(ends, port)
        }))
    }

    /// Those of these untagged IPv4 frames, which are as long as the packets to be stamped.
    ///
    /// # Panics
    /// Where one is shorter than its headers.
    pub fn of(frames: impl Iterator<Item = Vec<u8>>) -> Self {
        let all = frames.map(|frame| Stamp { bytes: frame[24..38].try_into().unwrap() }).collect();
        Self { all, next: 0 }
    }

    /// Stamps a burst.
    #[inline]
    pub fn put<B: PacketBuf>(&mut self, burst: &mut [B]) {
        if self.all.is_empty() {
            return;
        }
        for packet in burst {
            if self.next == self.all.len() {
                self.next = 0;
            }
            if let Some(place) = packet.data_mut().get_mut(24..38) {
                place.copy_from_slice(&self.all[self.next].bytes);
            }
            self.next += 1;
        }
    }
}
