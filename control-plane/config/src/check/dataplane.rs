//! `dataplane`: lcores, memory, ports, routes.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_saphyr::Spanned;

use super::values::{address, interface_address, memory, network};
use super::{Report, choice, number};
use crate::error::did_you_mean;
use crate::raw::{self, Text};
use crate::{Dataplane, HugePages, Idle, Port, Queues, Route};

/// DPDK's `RTE_MAX_LCORE` as distributions build it.
const MAX_CPU: u32 = 127;
/// Ports are numbered by one byte, of which 255 is kept for "none".
const MAX_PORTS: usize = 64;
/// `IFNAMSIZ` less the zero and `sl-`.
const MAX_NAME: usize = 12;
/// Ethernet without jumbo frames.
const MTU: u64 = 1500;

pub(super) fn check(raw: &raw::Dataplane, out: &mut Report) -> Dataplane {
    let ports = ports(&raw.ports, out);
    Dataplane {
        lcores: lcores(&raw.lcores, out),
        memory_mib: raw.memory.as_ref().and_then(|text| memory(text, "dataplane.memory", out)).unwrap_or(256),
        huge_pages: choice(
            raw.huge_pages.as_ref(),
            "dataplane.huge_pages",
            &[("auto", HugePages::Auto), ("required", HugePages::Required), ("never", HugePages::Never)],
            out,
        ),
        flows: number(raw.flows.as_ref(), "dataplane.flows", 64..=1 << 28, 1 << 20, out) as u32,
        idle: choice(
            raw.idle.as_ref(),
            "dataplane.idle",
            &[("poll", Idle::Poll), ("sleep", Idle::Sleep)],
            out,
        ),
        routes: routes(&raw.routes, &ports, out),
        ports,
        eal_arguments: eal_arguments(&raw.eal_arguments, out),
    }
}

fn lcores(raw: &Spanned<Vec<Spanned<u32>>>, out: &mut Report) -> Vec<u32> {
    if raw.value.is_empty() {
        out.add(raw.referenced, "dataplane.lcores", "at least one CPU must poll");
    }
    let mut lcores = Vec::new();
    for (i, cpu) in raw.value.iter().enumerate() {
        let key = format!("dataplane.lcores[{i}]");
        if cpu.value > MAX_CPU {
            let message = format!("CPU {} is beyond {MAX_CPU}, DPDK's last", cpu.value);
            out.add(cpu.referenced, &key, message);
        } else if lcores.contains(&cpu.value) {
            out.add(cpu.referenced, &key, format!("CPU {} stands here twice", cpu.value));
        } else {
            lcores.push(cpu.value);
        }
    }
    lcores
}

fn ports(raw: &Spanned<Vec<Spanned<raw::Port>>>, out: &mut Report) -> Vec<Port> {
    if raw.value.is_empty() || raw.value.len() > MAX_PORTS {
        let message = format!("there must be 1 to {MAX_PORTS} ports");
        out.add(raw.referenced, "dataplane.ports", message);
    }
    let mut seen = Seen::default();
    raw.value
        .iter()
        .enumerate()
        .map(|(i, port)| seen.port(&port.value, &format!("dataplane.ports[{i}]"), out))
        .collect()
}

/// What the ports before this one have taken.
#[derive(Default)]
struct Seen {
    names: HashMap<String, u64>,
    devices: HashMap<String, u64>,
    addresses: HashMap<IpAddr, u64>,
}

impl Seen {
    fn port(&mut self, raw: &raw::Port, at: &str, out: &mut Report) -> Port {
        let key = format!("{at}.name");
        if let Some(wrong) = wrong_name(&raw.name.value) {
            out.add(raw.name.referenced, &key, wrong);
        }
        let line = raw.name.referenced.line();
        if let Some(first) = self.names.insert(raw.name.value.clone(), line) {
            let message = format!("line {first} has a port `{}` already", raw.name.value);
            out.add(raw.name.referenced, &key, message);
        }
        self.device(&raw.device, &format!("{at}.device"), out);
        let addresses: Vec<_> = raw
            .addresses
            .iter()
            .enumerate()
            .filter_map(|(i, text)| {
                let key = format!("{at}.addresses[{i}]");
                let net = interface_address(text, &key, out)?;
                let line = text.referenced.line();
                if let Some(first) = self.addresses.insert(net.addr(), line) {
                    let message = format!("line {first} has {} already", net.addr());
                    out.add(text.referenced, &key, message);
                }
                Some(net)
            })
            .collect();
        // RFC 8200, section 5; RFC 791.
        let v6 = addresses.iter().any(|net| net.addr().is_ipv6());
        let least = if v6 { 1280 } else { 68 };
        let mtu = number(raw.mtu.as_ref(), &format!("{at}.mtu"), least..=9216, MTU, out);
        Port {
            name: raw.name.value.clone(),
            device: raw.device.value.clone(),
            queues: queues(raw.queues.as_ref(), &format!("{at}.queues"), out),
            addresses,
            mtu: mtu as u16,
        }
    }

    fn device(&mut self, text: &Text, key: &str, out: &mut Report) {
        let device = text.value.as_str();
        let name = device.split(',').next().unwrap_or_default();
        if device.contains(|c: char| c.is_whitespace() || c.is_control()) {
            out.add(text.referenced, key, "a device has no spaces or control characters");
        } else if !is_pci(name) && !is_virtual(name) {
            let linux = (1..=15).contains(&name.len()) && !name.contains(['/', ':', '.']);
            out.hint(
                text.referenced,
                key,
                format!(
                    "`{name}` is neither a PCI address (0000:03:00.0) nor a DPDK virtual device (net_tap0)"
                ),
                linux
                    .then(|| format!("for a Linux interface of that name write net_af_packet0,iface={name}")),
            );
        }
        if let Some(first) = self.devices.insert(name.to_owned(), text.referenced.line()) {
            let message = format!("line {first} has the device {name} already");
            out.add(text.referenced, key, message);
        }
    }
}

fn wrong_name(name: &str) -> Option<String> {
    let valid = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (!valid).then(|| {
        format!("the kernel interface is called sl-{name}: 1 to {MAX_NAME} letters, digits, '-', '_' or '.'")
    })
}

fn is_pci(name: &str) -> bool {
    let name = name.strip_prefix("pci:").unwrap_or(name);
    let Some((rest, function)) = name.rsplit_once('.') else {
        return false;
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let hex = |text: &str, digits: usize| {
        (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let place = match parts.as_slice() {
        [bus, device] => hex(bus, 2) && hex(device, 2),
        [domain, bus, device] => hex(domain, 8) && hex(bus, 2) && hex(device, 2),
        _ => false,
    };
    place && matches!(function.as_bytes(), [b'0'..=b'7'])
}

fn is_virtual(name: &str) -> bool {
    let name = name.strip_prefix("vdev:").unwrap_or(name);
    let driver = ["net_", "eth_", "virtio_user"]
        .iter()
        .any(|prefix| name.starts_with(prefix) && name.len() > prefix.len());
    driver && name.len() < 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn queues(text: Option<&Text>, key: &str, out: &mut Report) -> Queues {
    let Some(text) = text else {
        return Queues::Auto;
    };
    if text.value == "auto" {
        return Queues::Auto;
    }
    match text.value.parse() {
        Ok(count @ 1..=1024) => Queues::Count(count),
        _ => {
            let message = format!("`{}` is neither auto nor a number from 1 to 1024", text.value);
            out.add(text.referenced, key, message);
            Queues::Auto
        }
    }
}

fn routes(raw: &[Spanned<raw::Route>], ports: &[Port], out: &mut Report) -> Vec<Route> {
    let mut seen = HashMap::new();
    let mut routes = Vec::new();
    for (i, route) in raw.iter().enumerate() {
        let at = format!("dataplane.routes[{i}]");
        let raw::Route { to, via, port } = &route.value;
        let (key, via_key) = (format!("{at}.to"), format!("{at}.via"));
        let net = network(to, &key, out);
        let hop = address(via, &via_key, out);
        let (Some(net), Some(hop)) = (net, hop) else {
            continue;
        };
        if let Some(first) = seen.insert(net, to.referenced.line()) {
            let message = format!("line {first} has a route to {net} already");
            out.add(to.referenced, &key, message);
        }
        if net.addr().is_ipv4() != hop.is_ipv4() {
            let message = format!("{hop} is not of the family of {net}");
            out.add(via.referenced, &via_key, message);
            continue;
        }
        if let Some(port) = egress(via, hop, port.as_ref(), ports, &at, out) {
            routes.push(Route { to: net, via: hop, port });
        }
    }
    routes
}

/// The port that a route leaves by.
fn egress(
    via: &Text,
    hop: IpAddr,
    named: Option<&Text>,
    ports: &[Port],
    at: &str,
    out: &mut Report,
) -> Option<usize> {
    let key = format!("{at}.via");
    if let Some(owner) = ports.iter().find(|p| p.addresses.iter().any(|net| net.addr() == hop)) {
        let message = format!("{hop} is port {}'s own address", owner.name);
        out.add(via.referenced, &key, message);
        return None;
    }
    if let Some(named) = named {
        let found = ports.iter().position(|p| p.name == named.value);
        if found.is_none() {
            out.hint(
                named.referenced,
                &format!("{at}.port"),
                format!("there is no port `{}`", named.value),
                did_you_mean(&named.value, ports.iter().map(|p| p.name.as_str())),
            );
        }
        return found;
    }
    let found = ports.iter().position(|p| p.addresses.iter().any(|net| net.contains(&hop)));
    if found.is_none() {
        out.hint(
            via.referenced,
            &key,
            format!("{hop} is on no port's subnet"),
            Some("give a port an address there, or name the port with `port`".to_owned()),
        );
    }
    found
}

fn eal_arguments(raw: &[Text], out: &mut Report) -> Vec<String> {
    for (i, argument) in raw.iter().enumerate() {
        if argument.value.is_empty() || argument.value.contains(char::is_control) {
            out.add(
                argument.referenced,
                &format!("dataplane.eal_arguments[{i}]"),
                "an argument is not empty and has no control characters",
            );
        }
    }
    raw.iter().map(|argument| argument.value.clone()).collect()
}
