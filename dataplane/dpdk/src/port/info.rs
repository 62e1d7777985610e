//! What a device is and offers.

use std::ffi::CStr;

use dpdk_sys as sys;

use super::rss::RssFunctions;
use super::{PortError, PortInner, PortStep};

/// A device's properties.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// The driver's name, for example `net_tap` or `net_i40e`.
    pub driver: String,
    /// The kernel interface bound to it; 0 where there is none.
    pub interface_index: u32,
    /// NUMA node; `None` for a virtual device.
    pub socket: Option<u32>,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Least MTU.
    pub min_mtu: u16,
    /// Greatest MTU.
    pub max_mtu: u16,
    /// Receive offloads on offer, DPDK's bits (`RTE_ETH_RX_OFFLOAD_*`).
    pub rx_offloads: u64,
    /// Transmit offloads on offer, DPDK's bits (`RTE_ETH_TX_OFFLOAD_*`).
    pub tx_offloads: u64,
    /// What it can hash to choose a queue. Empty where it cannot, and on TAP devices: they announce it, but the kernel
    /// chooses by its own hash.
    pub rss_functions: RssFunctions,
    /// Bytes of the hash key.
    pub rss_key_len: usize,
    /// Entries of the table from hash to queue; 0 where there is none.
    pub rss_table_len: u16,
}

/// The offloads that a running port was given: what was asked for and is on offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// The device checks IPv4 header checksums.
    pub rx_ip_checksum: bool,
    /// The device checks TCP and UDP checksums.
    pub rx_l4_checksum: bool,
    /// The device fills in IPv4 header checksums.
    pub tx_ip_checksum: bool,
    /// The device fills in TCP and UDP checksums.
    pub tx_l4_checksum: bool,
    /// The device fills in SCTP checksums.
    pub tx_sctp_checksum: bool,
    /// Packets of several segments are received.
    pub rx_scatter: bool,
    /// Packets of several segments can be sent.
    pub tx_segments: bool,
    /// Sent packets are freed in bulk.
    pub fast_free: bool,
    /// Packets are spread over the queues by a hash of these.
    pub rss: Option<RssFunctions>,
}

impl PortInfo {
    pub(super) fn from_raw(raw: &sys::rte_eth_dev_info, socket: i32) -> Self {
        let driver = if raw.driver_name.is_null() {
            String::new()
        } else {
            // SAFETY: DPDK sets it to the driver's static NUL-terminated name.
            unsafe { CStr::from_ptr(raw.driver_name) }.to_string_lossy().into_owned()
        };
        let hashes = driver != "net_tap";
        let functions = if hashes { raw.flow_type_rss_offloads } else { 0 };
        Self {
            interface_index: raw.if_index,
            socket: u32::try_from(socket).ok(),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            rx_offloads: raw.rx_offload_capa,
            tx_offloads: raw.tx_offload_capa,
            rss_functions: RssFunctions::from_bits(functions),
            rss_key_len: if functions == 0 { 0 } else { key_len(raw.hash_key_size) },
            rss_table_len: if hashes { raw.reta_size } else { 0 },
            driver,
        }
    }
}

/// Bytes of the hash key. Drivers that leave it open mean 40, says rte_ethdev.h.
fn key_len(told: u8) -> usize {
    if told == 0 { 40 } else { usize::from(told) }
}

/// Reads the device's properties.
pub(super) fn read(inner: &PortInner) -> Result<sys::rte_eth_dev_info, PortError> {
    // SAFETY: all-zero bytes are a valid value of this plain C structure.
    let mut raw: sys::rte_eth_dev_info = unsafe { std::mem::zeroed() };
    // SAFETY: the port is live and `raw` writable.
    inner.control(PortStep::Info, |id| unsafe { sys::rte_eth_dev_info_get(id, &raw mut raw) })?;
    Ok(raw)
}
