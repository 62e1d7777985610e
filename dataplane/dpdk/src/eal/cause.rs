//! From DPDK's log lines and a device's name to what a person should look at.

/// Text to append to an error message: the likely cause, and DPDK's own words. Empty where nothing is known.
pub(crate) fn likely_cause(log: &str, device: &str) -> String {
    let mut text = String::new();
    if let Some(cause) = guess(log, device) {
        text.push_str("; likely cause: ");
        text.push_str(cause);
    }
    if !log.is_empty() {
        text.push_str("; DPDK said: ");
        text.push_str(log);
    }
    text
}

/// Lines that DPDK 22.11 and 24.11 print, most particular first, and what they mean for an administrator.
const LINES: &[(&str, &str)] = &[
    (
        "failed to parse device",
        "no driver of that name is installed (Debian: the librte-* packages), or the name is misspelt",
    ),
    (
        "could not find driver",
        "DPDK's driver package is not installed, or the device's name begins with no driver's name",
    ),
    (
        "no driver found for",
        "DPDK's driver package is not installed, or the device's name begins with no driver's name",
    ),
    ("failed to initialize device", "the driver refused its arguments or the kernel refused the driver"),
    (
        "cannot find device",
        "there is no such device, or its kernel driver still holds it (bind it to vfio-pci)",
    ),
    ("cannot get hugepage information", "no huge pages are reserved, or no hugetlbfs is mounted"),
    ("no free hugepages", "no huge pages are free"),
    ("couldn't get fd on hugepage file", "the hugetlbfs is not writable for this user"),
    ("cannot create lock on", "another process uses the same file prefix"),
    (
        "cannot init config",
        "another process uses the same file prefix, or the runtime directory is not writable",
    ),
    ("does not have enough memory", "less memory is free than was asked for"),
    ("not enough memory available", "less memory is free than was asked for"),
    ("error allocating", "less memory is free than was asked for"),
    ("cannot set affinity", "the main CPU is not one that this process may use"),
    ("vfio", "VFIO is not usable: load vfio-pci, enable the IOMMU, bind the device"),
    (
        "driver cannot attach the device",
        "the driver refused the device's arguments, or the kernel refused the driver",
    ),
];

/// Lines of drivers that are about what stands behind the device's name.
const ARGUMENTS: [&str; 12] = [
    "is not in format",
    "invalid remote interface name",
    "could not parse",
    "failed to parse mac",
    "failed to parse zero-copy",
    "invalid kvargs",
    "invalid blocksize",
    "invalid framesize",
    "invalid framecount",
    "invalid qpairs",
    "invalid ring size",
    "invalid buffer size",
];

fn guess(log: &str, device: &str) -> Option<&'static str> {
    let lower = log.to_lowercase();
    if ARGUMENTS.iter().any(|line| lower.contains(line)) {
        return Some("an argument behind the device's name is wrong; see DPDK's words");
    }
    let by_line = LINES.iter().find(|(line, _)| lower.contains(line)).map(|(_, cause)| *cause);
    // What a virtual device's driver needs is more to the point than EAL's general remarks.
    let by_device = [
        ("net_tap", "TAP devices need /dev/net/tun, CAP_NET_ADMIN and an interface name that is not taken"),
        ("net_af_packet", "AF_PACKET needs CAP_NET_RAW, and `iface=` must name an existing interface"),
        (
            "net_af_xdp",
            "AF_XDP needs CAP_NET_ADMIN and CAP_BPF, and `iface=` must name an existing interface",
        ),
        ("net_pcap", "the capture file does not exist, is no capture, or is not readable"),
        ("net_vhost", "the socket's folder is not writable, or a socket of that name is left over"),
        ("virtio_user", "nothing serves the socket in `path=`, or /dev/vhost-net is missing"),
        ("net_virtio_user", "nothing serves the socket in `path=`, or /dev/vhost-net is missing"),
        ("net_memif", "the socket's folder is not writable, or memory is not shareable"),
    ];
    by_device.iter().find(|(prefix, _)| device.starts_with(prefix)).map(|(_, cause)| *cause).or(by_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_and_dpdk_is_quoted() {
        let text = likely_cause("EAL: Cannot get hugepage information.", "");
        assert!(
            text.contains("no huge pages are reserved") && text.contains("DPDK said: EAL: Cannot"),
            "{text}"
        );
        assert!(likely_cause("", "net_tap0").contains("/dev/net/tun"));
        let mac = "set_mac_type(): TAP user MAC (zz) is not in format (fixed|xx:xx:xx:xx:xx:xx)";
        assert!(likely_cause(mac, "net_tap0").contains("likely cause: an argument behind"));
        assert_eq!(likely_cause("", ""), "");
    }
}
