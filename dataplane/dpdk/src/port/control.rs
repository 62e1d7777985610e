//! Addresses, link and modes of a running port.

use dpdk_sys as sys;

use super::{Offloads, Port, PortError, PortInfo, PortStep};

/// A link's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Up.
    pub up: bool,
    /// Speed in Mbit/s; `None` where it is unknown.
    pub mbps: Option<u32>,
    /// Both directions at once.
    pub full_duplex: bool,
}

impl Port {
    /// DPDK's number, as [`Mbuf::port`](crate::Mbuf::port) has it.
    pub fn id(&self) -> u16 {
        self.inner.id()
    }

    /// The virtual device's name or the PCI address.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The device's properties.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// The offloads that are on.
    pub fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// The MAC address.
    pub fn mac(&self) -> Result<[u8; 6], PortError> {
        let mut address = sys::rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: the port is live and `address` writable.
        self.inner.control(PortStep::Mac, |id| unsafe { sys::rte_eth_macaddr_get(id, &raw mut address) })?;
        Ok(address.addr_bytes)
    }

    /// Sets the MAC address: a unicast one.
    pub fn set_mac(&self, mac: [u8; 6]) -> Result<(), PortError> {
        let mut address = sys::rte_ether_addr { addr_bytes: mac };
        // SAFETY: the port is live and `address` alive during the call.
        let set = |id| unsafe { sys::rte_eth_dev_default_mac_addr_set(id, &raw mut address) };
        self.inner.control(PortStep::Mac, set).map(drop)
    }

    /// The MTU: bytes of the largest IP packet.
    pub fn mtu(&self) -> Result<u16, PortError> {
        let mut mtu = 0;
        // SAFETY: the port is live and `mtu` writable.
        self.inner.control(PortStep::Mtu, |id| unsafe { sys::rte_eth_dev_get_mtu(id, &raw mut mtu) })?;
        Ok(mtu)
    }

    /// Sets the MTU; some drivers refuse while the port runs.
    pub fn set_mtu(&self, mtu: u16) -> Result<(), PortError> {
        // SAFETY: the port is live; DPDK checks the value against the device's limits.
        self.inner.control(PortStep::Mtu, |id| unsafe { sys::rte_eth_dev_set_mtu(id, mtu) }).map(drop)
    }

    /// The link now; does not wait for it to come up.
    pub fn link(&self) -> Result<Link, PortError> {
        let mut raw = sys::sluice_link { speed_mbps: 0, up: 0, full_duplex: 0, autoneg: 0 };
        // SAFETY: the port is live and `raw` writable.
        self.inner.control(PortStep::Link, |id| unsafe { sys::sluice_link(id, &raw mut raw) })?;
        let known = raw.speed_mbps != 0 && raw.speed_mbps != u32::MAX;
        Ok(Link { up: raw.up != 0, mbps: known.then_some(raw.speed_mbps), full_duplex: raw.full_duplex != 0 })
    }

    /// Takes the link up or down, where the device can.
    pub fn set_link(&self, up: bool) -> Result<(), PortError> {
        // SAFETY: the port is live.
        let set = |id| unsafe {
            if up { sys::rte_eth_dev_set_link_up(id) } else { sys::rte_eth_dev_set_link_down(id) }
        };
        self.inner.control(PortStep::Link, set).map(drop)
    }

    /// Receives frames for every MAC address, or only for its own.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), PortError> {
        // SAFETY: the port is live.
        let set = |id| unsafe {
            if on { sys::rte_eth_promiscuous_enable(id) } else { sys::rte_eth_promiscuous_disable(id) }
        };
        self.inner.control(PortStep::Promiscuous, set).map(drop)
    }

    /// True where frames for every MAC address are received.
    pub fn promiscuous(&self) -> Result<bool, PortError> {
        // SAFETY: the port is live.
        self.inner
            .control(PortStep::Promiscuous, |id| unsafe { sys::rte_eth_promiscuous_get(id) })
            .map(|on| on == 1)
    }

    /// Receives every multicast frame, or only those of its own groups.
    pub fn set_all_multicast(&self, on: bool) -> Result<(), PortError> {
        // SAFETY: the port is live.
        let set = |id| unsafe {
            if on { sys::rte_eth_allmulticast_enable(id) } else { sys::rte_eth_allmulticast_disable(id) }
        };
        self.inner.control(PortStep::AllMulticast, set).map(drop)
    }

    /// True where every multicast frame is received.
    pub fn all_multicast(&self) -> Result<bool, PortError> {
        // SAFETY: the port is live.
        self.inner
            .control(PortStep::AllMulticast, |id| unsafe { sys::rte_eth_allmulticast_get(id) })
            .map(|on| on == 1)
    }
}
