//! Ingresses from objects to what HTTP is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod annotations;
mod common;
mod docs;
mod folder;
mod join;
mod rules;
