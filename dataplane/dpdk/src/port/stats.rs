//! Counters.

use std::ffi::CStr;

use dpdk_sys as sys;

use super::{Port, PortError, PortStep};

/// The counters that every driver has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets that the device dropped because no queue had room.
    pub rx_missed: u64,
    /// Erroneous packets received.
    pub rx_errors: u64,
    /// Packets dropped because the pool was exhausted.
    pub rx_no_buffer: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// One of a driver's own counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xstat {
    /// The driver's name for it.
    pub name: String,
    /// Its value.
    pub value: u64,
}

impl Port {
    /// The counters that every driver has, since the port was started or [reset](Self::reset_stats).
    pub fn stats(&self) -> Result<PortStats, PortError> {
        // SAFETY: all-zero bytes are a valid value of this plain C structure.
        let mut raw: sys::rte_eth_stats = unsafe { std::mem::zeroed() };
        // SAFETY: the port is live and `raw` writable.
        self.inner.control(PortStep::Statistics, |id| unsafe { sys::rte_eth_stats_get(id, &raw mut raw) })?;
        Ok(PortStats {
            rx_packets: raw.ipackets,
            rx_bytes: raw.ibytes,
            rx_missed: raw.imissed,
            rx_errors: raw.ierrors,
            rx_no_buffer: raw.rx_nombuf,
            tx_packets: raw.opackets,
            tx_bytes: raw.obytes,
            tx_errors: raw.oerrors,
        })
    }

    /// Sets all counters to zero.
    pub fn reset_stats(&self) -> Result<(), PortError> {
        // SAFETY: the port is live.
        self.inner.control(PortStep::Statistics, |id| unsafe { sys::rte_eth_stats_reset(id) })?;
        // Drivers without counters of their own answer "not supported", and then there is nothing to reset.
        // SAFETY: as above.
        let own = self.inner.control(PortStep::Statistics, |id| unsafe { sys::rte_eth_xstats_reset(id) });
        match own {
            Ok(_) | Err(PortError::NotOffered { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The driver's own counters, in its order.
    pub fn xstats(&self) -> Result<Vec<Xstat>, PortError> {
        // SAFETY: a null array of length 0 asks for the number of counters.
        let count = self.inner.control(PortStep::Statistics, |id| unsafe {
            sys::rte_eth_xstats_get_names(id, std::ptr::null_mut(), 0)
        })?;
        let count = count.unsigned_abs();
        // SAFETY: all-zero bytes are valid values of these plain C structures.
        let (mut names, mut values): (Vec<sys::rte_eth_xstat_name>, Vec<sys::rte_eth_xstat>) = unsafe {
            (
                (0..count).map(|_| std::mem::zeroed()).collect(),
                (0..count).map(|_| std::mem::zeroed()).collect(),
            )
        };
        // SAFETY: both arrays have `count` writable elements.
        let read_names = |id| unsafe { sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), count) };
        self.inner.control(PortStep::Statistics, read_names)?;
        // SAFETY: as above.
        let read_values = |id| unsafe { sys::rte_eth_xstats_get(id, values.as_mut_ptr(), count) };
        let got = self.inner.control(PortStep::Statistics, read_values)?.unsigned_abs().min(count) as usize;
        let name = |id: u64| {
            let raw = names.get(usize::try_from(id).ok()?)?;
            // SAFETY: DPDK fills each name with a NUL-terminated string; an unfilled one is all zeros.
            Some(unsafe { CStr::from_ptr(raw.name.as_ptr()) }.to_string_lossy().into_owned())
        };
        Ok(values[..got]
            .iter()
            .filter_map(|raw| Some(Xstat { name: name(raw.id)?, value: raw.value }))
            .collect())
    }
}
