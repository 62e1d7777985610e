//! Leaving no process and no folder behind, however the maker ends.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::ClusterError;
use crate::cleanup::PREFIX;
use crate::run::RunError;

/// Waits for the maker to end, then ends the guardian's process group from outside of it and takes the folder away.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
cat >/dev/null
exec setsid sh -c '
  kill -s KILL -- "-$1"
  for n in 1 2 3 4 5; do
    sleep 0.1
    case "$2" in */slt-*) rm -rf "$2" ;; esac
    [ -e "$2" ] || exit 0
  done
' sh $$ "$1"
"#;

/// A process whose group all others of a cluster belong to. Its pipe closes when the maker is gone.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
    folder: PathBuf,
}

impl Guard {
    /// Makes a folder that only its owner reads and guards it.
    pub(super) fn start() -> Result<Self, ClusterError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        sweep_dead_runs();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}-cluster{number}", std::process::id()));
        // Nobody but this process may call a folder so now: it is of one that had our id before us.
        if folder.exists() {
            take_away(&folder);
        }
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sluice-cluster-guardian"]).arg(&folder);
        // A group of its own: a Ctrl-C at the terminal is the maker's to handle. Not a session of its own: a process can
        // only join a group of its session.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|source| RunError::Start { program: "sh".into(), source })?;
        let this = Self { pipe: child.stdin.take(), child, folder };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&this.folder).map_err(|source| ClusterError::file(&this.folder, source))?;
        Ok(this)
    }

    /// What it guards.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes what this command starts end with the cluster.
    pub(super) fn enlist(&self, command: &mut Command) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            command.process_group(group);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}

/// Takes away what runs have left whose guardian was killed as well.
fn sweep_dead_runs() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((maker, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("-cluster")) else {
            continue;
        };
        if maker.parse::<u32>().is_err() || Path::new("/proc").join(maker).exists() {
            continue;
        }
        take_away(&entry.path());
    }
}

fn take_away(folder: &Path) {
    end_programs_of(folder);
    let _ = std::fs::remove_dir_all(folder);
}

/// Ends the programs of our build that have this folder on their command line.
fn end_programs_of(folder: &Path) {
    let folder = format!("{}/", folder.display());
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
        else {
            continue;
        };
        let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
        let ours = program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubetest"));
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if ours && String::from_utf8_lossy(&arguments).contains(&folder) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
