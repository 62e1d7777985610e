//! Huge pages and memory.

use sluice_runtime::DataplaneConfig;
use sluice_runtime::config::HugePages;

use super::Finding;
use super::system::System;

const FOLDER: &str = "/sys/kernel/mm/hugepages";
/// Bytes of a flow with its share of the index, for both directions.
const FLOW: u64 = 192;
/// What the processes need beside packets and flows, in MiB: code, tables of Services, heap.
const REST: u64 = 128;

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let default = DataplaneConfig::default();
    let config = config.unwrap_or(&default);
    vec![huge_pages(system, config), memory(system, config)]
}

fn huge_pages(system: &System, config: &DataplaneConfig) -> Finding {
    const CHECK: &str = "huge pages";
    let needed = u64::from(config.memory_mib);
    let (mut free, mut total, mut words) = (0, 0, Vec::new());
    for size in system.names(FOLDER) {
        let Some(kib) =
            size.strip_prefix("hugepages-").and_then(|s| s.strip_suffix("kB")?.parse::<u64>().ok())
        else {
            continue;
        };
        let pages = |which: &str| system.number(&format!("{FOLDER}/{size}/{which}")).unwrap_or(0);
        let (unused, all) = (pages("free_hugepages"), pages("nr_hugepages"));
        if all > 0 {
            words.push(format!("{unused} of {all} pages of {kib} KiB free"));
        }
        free += unused.saturating_mul(kib) / 1024;
        total += all.saturating_mul(kib) / 1024;
    }
    let words = if words.is_empty() { "none reserved".to_owned() } else { words.join(", ") };
    if config.huge_pages == HugePages::Never {
        return Finding::ok(CHECK, format!("{words}; the configuration wants none"));
    }
    if free >= needed {
        return Finding::ok(CHECK, format!("{words}; {needed} MiB are needed"));
    }
    let found = if total >= needed {
        format!("{words}, of {needed} MiB needed; something uses the others, maybe a gateway that runs")
    } else {
        format!("{words}; {needed} MiB are needed")
    };
    let pages = (needed + total - free).div_ceil(2);
    let mend = format!(
        "now:          sysctl -w vm.nr_hugepages={pages}\n\
         at each boot: echo vm.nr_hugepages={pages} > /etc/sysctl.d/90-sluice.conf\n\
         or of 1 GiB:  default_hugepagesz=1G hugepagesz=1G hugepages={} on the kernel's command line\n\
         Without, packets lie in ordinary pages: slower, and not every device can reach them.",
        needed.div_ceil(1024)
    );
    Finding::bad(config.huge_pages == HugePages::Required, CHECK, found, mend)
}

fn memory(system: &System, config: &DataplaneConfig) -> Finding {
    const CHECK: &str = "memory";
    let kib = system.field("/proc/meminfo", "MemAvailable");
    let available = kib.and_then(|text| text.split(' ').next()?.parse::<u64>().ok()).map(|kib| kib / 1024);
    let Some(available) = available else {
        return Finding::warning(CHECK, "not known: no MemAvailable in /proc/meminfo", "mount /proc");
    };
    let lcores = config.lcores.len().max(1) as u64;
    let flows = lcores.saturating_mul(config.flows.into()).saturating_mul(FLOW) >> 20;
    let packets = u64::from(config.memory_mib);
    let needed = packets + flows + REST;
    let found =
        format!("{available} MiB available; {packets} for packets, {flows} for flows, {REST} for the rest");
    if available >= needed {
        return Finding::ok(CHECK, found);
    }
    let mend = "add memory, or lower dataplane.flows or dataplane.memory in the configuration";
    Finding::bad(available < packets, CHECK, found, mend)
}
