//! Ethernet ports: opening, controlling and closing them. Packets go through their queues.

mod control;
mod info;
mod open;
mod options;
mod queue;
mod rss;
mod stats;

use std::sync::Arc;

pub use control::Link;
pub use info::{Offloads, PortInfo};
pub use options::{PortOptions, RssOptions};
pub use queue::{RxQueue, TxQueue};
pub use rss::{Rss, RssFunctions};
pub use stats::{PortStats, Xstat};

use crate::eal::{Claim, EalState, HiddenSignals, likely_cause};
use crate::errno::Errno;
use crate::mempool::Mempool;

/// A running port. Its queues are handed out beside it when it is [opened](Port::open).
///
/// The port is stopped, closed and its device removed when this and all its queues are gone;
/// [`Eal::attach`](crate::Eal::attach) can then make it anew. Control calls of all ports are serialised.
pub struct Port {
    inner: Arc<PortInner>,
    info: PortInfo,
    offloads: Offloads,
}

/// What was being done when a port failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortStep {
    /// Reading the device's properties.
    Info,
    /// Configuring it.
    Configure,
    /// Setting up a receive queue.
    RxQueue(u16),
    /// Setting up a transmit queue.
    TxQueue(u16),
    /// Starting it.
    Start,
    /// Reading or setting its MTU.
    Mtu,
    /// Reading or setting its MAC address.
    Mac,
    /// Reading or setting the link.
    Link,
    /// Switching promiscuous mode.
    Promiscuous,
    /// Switching the reception of all multicast.
    AllMulticast,
    /// Reading or resetting statistics.
    Statistics,
    /// Reading or setting receive-side scaling.
    Rss,
}

impl std::fmt::Display for PortStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Info => f.write_str("reading the device's properties"),
            Self::Configure => f.write_str("configuring the device"),
            Self::RxQueue(queue) => write!(f, "setting up receive queue {queue}"),
            Self::TxQueue(queue) => write!(f, "setting up transmit queue {queue}"),
            Self::Start => f.write_str("starting the device"),
            Self::Mtu => f.write_str("the MTU"),
            Self::Mac => f.write_str("the MAC address"),
            Self::Link => f.write_str("the link"),
            Self::Promiscuous => f.write_str("promiscuous mode"),
            Self::AllMulticast => f.write_str("reception of all multicast"),
            Self::Statistics => f.write_str("statistics"),
            Self::Rss => f.write_str("receive-side scaling"),
        }
    }
}

/// Why a port could not be opened or controlled.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No port of that name.
    #[error(
        "there is no port {0}; likely cause: the device was not attached, or its PCI address not allowed when EAL started"
    )]
    NotFound(String),
    /// Somebody holds it already.
    #[error("port {0} is open already")]
    InUse(String),
    /// More queues than the device has.
    #[error("port {device} has {most} {direction} queues, {wanted} are wanted")]
    TooManyQueues {
        /// The port.
        device: String,
        /// `receive` or `transmit`.
        direction: &'static str,
        /// What was asked.
        wanted: u16,
        /// What there is.
        most: u16,
    },
    /// Receive queues, and no pool to receive into.
    #[error("port {0} has receive queues but no packet pool")]
    NoPool(String),
    /// A pool made by something else.
    #[error("port {0} was given a packet pool of another EAL")]
    ForeignPool(String),
    /// An MTU outside the device's limits, or one whose frames do not fit the pool's buffers.
    #[error(
        "port {device} cannot have an MTU of {mtu}; from {least} to {most} are possible with this device and pool"
    )]
    BadMtu {
        /// The port.
        device: String,
        /// What was asked.
        mtu: u16,
        /// The least.
        least: u16,
        /// The most.
        most: u16,
    },
    /// A hash key of the wrong length.
    #[error("port {device} takes an RSS key of {expected} bytes, not {length}")]
    BadRssKey {
        /// The port.
        device: String,
        /// What was given.
        length: usize,
        /// What the device has.
        expected: usize,
    },
    /// The device does not offer it.
    #[error("port {device} does not offer {step}")]
    NotOffered {
        /// The port.
        device: String,
        /// What.
        step: PortStep,
    },
    /// The driver refused.
    #[error("port {device}, {step}: {errno}{}", likely_cause(.log, .device))]
    Driver {
        /// The port.
        device: String,
        /// What was being done.
        step: PortStep,
        /// DPDK's number.
        errno: Errno,
        /// DPDK's own last error lines.
        log: String,
    },
}

/// What the port and its queues share; its drop closes the port.
pub(crate) struct PortInner {
    claim: Claim,
    name: String,
    eal: Arc<EalState>,
    /// Receive queues to empty before closing: a `net_ring` device forgets the packets that wait in it.
    to_empty: u16,
    /// DPDK keeps a pointer to it until the port is closed.
    rss_key: Vec<u8>,
    /// Held because the driver fills buffers from them; dropped after the port is closed.
    _pools: Vec<Mempool>,
}

impl PortInner {
    pub(crate) fn id(&self) -> u16 {
        self.claim.id
    }

    /// An error of this port.
    fn failed(&self, step: PortStep, errno: Errno, log: String) -> PortError {
        let device = self.name.clone();
        if errno.is(rustix::io::Errno::NOTSUP) || errno.is(rustix::io::Errno::NOSYS) {
            return PortError::NotOffered { device, step };
        }
        PortError::Driver { device, step, errno, log }
    }

    /// Makes a control call under the lock that all devices share.
    fn control(&self, step: PortStep, call: impl FnOnce(u16) -> i32) -> Result<i32, PortError> {
        let _control = self.eal.control();
        // A TAP device makes its further queues when they are set up.
        let queues = matches!(step, PortStep::RxQueue(_) | PortStep::TxQueue(_));
        let _signals = queues.then(HiddenSignals::new);
        crate::eal::forget_errors();
        crate::errno::call(|| call(self.id()))
            .map_err(|errno| self.failed(step, errno, crate::eal::recent_errors()))
    }
}

impl Drop for PortInner {
    fn drop(&mut self) {
        for index in 0..self.to_empty {
            queue::empty(self.id(), index);
        }
        self.eal.release(&self.claim);
    }
}
