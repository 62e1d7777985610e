//! One of a cluster's programs.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ClusterError;
use crate::run::RunError;

/// A running program. It is killed when dropped: nobody needs what it would still write.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it; what it prints is appended to `NAME.log` in `folder`.
    pub(super) fn start(
        name: &'static str,
        folder: &Path,
        mut command: Command,
    ) -> Result<Self, ClusterError> {
        let log = folder.join(format!("{name}.log"));
        let open = || {
            let file = OpenOptions::new().create(true).append(true).open(&log);
            file.map_err(|source| ClusterError::file(&log, source))
        };
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let child = command.spawn().map_err(|source| RunError::Start { program: name.into(), source })?;
        Ok(Self { name, child, log })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id. `ip netns exec` becomes the program it runs.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to end, and kills it where it does not within ten seconds.
    pub(super) fn stop(mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `ready` says so, at most a minute.
    ///
    /// # Errors
    /// [`ClusterError::Ended`] and [`ClusterError::NotReady`], with what `ready` said last.
    pub(super) fn wait_until(&mut self, ready: impl Fn() -> Result<(), String>) -> Result<(), ClusterError> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(ClusterError::Ended { program: self.name, status, log: self.last_lines() });
            }
            let Err(answer) = ready() else { return Ok(()) };
            if start.elapsed() > PATIENCE {
                let log = self.last_lines();
                return Err(ClusterError::NotReady { program: self.name, after: PATIENCE, answer, log });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
