//! The workers: threads pinned to a CPU that poll queues and run the engine.

mod egress;
mod mailbox;
mod shared;
mod worker;

pub use egress::{Egress, Outlet};
pub use mailbox::{Mailbox, Request};
pub use shared::{LcoreShared, Tables};
pub use worker::{Inlet, Polled, WorkerThread, now};
