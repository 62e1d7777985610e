//! The admin socket: what `sluice show`, `explain` and `trace` talk to.
//!
//! A Unix stream socket. Each request is one line of JSON, an [`AdminRequest`]; it is answered by any number of lines, each
//! an [`AdminResponse`], of which the last is [`AdminResponse::Done`] or [`AdminResponse::Error`].

mod client;
mod line;
pub mod protocol;
mod server;

pub use client::{AdminClient, AdminError};
pub use protocol::{AdminRequest, AdminResponse};
pub use server::{Failure, Handler, Server};
