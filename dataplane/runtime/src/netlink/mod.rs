//! Linux as the authority for addresses, routes and neighbours: asked, set up and mirrored by netlink.

use std::net::IpAddr;

use netlink_packet_route::AddressFamily;

pub mod link;
pub mod local;
pub mod mirror;
pub mod monitor;
pub mod nexthop;
pub mod raw;
pub mod resolve;
pub mod socket;

pub use mirror::Mirror;
pub use socket::{NetlinkError, Socket};

/// The kernel's number of an address's family.
pub fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet }
}
