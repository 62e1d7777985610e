//! Network address translation: rewriting packets and choosing source ports.

pub mod ports;
pub mod pressure;
pub mod rewrite;
