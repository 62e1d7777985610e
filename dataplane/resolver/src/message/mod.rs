//! Messages: what a request must be, and how a reply is written.

mod error;
mod reply;
mod request;

pub(crate) use error::Error as ExtendedError;
pub(crate) use reply::{Answer, encode, fit, with_nsid};
pub(crate) use request::{HEADER, Rejected, Request, parse, parse_bytes};

#[cfg(test)]
mod tests;
