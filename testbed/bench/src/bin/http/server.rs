//! Who serves: started with one worker on one CPU.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use sluice_bench::program::Program;
use sluice_testbed::client::eventually;
use sluice_testbed::gateway::binary;

use crate::bed::{Bed, PLAIN, SECURE, SERVER, SERVER_CPU};
use crate::configs;
use crate::cpu::Cpu;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `sluice control` and `sluice proxy`.
    Sluice,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

/// All, in the order in which they take turns.
pub(crate) const ALL: [Kind; 3] = [Kind::Sluice, Kind::Nginx, Kind::Haproxy];

/// Somebody who serves.
pub(crate) struct Server {
    programs: Vec<Program>,
}

impl Kind {
    /// Its name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Starts it and waits until both hosts are served.
    pub(crate) fn start(self, bed: &Bed) -> Server {
        let folder = bed.folder().join(self.name());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let pair = bed.folder().join("pair");
        let lines = match self {
            Self::Nginx => vec![configs::nginx(&folder, &pair)],
            Self::Haproxy => vec![configs::haproxy(&folder, &pair)],
            Self::Sluice => {
                let config = configs::sluice(&folder, &pair);
                let line = |role: &str| {
                    vec![binary().display().to_string(), role.into(), "-c".into(), config.clone()]
                };
                vec![line("control"), line("proxy")]
            }
        };
        let start = |(number, line): (usize, &Vec<String>)| {
            let folder = folder.join(number.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            Program::start(&bed.bed.gateway, SERVER_CPU, &folder, line).unwrap()
        };
        let server = Server { programs: lines.iter().enumerate().map(start).collect() };
        for port in [80, 443] {
            assert!(bed.listens(SocketAddr::from((SERVER, port))), "{}", server.log());
        }
        for url in [format!("http://{PLAIN}/"), format!("https://{SECURE}/")] {
            let served = eventually(Duration::from_secs(10), || {
                let curl = ["curl", "-ksf", "-o", "/dev/null", &url];
                bed.client(&curl).status().unwrap().success().then_some(())
            });
            assert!(served.is_some(), "{} does not serve {url}: {}", self.name(), server.log());
        }
        server
    }

    /// What TLS it agrees on with OpenSSL's client, and its release.
    pub(crate) fn about(self, bed: &Bed) -> (String, String) {
        let _server = self.start(bed);
        let script = format!(
            "openssl s_client -connect {SERVER}:443 -servername {SECURE} </dev/null 2>/dev/null | grep -E '^New,|Server Temp Key|^Server public key'"
        );
        let output = bed.client(&["sh", "-c", &script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let tls: Vec<&str> = text.lines().map(str::trim).collect();
        let words: &[&str] = match self {
            Self::Sluice => &["--version"],
            _ => &["-v"],
        };
        let program = if self == Self::Sluice { binary() } else { self.name().into() };
        let output = Command::new(program).args(words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let release = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
        (tls.join(", "), release)
    }
}

impl Server {
    /// Time that it has had.
    pub(crate) fn cpu(&self) -> Cpu {
        Cpu::of(&self.programs.iter().map(Program::id).collect::<Vec<_>>())
    }

    /// MiB that each of its programs has resident (`VmRSS` of proc(5)).
    pub(crate) fn resident(&self) -> Vec<f64> {
        let of = |program: &Program| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
            let kib = status.split("VmRSS:").nth(1).and_then(|rest| rest.split_whitespace().next());
            kib.and_then(|kib| kib.parse::<f64>().ok()).expect("VmRSS") / 1024.0
        };
        self.programs.iter().map(of).collect()
    }

    /// The last it printed.
    pub(crate) fn log(&self) -> String {
        self.programs.iter().map(Program::log).collect::<Vec<_>>().join("\n")
    }
}
