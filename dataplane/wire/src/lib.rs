//! Checked, zero-copy views of network headers, checksums and the packet-buffer trait; no I/O, no DPDK.

pub mod buffer;

pub use buffer::{PacketBuf, TestBuf};
