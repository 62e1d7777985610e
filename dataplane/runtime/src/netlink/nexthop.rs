//! Reading a route message: prefix, metric and the next hops that a port can reach.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType,
    RouteVia,
};

/// A route of the main table that forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// The prefix.
    pub to: IpNet,
    /// Its priority; lower wins. Linux gives IPv6 routes 1024 where nothing is said, IPv4 routes 0.
    pub metric: u32,
    /// Its usable next hops, in the kernel's order.
    pub hops: Vec<Hop>,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The interface's number.
    pub index: u32,
    /// The gateway; `None` where destinations are on the link itself. May be IPv6 for an IPv4 route (RFC 5549).
    pub via: Option<IpAddr>,
}

impl KernelRoute {
    /// Reads a route message; `None` for what the packet path does not forward by: other tables than main, local,
    /// broadcast, blackhole and cached routes, link-local and multicast prefixes, routes chosen by type of service or
    /// by source.
    pub fn from_message(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let v6 = match header.address_family {
            AddressFamily::Inet => false,
            AddressFamily::Inet6 => true,
            _ => return None,
        };
        let special = header.tos != 0 || header.source_prefix_length != 0;
        if header.kind != RouteType::Unicast || special || header.flags.contains(RouteFlags::Cloned) {
            return None;
        }
        let mut table = u32::from(header.table);
        let mut to = if v6 { IpAddr::from([0_u8; 16]) } else { IpAddr::from([0_u8; 4]) };
        let mut metric = 0;
        let mut hops = Vec::new();
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Destination(address) => to = ip(address)?,
                RouteAttribute::Priority(number) => metric = *number,
                RouteAttribute::MultiPath(all) => {
                    let usable = all.iter().filter(|hop| {
                        !hop.flags.intersects(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown)
                    });
                    hops.extend(
                        usable.map(|hop| Hop { index: hop.interface_index, via: gateway(&hop.attributes) }),
                    );
                }
                _ => {}
            }
        }
        let down = header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown);
        if let (false, Some(index)) = (down, interface(&message.attributes)) {
            hops.insert(0, Hop { index, via: gateway(&message.attributes) });
        }
        let to = IpNet::new(to, header.destination_prefix_length).ok()?.trunc();
        let own_link = match to {
            IpNet::V4(net) => net.addr().is_link_local() || net.addr().is_multicast(),
            IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
        };
        (table == u32::from(RouteHeader::RT_TABLE_MAIN) && !own_link).then_some(Self { to, metric, hops })
    }
}

fn interface(attributes: &[RouteAttribute]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

fn gateway(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}
