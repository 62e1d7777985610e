//! Who answers: started with one thread on one CPU, ended by its process id.

use std::time::Duration;

use sluice_bench::program::Program;

use crate::configs;
use crate::link::{Link, SERVER_CPU};
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
