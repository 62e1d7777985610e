//! The way to and from Linux.
//!
//! Each port `x` has a kernel interface `sl-x` with the port's hardware address, MTU and addresses. What the engine punts
//! goes in there; what Linux sends on it leaves by the port unchanged. So Linux speaks ARP, neighbour discovery, routing
//! protocols and SSH as if it had the port itself, and answers for the addresses of its interfaces, while the engine
//! answers for those of Services.
//!
//! Whether Linux forwards what is no Service's is the administrator's choice: with `net.ipv4.ip_forward=1` (and
//! `net.ipv6.conf.all.forwarding=1`) the gateway routes between its ports through the kernel, with 0 it drops. It cannot
//! loop: a packet of Linux's goes out of a port and never into the engine. Addresses in the Services' ranges that no
//! Service has are dropped by the engine and never punted, so that a default route does not carry them back.

pub mod ingress;
mod interface;

pub use interface::{PuntError, PuntInterface, PuntOptions};
