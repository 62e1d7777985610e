//! One writer of statuses at a time: leader election over a Lease (`coordination.k8s.io/v1`).
//!
//! The algorithm is client-go's (`tools/leaderelection`), with these differences, each for the sake of never two at once:
//!
//! * Who leads stops by itself when its last renewal was asked for [`Durations::renew`] ago, whatever its calls do.
//!   Others wait [`Durations::lease`] from when they saw that renewal, which was later.
//! * A Lease that is deleted, or restored from a backup, does not end the term that ran: who has ever seen one waits. (Who
//!   starts at that moment does not: it cannot know, and the very first start would take as long.)
//! * A record with one's own identity is not one's own unless its term is the one last asked for.
//!
//! Wall clocks decide nothing: times in the record are compared for being equal only. What is waited for is measured by
//! the local monotonic clock, which must not run at a rate a third off another's.
//!
//! Leading is leave to write statuses and Events. It must never decide who forwards.

mod api;
mod calls;
mod elector;
mod leadership;
mod record;

pub use api::ApiLeases;
pub use calls::{CallError, Leases};
pub use elector::{Durations, Elector, identity};
pub use leadership::{Leadership, NotLeading, View};
