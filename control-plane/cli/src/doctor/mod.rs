//! `sluice doctor`: is this machine ready, and if not, how is it made so? Looks only; changes nothing.

mod cpus;
mod devices;
mod dpdk;
mod iommu;
mod kernel;
mod limits;
mod memory;
mod system;

use serde::Serialize;
use sluice_runtime::DataplaneConfig;

use crate::args::ConfigFile;
use crate::exit::{Exit, Failure};
use crate::locate;
use crate::output::{Align, Printer, Table};
use crate::role;

use system::System;

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    /// How it is.
    status: Status,
    /// What was found.
    found: String,
    /// How to mend it; `null` where nothing is to be mended.
    mend: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// The gateway works, though not as well as it could.
    Warning,
    /// The gateway does not work without.
    Missing,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Ok, found: found.into(), mend: None }
    }

    fn warning(check: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    fn missing(check: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Missing, found: found.into(), mend: Some(mend.into()) }
    }

    /// Missing where it is needed, a warning elsewhere.
    fn bad(
        needed: bool,
        check: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        if needed { Self::missing(check, found, mend) } else { Self::warning(check, found, mend) }
    }
}

/// Looks at everything.
pub(crate) fn run(
    file: &ConfigFile,
    global: &crate::args::Global,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let config = match &file.config {
        Some(path) => Some(role::dataplane_config(&locate::config(path, global)?)),
        None => None,
    };
    let findings = examine(&System::real(), config.as_ref());
    printer.print(findings.as_slice(), text)?;
    let missing = findings.iter().any(|finding| finding.status == Status::Missing);
    Ok(if missing { Exit::Unavailable } else { Exit::Ok })
}

fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(dpdk::examine(system, config));
    all.extend(memory::examine(system, config));
    all.extend(kernel::devices(system));
    all.extend(iommu::examine(system, config));
    all.extend(devices::examine(system, config));
    all.extend(cpus::examine(system, config));
    all.extend(limits::examine(system, config));
    all.extend(kernel::parameters(system, config));
    all
}

fn text(findings: &[Finding]) -> String {
    let columns = [("status", Align::Left), ("what", Align::Left), ("found", Align::Left)];
    let mut table = Table::new(&columns);
    for finding in findings {
        let status = match finding.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Missing => "MISSING",
        };
        table.row([status.to_owned(), finding.check.clone(), finding.found.clone()]);
    }
    let mut text = table.render("");
    let mut ill: Vec<&Finding> = findings.iter().filter(|finding| finding.mend.is_some()).collect();
    ill.sort_by_key(|finding| std::cmp::Reverse(finding.status));
    if !ill.is_empty() {
        text.push_str("\nHow to mend it:\n");
    }
    for finding in ill {
        let mend = finding.mend.as_deref().unwrap_or_default();
        text.push_str(&format!("\n  {}: {}\n", finding.check, finding.found));
        for line in mend.lines() {
            text.push_str(&format!("      {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
