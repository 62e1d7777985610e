//! A small network out of namespaces, with a gateway in the middle: what the end-to-end tests and `make run` stand on.
//!
//! ```text
//!  client namespace              gateway namespace                    node namespace
//!  192.0.2.100/24                192.0.2.1/24   198.51.100.10/24      198.51.100.1/24
//!  2001:db8:1::100/64  ── uplink 2001:db8:1::1  2001:db8:2::10 cluster ── 2001:db8:2::1/64
//!                                                                     pods 10.244.0.0/16, fd00:10:244::/56
//! ```
//!
//! Everything carries the maker's process id in its name, is taken away when a [`Testbed`] is dropped, by a guardian
//! process when its maker is killed, and by the next run when the guardian was killed as well.

pub mod cleanup;
pub mod client;
pub mod cluster;
pub mod coredns;
pub mod gateway;
pub mod links;
pub mod manifests;
pub mod netns;
pub mod pods;
pub mod run;
pub mod topology;

pub use cluster::Cluster;
pub use coredns::CoreDns;
pub use gateway::Gateway;
pub use netns::Netns;
pub use topology::Testbed;
