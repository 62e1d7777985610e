//! The feed: how the control process hands generations of the model to its subscribers over a Unix socket.
//!
//! ```text
//! subscriber                                   control
//!     │  Hello{name, kinds, have: run+generation} ─►│  credentials of the peer checked on accept
//!     │◄─ Welcome{run, heartbeat}  or  Refused      │
//!     │◄─ Begin{generation, full}, Change…, Commit  │  a delta where the log reaches back, else everything
//!     │  Ack{run, generation} ─────────────────────►│
//!     │◄─ Ping        Pong ────────────────────────►│  so that a peer that hangs is noticed
//! ```
//!
//! * Frames are length-delimited (`u32`, little endian) and bounded by [`MAX_FRAME`]; bodies are postcard.
//! * A transaction is all or nothing: what was not committed is forgotten.
//! * A full state is mark-and-sweep at the receiver ([`Mirror`]): what is unchanged yields no [`Change`](sluice_model::Change),
//!   what is missing yields [`ServiceGone`](sluice_model::Change::ServiceGone). A restarted control process disturbs nothing.
//! * The server keeps no queue per subscriber: a slow one is sent the newest state of what changed since it last read.
//!
//! [`Server`] is control's end, [`Subscriber`] the other one, with reconnection; [`Client`] is one connection.

pub mod client;
pub mod frame;
pub mod message;
pub mod mirror;
pub mod peer;
pub mod server;
mod session;
mod state;
pub mod subscriber;

pub use client::{Client, ClientError};
pub use frame::{FrameError, FrameReader, MAX_FRAME};
pub use message::{DecodeError, Have, Kinds, Refusal, decode_stream};
pub use mirror::{Mirror, Transaction, TransactionError};
pub use server::{PublishError, Server, ServerOptions, SubscriberStatus};
pub use subscriber::Subscriber;
