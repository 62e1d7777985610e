//! Hints to fetch memory that will be used soon.
//!
//! A prefetch never faults and changes nothing but the caches, so these are safe for every reference. On
//! architectures without a stable intrinsic they do nothing.

/// Fetches the cache line on which `target` starts, to be read.
#[inline(always)]
pub fn prefetch_read<T>(target: &T) {
    fetch(core::ptr::from_ref(target).cast());
}

/// Fetches the cache line on which `target` starts, to be written: where the target CPU has `prefetchw` the line
/// arrives exclusively owned, elsewhere this is [`prefetch_read`].
#[inline(always)]
pub fn prefetch_write<T>(target: &T) {
    fetch_exclusive(core::ptr::from_ref(target).cast());
}

/// Fetches the cache line of the slice's first byte, to be read; an empty slice is no access.
#[inline(always)]
pub fn prefetch_slice(bytes: &[u8]) {
    fetch(bytes.as_ptr());
}

/// Fetches the cache line at an address, to be read. The address need not be valid: nothing is accessed.
#[inline(always)]
pub fn prefetch_address<T>(at: *const T) {
    fetch(at.cast());
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fetch(at: *const u8) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: PREFETCHh is a hint: it does not fault on any address and reads nothing the program can observe.
    // SSE, which it needs, is part of x86_64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fetch_exclusive(at: *const u8) {
    use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
    // SAFETY: as in `fetch`; the compiler emits PREFETCHW only for targets that are known to have it.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn fetch(_at: *const u8) {}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn fetch_exclusive(_at: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_harmless_anywhere() {
        let values = [1_u64, 2, 3];
        prefetch_read(&values);
        prefetch_write(&values[2]);
        prefetch_slice(&[]);
        prefetch_address(core::ptr::without_provenance::<u64>(1));
        prefetch_slice(&[1, 2]);
        assert_eq!(values, [1, 2, 3]);
    }
}
