//! A burst in, a burst out: flow table, service tables, NAT, refusals, drop reasons.
//!
//! No DPDK, no threads, no wall clock: time is an argument, packets are anything that implements
//! [`sluice_wire::PacketBuf`], and what leaves goes to a [`Sink`].
#![forbid(unsafe_code)]

pub mod affinity;
mod choice;
pub mod clients;
pub mod drops;
pub mod explain;
pub mod flow;
pub mod fragment;
pub mod limit;
pub mod nat;
pub mod punt;
pub mod query_log;
mod rate;
pub mod snapshot;
pub mod trace;
pub mod tuple;
pub mod worker;

pub use drops::{Counters, DropReason, Event, QueryType};
pub use tuple::Tuple;
pub use worker::{Worker, WorkerConfig};

/// Number of a port: its index in the configuration's list of ports.
pub type PortId = u8;

/// Most packets the engine takes at once.
pub const BURST: usize = 64;

/// Milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u64);

/// Where packets go when the engine is done with them.
pub trait Sink<B> {
    /// Send it out of `port`.
    fn transmit(&mut self, port: PortId, packet: B);
    /// Give it to Linux through the kernel interface of the port that received it; rate limits are already applied.
    fn punt(&mut self, port: PortId, packet: B);
    /// Give it to the lcore that owns its flow; `port` is the one that received it.
    fn hand_over(&mut self, lcore: u16, port: PortId, packet: B);
}
