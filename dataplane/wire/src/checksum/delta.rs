//! Checksum updates from what changed, without reading the packet.

use std::ops::{Add, AddAssign, Neg};

use super::{fold, sum_u128};

/// The difference that a change of header fields makes to any Internet checksum over them: the `~m + m'` of
/// RFC 1624 equation 3, for any number of fields.
///
/// Differences add, in any order, and negate for the reverse change. Fields must lie at even offsets of the
/// checksummed data, as all of IP, TCP and UDP do. An update keeps a wrong checksum wrong, so a packet damaged before
/// a NAT is still found out behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delta(u16);

impl Delta {
    /// No change.
    pub const NONE: Self = Self(0);

    /// A 16-bit field changes: a port, the MSS, a length.
    #[inline(always)]
    pub const fn u16(old: u16, new: u16) -> Self {
        Self::folded(!old as u32 + new as u32)
    }

    /// A 32-bit field changes: an IPv4 address, as a number.
    #[inline(always)]
    pub const fn u32(old: u32, new: u32) -> Self {
        let old = !old;
        Self::folded((old >> 16) + (old & 0xffff) + (new >> 16) + (new & 0xffff))
    }

    /// A 128-bit field changes: an IPv6 address, as a number.
    #[inline]
    pub const fn u128(old: u128, new: u128) -> Self {
        Self::folded(sum_u128(!old) as u32 + sum_u128(new) as u32)
    }

    /// The TTL (the upper byte of its word) goes down by one.
    pub const TTL_DECREMENT: Self = Self::u16(0x0100, 0x0000);

    /// Both changes.
    #[inline(always)]
    pub const fn plus(self, other: Self) -> Self {
        Self::folded(self.0 as u32 + other.0 as u32)
    }

    /// The change back.
    #[inline(always)]
    pub const fn reversed(self) -> Self {
        Self::folded(!self.0 as u32)
    }

    /// The new checksum for data that had `stored`.
    #[inline(always)]
    pub const fn apply(self, stored: u16) -> u16 {
        let sum = !stored as u32 + self.0 as u32;
        !(((sum & 0xffff) + (sum >> 16)) as u16)
    }

    /// As [`Delta::apply`], for UDP: 0, "no checksum", stays; a checksum that would become 0 is 0xffff.
    #[inline(always)]
    pub const fn apply_udp(self, stored: u16) -> u16 {
        let new = self.apply(stored);
        let new = if new == 0 { 0xffff } else { new };
        if stored == 0 { 0 } else { new }
    }

    /// As a number that [`Delta::from_bits`] takes back, for compact tables.
    #[inline(always)]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// From [`Delta::to_bits`].
    #[inline(always)]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Both ones' complement zeroes become `NONE`, so that no change leaves every stored checksum as it is.
    #[inline(always)]
    const fn folded(sum: u32) -> Self {
        match fold(sum) {
            0xffff => Self(0),
            folded => Self(folded),
        }
    }
}

impl Add for Delta {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl AddAssign for Delta {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl Neg for Delta {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.reversed()
    }
}
