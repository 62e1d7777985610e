//! Starting DPDK.

use rustix::thread::{CpuSet, sched_getaffinity};
use sluice_dpdk::{DeviceSpec, Eal, EalError, EalOptions, HugePages, IovaMode, LogLevel};

use crate::config::{DataplaneConfig, EalArgument, HugePages as Wanted, PortConfig};

/// Drivers whose other end is a process that maps our packet memory.
const SHARING: [&str; 3] = ["net_memif", "net_virtio_user", "virtio_user"];

/// DPDK's levels by their numbers; 0 is none.
const LEVELS: [LogLevel; 9] = [
    LogLevel::Emergency,
    LogLevel::Emergency,
    LogLevel::Alert,
    LogLevel::Critical,
    LogLevel::Error,
    LogLevel::Warning,
    LogLevel::Notice,
    LogLevel::Info,
    LogLevel::Debug,
];

/// Starts DPDK for these ports. `prefix` keeps its files apart from those of other gateways.
///
/// PCI devices are probed here, since no other is to be touched; virtual ones are attached one by one later.
///
/// # Errors
/// [`EalError`].
pub fn start_eal(config: &DataplaneConfig, prefix: &str, devices: &[DeviceSpec]) -> Result<Eal, EalError> {
    let mut options = EalOptions::new()
        .memory_mib(config.memory_mib)
        .huge_pages(match config.huge_pages {
            Wanted::Auto => HugePages::Auto,
            Wanted::Required => HugePages::Required,
            Wanted::Never => HugePages::Never,
        })
        .file_prefix(prefix)
        .shareable_memory(config.ports.iter().any(shares))
        .log_level(LogLevel::Notice)
        .on_log(log);
    if let Some(cpu) = main_cpu(&config.lcores) {
        options = options.main_cpu(cpu);
    }
    for argument in config.eal_arguments.iter().filter_map(|text| text.parse().ok()) {
        options = match argument {
            EalArgument::VirtualAddresses => options.iova_mode(IovaMode::Virtual),
            EalArgument::PhysicalAddresses => options.iova_mode(IovaMode::Physical),
            EalArgument::LogLevel(level) => {
                options.log_level(LEVELS.get(usize::from(level)).copied().unwrap_or(LogLevel::Debug))
            }
            EalArgument::Driver(path) => options.driver(path),
        };
    }
    for device in devices.iter().filter(|device| device.is_pci()) {
        options = options.device(device.clone());
    }
    Eal::init(options)
}

fn shares(port: &PortConfig) -> bool {
    port.driver().is_some_and(|driver| SHARING.contains(&driver))
        && port.argument("path") != Some("/dev/vhost-net")
}

/// A CPU on which nobody polls, for DPDK's helper threads.
fn main_cpu(lcores: &[u32]) -> Option<usize> {
    let allowed = sched_getaffinity(None).ok()?;
    (0..CpuSet::MAX_CPU)
        .find(|cpu| allowed.is_set(*cpu) && !lcores.iter().any(|lcore| *lcore as usize == *cpu))
}

/// What the TAP driver says as errors of things that are not used here: rules of rte_flow, and secondary processes.
const NO_ERRORS: [&str; 6] = [
    "tap_nl_dump_ext_ack(): Specified qdisc kind is unknown",
    "qdisc_create_multiq(): Could not add multiq qdisc",
    "failed to create multiq qdisc",
    "Disabling rte flow support",
    "tap_mp_req_on_rxtx(): Failed to send start req to secondary",
    "tap_mp_req_on_rxtx(): Failed to send stop req to secondary",
];

fn log(level: LogLevel, line: &str) {
    if NO_ERRORS.iter().any(|part| line.contains(part)) {
        tracing::debug!("dpdk: {line}");
        return;
    }
    match level {
        LogLevel::Emergency | LogLevel::Alert | LogLevel::Critical | LogLevel::Error => {
            tracing::error!("dpdk: {line}")
        }
        LogLevel::Warning => tracing::warn!("dpdk: {line}"),
        LogLevel::Notice => tracing::info!("dpdk: {line}"),
        LogLevel::Info | LogLevel::Debug => tracing::debug!("dpdk: {line}"),
    }
}
