//! The admin socket of a role: what `sluice show` and its like talk to.
//!
//! A Unix stream socket. Each request is one line of JSON; it is answered by any number of lines, of which the last says
//! that this was all, or why it could not be done. Which requests and answers there are is the role's matter: its type of
//! requests implements [`Request`].

mod client;
mod line;
mod server;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use client::{AdminError, Client, Trouble};
pub use server::{Failure, Handler, Server};

/// What can be asked of a role.
pub trait Request: Serialize + DeserializeOwned {
    /// The role, as people call it.
    const ROLE: &'static str;
    /// What it answers.
    type Response: Response;
}

/// A part of an answer.
pub trait Response: Serialize + DeserializeOwned {
    /// The end: all is said.
    fn done() -> Self;
    /// The end: it could not be done, and why.
    fn error(message: String) -> Self;
    /// Which of the three it is.
    fn part(self) -> Part<Self>;
}

/// Where in an answer a part stands.
#[derive(Debug)]
pub enum Part<T> {
    /// More may follow.
    More(T),
    /// The end.
    Done,
    /// The end: it could not be done, and why.
    Error(String),
}
