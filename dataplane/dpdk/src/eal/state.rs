//! What all handles share: the claims on ports, and the pools whose last handle is gone.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::log::{self, LogLevel};
use super::rundir::RuntimeDir;
use super::{AttachError, forget_errors, recent_errors};
use crate::device::DeviceSpec;
use crate::errno::{Errno, call};
use crate::quiesce;

/// A running EAL's shared state. Its drop shuts DPDK down.
pub(crate) struct EalState {
    huge_pages: bool,
    virtual_addresses: bool,
    runtime: RuntimeDir,
    /// Also serialises every control call of DPDK, whose device functions are not safe to call at once.
    control: Mutex<Control>,
}

/// Everything that is changed under the lock.
pub(crate) struct Control {
    /// Open ports by DPDK's number.
    open: HashSet<u16>,
    retired: Vec<Retired>,
}

/// A pool without handles, waiting for the last of its buffers.
struct Retired {
    pool: NonNull<dpdk_sys::rte_mempool>,
    capacity: u32,
}

// SAFETY: the pointer stands for the pool's ownership, which may move between threads; DPDK's pools know no thread.
unsafe impl Send for Retired {}

/// The right to configure and poll one port; given back when dropped by [`EalState::release`].
#[derive(Debug)]
pub(crate) struct Claim {
    /// DPDK's number of the port.
    pub(crate) id: u16,
}

/// While it lives the TAP driver finds no signal to take for itself.
///
/// Left alone it has the kernel signal this process for every packet that waits in a TAP device: system calls of any
/// thread then end with `EINTR`, and of two signals handled at once on two threads one is lost, and a packet waits for the
/// next one. Without a signal the driver asks the kernel whenever a queue is polled, which is what polling threads do.
///
/// It changes the process's signal handlers: only one may live, so it is made under the control lock, or by the start.
pub(crate) struct HiddenSignals(());

impl HiddenSignals {
    pub(crate) fn new() -> Self {
        // SAFETY: the lock keeps this to one at a time; only signals whose default action stands are touched.
        unsafe { dpdk_sys::sluice_signals_hide() };
        Self(())
    }
}

impl Drop for HiddenSignals {
    fn drop(&mut self) {
        // SAFETY: as above; undoes what `new` did.
        unsafe { dpdk_sys::sluice_signals_show() };
    }
}

impl EalState {
    /// For the EAL that has just been started.
    pub(super) fn new(huge_pages: bool, shareable: bool) -> Self {
        // SAFETY: EAL is up; the call reads one variable.
        let virtual_addresses = unsafe { dpdk_sys::rte_eal_iova_mode() } == dpdk_sys::RTE_IOVA_VA;
        // SAFETY: EAL is up; the string is static and NUL-terminated.
        let folder = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
        let runtime = RuntimeDir::take(PathBuf::from(folder.to_string_lossy().into_owned()), shareable);
        let control = Mutex::new(Control { open: HashSet::new(), retired: Vec::new() });
        Self { huge_pages, virtual_addresses, runtime, control }
    }

    pub(crate) fn huge_pages(&self) -> bool {
        self.huge_pages
    }

    pub(crate) fn virtual_addresses(&self) -> bool {
        self.virtual_addresses
    }

    /// Held around every call that configures, starts, stops or removes a device.
    pub(crate) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attach(&self, device: &DeviceSpec) -> Result<(), AttachError> {
        let _control = self.control();
        if port_by_name(device.name()).is_some() {
            return Err(AttachError::Exists(device.name().to_owned()));
        }
        let text = format!("{}:{device}", if device.is_pci() { "pci" } else { "vdev" });
        let failed = |errno, log| AttachError::Probe { device: device.to_string(), errno, log };
        let text = CString::new(text).map_err(|_| failed(Errno::from_return(22), String::new()))?;
        forget_errors();
        let _signals = HiddenSignals::new();
        // SAFETY: EAL is up, the string is NUL-terminated, and the lock keeps other device calls out.
        call(|| unsafe { dpdk_sys::rte_dev_probe(text.as_ptr()) })
            .map_err(|errno| failed(errno, recent_errors()))?;
        port_by_name(device.name()).map(drop).ok_or_else(|| AttachError::NoPort(device.to_string()))
    }

    pub(super) fn detach(&self, name: &str) -> Result<(), AttachError> {
        let control = self.control();
        let id = port_by_name(name).ok_or_else(|| AttachError::NotFound(name.to_owned()))?;
        if control.open.contains(&id) {
            return Err(AttachError::InUse(name.to_owned()));
        }
        forget_errors();
        let failed = |errno| AttachError::Probe { device: name.to_owned(), errno, log: recent_errors() };
        let device = device_of(id).ok_or_else(|| AttachError::NotFound(name.to_owned()))?;
        // SAFETY: the device was just read from a live port that nobody holds, under the lock.
        call(|| unsafe { dpdk_sys::rte_dev_remove(device) }).map(drop).map_err(failed)
    }

    /// Claims the port of this name, so that no second owner can poll its queues.
    pub(crate) fn claim(&self, name: &str) -> Result<Claim, AttachError> {
        let mut control = self.control();
        let id = port_by_name(name).ok_or_else(|| AttachError::NotFound(name.to_owned()))?;
        if control.open.insert(id) { Ok(Claim { id }) } else { Err(AttachError::InUse(name.to_owned())) }
    }

    /// Stops, closes and removes a claimed port. Its queues must be gone.
    pub(crate) fn release(&self, claim: &Claim) {
        {
            let mut control = self.control();
            let device = device_of(claim.id);
            // SAFETY: the claim's owner says that no queue is left, and the lock keeps other device calls out. Stopping a
            // port that was never started only logs; closing frees what the queues hold.
            unsafe {
                dpdk_sys::rte_eth_dev_stop(claim.id);
                if dpdk_sys::rte_eth_dev_close(claim.id) != 0 {
                    log::say(LogLevel::Warning, &format!("port {} did not close cleanly", claim.id));
                }
                // So that the name can be attached again; a virtual interface goes away with it.
                if let Some(device) = device {
                    dpdk_sys::rte_dev_remove(device);
                }
            }
            control.open.remove(&claim.id);
        }
        self.reap();
    }

    /// Takes over a pool whose last handle is gone, and frees it as soon as every buffer is home.
    pub(crate) fn retire(&self, pool: NonNull<dpdk_sys::rte_mempool>, capacity: u32) {
        self.control().retired.push(Retired { pool, capacity });
        self.reap();
    }

    /// Frees the retired pools that are whole again. The number of those that are not.
    pub(crate) fn reap(&self) -> usize {
        let mut control = self.control();
        if control.retired.is_empty() {
            return 0;
        }
        let _ran = quiesce::exclusive(|| {
            control.retired.retain(|retired| {
                // SAFETY: the pool is live until freed here, and freed once, since it then leaves the list. No thread is
                // inside a call that gives buffers back, so the count is exact; it being full, no buffer is anywhere else.
                unsafe {
                    let whole = dpdk_sys::rte_mempool_avail_count(retired.pool.as_ptr()) >= retired.capacity;
                    if whole {
                        dpdk_sys::rte_mempool_free(retired.pool.as_ptr());
                    }
                    !whole
                }
            });
        });
        control.retired.len()
    }
}

impl Drop for EalState {
    fn drop(&mut self) {
        let left = self.reap();
        if left > 0 {
            // Packets that somebody still holds point into this memory: unmapping it would be worse than keeping it.
            log::say(
                LogLevel::Warning,
                &format!("DPDK stays up: {left} packet pools still have packets out"),
            );
            return;
        }
        // SAFETY: every handle holds this state by count, so none is left; every pool has been freed whole, so no packet
        // is left either.
        unsafe { dpdk_sys::rte_eal_cleanup() };
        self.runtime.remove();
    }
}

/// DPDK's number for a port's name.
fn port_by_name(name: &str) -> Option<u16> {
    let name = CString::new(name).ok()?;
    let mut id = 0;
    // SAFETY: the name is NUL-terminated and `id` is writable.
    (unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) } == 0).then_some(id)
}

/// The bus device behind a port.
fn device_of(id: u16) -> Option<*mut dpdk_sys::rte_device> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut info: dpdk_sys::rte_eth_dev_info = unsafe { std::mem::zeroed() };
    // SAFETY: the port number came from DPDK and `info` is writable.
    let found = unsafe { dpdk_sys::rte_eth_dev_info_get(id, &raw mut info) } == 0;
    (found && !info.device.is_null()).then_some(info.device)
}
