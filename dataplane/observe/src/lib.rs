//! How a role is looked at from outside: its admin socket, its metrics and health over HTTP, and what it logs of its clients.
//!
//! Every role uses these in the same way; what they say is the role's own. Nothing here is on the packet path: answers are
//! made when somebody asks.
#![forbid(unsafe_code)]

pub mod admin;
pub mod http;
pub mod log;
pub mod metrics;
pub mod role;
pub mod stop;

pub use role::Observed;
pub use stop::Stop;
