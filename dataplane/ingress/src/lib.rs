//! HTTP and TLS at the gateway: connections of clients are served, requests go to endpoints of Services.
//!
//! ```text
//! serve: accept → PROXY → TLS → head check → hyper ─► forward: table → policy → upstream ─► endpoint
//! ```
#![forbid(unsafe_code)]

mod alarm;
mod body;
mod client;
pub mod forward;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod head;
pub mod limit;
mod log;
mod metrics;
pub mod overview;
mod proxy_protocol;
pub mod routes;
mod serve;
mod splice;
pub mod table;
mod tls;
pub mod upstream;

pub use body::{RequestBody, RequestBodyError};
pub use client::{Client, TlsInfo, TlsVersion};
pub use head::Refusal;
pub use serve::{Server, StartError, View};
