//! What is wrong with a configuration, found before any device is touched.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use sluice_engine::PortId;

use super::{DataplaneConfig, EalArgument, PortConfig, Queues, RouteConfig};

/// `IFNAMSIZ` less the zero and `sl-`.
const NAME: usize = 12;
/// DPDK's `RTE_MAX_LCORE` as distributions build it.
const LCORES: u32 = 128;
/// `RTE_MAX_QUEUES_PER_PORT`.
const QUEUES: u16 = 1024;
/// Smallest MTU of IPv4 (RFC 791) and of IPv6 (RFC 8200).
const MIN_MTU: [u16; 2] = [68, 1280];
/// The largest jumbo frame that drivers agree on.
const MAX_MTU: u16 = 9216;

/// A configuration that cannot work; the text names the key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value out of its range.
    #[error("dataplane.{key}: {problem}")]
    Value {
        /// The key below `dataplane`.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Something about a port.
    #[error("dataplane.ports, port {name:?}: {problem}")]
    Port {
        /// The port.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Something about a route.
    #[error("dataplane.routes, route to {to}: {problem}")]
    Route {
        /// The prefix.
        to: IpNet,
        /// What is wrong.
        problem: String,
    },
}

impl DataplaneConfig {
    /// Checks everything that can be known without looking at the machine.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check(&self) -> Result<(), ConfigError> {
        let value = |key, problem: &str| Err(ConfigError::Value { key, problem: problem.to_owned() });
        let mut seen = HashSet::new();
        match self.lcores.iter().find(|&&cpu| cpu >= LCORES || !seen.insert(cpu)) {
            Some(cpu) if *cpu >= LCORES => {
                return value("lcores", &format!("CPU {cpu} is beyond DPDK's {LCORES}"));
            }
            Some(cpu) => return value("lcores", &format!("CPU {cpu} is listed twice")),
            None if self.lcores.is_empty() => return value("lcores", "at least one CPU is needed"),
            None => {}
        }
        if !(32..=1 << 20).contains(&self.memory_mib) {
            return value("memory", "must be from 32 MiB to 1 TiB");
        }
        if !(64..=1 << 28).contains(&self.flows) {
            return value("flows", "must be from 64 to 268435456");
        }
        if self.ports.is_empty() || self.ports.len() > usize::from(PortId::MAX) {
            return value("ports", &format!("there must be 1 to {} ports", PortId::MAX));
        }
        if !self.runtime_dir.is_absolute() || self.state_dir.as_ref().is_some_and(|dir| !dir.is_absolute()) {
            return value("runtime_dir", "directories must be absolute paths");
        }
        for argument in &self.eal_arguments {
            if let Err(problem) = argument.parse::<EalArgument>() {
                return value("eal_arguments", &problem.to_string());
            }
        }
        let (mut names, mut devices, mut addresses) = (HashSet::new(), HashSet::new(), HashSet::new());
        for port in &self.ports {
            let problem = port.problem().or_else(|| {
                if !names.insert(&port.name) {
                    Some("another port has this name".to_owned())
                } else if !devices.insert(port.device_name()) {
                    Some(format!("another port has the device {}", port.device_name()))
                } else {
                    let twice = port.addresses.iter().find(|net| !addresses.insert(net.addr()));
                    twice.map(|net| format!("the address {} is listed twice", net.addr()))
                }
            });
            if let Some(problem) = problem {
                return Err(ConfigError::Port { name: port.name.clone(), problem });
            }
        }
        match self.routes.iter().find_map(|route| Some((route.to, self.route_problem(route)?))) {
            Some((to, problem)) => Err(ConfigError::Route { to, problem }),
            None => Ok(()),
        }
    }

    fn route_problem(&self, route: &RouteConfig) -> Option<String> {
        let RouteConfig { to, via, port } = route;
        if to.addr().is_ipv4() && via.is_ipv6() || to.addr().is_ipv6() && via.is_ipv4() {
            return Some(format!("{via} is not of the same family"));
        }
        if let Some(name) = port {
            let known = self.ports.iter().any(|port| port.name == *name);
            return (!known).then(|| format!("there is no port {name:?}"));
        }
        if matches!(via, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return Some(format!("{via} is link-local, so the port must be named"));
        }
        let connected = self.ports.iter().flat_map(|port| &port.addresses).any(|net| net.contains(via));
        (!connected)
            .then(|| format!("{via} is on no port's subnet; name the port, or give it an address there"))
    }
}

impl PortConfig {
    fn problem(&self) -> Option<String> {
        let Self { name, device, queues, addresses, mtu } = self;
        let named = (1..=NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !named {
            return Some(format!(
                "a name has 1 to {NAME} letters, digits, '-', '_' or '.', for \"sl-<name>\" is an interface"
            ));
        }
        if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Some("device must be a PCI address or a DPDK device without spaces".to_owned());
        }
        if matches!(queues, Queues::Count(n) if !(1..=QUEUES).contains(n)) {
            return Some(format!("queues must be \"auto\" or 1 to {QUEUES}"));
        }
        let v6 = addresses.iter().any(|net| net.addr().is_ipv6());
        let least = MIN_MTU[usize::from(v6)];
        if !(least..=MAX_MTU).contains(mtu) {
            return Some(format!("mtu must be from {least} to {MAX_MTU}"));
        }
        addresses.iter().find_map(|net| {
            let ip = net.addr();
            let host = !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
            let broadcast = matches!(net, IpNet::V4(v4) if v4.prefix_len() < 31
                && (v4.addr() == v4.network() || v4.addr() == v4.broadcast()));
            (!host || broadcast).then(|| format!("{net} is no address of a host"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    fn good() -> DataplaneConfig {
        let port = |name: &str, device: &str, address: &str| PortConfig {
            name: name.into(),
            device: device.into(),
            queues: Queues::Auto,
            addresses: vec![address.parse().unwrap()],
            mtu: 1500,
        };
        DataplaneConfig {
            lcores: vec![1],
            ports: vec![
                port("uplink", "net_tap0,iface=up", "192.0.2.1/24"),
                port("cluster", "net_tap1", "2001:db8::1/64"),
            ],
            routes: vec![RouteConfig {
                to: "10.244.0.0/16".parse().unwrap(),
                via: "192.0.2.9".parse().unwrap(),
                port: None,
            }],
            ..DataplaneConfig::default()
        }
    }

    #[test]
    fn a_good_one_passes() {
        assert_eq!(good().check(), Ok(()));
    }

    #[test]
    fn each_mistake_is_named() {
        type Break = fn(&mut DataplaneConfig);
        let cases: &[(Break, &str)] = &[
            (|c| c.lcores.clear(), "dataplane.lcores: at least one"),
            (|c| c.lcores = vec![1, 2, 1], "CPU 1 is listed twice"),
            (|c| c.lcores = vec![500], "CPU 500 is beyond"),
            (|c| c.memory_mib = 1, "dataplane.memory"),
            (|c| c.flows = 0, "dataplane.flows"),
            (|c| c.ports.clear(), "dataplane.ports"),
            (|c| c.ports[0].name = "a name".into(), "port \"a name\": a name has"),
            (|c| c.ports[0].name = "thirteen-char".into(), "a name has 1 to 12"),
            (|c| c.ports[1].name = "uplink".into(), "another port has this name"),
            (|c| c.ports[1].device = "net_tap0,iface=other".into(), "has the device net_tap0"),
            (|c| c.ports[1].mtu = 1000, "mtu must be from 1280"),
            (|c| c.ports[0].queues = Queues::Count(0), "queues must be"),
            (|c| c.ports[0].addresses = vec!["192.0.2.0/24".parse().unwrap()], "192.0.2.0/24 is no address"),
            (|c| c.ports[0].addresses = vec!["224.0.0.1/32".parse().unwrap()], "is no address of a host"),
            (|c| c.ports[1].addresses = c.ports[0].addresses.clone(), "192.0.2.1 is listed twice"),
            (|c| c.routes[0].via = "2001:db8::9".parse().unwrap(), "not of the same family"),
            (|c| c.routes[0].via = "203.0.113.1".parse().unwrap(), "is on no port's subnet"),
            (|c| c.routes[0].port = Some("x".into()), "there is no port \"x\""),
            (|c| c.runtime_dir = "run".into(), "absolute"),
            (|c| c.eal_arguments = vec!["--vdev=x".into()], "dataplane.eal_arguments: \"--vdev=x\""),
        ];
        for (break_it, expected) in cases {
            let mut config = good();
            break_it(&mut config);
            let text = config.check().unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn devices_are_taken_apart() {
        let port = &good().ports[0];
        assert_eq!((port.device_name(), port.driver()), ("net_tap0", Some("net_tap")));
        assert_eq!((port.argument("iface"), port.argument("mac")), (Some("up"), None));
        let pci = PortConfig { device: "0000:01:00.0".into(), ..port.clone() };
        assert_eq!((pci.device_name(), pci.driver()), ("0000:01:00.0", None));
    }
}
