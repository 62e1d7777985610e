use std::fs;

use sluice_runtime::config::{HugePages, PortConfig, Queues};

use super::*;

/// A machine made of files.
struct Machine(tempfile::TempDir);

impl Machine {
    /// One that lacks nothing, with an Intel network device bound to `driver`.
    fn good(driver: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (path, text) in [
            ("proc/meminfo", "MemAvailable: 16777216 kB\n"),
            ("proc/self/status", "CapEff:\t000001ffffffffff\n"),
            ("proc/sys/net/ipv4/conf/all/rp_filter", "2"),
            ("proc/sys/net/ipv6/conf/all/disable_ipv6", "0"),
            ("dev/net/tun", ""),
            ("dev/vhost-net", ""),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512"),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512"),
            ("sys/kernel/iommu_groups/0/x", ""),
            ("sys/devices/system/cpu/online", "0-3"),
            ("sys/devices/system/cpu/isolated", "0"),
            ("sys/devices/system/cpu/nohz_full", "0"),
            ("sys/devices/system/node/node0/cpulist", "0-1"),
            ("sys/bus/pci/devices/0000:03:00.0/class", "0x020000"),
            ("sys/bus/pci/devices/0000:03:00.0/vendor", "0x8086"),
            ("sys/bus/pci/devices/0000:03:00.0/device", "0x1572"),
            ("sys/bus/pci/devices/0000:03:00.0/numa_node", "0"),
            ("sys/bus/pci/devices/0000:03:00.0/net/eth7/x", ""),
            ("sys/bus/pci/drivers/vfio-pci/x", ""),
        ] {
            machine.put(path, text);
        }
        let link = machine.0.path().join("sys/bus/pci/devices/0000:03:00.0/driver");
        std::os::unix::fs::symlink(format!("../../../bus/pci/drivers/{driver}"), link).unwrap();
        machine
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.0.path().join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    fn look(&self, config: &DataplaneConfig) -> Vec<Finding> {
        examine(&System::at(self.0.path()), Some(config))
    }
}

fn port(device: &str) -> PortConfig {
    PortConfig {
        name: "uplink".into(),
        device: device.into(),
        queues: Queues::Auto,
        addresses: vec!["192.0.2.1/24".parse().unwrap()],
        mtu: 1500,
    }
}

/// A gateway on the machine's device and its first CPU.
fn config() -> DataplaneConfig {
    DataplaneConfig {
        lcores: vec![0],
        ports: vec![port("03:00.0")],
        runtime_dir: "/dev/shm/sluice".into(),
        ..DataplaneConfig::default()
    }
}

fn find<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|f| f.check == check).unwrap_or_else(|| panic!("{check}: {findings:?}"))
}

#[track_caller]
fn ill(findings: &[Finding], check: &str, status: Status, mend: &str) {
    let finding = find(findings, check);
    assert_eq!(finding.status, status, "{finding:?}");
    assert!(finding.mend.as_deref().unwrap_or_default().contains(mend), "{finding:?}");
}

#[test]
fn a_good_machine_is_well() {
    let machine = Machine::good("vfio-pci");
    let ill: Vec<_> = machine.look(&config()).into_iter().filter(|f| f.status != Status::Ok).collect();
    assert_eq!(ill, []);
}

#[test]
fn a_device_of_linux_is_named_with_its_interface_and_how_to_bind_it() {
    let findings = Machine::good("i40e").look(&config());
    ill(&findings, "port uplink", Status::Missing, "driverctl set-override 0000:03:00.0 vfio-pci");
    assert!(find(&findings, "port uplink").found.contains("eth7"));
    let shared = Machine::good("mlx5_core");
    shared.remove("sys/kernel/iommu_groups");
    shared.remove("sys/bus/pci/drivers");
    assert!(shared.look(&config()).iter().all(|f| f.status == Status::Ok), "shared devices need no VFIO");
}

#[test]
fn a_device_that_is_not_there_is_missing() {
    let machine = Machine::good("vfio-pci");
    let findings = machine.look(&DataplaneConfig { ports: vec![port("0000:09:00.0")], ..config() });
    ill(&findings, "port uplink", Status::Missing, "lspci");
    let findings =
        machine.look(&DataplaneConfig { ports: vec![port("net_af_packet0,iface=eth9")], ..config() });
    ill(&findings, "port uplink", Status::Missing, "ip link");
    machine.put("sys/class/net/eth9/mtu", "1500");
    let findings =
        machine.look(&DataplaneConfig { ports: vec![port("net_af_packet0,iface=eth9")], ..config() });
    assert_eq!(find(&findings, "port uplink").status, Status::Ok);
}

#[test]
fn vfio_and_an_iommu_are_missed_only_where_a_device_needs_them() {
    let machine = Machine::good("vfio-pci");
    machine.remove("sys/kernel/iommu_groups");
    ill(&machine.look(&config()), "IOMMU", Status::Missing, "intel_iommu=on");
    let tap = DataplaneConfig { ports: vec![port("net_tap0")], ..config() };
    assert_eq!(find(&machine.look(&tap), "IOMMU").status, Status::Ok);
    machine.put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    assert_eq!(find(&machine.look(&config()), "IOMMU").status, Status::Warning);
    machine.remove("sys/bus/pci/drivers/vfio-pci");
    ill(&machine.look(&config()), "VFIO", Status::Missing, "modprobe vfio-pci");
}

#[test]
fn too_few_huge_pages_are_missing_only_where_they_are_required() {
    let machine = Machine::good("vfio-pci");
    machine.put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100");
    ill(&machine.look(&config()), "huge pages", Status::Warning, "vm.nr_hugepages=540");
    let required = DataplaneConfig { huge_pages: HugePages::Required, ..config() };
    ill(&machine.look(&required), "huge pages", Status::Missing, "vm.nr_hugepages");
    let never = DataplaneConfig { huge_pages: HugePages::Never, ..config() };
    assert_eq!(find(&machine.look(&never), "huge pages").status, Status::Ok);
    machine.put("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1");
    assert_eq!(find(&machine.look(&required), "huge pages").status, Status::Ok, "any size does");
}

#[test]
fn lcores_are_looked_for_and_at() {
    let machine = Machine::good("vfio-pci");
    let absent = machine.look(&DataplaneConfig { lcores: vec![0, 9], ..config() });
    ill(&absent, "lcores", Status::Missing, "0,1,2,3");
    machine.put("sys/devices/system/cpu/isolated", "");
    machine.put("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2");
    machine.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave");
    machine.put("sys/devices/system/node/node0/cpulist", "1");
    let findings = machine.look(&config());
    ill(&findings, "CPU isolation", Status::Warning, "isolcpus=managed_irq,domain,0");
    ill(&findings, "hyper-threads", Status::Warning, "offline");
    ill(&findings, "CPU frequency", Status::Warning, "performance");
    ill(&findings, "port uplink, memory", Status::Warning, "choose dataplane.lcores from 1");
    let sleeping = DataplaneConfig { idle: sluice_runtime::config::Idle::Sleep, ..config() };
    assert_eq!(find(&machine.look(&sleeping), "CPU isolation").status, Status::Ok);
}

#[test]
fn devices_memory_and_capabilities_that_are_not_there_are_missed() {
    let machine = Machine::good("vfio-pci");
    machine.remove("dev/net/tun");
    machine.remove("dev/vhost-net");
    machine.put("proc/meminfo", "MemAvailable: 102400 kB\n");
    machine.put("proc/self/status", "CapEff:\t0000000000002000\n");
    let findings = machine.look(&config());
    ill(&findings, "/dev/net/tun", Status::Missing, "modprobe tun");
    ill(&findings, "/dev/vhost-net", Status::Warning, "modprobe vhost-net");
    ill(&findings, "memory", Status::Missing, "dataplane.flows");
    ill(&findings, "capabilities", Status::Missing, "run as root");
    assert!(find(&findings, "capabilities").found.contains("CAP_NET_ADMIN"));
    assert!(!find(&findings, "capabilities").found.contains("CAP_NET_RAW"));
}

#[test]
fn kernel_parameters_that_bite_are_named() {
    let machine = Machine::good("vfio-pci");
    machine.put("proc/sys/net/ipv4/conf/all/rp_filter", "1");
    machine.put("proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    let second = PortConfig {
        name: "second".into(),
        addresses: vec!["192.0.2.2/24".parse().unwrap()],
        ..port("net_tap1")
    };
    let two = DataplaneConfig { ports: vec![port("net_tap0"), second], ..config() };
    let findings = machine.look(&two);
    ill(&findings, "rp_filter", Status::Warning, "rp_filter=2");
    ill(&findings, "arp", Status::Warning, "arp_ignore=1");
    ill(&findings, "IPv6", Status::Warning, "disable_ipv6=0");
    let mut v6 = two;
    v6.ports[0].addresses.push("2001:db8::1/64".parse().unwrap());
    ill(&machine.look(&v6), "IPv6", Status::Missing, "disable_ipv6=0");
    machine.put("proc/sys/net/ipv4/conf/all/arp_ignore", "1");
    assert_eq!(find(&machine.look(&v6), "arp").status, Status::Ok);
}

#[test]
fn without_a_configuration_devices_are_listed() {
    let machine = Machine::good("i40e");
    let findings = examine(&System::at(machine.0.path()), None);
    assert_eq!(find(&findings, "device 0000:03:00.0").found, "8086:1572, i40e");
}

#[test]
fn the_text_has_what_is_missing_first_among_what_to_mend() {
    let text = text(&[
        Finding::ok("a", "fine"),
        Finding::warning("b", "slow", "do this"),
        Finding::missing("c", "gone", "first line\nsecond line"),
    ]);
    let (table, mend) = text.split_once("How to mend it:").unwrap();
    assert!(table.contains("MISSING  c     gone"), "{table}");
    assert!(mend.find("c: gone").unwrap() < mend.find("b: slow").unwrap());
    assert!(mend.contains("      second line\n"));
}
