//! TLS of clients: which certificate, which versions, and connections that go on as they are.

mod hello;
mod identity;
mod names;
mod rows;
mod store;
mod tickets;

pub(crate) use hello::{Hello, HelloError};
pub use identity::CertificateError;
pub(crate) use store::{Chosen, Store};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
