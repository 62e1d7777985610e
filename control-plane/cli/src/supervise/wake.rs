//! Sleeping until a signal comes: a child's end, or the order to stop.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// The end of a pipe into which signal handlers write.
#[derive(Debug)]
pub(super) struct Wake {
    pipe: UnixStream,
}

impl Wake {
    /// Registers the handlers; a signal from now on is not missed.
    pub(super) fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        for signal in [SIGCHLD, SIGTERM, SIGINT] {
            pipe::register(signal, theirs.try_clone()?)?;
        }
        Ok(Self { pipe: ours })
    }

    /// Sleeps for that long, or until a signal comes.
    pub(super) fn wait(&self, time: Option<Duration>) {
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        // A signal interrupts it, or has left a byte: either way there is something to look at.
        let _ = poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], time.as_ref());
        let mut waste = [0; 64];
        while matches!((&self.pipe).read(&mut waste), Ok(read) if read > 0) {}
    }
}
