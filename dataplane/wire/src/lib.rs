//! Checked, zero-copy views of network headers, checksums and the packet-buffer trait; no I/O, no DPDK.

#![forbid(unsafe_code)]

pub mod buffer;
pub mod checksum;

pub use buffer::{PacketBuf, TestBuf};
