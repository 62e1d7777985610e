//! Connections of clients: workers, listeners, and what happens to a connection before it has requests.
//!
//! A worker is a thread with an event loop of its own. Every worker listens on every address (`SO_REUSEPORT`), so that Linux
//! spreads connections and workers share nothing but tables and counters. A connection stays on its worker to its end.

mod connection;
mod io;
mod listen;
mod passthrough;
mod reply;
mod server;
mod service;
mod shared;
mod view;
mod worker;

pub use server::{Server, StartError};
pub use view::View;
