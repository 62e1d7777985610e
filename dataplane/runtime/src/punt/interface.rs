//! A port's kernel interface: a TAP device, or a virtio-user device served by vhost-net where the kernel has that.

use std::path::Path;
use std::time::{Duration, Instant};

use netlink_packet_route::AddressFamily;
use sluice_dpdk::{
    AttachError, DeviceError, DeviceSpec, Eal, Mempool, Port, PortError, PortOptions, RxQueue, TxQueue,
};

use crate::config::PortConfig;
use crate::netlink::link::{self, Interface};
use crate::netlink::socket::{NetlinkError, Socket};

/// How long a former process's interface may take to go.
const PATIENCE: Duration = Duration::from_secs(2);
/// Queues of a TAP device (`RTE_PMD_TAP_MAX_QUEUES`).
const TAP_QUEUES: u16 = 16;
/// The kernel's half of virtio-user.
const VHOST: &str = "/dev/vhost-net";
/// The kernel's settings of a punt interface: family, key, value.
///
/// Addresses come from the configuration alone; duplicates are not looked for, because the network's answers pass through
/// the engine, and because a restart must not wait; redirects would send hosts past the gateway.
const SETTINGS: [(AddressFamily, &str, &str); 6] = [
    (AddressFamily::Inet6, "accept_ra", "0"),
    (AddressFamily::Inet6, "autoconf", "0"),
    (AddressFamily::Inet6, "accept_dad", "0"),
    (AddressFamily::Inet6, "dad_transmits", "0"),
    (AddressFamily::Inet6, "accept_redirects", "0"),
    (AddressFamily::Inet, "send_redirects", "0"),
];

/// Why a port has no kernel interface.
#[derive(Debug, thiserror::Error)]
pub enum PuntError {
    /// The name is taken.
    #[error(
        "port {port:?}: an interface {interface} exists already; another gateway in this network namespace has it, or somebody made it"
    )]
    Taken {
        /// The port.
        port: String,
        /// The interface.
        interface: String,
    },
    /// The driver made no interface.
    #[error("port {port:?}: {interface} did not appear")]
    Missing {
        /// The port.
        port: String,
        /// The interface.
        interface: String,
    },
    /// The device's string makes no sense.
    #[error("port {port:?}: {source}")]
    Device {
        /// The port.
        port: String,
        /// Why.
        source: DeviceError,
    },
    /// The device could not be attached.
    #[error("port {port:?}, kernel interface: {source}")]
    Attach {
        /// The port.
        port: String,
        /// Why.
        source: AttachError,
    },
    /// The device could not be opened.
    #[error("port {port:?}, kernel interface: {source}")]
    Open {
        /// The port.
        port: String,
        /// Why.
        source: PortError,
    },
    /// The interface could not be set up.
    #[error("port {port:?}: {source}")]
    Netlink {
        /// The port.
        port: String,
        /// Why.
        source: NetlinkError,
    },
}

/// A port's kernel interface. It goes, with its addresses and routes, when its device and queues are dropped.
pub struct PuntInterface {
    /// The device.
    pub device: Port,
    /// What Linux sends.
    pub rx: Vec<RxQueue>,
    /// What Linux receives.
    pub tx: Vec<TxQueue>,
    /// The interface, as it was before it was set up.
    pub interface: Interface,
}

/// How a kernel interface is to be.
#[derive(Clone, Copy, Debug)]
pub struct PuntOptions {
    /// The port's number.
    pub number: usize,
    /// The port's hardware address, which is the interface's as well.
    pub mac: [u8; 6],
    /// Lcores, each of which gets a queue where that many are possible.
    pub lcores: u16,
    /// Descriptors of each queue.
    pub descriptors: u16,
}

impl PuntInterface {
    /// Makes the interface of a port, with the port's hardware address, MTU and addresses, and sets it up.
    ///
    /// # Errors
    /// [`PuntError`].
    pub fn open(
        eal: &Eal,
        config: &PortConfig,
        pool: &Mempool,
        options: PuntOptions,
        socket: &mut Socket,
    ) -> Result<Self, PuntError> {
        let port = || config.name.clone();
        let netlink = |source| PuntError::Netlink { port: port(), source };
        let name = config.interface();
        wait_until_free(&name, socket)
            .map_err(netlink)?
            .then_some(())
            .ok_or_else(|| PuntError::Taken { port: port(), interface: name.clone() })?;
        let (text, queues) = device(&name, options, Path::new(VHOST).exists());
        let device: DeviceSpec = text.parse().map_err(|source| PuntError::Device { port: port(), source })?;
        eal.attach(&device).map_err(|source| PuntError::Attach { port: port(), source })?;
        // TAP interfaces are there from now on: quiet before they are up.
        settle(&name);
        let options_of_port = PortOptions::new(queues, queues)
            .descriptors(options.descriptors, options.descriptors)
            .mtu(config.mtu);
        let (device, rx, tx) = Port::open(eal, device.name(), &options_of_port, pool)
            .map_err(|source| PuntError::Open { port: port(), source })?;
        settle(&name);
        let interface = link::find(socket, &name)
            .map_err(netlink)?
            .ok_or_else(|| PuntError::Missing { port: port(), interface: name.clone() })?;
        link::set_up(socket, &interface, Some(options.mac), config.mtu).map_err(netlink)?;
        for address in &config.addresses {
            link::add_address(socket, &interface, *address).map_err(netlink)?;
        }
        Ok(Self { device, rx, tx, interface })
    }
}

/// Waits for a former process's interface of this name to go; false where it stays.
fn wait_until_free(name: &str, socket: &mut Socket) -> Result<bool, NetlinkError> {
    let deadline = Instant::now() + PATIENCE;
    while link::find(socket, name)?.is_some() {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// DPDK's name and arguments for the device of an interface, and its number of queues.
fn device(interface: &str, options: PuntOptions, vhost: bool) -> (String, u16) {
    let PuntOptions { number, mac, lcores, .. } = options;
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    if vhost {
        // One queue pair for each lcore needs a vhost thread each; what is punted is little.
        return (
            format!(
                "virtio_user_sl{number},path={VHOST},iface={interface},mac={mac},queues=1,queue_size=1024"
            ),
            1,
        );
    }
    (format!("net_tap_sl{number},iface={interface},mac={mac}"), lcores.min(TAP_QUEUES))
}

/// Applies [`SETTINGS`] as far as the system lets us: an ordinary container may not.
fn settle(interface: &str) {
    for (family, key, value) in SETTINGS {
        if let Err(error) = link::set_sysctl(family, interface, key, value)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, interface, key, "a kernel setting stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_what_dpdk_understands() {
        let options = PuntOptions { number: 3, mac: [2, 0, 0, 0, 0, 0xab], lcores: 20, descriptors: 256 };
        let (tap, queues) = device("sl-up", options, false);
        assert_eq!((tap.as_str(), queues), ("net_tap_sl3,iface=sl-up,mac=02:00:00:00:00:ab", 16));
        tap.parse::<DeviceSpec>().unwrap();
        let (vhost, queues) = device("sl-up", options, true);
        assert!(vhost.starts_with("virtio_user_sl3,path=/dev/vhost-net,iface=sl-up,mac=02:"), "{vhost}");
        assert_eq!(queues, 1);
        vhost.parse::<DeviceSpec>().unwrap();
    }
}
