//! `sluice control`: manifests into the desired state, and that to whoever forwards.
//!
//! [`folder`] reads objects, [`object`] checks them, [`desired`] joins them into Services, and [`run`] publishes what
//! changes on the feed. [`health`] answers `healthCheckNodePort`.

pub mod admin;
pub mod control;
pub mod corefile;
pub mod desired;
pub mod folder;
pub mod health;
pub mod kube;
pub mod lease;
pub mod object;
pub mod pools;
mod problem;
mod signature;
pub mod state;
pub mod status;

pub use control::{Checked, ControlError, check, run};
pub use problem::{FieldProblem, Level, Problem};
