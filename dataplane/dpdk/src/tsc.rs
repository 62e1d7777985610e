//! The time-stamp counter: the cheapest clock a polling loop can read.

/// The time-stamp counter now. Monotonic on one CPU, and across CPUs where the TSC is invariant (all current x86 servers).
#[inline(always)]
pub fn tsc() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: RDTSC is part of every x86-64 CPU and has no effect but its result.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: reads the virtual counter, which Linux lets user space read; no memory, no flags.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags))
        };
        ticks
    }
}

/// Ticks of [`tsc`] per second, as EAL measured it; it needs an [`Eal`](crate::Eal) for that reason.
pub fn tsc_hz(_eal: &crate::Eal) -> u64 {
    // SAFETY: EAL is initialised, as the argument proves; the call reads one variable.
    unsafe { dpdk_sys::rte_get_tsc_hz() }
}
