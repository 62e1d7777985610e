//! The kernel's devices and parameters.

use std::fs::OpenOptions;
use std::io::ErrorKind;

use sluice_runtime::DataplaneConfig;

use super::Finding;
use super::system::System;

/// Devices that the kernel interfaces of ports are made of.
pub(super) fn devices(system: &System) -> Vec<Finding> {
    const TUN: &str = "/dev/net/tun";
    const VHOST: &str = "/dev/vhost-net";
    let open = |path: &str| OpenOptions::new().read(true).write(true).open(system.path(path));
    let tun = match open(TUN) {
        Ok(_) => Finding::ok(TUN, "usable"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Finding::missing(TUN, "this user may not open it", "run as root, or let the user open it")
        }
        Err(error) => Finding::missing(
            TUN,
            error.to_string(),
            "modprobe tun\nin a container: --device /dev/net/tun\nEvery port has a kernel interface made of it.",
        ),
    };
    let vhost = match open(VHOST) {
        Ok(_) => Finding::ok(VHOST, "usable"),
        Err(error) => Finding::warning(
            VHOST,
            error.to_string(),
            "modprobe vhost-net\nWithout, TAP carries the packets to and from Linux: slower for BGP, SSH and the like; \
             Services are not touched.",
        ),
    };
    vec![tun, vhost]
}

/// Parameters that packets given to Linux meet.
pub(super) fn parameters(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let number = |path: &str| system.number(&format!("/proc/sys/net/{path}"));
    let mut all = Vec::new();
    all.push(match number("ipv4/conf/all/rp_filter") {
        Some(1) => Finding::warning(
            "rp_filter",
            "strict: Linux drops what arrives by another port than its answers would leave by",
            "sysctl -w net.ipv4.conf.all.rp_filter=2\nServices are not touched: this is about BGP, SSH and the like.",
        ),
        Some(2) => Finding::ok("rp_filter", "loose"),
        Some(_) => Finding::ok("rp_filter", "off for all; each interface has its own"),
        None => Finding::ok("rp_filter", "no such parameter here"),
    });
    if shared_subnet(config) {
        let [ignore, filter] = ["ipv4/conf/all/arp_ignore", "ipv4/conf/all/arp_filter"].map(number);
        all.push(if ignore.unwrap_or(0) >= 1 || filter.unwrap_or(0) >= 1 {
            Finding::ok("arp", "each port answers for its own addresses")
        } else {
            Finding::warning(
                "arp",
                "two ports are on one subnet, and Linux answers ARP on either for the addresses of both",
                "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
            )
        });
    }
    let v6 = config
        .is_some_and(|config| config.ports.iter().flat_map(|p| &p.addresses).any(|a| a.addr().is_ipv6()));
    all.push(match number("ipv6/conf/all/disable_ipv6") {
        Some(0) => Finding::ok("IPv6", "on"),
        Some(_) => Finding::bad(v6, "IPv6", "switched off", "sysctl -w net.ipv6.conf.all.disable_ipv6=0"),
        None => Finding::bad(
            v6,
            "IPv6",
            "not in this kernel",
            "remove ipv6.disable=1 from the kernel's command line",
        ),
    });
    let forwards = number("ipv4/ip_forward") == Some(1) || number("ipv6/conf/all/forwarding") == Some(1);
    let words = if forwards {
        "on: what no Service has and is someone else's, Linux routes"
    } else {
        "off: what no Service has and is someone else's, Linux drops"
    };
    all.push(Finding::ok("forwarding by Linux", words));
    all
}

/// Whether two ports have addresses in one network.
fn shared_subnet(config: Option<&DataplaneConfig>) -> bool {
    let Some(config) = config else { return false };
    let nets = |port: usize| config.ports.get(port).map_or(&[][..], |port| &port.addresses);
    let ports = 0..config.ports.len();
    ports.clone().any(|a| {
        ports
            .clone()
            .skip(a + 1)
            .any(|b| nets(a).iter().any(|x| nets(b).iter().any(|y| x.trunc() == y.trunc())))
    })
}
