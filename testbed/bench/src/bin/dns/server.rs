//! Who answers: started with one thread on one CPU, ended by its process id.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use sluice_testbed::Netns;
use sluice_testbed::client::eventually;

use crate::configs;
use crate::link::{Link, SERVER_CPU, command};
use crate::queries::Names;
use crate::sluice::Sluice;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A gateway with a port of this driver.
    Sluice(&'static str),
    /// `dpdk-testpmd`, which sends every query back: the ceiling of a port.
    Echo(&'static str),
    /// Knot DNS, with its own XDP path or without.
    Knot { xdp: bool },
    /// NSD.
    Nsd,
    /// Unbound.
    Unbound,
    /// dnsmasq.
    Dnsmasq,
    /// CoreDNS.
    CoreDns,
    /// dnsdist, with its packet cache.
    Dnsdist,
}

/// A program that answers.
pub(crate) enum Server {
    /// A peer.
    Program(Program),
    /// The gateway.
    Gateway(Sluice),
}

impl Kind {
    /// Its name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sluice("net_af_packet") => "sluice.af_packet",
            Self::Sluice(_) => "sluice.af_xdp",
            Self::Echo("net_af_packet") => "echo.af_packet",
            Self::Echo(_) => "echo.af_xdp",
            Self::Knot { xdp: true } => "knot.xdp",
            Self::Knot { xdp: false } => "knot",
            Self::Nsd => "nsd",
            Self::Unbound => "unbound",
            Self::Dnsmasq => "dnsmasq",
            Self::CoreDns => "coredns",
            Self::Dnsdist => "dnsdist",
        }
    }

    /// Starts it with these names: the cluster's its own, those of others by forwarding.
    ///
    /// # Errors
    /// What it printed, where it does not answer.
    pub(crate) fn start(self, link: &Link, names: Names) -> Result<Server, String> {
        link.server_of_linux(!matches!(self, Self::Sluice(_) | Self::Echo(_)));
        let mut server = if let Self::Sluice(driver) = self {
            Server::Gateway(Sluice::start(link, driver, names))
        } else {
            let folder = link.bed.folder().join(self.name());
            std::fs::create_dir_all(&folder).unwrap();
            let line = configs::write(self, names, &folder);
            Server::Program(Program::start(&link.bed.gateway, SERVER_CPU, &folder, &line)?)
        };
        let ready = if let Self::Echo(_) = self {
            // It answers nothing that could be asked for.
            std::thread::sleep(Duration::from_secs(2));
            server.runs()
        } else {
            link.until_answered(names, Duration::from_secs(30))
        };
        if ready { Ok(server) } else { Err(format!("{} does not answer:\n{}", self.name(), server.log())) }
    }
}

impl Server {
    fn runs(&mut self) -> bool {
        match self {
            Self::Program(program) => program.runs(),
            Self::Gateway(_) => true,
        }
    }

    /// The last it printed.
    fn log(&self) -> String {
        match self {
            Self::Program(program) => program.log(),
            Self::Gateway(gateway) => gateway.log(),
        }
    }
}

/// A program in a namespace, ended when dropped.
pub(crate) struct Program {
    child: Child,
    log: std::path::PathBuf,
}

impl Program {
    /// Starts it on one CPU.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) fn start(
        namespace: &Netns,
        cpu: usize,
        folder: &Path,
        line: &[String],
    ) -> Result<Self, String> {
        let log = folder.join("log");
        let file = File::create(&log).unwrap();
        let cpu = cpu.to_string();
        let words = ["taskset", "-c", &cpu];
        let words: Vec<&str> = words.into_iter().chain(line.iter().map(String::as_str)).collect();
        let mut command = command(namespace, &words);
        // CoreDNS's threads are as many as it thinks there are CPUs.
        command.env("GOMAXPROCS", "1").current_dir(folder);
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().map_err(|error| format!("{}: {error}", line[0]))?;
        Ok(Self { child, log })
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // `ip netns exec` and taskset became the program. Some end slowly, or not for a terminal's sake.
        let _ = std::process::Command::new("kill").arg(self.child.id().to_string()).status();
        if eventually(Duration::from_secs(3), || (!self.runs()).then_some(())).is_none() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
