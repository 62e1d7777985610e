//! HTTP and TLS at the gateway: connections of clients are served, requests go to endpoints of Services.
//!
//! ```text
//! serve: accept → PROXY → TLS → head check → hyper ─► forward: table → policy → upstream ─► endpoint
//! ```
#![forbid(unsafe_code)]

mod body;
mod client;
pub mod forward;
pub mod routes;
pub mod table;
pub mod upstream;

pub use body::{RequestBody, RequestBodyError};
pub use client::{Client, TlsInfo, TlsVersion};
