//! Endpoints: which one takes a request, how it fares, and the connections to it.

mod budget;
mod clock;
mod connect;
mod endpoint;
mod http1;
mod io;
mod pick;
mod pool;
mod set;
mod tls;

pub use budget::Budget;
pub use clock::Millis;
pub use connect::{ConnectError, Connector, Sender};
pub use endpoint::{Endpoint, InFlight};
pub use http1::Http1;
pub use pick::Choice;
pub use pool::{ClientPool, Key, Lease, Pool, Room};
pub use set::{Member, UpstreamState};
