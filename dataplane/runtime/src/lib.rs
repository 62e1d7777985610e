//! `sluice dataplane`: lcores, ports, punt interfaces, the mirror of Linux's tables, and the admin socket.
//!
//! [`run()`] is all of it. The order of the start: configuration checked, lock taken, DPDK, ports, kernel interfaces,
//! addresses and routes, netlink mirror, workers, feed. Workers take packets when the first generation is in effect.
//!
//! | thread | does |
//! |---|---|
//! | `lcore-N` | polls queues, runs the engine; pinned |
//! | `publisher` | makes snapshots of what the feed and Linux say |
//! | `feed` | follows control |
//! | `netlink` | follows Linux's addresses, routes and neighbours |
//! | `resolver` | asks Linux for next hops |
//! | `admin` | answers the CLI |
//! | `metrics` | serves metrics and health |
//! | `query-log` | writes what lcores noted of queries |
#![forbid(unsafe_code)]

pub mod admin;
pub mod config;
pub mod flows;
pub mod instance;
pub mod lcore;
mod listener;
pub mod netlink;
pub mod ports;
pub mod publish;
pub mod punt;
mod query_log;
mod run;
mod show;
mod threads;

pub use config::DataplaneConfig;
pub use run::{RuntimeError, run};
pub use sluice_observe::stop::{self, Stop};
