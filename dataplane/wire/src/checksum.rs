//! The Internet checksum (RFC 1071): sums, whole-packet checks, and updates in place ([`Delta`], RFC 1624).
//!
//! Sums are plain numbers of the big-endian 16-bit words. A `u32` sum may hold carries above bit 15; several sums of
//! packets' parts can be added before [`fold`], as long as each part but the last has an even length.

pub mod crc32c;
mod delta;

pub use delta::Delta;

/// Sum of the 16-bit words of `bytes`, at most 0xffff. An odd last byte counts as the upper half of a word.
#[inline]
pub fn sum(bytes: &[u8]) -> u32 {
    // Ones' complement addition does not care about byte order (RFC 1071 section 2 B): add eight bytes at a time, the first
    // lowest, and turn the result around once. Carries gather in the upper half.
    let (pairs, rest) = bytes.as_chunks::<16>();
    let mut total = 0_u128;
    for pair in pairs {
        let pair = u128::from_le_bytes(*pair);
        total += (pair & u128::from(u64::MAX)) + (pair >> 64);
    }
    let (words, rest) = rest.as_chunks::<8>();
    if let [word] = words {
        total += u128::from(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let missing = 8 * (8 - rest.len() as u32);
        total += u128::from(match bytes.last_chunk::<8>() {
            // The last bytes again, without those that were added already.
            Some(last) => u64::from_le_bytes(*last) >> missing,
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        });
    }
    let (sum, carry) = (total as u64).overflowing_add((total >> 64) as u64);
    u32::from(fold64(sum + u64::from(carry)).swap_bytes())
}

/// Brings the carries of a sum back in.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    // Both halves added to themselves the other way round: the upper one has the sum, and the lower one's carry.
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// As [`fold`], for 64-bit sums.
#[inline(always)]
pub const fn fold64(sum: u64) -> u16 {
    fold((sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32)
}

/// The checksum to store for data that sums to `sum`, its checksum field counted as zero.
#[inline(always)]
pub const fn finish(sum: u32) -> u16 {
    !fold(sum)
}

/// As [`finish`], for UDP, where zero means "no checksum" and is therefore sent as 0xffff (RFC 768).
#[inline(always)]
pub const fn finish_udp(sum: u32) -> u16 {
    match finish(sum) {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// What UDP's checksum `stored` becomes where words whose sum is `gone` are replaced by others whose sum is `come`, all of them
/// in whichever byte order.
#[inline(always)]
pub const fn replaced_udp(stored: u16, gone: u32, come: u32) -> u16 {
    // All ones are zero, so that this takes `gone` away.
    match !fold64(!stored as u64 + come as u64 + (u32::MAX - gone) as u64) {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// Sum of the IPv4 pseudo header (RFC 793 section 3.1): addresses and transport length as numbers.
#[inline]
pub const fn pseudo_v4(src: u32, dst: u32, protocol: u8, len: u16) -> u32 {
    (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + protocol as u32 + len as u32
}

/// Sum of the IPv6 pseudo header (RFC 8200 section 8.1): addresses and transport length as numbers.
#[inline]
pub const fn pseudo_v6(src: u128, dst: u128, protocol: u8, len: u32) -> u32 {
    sum_u128(src) as u32 + sum_u128(dst) as u32 + protocol as u32 + (len >> 16) + (len & 0xffff)
}

/// Folded sum of an IPv6 address.
#[inline(always)]
pub(crate) const fn sum_u128(value: u128) -> u16 {
    let (high, low) = ((value >> 64) as u64, value as u64);
    let halves = (high >> 32) + (high & 0xffff_ffff) + (low >> 32) + (low & 0xffff_ffff);
    fold64(halves)
}

/// Whether the checksum of an IPv4 header without options is right.
#[inline(always)]
pub fn ipv4_header_ok(header: &[u8; 20]) -> bool {
    // Byte order does not matter to "sums to all ones".
    let (words, _) = header.as_chunks::<4>();
    let mut total = 0_u64;
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    fold64(total) == 0xffff
}

/// Whether the checksum of an IPv4 header of any length is right; `header` ends where the header does.
#[inline]
pub fn ipv4_header_with_options_ok(header: &[u8]) -> bool {
    sum(header) == 0xffff
}

/// The checksum an IPv4 header should have, whatever is in its checksum field now.
pub fn ipv4_header_checksum(header: &[u8]) -> u16 {
    let stored = header.get(10..12).map_or(0, sum);
    finish(sum(header) + (!stored & 0xffff))
}

#[cfg(test)]
#[path = "checksum/tests.rs"]
mod tests;
