//! The admin socket of a role: what `sluice show` and its like talk to.
//!
//! A Unix stream socket. Each request is one line of JSON; it is answered by any number of lines, of which the last says
//! that this was all, or why it could not be done. Which requests and answers there are is the role's matter: its type of
//! requests implements [`Request`].

mod client;
mod line;
mod server;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use client::{AdminError, Client, Trouble};
pub use server::{Failure, Handler, Running, Server};

/// What can be asked of a role.
pub trait Request: Serialize + DeserializeOwned {
    /// The role, as people call it.
    const ROLE: &'static str;
    /// A part of what it answers.
    type Response: Serialize + DeserializeOwned;
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<T> {
    /// More may follow.
    Part(T),
    /// The end: all is said.
    Done,
    /// The end: it could not be done, and why.
    Error(String),
}
