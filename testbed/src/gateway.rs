//! A running gateway.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::RunError;
use crate::topology::Testbed;

/// The `sluice` binary: `SLUICE_BIN`, or the one beside the running program.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SLUICE_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap_or_default();
    let folder = here.parent().map(|p| if p.ends_with("deps") { p.parent().unwrap_or(p) } else { p });
    folder.unwrap_or(Path::new(".")).join("sluice")
}

/// `sluice` in a testbed's gateway namespace.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    log: PathBuf,
}

impl Gateway {
    /// Starts `sluice ROLE -c CONFIG`; what it prints goes to `ROLE.log` in the testbed's folder.
    ///
    /// # Errors
    /// [`RunError::Start`].
    pub fn start(bed: &Testbed, role: &str, config: &Path) -> Result<Self, RunError> {
        Self::start_by(bed, &[], role, config)
    }

    /// As [`Gateway::start`], by a program that becomes it, such as `setpriv`.
    ///
    /// # Errors
    /// [`RunError::Start`].
    pub fn start_by(bed: &Testbed, by: &[&str], role: &str, config: &Path) -> Result<Self, RunError> {
        let log = bed.folder().join(format!("{role}.log"));
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(&log);
        let start = |source| RunError::Start { program: format!("sluice {role}"), source };
        let binary = binary().to_string_lossy().into_owned();
        let line: Vec<&str> = by.iter().copied().chain([binary.as_str(), role, "-c"]).collect();
        let (program, arguments) = line.split_first().unwrap_or((&"", &[]));
        let mut command = bed.gateway.command(program);
        command.args(arguments).arg(config).stdin(Stdio::null());
        command.stdout(open().map_err(start)?).stderr(open().map_err(start)?);
        let child = command.spawn().map_err(start)?;
        Ok(Self { child, log })
    }

    /// Its process id. `ip netns exec` becomes the program it runs.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end, at most so long; its exit code.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Runs `sluice` with these arguments beside it and gives its standard output, parsed or not.
    ///
    /// # Errors
    /// [`RunError::Start`], and [`RunError::Failed`] with what it printed.
    pub fn cli(bed: &Testbed, arguments: &[&str]) -> Result<String, RunError> {
        let mut command = bed.gateway.command(&binary().to_string_lossy());
        command.args(arguments);
        let output = crate::run::output(&mut command)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(RunError::Failed {
            program: format!("sluice {}", arguments.join(" ")),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Process ids of the children that `sluice run` supervises, by role.
    pub fn child_of_role(&self, role: &str) -> Option<u32> {
        let output =
            Command::new("ps").args(["--ppid", &self.pid().to_string(), "-o", "pid=,args="]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.split_whitespace().any(|word| word == role))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        if self.wait(Duration::from_secs(5)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
