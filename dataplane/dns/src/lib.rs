//! Cluster DNS: from the model's Services to compiled names, and from a query to its answer in place.
//!
//! [`Catalog`] follows the model and hands out [`Zones`], immutable tables of one generation; [`answer()`] turns a query
//! into its reply within the buffer that it came in. No I/O, no clock, no allocation on the way of a query.
//!
//! Answers follow Kubernetes' DNS specification 1.1.0 and, where that is silent, what CoreDNS answers, without its
//! departures from the RFCs (`docs/dns.md` lists them).
#![forbid(unsafe_code)]

mod access;
pub mod answer;
pub mod catalog;
mod chain;
mod clients;
mod compat;
mod compile;
mod elsewhere;
pub mod explain;
mod hosts;
pub mod kept;
pub mod limit;
mod log;
pub mod name;
pub mod node;
pub mod nsid;
mod pods;
pub mod query;
mod reply;
mod soa;
pub mod table;
pub mod transfer;
mod usual;
mod visibility;
mod zonal;
pub mod zones;

pub use answer::{Asked, Verdict, answer};
pub use catalog::Catalog;
pub use kept::Kept;
pub use log::Log;
pub use query::{Edns, Query, Unanswerable, parse};
pub use table::Candidate;
pub use transfer::{Transfer, transfer};
pub use usual::{Found, Usual};
pub use zones::Zones;
