//! The environment abstraction layer: started once per process, shut down when nothing uses it any more.

mod cause;
mod huge;
mod log;
mod options;
mod rundir;
mod state;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub(crate) use cause::likely_cause;
pub use log::LogLevel;
pub(crate) use log::{forget_errors, recent_errors};
pub use options::{EalOptions, HugePages, IovaMode};
pub(crate) use state::{Claim, EalState, HiddenSignals};

use crate::device::DeviceSpec;
use crate::errno::{Errno, call};

/// A running EAL. Clones name the same one; pools, ports, rings and attached threads hold one as well, and DPDK is shut
/// down when the last of them is dropped.
#[derive(Clone)]
pub struct Eal {
    state: Arc<EalState>,
}

/// Why EAL did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// DPDK can be started only once in a process's life.
    #[error("DPDK was already started in this process; it can be started only once")]
    AlreadyStarted,
    /// Less than EAL needs for itself.
    #[error("{mib} MiB of packet memory is too little; at least 8 MiB are needed")]
    TooLittleMemory {
        /// What was asked.
        mib: u32,
    },
    /// The file prefix would not be a file name.
    #[error("the file prefix {0:?} must be 1 to 48 letters, digits, '_' or '-'")]
    BadFilePrefix(String),
    /// One device twice.
    #[error("the device {0} is listed twice")]
    DuplicateDevice(String),
    /// A driver's path that is not UTF-8.
    #[error("the driver path {0:?} is not valid UTF-8")]
    BadDriverPath(PathBuf),
    /// An option with a NUL byte.
    #[error("the option {0:?} holds a NUL byte")]
    BadArgument(String),
    /// Huge pages are required and too few are free.
    #[error(
        "huge pages are required: {needed_mib} MiB are needed, {free_mib} MiB are free; reserve some with \
         `sysctl vm.nr_hugepages=…` or allow ordinary pages"
    )]
    NoHugePages {
        /// Packet memory asked for, MiB.
        needed_mib: u32,
        /// Free huge pages, MiB.
        free_mib: u64,
    },
    /// Shareable huge pages need a file system to lie in.
    #[error(
        "huge pages that other processes can map need a hugetlbfs; `mount -t hugetlbfs none /dev/hugepages`"
    )]
    NoHugeMount,
    /// The CPUs this thread may use could not be read or restored.
    #[error("CPU affinity: {0}")]
    Affinity(#[source] std::io::Error),
    /// DPDK itself refused.
    #[error("DPDK did not start: {errno}{}", likely_cause(.log, ""))]
    Init {
        /// DPDK's number.
        errno: Errno,
        /// DPDK's own last error lines.
        log: String,
    },
}

/// Why a device could not be attached or detached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// DPDK or the driver refused.
    #[error("device {device}: {errno}{}", likely_cause(.log, .device))]
    Probe {
        /// The device as it was given.
        device: String,
        /// DPDK's number.
        errno: Errno,
        /// DPDK's own last error lines.
        log: String,
    },
    /// The device was probed and made no Ethernet port.
    #[error("device {0}: its driver made no Ethernet port")]
    NoPort(String),
    /// A port of that name is there already.
    #[error("device {0} is attached already")]
    Exists(String),
    /// No port of that name.
    #[error("there is no device {0}")]
    NotFound(String),
    /// The port or one of its queues is still held.
    #[error("device {0} is in use; drop its port and queues first")]
    InUse(String),
}

impl Eal {
    /// Starts DPDK. Once per process; a second call is refused, also after a failed or ended first one.
    ///
    /// The calling thread's CPU affinity is left as it was: EAL pins its caller, and threads started later would inherit
    /// that.
    pub fn init(mut options: EalOptions) -> Result<Self, EalError> {
        let huge = options.decide()?;
        let before = sched_getaffinity(None).map_err(|errno| EalError::Affinity(errno.into()))?;
        let cpu = options.main_cpu.unwrap_or_else(|| first_cpu(&before));
        let arguments = options.arguments(huge, cpu)?;
        static STARTED: AtomicBool = AtomicBool::new(false);
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        let failed = |errno| EalError::Init { errno, log: recent_errors() };
        log::install(options.sink.take()).map_err(failed)?;
        // EAL permutes the vector and may keep pointers into it: both live as long as the process.
        let pointers: Vec<*mut i8> =
            arguments.into_iter().map(|argument| argument.into_raw().cast()).collect();
        let pointers = Vec::leak(pointers);
        let count = i32::try_from(pointers.len()).unwrap_or(i32::MAX);
        let signals = HiddenSignals::new();
        // SAFETY: argc and argv describe a vector of NUL-terminated strings that is never freed; the flag above makes this
        // the only call in the process's life.
        let started = call(|| unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr().cast()) });
        drop(signals);
        let restored = sched_setaffinity(None, &before);
        started.map_err(failed)?;
        let state = Arc::new(EalState::new(huge, options.shareable));
        restored.map_err(|errno| EalError::Affinity(errno.into()))?;
        Ok(Self { state })
    }

    /// True where packet memory lies in huge pages.
    pub fn huge_pages(&self) -> bool {
        self.state.huge_pages()
    }

    /// True where devices address memory by virtual addresses.
    pub fn virtual_addresses(&self) -> bool {
        self.state.virtual_addresses()
    }

    /// Probes a device now: any virtual one, or a PCI one that was allowed when EAL started and has been detached.
    pub fn attach(&self, device: &DeviceSpec) -> Result<(), AttachError> {
        self.state.attach(device)
    }

    /// Removes a device that no [`Port`](crate::Port) holds. Dropping a port and its queues does this by itself.
    pub fn detach(&self, name: &str) -> Result<(), AttachError> {
        self.state.detach(name)
    }

    pub(crate) fn state(&self) -> &Arc<EalState> {
        &self.state
    }
}

/// The first CPU of the set; 0 where the set is empty, which the kernel does not allow.
fn first_cpu(set: &CpuSet) -> usize {
    (0..CpuSet::MAX_CPU).find(|cpu| set.is_set(*cpu)).unwrap_or(0)
}
