//! Threads that poll: pinned to a CPU, and known to EAL so that pools keep a cache for them.

use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys as sys;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::eal::{Eal, EalState};
use crate::errno::{Errno, call};

/// The current thread as an lcore; dropping it ends that and gives the thread its former CPUs back. It stays on its thread.
#[must_use = "the thread is an lcore only while this is held"]
pub struct Lcore {
    id: u32,
    cpu: usize,
    before: CpuSet,
    registered: bool,
    _eal: Arc<EalState>,
    _this_thread: PhantomData<*const ()>,
}

/// Why a thread could not become an lcore.
#[derive(Debug, thiserror::Error)]
pub enum LcoreError {
    /// A CPU number beyond what this crate's CPU sets can hold.
    #[error("there is no CPU {0}")]
    NoSuchCpu(usize),
    /// The kernel refused.
    #[error(
        "the thread cannot run on CPU {cpu}: {source}; likely cause: the CPU does not exist, is offline, or is outside this process's cpuset"
    )]
    Pin {
        /// The CPU.
        cpu: usize,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// This thread is an lcore already.
    #[error("this thread is lcore {0} already")]
    Already(u32),
    /// DPDK has no lcore id left, or a secondary process is attached.
    #[error(
        "the thread cannot be registered with DPDK: {0}; likely cause: more threads than DPDK's 128 lcores"
    )]
    Register(Errno),
}

impl Lcore {
    /// Pins the current thread to a CPU and registers it with EAL.
    ///
    /// The thread that called [`Eal::init`] is EAL's main lcore already: it is pinned, and stays registered afterwards.
    pub fn attach(eal: &Eal, cpu: usize) -> Result<Self, LcoreError> {
        let pin = |source: rustix::io::Errno| LcoreError::Pin { cpu, source: source.into() };
        if cpu >= CpuSet::MAX_CPU {
            return Err(LcoreError::NoSuchCpu(cpu));
        }
        ATTACHED.with(
            |attached| {
                if attached.get() { Err(LcoreError::Already(lcore_id())) } else { Ok(()) }
            },
        )?;
        let before = sched_getaffinity(None).map_err(pin)?;
        let mut wanted = CpuSet::new();
        wanted.set(cpu);
        sched_setaffinity(None, &wanted).map_err(pin)?;
        let registered = lcore_id() == sys::SLUICE_LCORE_ID_ANY;
        if registered {
            // SAFETY: EAL is up; the call gives this thread, which has no lcore id, one of its own.
            let answer = call(|| unsafe { sys::rte_thread_register() });
            // Without an lcore id DPDK still answers 0 where a secondary process is attached.
            let id = lcore_id();
            if answer.is_err() || id == sys::SLUICE_LCORE_ID_ANY {
                let _ = sched_setaffinity(None, &before);
                return Err(LcoreError::Register(answer.err().unwrap_or(Errno::from_return(0))));
            }
        }
        ATTACHED.with(|attached| attached.set(true));
        Ok(Self {
            id: lcore_id(),
            cpu,
            before,
            registered,
            _eal: eal.state().clone(),
            _this_thread: PhantomData,
        })
    }

    /// DPDK's number for this thread.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The CPU that the thread is pinned to.
    pub fn cpu(&self) -> usize {
        self.cpu
    }
}

impl Drop for Lcore {
    fn drop(&mut self) {
        if self.registered {
            // SAFETY: this thread registered itself in `attach`; the value cannot have moved to another thread.
            unsafe { sys::rte_thread_unregister() };
        }
        ATTACHED.with(|attached| attached.set(false));
        // The former set may be gone (a cpuset was changed): then the thread stays where it is.
        let _ = sched_setaffinity(None, &self.before);
    }
}

thread_local! {
    static ATTACHED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn lcore_id() -> u32 {
    // SAFETY: reads a thread-local of DPDK; no preconditions.
    unsafe { sys::sluice_lcore_id() }
}
