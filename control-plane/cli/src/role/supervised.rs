//! A role that a supervisor started ends with it, whatever the supervisor dies of.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::exit::{Exit, Failure};

/// Asks the kernel for SIGTERM once the supervisor, the process with this id, is gone.
pub(super) fn follow(supervisor: Option<u32>) -> Result<(), Failure> {
    let Some(supervisor) = supervisor else { return Ok(()) };
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| Failure::new(Exit::System, format_args!("PR_SET_PDEATHSIG: {error}")))?;
    // It may have died before the kernel was asked.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(supervisor) {
        return Ok(());
    }
    Err(Failure::new(Exit::Unavailable, "the supervisor has gone"))
}
