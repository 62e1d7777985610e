//! One flow, both directions, in one cache line.

use sluice_memory::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Which way a packet of a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Direction {
    /// From the client to the frontend, translated to go to the backend.
    Forward = 0,
    /// From the backend, translated to come from the frontend.
    Reverse = 1,
}

impl Direction {
    /// The other one.
    #[inline(always)]
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }
}

/// A flow found: the entry's number and the direction of the packet that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRef(u32);

impl FlowRef {
    /// Entry `index` (below 2^30), found by a packet going `direction`.
    #[inline(always)]
    pub fn new(index: u32, direction: Direction) -> Self {
        Self(index << 1 | direction as u32)
    }

    /// From the form the index keeps, which is never 0.
    #[inline(always)]
    pub fn from_stored(stored: u32) -> Self {
        Self(stored.wrapping_sub(1))
    }

    /// The form the index keeps.
    #[inline(always)]
    pub fn stored(self) -> u32 {
        self.0 + 1
    }

    /// Number of the entry.
    #[inline(always)]
    pub fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Direction of the packet.
    #[inline(always)]
    pub fn direction(self) -> Direction {
        if self.0 & 1 == 0 { Direction::Forward } else { Direction::Reverse }
    }
}

/// How dear a flow is: what is aged and evicted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// No flow.
    Free = 0,
    /// Packets in one direction only: a SYN, a datagram without answer. Evicted first and limited to a quarter of the table.
    Embryonic = 1,
    /// Datagrams both ways, and connections that are closing.
    Transient = 2,
    /// TCP and SCTP with a finished handshake. Evicted last.
    Established = 3,
}

impl Class {
    /// From the byte in an entry; what is no class is free.
    #[inline(always)]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Embryonic,
            2 => Self::Transient,
            3 => Self::Established,
            _ => Self::Free,
        }
    }
}

/// The entry is IPv6: its addresses are in the side table of [`Addresses6`].
pub const FLAG_V6: u8 = 1;
/// The client's address is preserved towards the backend.
pub const FLAG_PRESERVED: u8 = 2;
/// Endpoints were chosen under the external traffic policy.
pub const FLAG_EXTERNAL: u8 = 4;
/// Endpoints were chosen as for a cluster-internal client of an external frontend.
pub const FLAG_FROM_CLUSTER: u8 = 8;

/// Value of [`Entry::slot`] while the flow's service is gone.
pub const NO_SLOT: u32 = u32::MAX;

/// A flow. Keys and rewrites are the same numbers: a packet that matches one direction's addresses and ports leaves with
/// the other direction's, swapped.
///
/// Plain data of 64 bytes without pointers, as it lies in a file that the next process takes over; all zero is "free".
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C, align(64))]
pub struct Entry {
    /// IPv4 addresses of a packet in each direction as received: `source << 32 | destination`. For IPv6 a digest of
    /// them, so that an entry of one family never matches the other.
    pub addresses: [u64; 2],
    /// Ports of a packet in each direction as received: `source << 16 | destination`.
    pub ports: [u32; 2],
    /// IANA protocol number.
    pub protocol: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// [`super::state::State`].
    pub state: u8,
    /// [`Class`].
    pub class: u8,
    /// What a forward packet's IPv4 header checksum changes by, without the TTL.
    pub l3_delta: u16,
    /// What its transport checksum changes by.
    pub l4_delta: u16,
    /// Adjacency through which packets of each direction leave.
    pub adjacency: [u16; 2],
    /// Slot of the service port, or [`NO_SLOT`].
    pub slot: u32,
    /// Epoch of that slot when the flow was last checked against it.
    pub epoch: u32,
    /// Epoch of the routes when the adjacencies were last looked up.
    pub fib_epoch: u32,
    /// When the last packet came, in units of [`super::table::TICK_MS`].
    pub last_seen: u32,
    /// Slot of the timer wheel plus 1; 0 where the entry is in none.
    pub wheel: u16,
    /// Low half of the acknowledgement that completes the TCP handshake.
    pub handshake: u16,
    /// Next entry in the wheel slot or in the free list, plus 1.
    pub next: u32,
    /// Previous entry in the wheel slot, plus 1.
    pub previous: u32,
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Entry {
    /// The class.
    #[inline(always)]
    pub fn class(&self) -> Class {
        Class::from_byte(self.class)
    }

    /// Whether it is an IPv6 flow.
    #[inline(always)]
    pub fn is_v6(&self) -> bool {
        self.flags & FLAG_V6 != 0
    }

    /// Whether an IPv4 packet with these numbers is this flow's, going `direction`.
    #[inline(always)]
    pub fn matches4(&self, direction: Direction, addresses: u64, ports: u32, protocol: u8) -> bool {
        let d = direction as usize;
        // One branch instead of four: the comparison nearly always succeeds.
        (self.addresses[d] ^ addresses)
            | u64::from(self.ports[d] ^ ports)
            | u64::from(self.protocol ^ protocol)
            | u64::from(self.flags & FLAG_V6)
            == 0
    }
}

/// Addresses of an IPv6 flow, beside its [`Entry`]; for each direction source and destination as received.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "sluice_memory::zerocopy")]
#[repr(C, align(64))]
pub struct Addresses6 {
    /// `[direction][source, destination]`, numbers in host order.
    pub addresses: [[u128; 2]; 2],
}

const _: () = assert!(size_of::<Addresses6>() == 64);
