//! Checked, zero-copy views of network headers, checksums and the packet-buffer trait; no I/O, no DPDK.
//!
//! * [`parse()`] is what every packet goes through: it classifies a frame and refuses malformed ones by name.
//! * The modules named after protocols hold views of their headers: checked once when made, infallible afterwards, with
//!   setters that keep checksums right by difference ([`checksum::Delta`]).
//! * [`quote`] finds and translates the packet quoted in an ICMP error.
//! * [`reply`] turns a packet, in its own buffer, into the refusal, error or answer to it.
//! * [`build`] makes whole frames for tests.

#![forbid(unsafe_code)]

pub mod arp;
pub mod buffer;
pub mod build;
pub mod checksum;
pub mod ethernet;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod nd;
pub mod parse;
pub mod protocol;
pub mod quote;
pub mod reply;
pub mod sctp;
pub mod tcp;
pub mod transport;
pub mod udp;

pub use buffer::{PacketBuf, TestBuf};
pub use ethernet::MacAddr;
pub use parse::{Flags, Kind, ParseError, Parsed, parse, parse_into, v6_addrs};
