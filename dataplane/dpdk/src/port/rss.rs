//! Receive-side scaling: which queue a device puts a packet into.

use dpdk_sys as sys;

use super::{Port, PortError, PortStep};

/// What a device hashes, as a set of packet kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RssFunctions(u64);

/// A device's hash and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rss {
    /// The Toeplitz key.
    pub key: Vec<u8>,
    /// What is hashed.
    pub functions: RssFunctions,
    /// The queue for each value of the hash's low bits; empty where the driver does not tell.
    pub table: Vec<u16>,
}

impl RssFunctions {
    /// Addresses alone, for every IPv4 and IPv6 packet: fragments meet the rest of their flow.
    pub const ADDRESSES: Self = Self(
        sys::SLUICE_RSS_IPV4
            | sys::SLUICE_RSS_FRAG_IPV4
            | sys::SLUICE_RSS_IPV4_OTHER
            | sys::SLUICE_RSS_IPV6
            | sys::SLUICE_RSS_FRAG_IPV6
            | sys::SLUICE_RSS_IPV6_OTHER,
    );
    /// Addresses and ports of TCP, UDP and SCTP; addresses alone for everything else.
    pub const PORTS: Self = Self(
        Self::ADDRESSES.0
            | sys::SLUICE_RSS_IPV4_TCP
            | sys::SLUICE_RSS_IPV4_UDP
            | sys::SLUICE_RSS_IPV4_SCTP
            | sys::SLUICE_RSS_IPV6_TCP
            | sys::SLUICE_RSS_IPV6_UDP
            | sys::SLUICE_RSS_IPV6_SCTP,
    );

    /// DPDK's bits (`RTE_ETH_RSS_*`).
    pub fn bits(self) -> u64 {
        self.0
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True where nothing is hashed.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True where all of `other` is in this.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Default for RssFunctions {
    /// [`RssFunctions::PORTS`].
    fn default() -> Self {
        Self::PORTS
    }
}

impl Port {
    /// The hash in use, as the device tells it.
    pub fn rss(&self) -> Result<Rss, PortError> {
        // Some drivers copy their whole key without looking at the length: its field has eight bits.
        let mut key = vec![0u8; 256];
        let mut conf = sys::rte_eth_rss_conf { rss_key: key.as_mut_ptr(), ..zeroed() };
        conf.rss_key_len = self.info.rss_key_len.min(255) as u8;
        // SAFETY: `conf` and the key buffer it points to are writable and outlive the call.
        let read = |id| unsafe { sys::rte_eth_dev_rss_hash_conf_get(id, &raw mut conf) };
        self.inner.control(PortStep::Rss, read)?;
        key.truncate(usize::from(conf.rss_key_len));
        Ok(Rss { key, functions: RssFunctions(conf.rss_hf), table: self.rss_table().unwrap_or_default() })
    }

    /// Sets the queue for each value of the hash's low bits. The table has [`PortInfo::rss_table_len`](super::PortInfo) entries.
    pub fn set_rss_table(&self, table: &[u16]) -> Result<(), PortError> {
        let size = self.info.rss_table_len;
        if size == 0 || table.len() != usize::from(size) {
            return Err(PortError::NotOffered { device: self.inner.name.clone(), step: PortStep::Rss });
        }
        let mut groups = groups(size);
        for (group, queues) in groups.iter_mut().zip(table.chunks(GROUP)) {
            group.reta[..queues.len()].copy_from_slice(queues);
        }
        // SAFETY: as many groups as the table's size needs, alive during the call; the driver checks queue numbers.
        self.inner
            .control(PortStep::Rss, |id| unsafe {
                sys::rte_eth_dev_rss_reta_update(id, groups.as_mut_ptr(), size)
            })
            .map(drop)
    }

    fn rss_table(&self) -> Option<Vec<u16>> {
        let size = self.info.rss_table_len;
        if size == 0 {
            return None;
        }
        let mut groups = groups(size);
        // SAFETY: as many groups as the table's size needs, writable during the call.
        let read = |id| unsafe { sys::rte_eth_dev_rss_reta_query(id, groups.as_mut_ptr(), size) };
        self.inner.control(PortStep::Rss, read).ok()?;
        Some(groups.iter().flat_map(|group| group.reta).take(usize::from(size)).collect())
    }
}

const GROUP: usize = sys::SLUICE_RETA_GROUP as usize;

/// Empty table groups that select every entry.
fn groups(size: u16) -> Vec<sys::rte_eth_rss_reta_entry64> {
    let n = usize::from(size).div_ceil(GROUP);
    (0..n).map(|_| sys::rte_eth_rss_reta_entry64 { mask: u64::MAX, reta: [0; GROUP] }).collect()
}

/// The driver's defaults for every field of the hash configuration.
pub(super) fn zeroed() -> sys::rte_eth_rss_conf {
    // SAFETY: all-zero bytes (a null key, no functions) are a valid value of this plain C structure.
    unsafe { std::mem::zeroed() }
}
