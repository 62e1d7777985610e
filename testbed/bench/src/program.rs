//! Programs beside others: in a namespace, on one CPU, ended by their process id; and `bench`, for a figure of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluice_testbed::Netns;
use sluice_testbed::client::eventually;

use crate::report::Figure;

/// A command line in a namespace.
pub fn command(namespace: &Netns, line: &[&str]) -> Command {
    let mut command = namespace.command(line[0]);
    command.args(&line[1..]);
    command
}

/// A row of `bench`, which is beside this program, on huge pages where there are any.
pub fn bench(row: &str) -> f64 {
    let bench = std::env::current_exe().unwrap().with_file_name("bench");
    let mut command = Command::new(bench);
    let output = command.args(["row", row]).env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.lines().last().and_then(|line| serde_json::from_str::<Figure>(line).ok());
    figure.unwrap_or_else(|| panic!("{row} gave no figure: {text}")).value
}

/// A program in a namespace, ended when dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it on one CPU; what it prints goes to `log` in this folder, where it is started.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(namespace: &Netns, cpu: usize, folder: &Path, line: &[String]) -> Result<Self, String> {
        let log = folder.join("log");
        let file = File::create(&log).unwrap();
        let mut command = namespace.command("taskset");
        command.args(["-c", &cpu.to_string()]).args(line);
        // CoreDNS's threads are as many as it thinks there are CPUs.
        command.env("GOMAXPROCS", "1").current_dir(folder);
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().map_err(|error| format!("{}: {error}", line[0]))?;
        Ok(Self { child, log })
    }

    /// Its process id: `ip netns exec` and taskset became the program.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last it printed.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Some end slowly, or not for a terminal's sake.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        if eventually(Duration::from_secs(3), || (!self.runs()).then_some(())).is_none() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
