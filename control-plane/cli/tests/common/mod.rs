//! Running the binary, and a whole gateway in a network namespace of its own.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The binary.
pub const SLUICE: &str = env!("CARGO_BIN_EXE_sluice");

/// Runs the binary to its end.
pub fn sluice(arguments: &[&str]) -> Output {
    let mut command = Command::new(SLUICE);
    command
        .args(arguments)
        .env_remove("SLUICE_CONFIG")
        .env_remove("SLUICE_LOG")
        .env_remove("SLUICE_LOG_FORMAT");
    command.output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Waits until `check` gives something, at most so long.
#[track_caller]
pub fn eventually<T>(what: &str, patience: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // What is gone already is as good as ended.
    let _ = kill_process(pid, signal);
}

/// Whether a process is there and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}

/// Folder with a configuration of two ports that lead nowhere, and manifests.
pub struct Site {
    pub folder: tempfile::TempDir,
}

pub const WEB: &str = r#"apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.20
  clusterIPs: [10.96.0.20]
  type: LoadBalancer
  ports: [{ name: http, port: 80, protocol: TCP, nodePort: 30080 }]
status: { loadBalancer: { ingress: [{ ip: 203.0.113.10 }] } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints:
  - { addresses: [10.244.1.5], conditions: { ready: true }, nodeName: n1, targetRef: { kind: Pod, name: web-a } }
  - { addresses: [10.244.2.5], conditions: { ready: false } }
"#;

impl Site {
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(site.folder.path().join("manifests")).unwrap();
        fs::write(site.folder.path().join("manifests/web.yaml"), WEB).unwrap();
        site.write(&Self::text());
        site
    }

    pub fn text() -> String {
        "node: edge-1\n\
         runtime_dir: run\n\
         dataplane:\n  \
           lcores: [0]\n  \
           memory: 64MiB\n  \
           huge_pages: never\n  \
           flows: 4096\n  \
           idle: sleep\n  \
           ports:\n    \
             - { name: uplink, device: \"net_null0,no-rx=1\", addresses: [192.0.2.1/24] }\n    \
             - { name: cluster, device: \"net_null1,no-rx=1\", addresses: [198.51.100.10/24] }\n  \
           routes:\n    \
             - { to: 10.244.0.0/16, via: 198.51.100.1 }\n\
         source: { manifests: manifests }\n\
         services:\n  \
           node_port_addresses: [192.0.2.1]\n  \
           cluster_cidrs: [10.244.0.0/16]\n  \
           service_cidrs: [10.96.0.0/12]\n"
            .to_owned()
    }

    pub fn write(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("sluice.yaml")
    }

    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Runs the binary with this site's configuration at the end of its arguments.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        let mut all = arguments.to_vec();
        all.extend(["-c", config.to_str().unwrap()]);
        sluice(&all)
    }

    /// The same, which must go well; what it printed, as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.ask(&[arguments, &["-o", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// `sluice run`, or one role by itself, in a network namespace that goes with it.
pub struct Gateway {
    pub child: Child,
    log: PathBuf,
}

impl Gateway {
    pub fn start(site: &Site, arguments: &[&str]) -> Self {
        Self::start_as("run", site, arguments)
    }

    pub fn start_as(role: &str, site: &Site, arguments: &[&str]) -> Self {
        let log = site.folder.path().join("log");
        let file = fs::File::create(&log).unwrap();
        let child = Command::new("unshare")
            .args(["--net", SLUICE, role, "-c"])
            .arg(site.config())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The process that plays a role, once it does.
    #[track_caller]
    pub fn role(&self, role: &str) -> u32 {
        eventually(role, Duration::from_secs(10), || self.role_now(role))
    }

    pub fn role_now(&self, role: &str) -> Option<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
        let plays = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes()) && is_alive(*pid)
        };
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(plays)
    }

    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let child = &mut self.child;
        eventually("the end", patience, || child.try_wait().unwrap()).code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        if let Ok(None) = self.child.try_wait() {
            signal(self.child.id(), Signal::TERM);
            let end = Instant::now() + Duration::from_secs(15);
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Whether nobody listens on a socket.
pub fn is_free(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_err()
}
