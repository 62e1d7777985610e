//! A strict check of HTTP/1 bytes, before hyper sees them.
//!
//! hyper reads a message that two programs could understand differently in one of the ways it can be read: of
//! `Content-Length` beside `Transfer-Encoding` it drops the first, a bare line feed ends a line, a `Host` may come twice. Each
//! of these has been used to make a proxy and what is behind it disagree on where a request ends or whom it is for. Here such
//! a request is refused and its connection closed; what is let through has one reading, which is also hyper's.
//!
//! ```text
//! connection ─► Filter: head → body by length or chunks → head …, raw after an upgrade ─► hyper
//! ```

mod chunks;
mod fields;
mod filter;
mod lines;
mod pace;
mod parts;
mod refusal;
mod request;
mod search;
mod target;

pub(crate) use chunks::is_forbidden_trailer;
use chunks::{ChunkError, Chunks};
pub(crate) use filter::{Filter, Patience};
#[cfg(feature = "fuzz")]
pub(crate) use judge::judge;
pub(crate) use pace::{Held, Pace};
pub(crate) use parts::check_parts;
pub use refusal::Refusal;
use request::{Framing, Head, check};

#[cfg(test)]
mod corpus;
#[cfg(any(test, feature = "fuzz"))]
mod judge;
#[cfg(test)]
mod tests;
