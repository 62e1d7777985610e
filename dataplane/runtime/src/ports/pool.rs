//! How many packet buffers there are, and how large they are.

use sluice_dpdk::{Eal, Mempool, MempoolError};
use sluice_engine::BURST;

use crate::config::DataplaneConfig;

/// Descriptors of a port's queue, each way, and of its kernel interface's: wished for, and the least that works.
const PORT_DESCRIPTORS: [u32; 2] = [1024, 128];
const PUNT_DESCRIPTORS: [u32; 2] = [256, 64];
/// Buffers that each lcore keeps to itself; DPDK lets it grow to half as many again.
const CACHE: u32 = 256;
/// Packets that one lcore's engine may hold back: they wait for a next hop or for a datagram's first fragment.
const HELD: u32 = 1024;
/// Places of a ring between lcores.
const RING: u32 = 1024;
/// Bytes of an mbuf's headers and of the pool's before it.
const OVERHEAD: u64 = 128 + 64;
/// Headroom of a buffer, and the frame's bytes around the IP packet: Ethernet, two VLAN tags, a checksum.
const HEADROOM: u32 = 128;
const AROUND: u32 = 14 + 8 + 4;
/// The least room of a buffer: drivers' receive sizes go in steps of 1 KiB, and 2 KiB holds an ordinary frame.
const LEAST_ROOM: u32 = HEADROOM + 2048;
/// Memory that DPDK itself, its rings and its queues take, in MiB.
const DPDK: u32 = 16;

/// Why there are not enough packet buffers.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The memory of the configuration does not do.
    #[error("dataplane.memory: {given} MiB do not hold the buffers of {queues} queues; {needed} MiB do")]
    TooSmall {
        /// MiB configured.
        given: u32,
        /// MiB needed.
        needed: u32,
        /// Queues of ports.
        queues: u32,
    },
    /// DPDK refused.
    #[error(transparent)]
    Pool(#[from] MempoolError),
}

/// How packet memory is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMemory {
    /// Buffers.
    pub capacity: u32,
    /// Bytes of each, with its headroom.
    pub room: u16,
    /// Descriptors of a port's queue, each way.
    pub port_descriptors: u16,
    /// Descriptors of a kernel interface's queue, each way.
    pub punt_descriptors: u16,
}

impl PacketMemory {
    /// The layout for a configuration: enough buffers that no queue can starve another, with smaller queues where the
    /// memory is small.
    ///
    /// # Errors
    /// [`PoolError::TooSmall`].
    pub fn plan(config: &DataplaneConfig) -> Result<Self, PoolError> {
        let lcores = config.lcores.len() as u32;
        let ports = config.ports.len() as u32;
        let most_queues = |port: &crate::config::PortConfig| match port.queues {
            crate::config::Queues::Auto => lcores,
            crate::config::Queues::Count(n) => u32::from(n).max(lcores),
        };
        let queues: u32 = config.ports.iter().map(most_queues).sum();
        let mtu = config.ports.iter().map(|port| u32::from(port.mtu)).max().unwrap_or(0);
        let room = (HEADROOM + mtu + AROUND).max(LEAST_ROOM).next_multiple_of(64);
        let bursts = lcores * (2 * ports + lcores + 2) * BURST as u32;
        let rings = if lcores > 1 { lcores * (1 + 2 * ports) * RING } else { 0 };
        let held = lcores * (CACHE * 3 / 2 + HELD) + bursts + rings;
        let buffers = |port: u32, punt: u32| queues * 2 * port + ports * lcores * 2 * punt + held;
        let mib = |buffers: u32| {
            let bytes = u64::from(buffers) * (OVERHEAD + u64::from(room));
            u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).saturating_add(DPDK)
        };
        let [mut port, least_port] = PORT_DESCRIPTORS;
        let [mut punt, least_punt] = PUNT_DESCRIPTORS;
        while mib(buffers(port, punt)) > config.memory_mib {
            if port <= least_port && punt <= least_punt {
                let needed = mib(buffers(port, punt));
                return Err(PoolError::TooSmall { given: config.memory_mib, needed, queues });
            }
            port = (port / 2).max(least_port);
            punt = (punt / 2).max(least_punt);
        }
        Ok(Self {
            capacity: buffers(port, punt),
            room: u16::try_from(room).unwrap_or(u16::MAX),
            port_descriptors: port as u16,
            punt_descriptors: punt as u16,
        })
    }

    /// Makes the pool.
    ///
    /// # Errors
    /// [`PoolError::Pool`].
    pub fn pool(&self, eal: &Eal) -> Result<Mempool, PoolError> {
        Ok(Mempool::builder("packets").capacity(self.capacity).room(self.room).cache(CACHE).build(eal)?)
    }

    /// Places of a ring between lcores.
    pub const fn ring(&self) -> u32 {
        RING
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PortConfig, Queues, ethernet_mtu};

    fn config(lcores: u32, ports: usize, mtu: u16, memory_mib: u32) -> DataplaneConfig {
        let port = |n| PortConfig {
            name: format!("p{n}"),
            device: format!("net_null{n}"),
            queues: Queues::Auto,
            addresses: Vec::new(),
            mtu,
        };
        DataplaneConfig {
            lcores: (0..lcores).collect(),
            ports: (0..ports).map(port).collect(),
            memory_mib,
            ..DataplaneConfig::default()
        }
    }

    #[test]
    fn the_example_fits_with_full_queues() {
        let memory = PacketMemory::plan(&config(1, 2, ethernet_mtu(), 256)).unwrap();
        assert_eq!((memory.port_descriptors, memory.punt_descriptors, memory.room), (1024, 256, 2176));
        // All queues of both ports and both kernel interfaces full at once, and the engine still has buffers.
        assert!(memory.capacity > 2 * 2 * 1024 + 2 * 2 * 256 + HELD);
    }

    #[test]
    fn small_memory_means_small_queues() {
        let memory = PacketMemory::plan(&config(1, 4, ethernet_mtu(), 32)).unwrap();
        assert!(memory.port_descriptors < 1024 && memory.port_descriptors >= 128);
        let bytes = u64::from(memory.capacity) * (u64::from(memory.room) + OVERHEAD);
        assert!(bytes <= (32 - 16) << 20);
    }

    #[test]
    fn too_little_is_said_with_what_would_do() {
        let error = PacketMemory::plan(&config(8, 8, ethernet_mtu(), 64)).unwrap_err();
        let PoolError::TooSmall { given: 64, needed, queues: 64 } = error else { panic!("{error}") };
        PacketMemory::plan(&config(8, 8, ethernet_mtu(), needed)).unwrap();
    }

    #[test]
    fn jumbo_frames_lie_in_one_buffer() {
        let memory = PacketMemory::plan(&config(1, 2, 9000, 512)).unwrap();
        assert!(u32::from(memory.room) >= HEADROOM + 9000 + AROUND);
    }
}
