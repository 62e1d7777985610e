//! One role and the process that plays it.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::backoff::Backoff;
use crate::exit::Exit;

/// How a process ended, where that matters to the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By some fault, or for no reason: it is started again.
    Again,
    /// With a status that says that starting it again is of no use.
    Configuration(i32),
}

/// A role, running or about to.
#[derive(Debug)]
pub(super) struct Child {
    role: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    backoff: Backoff,
    state: State,
}

#[derive(Debug)]
enum State {
    /// To be started at that time.
    Due(Instant),
    /// Started at that time.
    Running(std::process::Child, Instant),
    /// Not to be started any more.
    Over,
}

impl Child {
    /// A role to be started at once.
    pub(super) fn new(role: &'static str, program: &Path, arguments: Vec<OsString>) -> Self {
        let state = State::Due(Instant::now());
        Self { role, program: program.to_owned(), arguments, backoff: Backoff::default(), state }
    }

    /// Its name.
    pub(super) fn role(&self) -> &'static str {
        self.role
    }

    /// When something is to be done about it, short of its end.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Due(at) => Some(at),
            _ => None,
        }
    }

    /// Starts it where it is due, and notices its end.
    pub(super) fn look(&mut self, now: Instant) -> Option<Ended> {
        let ended = match &mut self.state {
            State::Running(process, started) => match process.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => {
                    let life = now.saturating_duration_since(*started);
                    Some(self.ended(status, life, now))
                }
                Err(error) => {
                    tracing::error!(role = self.role, %error, "waiting for it");
                    None
                }
            },
            _ => None,
        };
        if matches!(self.state, State::Due(at) if at <= now) {
            self.start(now);
        }
        ended
    }

    /// Asks it to end in order.
    pub(super) fn ask_to_end(&mut self) {
        match &self.state {
            State::Running(process, _) => {
                if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw)
                    && let Err(error) = kill_process(pid, Signal::TERM)
                {
                    tracing::warn!(role = self.role, %error, "asking it to end");
                }
            }
            _ => self.state = State::Over,
        }
    }

    /// Whether its process is there still.
    pub(super) fn is_running(&mut self) -> bool {
        let State::Running(process, _) = &mut self.state else { return false };
        match process.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                tracing::info!(role = self.role, status = %words(status), "ended");
                self.state = State::Over;
                false
            }
            Err(_) => false,
        }
    }

    /// Ends it without asking.
    pub(super) fn kill(&mut self) {
        if let State::Running(process, _) = &mut self.state {
            // What is gone already needs no killing.
            let _ = process.kill();
            let _ = process.wait();
        }
        self.state = State::Over;
    }

    fn start(&mut self, now: Instant) {
        let started = Command::new(&self.program)
            .arg0("sluice")
            .args(&self.arguments)
            .envs(allocation(self.role))
            .stdin(Stdio::null())
            // Ctrl-C goes to a terminal's whole process group; the order of the end is the supervisor's to decide.
            .process_group(0)
            .spawn();
        self.state = match started {
            Ok(process) => {
                tracing::info!(role = self.role, pid = process.id(), "started");
                State::Running(process, now)
            }
            Err(error) => {
                let pause = self.backoff.after(Duration::ZERO);
                tracing::error!(role = self.role, %error, ?pause, "cannot be started");
                // Not at once even the first time: nothing has changed since.
                State::Due(now + pause.max(Duration::from_millis(100)))
            }
        };
    }

    fn ended(&mut self, status: ExitStatus, life: Duration, now: Instant) -> Ended {
        if let Some(code) = status.code().filter(|code| Exit::is_configuration(*code)) {
            self.state = State::Over;
            return Ended::Configuration(code);
        }
        let pause = self.backoff.after(life);
        tracing::error!(role = self.role, status = %words(status), ?life, ?pause, "ended: to be started again");
        self.state = State::Due(now + pause);
        Ended::Again
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What the C library is told about memory. The packet path's tables lie all over tens of megabytes, and a page walk for each
/// lookup costs as much as the lookup: of huge pages, where the kernel gives them (`madvise`), there are few enough for the
/// processor to remember. What the environment says already stands.
fn allocation(role: &str) -> Option<(&'static str, &'static str)> {
    const TUNABLES: &str = "GLIBC_TUNABLES";
    (role == "dataplane" && std::env::var_os(TUNABLES).is_none())
        .then_some((TUNABLES, "glibc.malloc.hugetlb=1"))
}
