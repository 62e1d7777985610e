//! From the configuration to running ports.

mod eal;
mod host;
mod open;
mod pool;
mod wiring;

pub use eal::start_eal;
pub use host::{HostError, HostInterfaces};
pub use open::{OpenError, OpenPort, open_port};
pub use pool::{PacketMemory, PoolError};
pub use wiring::{Wiring, wire};
