//! Interfaces of the host's own kernel that a port reads and writes through sockets (`net_af_packet`, `net_af_xdp`).

use netlink_packet_route::AddressFamily;

use crate::config::PortConfig;
use crate::netlink::link::{self, Interface};
use crate::netlink::socket::{NetlinkError, Socket};
use crate::punt::ingress::IngressDrop;

/// Drivers that work on an interface of the host.
const DRIVERS: [&str; 2] = ["net_af_packet", "net_af_xdp"];

/// Why an interface of the host cannot be a port.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The device's arguments name no interface.
    #[error("port {port:?}: {device} needs `iface=` with the name of an interface")]
    Unnamed {
        /// The port.
        port: String,
        /// Its device.
        device: String,
    },
    /// There is no such interface.
    #[error("port {port:?}: there is no interface {interface} in this network namespace")]
    Missing {
        /// The port.
        port: String,
        /// The interface.
        interface: String,
    },
    /// It could not be set up.
    #[error("port {port:?}: {source}")]
    Netlink {
        /// The port.
        port: String,
        /// Why.
        source: NetlinkError,
    },
}

/// The host's interfaces under our ports: up, without IPv6 of their own, and deaf towards Linux while this lives.
#[derive(Debug)]
pub struct HostInterfaces {
    _deaf: Option<IngressDrop>,
}

impl HostInterfaces {
    /// Prepares the interfaces of all ports that have one. `name` tells this gateway from others on the host.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn prepare(ports: &[PortConfig], name: &str, socket: &mut Socket) -> Result<Self, HostError> {
        let mut names = Vec::new();
        for port in ports {
            if port.driver().is_none_or(|driver| !DRIVERS.contains(&driver)) {
                continue;
            }
            let Some(interface) = port.argument("iface") else {
                return Err(HostError::Unnamed { port: port.name.clone(), device: port.device.clone() });
            };
            prepare(port, interface, socket)?;
            names.push(interface);
        }
        if names.is_empty() {
            return Ok(Self { _deaf: None });
        }
        match IngressDrop::new(name, &names) {
            Ok(deaf) => Ok(Self { _deaf: Some(deaf) }),
            Err(error) => {
                tracing::warn!(
                    %error, interfaces = names.join(" "),
                    "Linux hears what these ports receive: it must not have addresses on them, nor forward (ip_forward=0)"
                );
                Ok(Self { _deaf: None })
            }
        }
    }
}

fn prepare(port: &PortConfig, name: &str, socket: &mut Socket) -> Result<(), HostError> {
    let netlink = |source| HostError::Netlink { port: port.name.clone(), source };
    let Some(interface) = link::find(socket, name).map_err(netlink)? else {
        return Err(HostError::Missing { port: port.name.clone(), interface: name.to_owned() });
    };
    // Its link-local address would be that of the port's kernel interface, which has the same hardware address.
    if let Err(error) = link::set_sysctl(AddressFamily::Inet6, name, "disable_ipv6", "1") {
        tracing::warn!(%error, interface = name, "IPv6 stays on below the port");
    }
    let Interface { mtu, .. } = interface;
    // The driver learns the MTU of the interface when it starts, and cannot always change it.
    let mtu = if mtu < u32::from(port.mtu) { port.mtu } else { u16::try_from(mtu).unwrap_or(port.mtu) };
    link::set_up(socket, &interface, None, mtu).map_err(netlink)
}
