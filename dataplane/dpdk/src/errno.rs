//! Error numbers as DPDK returns them.

use std::ffi::CStr;
use std::fmt;

/// An error number of DPDK: positive, an `errno` of the system or one of DPDK's own above 1000; 0 where a driver failed
/// and gave no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// From a return code: DPDK returns some errors negated and some not.
    pub(crate) fn from_return(code: i32) -> Self {
        Self(code.saturating_abs())
    }

    /// DPDK's thread-local error number, for calls that return a null pointer.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local of DPDK; no preconditions.
        Self::from_return(unsafe { dpdk_sys::sluice_errno() })
    }

    /// The number; `<errno.h>` and `rte_errno.h` name it.
    pub fn raw(self) -> i32 {
        self.0
    }

    /// True for `EEXIST`, `ENOTSUP` and the like: compares with a number of the system.
    pub(crate) fn is(self, errno: rustix::io::Errno) -> bool {
        self.0 == errno.raw_os_error()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("the driver gave no error number");
        }
        // SAFETY: rte_strerror returns a NUL-terminated string in a thread-local buffer (or a literal); it is copied out
        // below, before any other call on this thread could overwrite it.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.0)) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

/// Makes a call of DPDK that returns 0 or more for success, `-errno`, or a bare -1 with the thread-local number set.
pub(crate) fn call(function: impl FnOnce() -> i32) -> Result<i32, Errno> {
    // SAFETY: writes a thread-local of DPDK. Cleared first, or an old number would explain a new bare -1.
    unsafe { dpdk_sys::sluice_errno_set(0) };
    match function() {
        code if code >= 0 => Ok(code),
        -1 => Err(Errno::last()),
        code => Err(Errno::from_return(code)),
    }
}
