//! Leaving nothing behind, however the maker ends.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::run::{RunError, run};

/// All namespaces are called `slt-<process id>-<number>-<part>`.
pub const PREFIX: &str = "slt-";

/// Ends every process in the namespaces given as arguments, takes the namespaces and the folder away.
const SWEEP: &str = r#"
dir=$1; shift
for ns in "$@"; do
  for n in 1 2 3 4 5; do
    pids=$(ip netns pids "$ns" 2>/dev/null) || break
    [ -n "$pids" ] || break
    kill -9 $pids 2>/dev/null
    sleep 0.05
  done
  ip netns del "$ns" 2>/dev/null
done
case "$dir" in */slt-*) rm -rf "$dir" ;; esac
"#;

/// A process that waits for its maker to end or let go, and then takes everything away.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    /// Guards these namespaces and this folder.
    ///
    /// # Errors
    /// [`RunError::Start`] where no shell can be started.
    pub fn start(namespaces: &[String], folder: &Path) -> Result<Self, RunError> {
        // Its own session: a Ctrl-C at the terminal is the maker's to handle. The pipe closes when the maker is gone.
        let script = format!("trap '' INT TERM HUP; cat >/dev/null; {SWEEP}");
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", &script, "sluice-testbed-guardian"]).arg(folder).args(namespaces);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            command.spawn().map_err(|source| RunError::Start { program: "setsid sh".into(), source })?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.flush();
        }
        let _ = self.child.wait();
    }
}

/// Takes away what runs whose process no longer exists have left.
///
/// # Errors
/// Those of `ip netns list`.
pub fn sweep_dead_runs() -> Result<(), RunError> {
    for line in run("ip netns list")?.lines() {
        let Some(name) = line.split_whitespace().next().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let maker = name[PREFIX.len()..].split('-').next().and_then(|pid| pid.parse::<u32>().ok());
        let alive = maker.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
        if !alive {
            let _ = Command::new("sh").args(["-c", SWEEP, "sweep", "", name]).status();
        }
    }
    Ok(())
}
