//! DNS beyond the fast path: queries over UDP, TCP and TLS that are answered by an [`Authority`], by rules and tables, from a
//! cache, or by upstreams that are believed no further than they must be.
//!
//! ```text
//! listen → message → service: rewrite │ template │ hosts │ authority │ cache │ forward → upstream
//! ```
#![forbid(unsafe_code)]

mod acl;
mod authority;
mod cache;
pub mod config;
mod counters;
mod dns64;
mod forward;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod hosts;
mod listen;
mod local;
mod log;
mod message;
pub mod overview;
mod rewrite;
mod server;
mod service;
mod template;
mod tls;
mod upstream;
mod zonefile;
mod zones;

pub use authority::{Authority, Continuation, Messages, NoAuthority, Transport, Verdict};
pub use config::{Config, ConfigError, Settings};
pub use server::{Handle, Resolver, StartError};
