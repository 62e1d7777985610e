//! Opening a port with as many queues as there are lcores, or as the device has.

use sluice_dpdk::{
    AttachError, DeviceError, DeviceSpec, Eal, Mempool, Port, PortError, PortOptions, RssOptions, RxQueue,
    TxQueue,
};

use crate::config::{PortConfig, Queues};

/// Why a port did not open. The texts name the device, DPDK's error in words, and the likely cause.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device's string makes no sense.
    #[error("port {port:?}: {source}")]
    Device {
        /// The port.
        port: String,
        /// Why.
        source: DeviceError,
    },
    /// The device could not be attached.
    #[error("port {port:?}: {source}")]
    Attach {
        /// The port.
        port: String,
        /// Why.
        source: AttachError,
    },
    /// The device could not be opened.
    #[error("port {port:?}: {source}")]
    Open {
        /// The port.
        port: String,
        /// Why.
        source: PortError,
    },
}

/// A running port.
pub struct OpenPort {
    /// Its handle.
    pub port: Port,
    /// Its receive queues.
    pub rx: Vec<RxQueue>,
    /// Its transmit queues.
    pub tx: Vec<TxQueue>,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// Attaches the device of a port where that is still to be done, opens it and starts it.
///
/// # Errors
/// [`OpenError`].
pub fn open_port(
    eal: &Eal,
    config: &PortConfig,
    device: &DeviceSpec,
    pool: &Mempool,
    lcores: u16,
    descriptors: u16,
) -> Result<OpenPort, OpenError> {
    let failed = |source| OpenError::Open { port: config.name.clone(), source };
    let options = |rx, tx| {
        PortOptions::new(rx, tx)
            .descriptors(descriptors, descriptors)
            .mtu(config.mtu)
            .rss(RssOptions::default())
            .fast_free(true)
            // Neighbour solicitations for the Services' addresses go to multicast addresses that are nobody's otherwise.
            .all_multicast(true)
    };
    let (mut rx_queues, mut tx_queues) = match config.queues {
        Queues::Auto => (lcores, lcores),
        Queues::Count(n) => (n, n.min(lcores)),
    };
    loop {
        match eal.attach(device) {
            // PCI devices are there from the start.
            Ok(()) | Err(AttachError::Exists(_)) => {}
            Err(source) => return Err(OpenError::Attach { port: config.name.clone(), source }),
        }
        match Port::open(eal, device.name(), &options(rx_queues, tx_queues), pool) {
            Ok((port, rx, tx)) => {
                let mac = port.mac().map_err(failed)?;
                return Ok(OpenPort { port, rx, tx, mac });
            }
            // A failed port is removed, so it is attached again.
            Err(PortError::TooManyQueues { most, direction, .. })
                if config.queues == Queues::Auto && most > 0 =>
            {
                if direction == "receive" {
                    rx_queues = most.min(rx_queues);
                } else {
                    tx_queues = most.min(tx_queues);
                }
                // Virtual drivers want as many of one kind as of the other.
                let pairs = rx_queues.min(tx_queues);
                (rx_queues, tx_queues) = (pairs, pairs);
            }
            Err(source) => return Err(failed(source)),
        }
    }
}
