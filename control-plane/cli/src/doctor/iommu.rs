//! IOMMU and VFIO: how PCI devices are given to a process.

use sluice_runtime::DataplaneConfig;

use super::Finding;
use super::devices::{is_bifurcated, pci_ports};
use super::system::System;

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let needed = pci_ports(config).iter().any(|(_, address)| !is_bifurcated(system, address));
    let idle = if config.is_some() { "; no port needs it" } else { "" };
    let groups = system.names("/sys/kernel/iommu_groups").len();
    let unsafe_mode =
        system.read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode").as_deref() == Some("Y");
    let iommu = if groups > 0 {
        Finding::ok("IOMMU", format!("on, {groups} groups"))
    } else if unsafe_mode {
        Finding::warning(
            "IOMMU",
            "none; VFIO works without one: a device can write anywhere in memory",
            "intel_iommu=on iommu=pt (or amd_iommu=on) on the kernel's command line, and VT-d or AMD-Vi in the firmware",
        )
    } else if needed {
        Finding::missing(
            "IOMMU",
            "none",
            "intel_iommu=on iommu=pt (or amd_iommu=on) on the kernel's command line, and VT-d or AMD-Vi in the firmware\n\
             in a virtual machine without one: modprobe vfio enable_unsafe_noiommu_mode=1",
        )
    } else {
        Finding::ok("IOMMU", format!("none{idle}"))
    };
    let vfio = if system.exists("/sys/bus/pci/drivers/vfio-pci") {
        Finding::ok("VFIO", "vfio-pci is loaded")
    } else if needed {
        let mend = "modprobe vfio-pci\nat each boot: echo vfio-pci > /etc/modules-load.d/sluice.conf";
        Finding::missing("VFIO", "vfio-pci is not loaded", mend)
    } else {
        Finding::ok("VFIO", format!("vfio-pci is not loaded{idle}"))
    };
    vec![iommu, vfio]
}
