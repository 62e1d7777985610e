//! Running a test in network namespaces of its own, which go with its processes.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const INSIDE: &str = "SLUICE_TEST_NAMESPACE";

/// True inside a fresh network namespace. The first call runs the test's own binary again, inside one, for this very
/// test, fails where that fails, and gives false.
pub fn isolated(test: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|name| name == test) {
        run("ip link set lo up");
        return true;
    }
    let output = Command::new("unshare")
        // Its own mounts as well, so that /sys shows the namespace's interfaces.
        .args(["--net", "--mount", "--kill-child"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .expect("unshare of util-linux");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "inside the namespace:\n{}", String::from_utf8_lossy(&text));
    false
}

/// Runs a command line, without a shell.
#[track_caller]
pub fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A second namespace, with a process in it to keep it.
pub struct Far(Child);

impl Far {
    pub fn new() -> Self {
        let child =
            Command::new("unshare").args(["--net", "sleep", "600"]).stdin(Stdio::null()).spawn().unwrap();
        let far = Self(child);
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        wait_for("the second namespace", || {
            std::fs::read_link(format!("/proc/{}/ns/net", far.pid())).is_ok_and(|link| link != own)
        });
        far.run("ip link set lo up");
        far
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        run(&format!("nsenter --net=/proc/{}/ns/net {line}", self.pid()))
    }

    /// A command inside, not yet started.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid())).arg(program);
        command
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits up to fifteen seconds: other tests may have the CPUs.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A part of the test that runs as a process of its own: the test's binary once more, with `part` as its only test.
pub fn part(far: Option<&Far>, part: &str, argument: &str) -> Command {
    let me = std::env::current_exe().unwrap();
    let mut command = match far {
        Some(far) => far.command(me.to_str().unwrap()),
        None => Command::new(me),
    };
    command
        .args(["--exact", part, "--nocapture", "--test-threads=1"])
        .env(format!("SLUICE_TEST_{part}"), argument);
    command
}

/// The argument of this process, where it is that part.
pub fn argument(part: &str) -> Option<String> {
    std::env::var(format!("SLUICE_TEST_{part}")).ok()
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Kills it the hard way and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
