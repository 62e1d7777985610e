//! DPDK's log lines: to standard error, or to the program's own sink.

use std::ffi::c_char;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::errno::{Errno, call};

/// How grave a line of DPDK's log is; the numbers are DPDK's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum LogLevel {
    /// The system is unusable.
    Emergency = 1,
    /// To be acted on at once.
    Alert = 2,
    /// Critical.
    Critical = 3,
    /// An operation failed.
    Error = 4,
    /// Something is not as it should be.
    Warning = 5,
    /// Normal but significant.
    Notice = 6,
    /// Informational.
    Info = 7,
    /// For finding errors in DPDK and its drivers; much.
    Debug = 8,
}

impl LogLevel {
    fn from_raw(level: u32) -> Self {
        match level {
            0 | 1 => Self::Emergency,
            2 => Self::Alert,
            3 => Self::Critical,
            4 => Self::Error,
            5 => Self::Warning,
            6 => Self::Notice,
            7 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// What takes the lines: the line is without its newline, and may come from any thread.
pub(crate) type Sink = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// Sends DPDK's log to `sink` (standard error where there is none) for the rest of the process's life.
pub(crate) fn install(sink: Option<Sink>) -> Result<(), Errno> {
    let _ = SINK.set(sink.unwrap_or_else(|| Box::new(to_stderr)));
    // SAFETY: `receive` is a function of the signature that the shim declares, and lives as long as the program.
    call(|| unsafe { dpdk_sys::sluice_log_redirect(Some(receive)) }).map(drop)
}

/// The first lines of level error or worse since [`forget_errors`], joined: what an error message quotes as its cause.
pub(crate) fn recent_errors() -> String {
    let lines = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    lines.join("; ")
}

/// Starts a new collection of error lines.
pub(crate) fn forget_errors() {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Says something of this crate's own where DPDK's lines go.
pub(crate) fn say(level: LogLevel, line: &str) {
    if let Some(sink) = SINK.get() {
        // A panic must not reach the caller, which may be a `Drop`.
        let _ = catch_unwind(AssertUnwindSafe(|| sink(level, line)));
    }
}

static SINK: OnceLock<Sink> = OnceLock::new();
static RECENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Complaints about what this crate does on purpose: hiding signals from the TAP driver.
const EXPECTED: &[&str] = &["All rt-signals are in use", "No Rx trigger signal available"];

/// Kept lines; DPDK explains a failure in one to three.
const KEPT: usize = 4;

fn to_stderr(_level: LogLevel, line: &str) {
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

extern "C" fn receive(level: u32, text: *const c_char, len: usize) {
    if text.is_null() {
        return;
    }
    // SAFETY: the shim passes the buffer and length that stdio gave it; they are valid during this call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    let level = LogLevel::from_raw(level);
    for line in String::from_utf8_lossy(bytes).lines() {
        if line.trim().is_empty() || EXPECTED.iter().any(|expected| line.contains(expected)) {
            continue;
        }
        if level <= LogLevel::Error {
            let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() < KEPT {
                recent.push(line.trim().chars().take(300).collect());
            }
        }
        say(level, line);
    }
}
