//! The admin socket of control: what `sluice show sync` and `show problems` talk to. [`sluice_observe::admin`] says how
//! requests and answers travel.

mod board;
mod metrics;
pub mod protocol;
mod serve;

pub use board::{Board, CorefileShown, Followed, Held, Shown};
pub use metrics::Metrics;
pub use protocol::{ControlRequest, ControlResponse};
pub(crate) use serve::Answers;
pub use sluice_observe::admin::{AdminError, Trouble};

/// A connection to control.
pub type ControlClient = sluice_observe::admin::Client<ControlRequest>;
