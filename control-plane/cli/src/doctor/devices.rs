//! The devices that the configuration names, and without one the network devices there are.

use sluice_dpdk::DeviceSpec;
use sluice_runtime::DataplaneConfig;
use sluice_runtime::config::PortConfig;

use super::Finding;
use super::system::System;

const PCI: &str = "/sys/bus/pci/devices";
/// Drivers that hand a device to DPDK.
const USER_SPACE: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Drivers of devices that DPDK and Linux share (NVIDIA ConnectX, Microsoft MANA): to be left as they are.
const BIFURCATED: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    match config {
        Some(config) => config.ports.iter().flat_map(|port| one(system, port, config)).collect(),
        None => network_devices(system),
    }
}

/// Ports on PCI devices, with their addresses in full.
pub(super) fn pci_ports(config: Option<&DataplaneConfig>) -> Vec<(&PortConfig, String)> {
    let ports = config.map_or(&[][..], |config| &config.ports);
    ports.iter().filter_map(|port| Some((port, pci_address(port)?))).collect()
}

/// Whether DPDK and Linux share a device.
pub(super) fn is_bifurcated(system: &System, address: &str) -> bool {
    driver(system, address).is_some_and(|driver| BIFURCATED.contains(&driver.as_str()))
}

fn pci_address(port: &PortConfig) -> Option<String> {
    let device: DeviceSpec = port.device.parse().ok()?;
    device.is_pci().then(|| device.name().to_owned())
}

fn driver(system: &System, address: &str) -> Option<String> {
    system.link_name(&format!("{PCI}/{address}/driver"))
}

fn one(system: &System, port: &PortConfig, config: &DataplaneConfig) -> Vec<Finding> {
    let check = format!("port {}", port.name);
    if let Some(address) = pci_address(port) {
        return pci(system, &check, &address, config);
    }
    if let Some(interface) = port.argument("iface").filter(|_| port.driver() != Some("net_tap")) {
        let found = format!("{} on {interface}", port.device_name());
        return vec![if system.exists(&format!("/sys/class/net/{interface}")) {
            Finding::ok(check, found)
        } else {
            let found = format!("{found}: there is no interface {interface} in this network namespace");
            Finding::missing(check, found, "ip link   lists the interfaces that there are")
        }];
    }
    vec![Finding::ok(check, format!("{}, a virtual device", port.device_name()))]
}

fn pci(system: &System, check: &str, address: &str, config: &DataplaneConfig) -> Vec<Finding> {
    if !system.exists(&format!("{PCI}/{address}")) {
        let mend = "lspci -D -d ::0200   lists the Ethernet devices that there are";
        return vec![Finding::missing(check, format!("there is no PCI device {address}"), mend)];
    }
    let mut all = Vec::new();
    let bind = format!(
        "driverctl set-override {address} vfio-pci   (stays over a reboot)\n\
         or dpdk-devbind.py -b vfio-pci {address}    (until the next one)"
    );
    all.push(match driver(system, address) {
        Some(name) if USER_SPACE.contains(&name.as_str()) => {
            Finding::ok(check, format!("{address}, bound to {name}"))
        }
        Some(name) if BIFURCATED.contains(&name.as_str()) => {
            Finding::ok(check, format!("{address}, with {name}, which DPDK and Linux share"))
        }
        Some(name) => {
            let interfaces = system.names(&format!("{PCI}/{address}/net"));
            let named =
                if interfaces.is_empty() { String::new() } else { format!(" as {}", interfaces.join(", ")) };
            let mend = format!("{bind}\nNot the device that your own session comes by.");
            Finding::missing(check, format!("{address} is Linux's{named}, driver {name}"), mend)
        }
        None => Finding::missing(check, format!("{address} has no driver"), bind),
    });
    all.extend(far_memory(system, check, address, config));
    all
}

/// A device on another NUMA node than an lcore: every packet crosses the link between the sockets.
fn far_memory(system: &System, check: &str, address: &str, config: &DataplaneConfig) -> Option<Finding> {
    let node = system.number(&format!("{PCI}/{address}/numa_node"))?;
    let near = system.cpus(&format!("/sys/devices/system/node/node{node}/cpulist"))?;
    let far: Vec<u32> = config.lcores.iter().copied().filter(|cpu| !near.contains(cpu)).collect();
    (!far.is_empty()).then(|| {
        Finding::warning(
            format!("{check}, memory"),
            format!("{address} is on NUMA node {node}, lcores {} are not", super::system::as_list(&far)),
            format!("choose dataplane.lcores from {}", super::system::as_list(&near)),
        )
    })
}

/// Ethernet devices (PCI class 0200), so that one sees what there is to configure.
fn network_devices(system: &System) -> Vec<Finding> {
    let is_ethernet = |address: &String| {
        system.read(&format!("{PCI}/{address}/class")).is_some_and(|class| class.starts_with("0x0200"))
    };
    let devices: Vec<String> = system.names(PCI).into_iter().filter(is_ethernet).collect();
    let describe = |address: &String| {
        let id = |what: &str| {
            let text = system.read(&format!("{PCI}/{address}/{what}")).unwrap_or_default();
            text.trim_start_matches("0x").to_owned()
        };
        let driver = driver(system, address).unwrap_or_else(|| "no driver".to_owned());
        Finding::ok(format!("device {address}"), format!("{}:{}, {driver}", id("vendor"), id("device")))
    };
    if devices.is_empty() {
        return vec![Finding::ok(
            "devices",
            "no Ethernet device on the PCI bus; virtual ones work everywhere",
        )];
    }
    devices.iter().map(describe).collect()
}
