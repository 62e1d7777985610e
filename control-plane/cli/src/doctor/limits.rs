//! What this process may: files, locked memory, capabilities; and where its sockets would be.

use std::path::Path;

use rustix::process::{Resource, getrlimit};
use sluice_runtime::DataplaneConfig;

use super::Finding;
use super::devices::pci_ports;
use super::system::System;

/// Open files that a gateway of ordinary size stays below.
const FILES: u64 = 1024;
/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS: u64 = 0x0102_1994;
/// Capabilities (linux/capability.h) that the packet path uses: number, name, what for.
const NET_ADMIN: (u32, &str, &str) = (12, "CAP_NET_ADMIN", "interfaces, addresses and routes");
const NET_RAW: (u32, &str, &str) = (13, "CAP_NET_RAW", "packet sockets");
const IPC_LOCK: (u32, &str, &str) = (14, "CAP_IPC_LOCK", "memory that devices write to");
const SYS_ADMIN: (u32, &str, &str) = (21, "CAP_SYS_ADMIN", "physical addresses of huge pages");

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let pci = !pci_ports(config).is_empty();
    let default = DataplaneConfig::default();
    let directory = &config.unwrap_or(&default).runtime_dir;
    let mut all = vec![files()];
    all.extend(pci.then(|| locked(config.unwrap_or(&default))));
    all.push(capabilities(system, pci));
    all.push(tmpfs(directory));
    all
}

fn files() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FILES => Finding::warning(
            "open files",
            format!("at most {limit}"),
            "ulimit -n 65536, or LimitNOFILE=65536 in the unit",
        ),
        Some(limit) => Finding::ok("open files", format!("at most {limit}")),
        None => Finding::ok("open files", "no limit"),
    }
}

fn locked(config: &DataplaneConfig) -> Finding {
    let needed = u64::from(config.memory_mib) << 20;
    match getrlimit(Resource::Memlock).current {
        Some(limit) if limit < needed && !rustix::process::geteuid().is_root() => Finding::missing(
            "locked memory",
            format!("at most {} KiB; devices write to {} MiB", limit >> 10, config.memory_mib),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit",
        ),
        Some(limit) => {
            Finding::ok("locked memory", format!("at most {} KiB for others than root", limit >> 10))
        }
        None => Finding::ok("locked memory", "no limit"),
    }
}

fn capabilities(system: &System, pci: bool) -> Finding {
    const CHECK: &str = "capabilities";
    let held =
        system.field("/proc/self/status", "CapEff").and_then(|text| u64::from_str_radix(&text, 16).ok());
    let Some(held) = held else {
        return Finding::warning(CHECK, "not known: no CapEff in /proc/self/status", "mount /proc");
    };
    let mut wanted = vec![NET_ADMIN, NET_RAW];
    if pci {
        wanted.extend([IPC_LOCK, SYS_ADMIN]);
    }
    let lacking: Vec<String> = wanted
        .iter()
        .filter(|(number, ..)| held >> number & 1 == 0)
        .map(|(_, name, purpose)| format!("{name} ({purpose})"))
        .collect();
    if lacking.is_empty() {
        return Finding::ok(CHECK, "all that the packet path uses");
    }
    Finding::missing(
        CHECK,
        format!("this process lacks {}", lacking.join(", ")),
        "run as root, or give the unit AmbientCapabilities= with these",
    )
}

/// Sockets and flows belong on a file system that is empty after a boot.
fn tmpfs(directory: &Path) -> Finding {
    let Some(existing) = directory.ancestors().find(|path| path.exists()) else {
        return Finding::warning(
            "runtime folder",
            format!("{}: no such path", directory.display()),
            "mkdir -p it",
        );
    };
    match rustix::fs::statfs(existing) {
        Ok(about) if about.f_type as u64 == TMPFS => {
            Finding::ok("runtime folder", format!("{}, on tmpfs", directory.display()))
        }
        Ok(_) => Finding::warning(
            "runtime folder",
            format!("{} is not on tmpfs", directory.display()),
            "choose a runtime_dir below /run: flows are written all the time, and a disk is no place for them",
        ),
        Err(error) => {
            Finding::warning("runtime folder", format!("{}: {error}", existing.display()), "look at it")
        }
    }
}
