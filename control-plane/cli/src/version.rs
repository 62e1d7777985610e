//! `sluice version`: which releases these are.

use serde::Serialize;
use sluice_runtime::admin::protocol::VersionInfo;

use crate::args::{ConfigFile, Global};
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::{locate, show};

/// The releases of everything that has one.
#[derive(Debug, Serialize)]
struct Versions {
    /// This program.
    sluice: &'static str,
    /// The DPDK library that this program runs with.
    dpdk: &'static str,
    /// The protocol between control and packet path.
    feed_protocol: u16,
    /// The packet path that runs, where one does.
    running: Option<VersionInfo>,
}

/// Prints the releases. That nothing runs, or may not be asked, is no failure.
pub(crate) fn run(config: &ConfigFile, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let socket = locate::dataplane_socket(config, global)?;
    let running = locate::dataplane(&socket).and_then(|mut client| show::version(&mut client)).ok();
    let versions = Versions {
        sluice: env!("CARGO_PKG_VERSION"),
        dpdk: sluice_dpdk::version(),
        feed_protocol: sluice_feed::message::VERSION,
        running,
    };
    printer.print(&versions, text)?;
    Ok(Exit::Ok)
}

fn text(versions: &Versions) -> String {
    let Versions { sluice, dpdk, feed_protocol, running } = versions;
    let mut text =
        format!("sluice         {sluice}\nDPDK           {}\nfeed protocol  {feed_protocol}\n", bare(dpdk));
    if let Some(running) = running {
        text.push_str(&format!(
            "running        sluice {}, DPDK {}, process {}, for {} s\n",
            running.sluice,
            bare(&running.dpdk),
            running.pid,
            running.uptime_seconds
        ));
    }
    text
}

/// DPDK puts its own name before its release.
pub(crate) fn bare(version: &str) -> &str {
    version.trim_start_matches("DPDK ")
}
