//! From a device's name to a running port and its queues.

use std::sync::Arc;

use dpdk_sys as sys;

use super::info::{self, Offloads, PortInfo};
use super::options::{PortOptions, RssOptions};
use super::queue::{RxQueue, TxQueue};
use super::rss::{self, RssFunctions};
use super::{Port, PortError, PortInner, PortStep};
use crate::eal::{AttachError, Eal};
use crate::mempool::Mempool;

/// A port with its receive and transmit queues.
type Opened = (Port, Vec<RxQueue>, Vec<TxQueue>);

/// Bytes of a frame around its IP packet: Ethernet header and a VLAN tag (the frame check sequence stays with the NIC).
const FRAME_OVERHEAD: u16 = 14 + 4;

impl Port {
    /// Configures and starts the port of this name, which receives into `pool`.
    pub fn open(eal: &Eal, name: &str, options: &PortOptions, pool: &Mempool) -> Result<Opened, PortError> {
        Self::open_with_pools(eal, name, options, std::slice::from_ref(pool))
    }

    /// As [`open`](Self::open), with receive queue `q` filled from `pools[q % pools.len()]`. Bulk freeing of sent packets
    /// needs a single pool and stays off with several.
    pub fn open_with_pools(
        eal: &Eal,
        name: &str,
        options: &PortOptions,
        pools: &[Mempool],
    ) -> Result<Opened, PortError> {
        if pools.iter().any(|pool| !pool.is_of(eal.state())) {
            return Err(PortError::ForeignPool(name.to_owned()));
        }
        if pools.is_empty() && options.rx_queues > 0 {
            return Err(PortError::NoPool(name.to_owned()));
        }
        let claim = eal.state().claim(name).map_err(|error| match error {
            AttachError::InUse(name) => PortError::InUse(name),
            _ => PortError::NotFound(name.to_owned()),
        })?;
        // From here on dropping `inner` closes the port.
        let mut inner = PortInner {
            claim,
            name: name.to_owned(),
            eal: eal.state().clone(),
            rss_key: options.rss.as_ref().and_then(|rss| rss.key.clone()).unwrap_or_default(),
            to_empty: 0,
            _pools: pools.to_vec(),
        };
        let raw = info::read(&inner)?;
        // SAFETY: the port is live.
        let info = PortInfo::from_raw(&raw, unsafe { sys::rte_eth_dev_socket_id(inner.id()) });
        check(&inner, &info, options, pools)?;
        let plan = Plan::new(&info, options, pools);
        configure(&mut inner, &info, options, &plan)?;
        set_up_queues(&inner, &raw, &info, options, &plan, pools)?;
        // SAFETY: the port is configured and its queues are set up.
        inner.control(PortStep::Start, |id| unsafe { sys::rte_eth_dev_start(id) })?;
        if info.driver == "net_ring" {
            inner.to_empty = options.rx_queues;
        }
        let only = if plan.offloads.fast_free { pools.first().cloned() } else { None };
        let port = Self { inner: Arc::new(inner), info, offloads: plan.offloads };
        port.after_start(options)?;
        let rx = (0..options.rx_queues).map(|index| RxQueue::new(port.inner.clone(), index)).collect();
        let tx = (0..options.tx_queues)
            .map(|index| TxQueue::new(port.inner.clone(), index, only.clone()))
            .collect();
        Ok((port, rx, tx))
    }

    /// What drivers want to be told once they run.
    fn after_start(&self, options: &PortOptions) -> Result<(), PortError> {
        if let Some(mtu) = options.mtu
            && self.mtu()? != mtu
        {
            self.set_mtu(mtu)?;
        } else if let Some(mtu) = options.mtu {
            // Virtual drivers pass it on to the kernel only now; those that cannot have taken it when configured.
            optional(self.set_mtu(mtu))?;
        }
        // Drivers without such a mode receive everything anyway.
        if options.promiscuous {
            optional(self.set_promiscuous(true))?;
        }
        if options.all_multicast {
            optional(self.set_all_multicast(true))?;
        }
        Ok(())
    }
}

/// Success also where the driver does not offer it.
fn optional(result: Result<(), PortError>) -> Result<(), PortError> {
    match result {
        Err(PortError::NotOffered { .. }) => Ok(()),
        other => other,
    }
}

/// What will be configured: the wishes cut down to what is on offer.
struct Plan {
    rx_offloads: u64,
    tx_offloads: u64,
    offloads: Offloads,
}

impl Plan {
    fn new(info: &PortInfo, options: &PortOptions, pools: &[Mempool]) -> Self {
        let mut rx = 0;
        if options.rx_checksums {
            rx |= sys::SLUICE_RX_OFFLOAD_IPV4_CKSUM | RX_L4 | sys::SLUICE_RX_OFFLOAD_SCTP_CKSUM;
        }
        let mut tx = 0;
        if options.tx_checksums {
            tx |= sys::SLUICE_TX_OFFLOAD_IPV4_CKSUM | TX_L4 | sys::SLUICE_TX_OFFLOAD_SCTP_CKSUM;
        }
        if options.scatter {
            rx |= sys::SLUICE_RX_OFFLOAD_SCATTER;
            tx |= sys::SLUICE_TX_OFFLOAD_MULTI_SEGS;
        }
        if options.fast_free && pools.len() == 1 {
            tx |= sys::SLUICE_TX_OFFLOAD_MBUF_FAST_FREE;
        }
        let wanted = options.rss.as_ref().map(|rss| rss.functions.and(info.rss_functions));
        let hashed = wanted.filter(|functions| !functions.is_empty() && options.rx_queues > 1);
        if hashed.is_some() {
            rx |= sys::SLUICE_RX_OFFLOAD_RSS_HASH;
        }
        let (rx, tx) = (rx & info.rx_offloads, tx & info.tx_offloads);
        let offloads = Offloads {
            rx_ip_checksum: rx & sys::SLUICE_RX_OFFLOAD_IPV4_CKSUM != 0,
            rx_l4_checksum: rx & RX_L4 == RX_L4,
            tx_ip_checksum: tx & sys::SLUICE_TX_OFFLOAD_IPV4_CKSUM != 0,
            tx_l4_checksum: tx & TX_L4 == TX_L4,
            tx_sctp_checksum: tx & sys::SLUICE_TX_OFFLOAD_SCTP_CKSUM != 0,
            rx_scatter: rx & sys::SLUICE_RX_OFFLOAD_SCATTER != 0,
            tx_segments: tx & sys::SLUICE_TX_OFFLOAD_MULTI_SEGS != 0,
            fast_free: tx & sys::SLUICE_TX_OFFLOAD_MBUF_FAST_FREE != 0,
            rss: hashed,
        };
        Self { rx_offloads: rx, tx_offloads: tx, offloads }
    }
}

const RX_L4: u64 = sys::SLUICE_RX_OFFLOAD_TCP_CKSUM | sys::SLUICE_RX_OFFLOAD_UDP_CKSUM;
const TX_L4: u64 = sys::SLUICE_TX_OFFLOAD_TCP_CKSUM | sys::SLUICE_TX_OFFLOAD_UDP_CKSUM;

/// Refuses what cannot work, in words of its own.
fn check(
    inner: &PortInner,
    info: &PortInfo,
    options: &PortOptions,
    pools: &[Mempool],
) -> Result<(), PortError> {
    let device = || inner.name.clone();
    let queues = [
        ("receive", options.rx_queues, info.max_rx_queues),
        ("transmit", options.tx_queues, info.max_tx_queues),
    ];
    for (direction, wanted, most) in queues {
        if wanted > most {
            return Err(PortError::TooManyQueues { device: device(), direction, wanted, most });
        }
    }
    if let Some(mtu) = options.mtu {
        let room = pools.iter().map(Mempool::room).min().unwrap_or(u16::MAX);
        let fits = if options.scatter {
            u16::MAX
        } else {
            room.saturating_sub(sys::SLUICE_MBUF_HEADROOM as u16 + FRAME_OVERHEAD)
        };
        let most = info.max_mtu.min(fits);
        if mtu < info.min_mtu || mtu > most {
            return Err(PortError::BadMtu { device: device(), mtu, least: info.min_mtu, most });
        }
    }
    if let Some(RssOptions { key: Some(key), .. }) = &options.rss
        && !info.rss_functions.is_empty()
        && info.rss_key_len != key.len()
    {
        return Err(PortError::BadRssKey { device: device(), length: key.len(), expected: info.rss_key_len });
    }
    Ok(())
}

fn configure(
    inner: &mut PortInner,
    info: &PortInfo,
    options: &PortOptions,
    plan: &Plan,
) -> Result<(), PortError> {
    // SAFETY: all-zero bytes mean "default" in every field of this plain C structure.
    let mut conf: sys::rte_eth_conf = unsafe { std::mem::zeroed() };
    conf.rxmode.offloads = plan.rx_offloads;
    conf.txmode.offloads = plan.tx_offloads;
    conf.rxmode.mtu = u32::from(options.mtu.unwrap_or(0));
    if let Some(functions) = plan.offloads.rss {
        conf.rxmode.mq_mode = sys::SLUICE_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf = rss_conf(&mut inner.rss_key, functions, info);
    }
    let (rx, tx) = (options.rx_queues, options.tx_queues);
    // SAFETY: the port is live and not started; `conf` outlives the call, which copies it; the key it points to, which
    // is not copied, lives as long as the port.
    inner
        .control(PortStep::Configure, |id| unsafe { sys::rte_eth_dev_configure(id, rx, tx, &raw const conf) })
        .map(drop)
}

fn rss_conf(key: &mut [u8], functions: RssFunctions, info: &PortInfo) -> sys::rte_eth_rss_conf {
    let mut conf = rss::zeroed();
    conf.rss_hf = functions.bits();
    if !key.is_empty() && key.len() == info.rss_key_len {
        conf.rss_key = key.as_mut_ptr();
        conf.rss_key_len = key.len() as u8;
    }
    conf
}

fn set_up_queues(
    inner: &PortInner,
    raw: &sys::rte_eth_dev_info,
    info: &PortInfo,
    options: &PortOptions,
    plan: &Plan,
    pools: &[Mempool],
) -> Result<(), PortError> {
    let (mut rx_size, mut tx_size) = (options.rx_descriptors, options.tx_descriptors);
    // SAFETY: the port is live and both numbers are writable.
    inner.control(PortStep::Configure, |id| unsafe {
        sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx_size, &raw mut tx_size)
    })?;
    let socket = info.socket.unwrap_or(sys::SLUICE_SOCKET_ID_ANY as u32);
    let mut rx_conf = raw.default_rxconf;
    rx_conf.offloads = plan.rx_offloads;
    for (index, pool) in (0..options.rx_queues).zip(pools.iter().cycle()) {
        // SAFETY: the port is configured for this queue; the pool is held by `inner` until the port is closed.
        inner.control(PortStep::RxQueue(index), |id| unsafe {
            sys::rte_eth_rx_queue_setup(id, index, rx_size, socket, &raw const rx_conf, pool.as_ptr())
        })?;
    }
    let mut tx_conf = raw.default_txconf;
    tx_conf.offloads = plan.tx_offloads;
    for index in 0..options.tx_queues {
        // SAFETY: the port is configured for this queue.
        inner.control(PortStep::TxQueue(index), |id| unsafe {
            sys::rte_eth_tx_queue_setup(id, index, tx_size, socket, &raw const tx_conf)
        })?;
    }
    Ok(())
}
