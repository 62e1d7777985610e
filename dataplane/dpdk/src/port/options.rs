//! How a port is to be opened.

use super::rss::RssFunctions;

/// Options of [`Port::open`](super::Port::open).
#[derive(Clone, Debug)]
pub struct PortOptions {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    pub(super) mtu: Option<u16>,
    pub(super) rss: Option<RssOptions>,
    pub(super) rx_checksums: bool,
    pub(super) tx_checksums: bool,
    pub(super) scatter: bool,
    pub(super) fast_free: bool,
    pub(super) promiscuous: bool,
    pub(super) all_multicast: bool,
}

/// How received packets are to be spread over the queues by a hash.
#[derive(Clone, Debug, Default)]
pub struct RssOptions {
    /// The hash key, of the length that the device has; `None`: the driver's own.
    pub key: Option<Vec<u8>>,
    /// What to hash. What the device does not offer is left out.
    pub functions: RssFunctions,
}

impl PortOptions {
    /// So many queues, 1,024 descriptors each (or the nearest number that the device takes), the device's MTU, no RSS,
    /// no offloads.
    pub fn new(rx_queues: u16, tx_queues: u16) -> Self {
        Self {
            rx_queues,
            tx_queues,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: None,
            rss: None,
            rx_checksums: false,
            tx_checksums: false,
            scatter: false,
            fast_free: false,
            promiscuous: false,
            all_multicast: false,
        }
    }

    /// Descriptors of each receive and transmit queue, rounded to what the device takes.
    #[must_use]
    pub fn descriptors(mut self, rx: u16, tx: u16) -> Self {
        self.rx_descriptors = rx;
        self.tx_descriptors = tx;
        self
    }

    /// The MTU: bytes of the largest IP packet.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Spreads received packets by a hash, where the device offers it; [`Offloads`](super::Offloads) says what came of it.
    #[must_use]
    pub fn rss(mut self, rss: RssOptions) -> Self {
        self.rss = Some(rss);
        self
    }

    /// Lets the device check the checksums of received packets, as far as it offers that.
    #[must_use]
    pub fn rx_checksums(mut self, on: bool) -> Self {
        self.rx_checksums = on;
        self
    }

    /// Lets the device fill in checksums on request, as far as it offers that.
    #[must_use]
    pub fn tx_checksums(mut self, on: bool) -> Self {
        self.tx_checksums = on;
        self
    }

    /// Receives frames longer than a buffer as packets of several segments, and sends such packets. Without it drivers drop
    /// or refuse them.
    #[must_use]
    pub fn scatter(mut self, on: bool) -> Self {
        self.scatter = on;
        self
    }

    /// Lets the driver give sent packets back in bulk, where it offers that. A packet of another pool, or of several
    /// segments, is then copied when it is sent.
    #[must_use]
    pub fn fast_free(mut self, on: bool) -> Self {
        self.fast_free = on;
        self
    }

    /// Receives frames for every MAC address.
    #[must_use]
    pub fn promiscuous(mut self, on: bool) -> Self {
        self.promiscuous = on;
        self
    }

    /// Receives every multicast frame; IPv6 neighbour discovery needs it where the port has several addresses.
    #[must_use]
    pub fn all_multicast(mut self, on: bool) -> Self {
        self.all_multicast = on;
        self
    }
}
