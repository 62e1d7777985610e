//! Checked, zero-copy views of network headers, checksums and the packet-buffer trait; no I/O, no DPDK.

#![forbid(unsafe_code)]

pub mod buffer;
pub mod checksum;
pub mod parse;
pub mod protocol;

pub use buffer::{PacketBuf, TestBuf};
pub use parse::{Flags, Kind, ParseError, Parsed, parse, v6_addrs};
