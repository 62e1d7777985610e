//! The admin socket of the resolver: what `sluice show dns cache` and `upstreams` talk to. [`sluice_observe::admin`] says how
//! requests and answers travel.

pub mod protocol;
mod serve;

pub use protocol::{ProxyRequest, ProxyResponse};
pub(crate) use serve::Answers;
pub use sluice_observe::admin::{AdminError, Trouble};

/// A connection to the resolver.
pub type ProxyClient = sluice_observe::admin::Client<ProxyRequest>;
