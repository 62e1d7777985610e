//! Flows: one table per lcore, owned by it, without locks.
//!
//! A flow is one entry that is found by the packets of both of its directions. [`table::FlowTable`] joins the entries,
//! the [`index`] that finds them and the [`wheel`] that ages them; [`state`] follows transports through their lives.

pub mod entry;
pub mod hash;
pub mod index;
pub mod record;
pub mod state;
pub mod table;
mod takeover;
pub mod wheel;

pub use entry::{Class, Direction, Entry, FlowRef};
pub use hash::HashKeys;
pub use record::FlowRecord;
pub use table::{FlowStats, FlowStorage, FlowTable};
