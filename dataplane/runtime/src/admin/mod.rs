//! The admin socket: what `sluice show`, `explain` and `trace` talk to. [`sluice_observe::admin`] says how requests and
//! answers travel.

pub mod protocol;

pub use protocol::{AdminRequest, AdminResponse};
pub use sluice_observe::admin::{AdminError, Failure, Server, Trouble};

/// A connection to a data plane.
pub type AdminClient = sluice_observe::admin::Client<AdminRequest>;
