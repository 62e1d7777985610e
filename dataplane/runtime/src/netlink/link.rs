//! Setting up network interfaces: hardware address, MTU, addresses, routes, and the kernel's per-interface settings.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::family;
use super::socket::{NetlinkError, Socket};

/// A network interface as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address, where it has an Ethernet one.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is set up (`IFF_UP`).
    pub up: bool,
}

impl Interface {
    /// Reads a link message; `None` for one without a name.
    pub fn from_message(message: &LinkMessage) -> Option<Self> {
        let mut found = Self {
            index: message.header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            up: message.header.flags.contains(LinkFlags::Up),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => found.name.clone_from(name),
                LinkAttribute::Address(bytes) => found.mac = bytes.as_slice().try_into().ok(),
                LinkAttribute::Mtu(mtu) => found.mtu = *mtu,
                _ => {}
            }
        }
        (!found.name.is_empty()).then_some(found)
    }
}

/// All interfaces of the network namespace.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn interfaces(socket: &mut Socket) -> Result<Vec<Interface>, NetlinkError> {
    let all = socket.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), "list interfaces")?;
    Ok(all
        .iter()
        .filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(link) => Interface::from_message(link),
            _ => None,
        })
        .collect())
}

/// The interface of this name, `None` where there is none.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Interface>, NetlinkError> {
    Ok(interfaces(socket)?.into_iter().find(|interface| interface.name == name))
}

/// Gives an interface an MTU and, where one is given, a hardware address, and sets it up.
///
/// # Errors
/// The kernel's refusal, for example of an MTU the driver does not support.
pub fn set_up(
    socket: &mut Socket,
    interface: &Interface,
    mac: Option<[u8; 6]>,
    mtu: u16,
) -> Result<(), NetlinkError> {
    let name = &interface.name;
    if let Some(mac) = mac.filter(|mac| interface.mac != Some(*mac)) {
        let attributes = vec![LinkAttribute::Address(mac.to_vec())];
        change(socket, interface.index, attributes, false, &format!("set the hardware address of {name}"))?;
    }
    if interface.mtu != u32::from(mtu) {
        let attributes = vec![LinkAttribute::Mtu(mtu.into())];
        change(socket, interface.index, attributes, false, &format!("set the MTU of {name} to {mtu}"))?;
    }
    change(socket, interface.index, Vec::new(), true, &format!("set {name} up"))
}

fn change(
    socket: &mut Socket,
    index: u32,
    attributes: Vec<LinkAttribute>,
    up: bool,
    what: &str,
) -> Result<(), NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    if up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    socket.request(RouteNetlinkMessage::SetLink(message), 0, what)
}

/// Puts an address with its prefix on an interface, without duplicate address detection; one that is there already is
/// no error.
///
/// # Errors
/// The kernel's refusal.
pub fn add_address(socket: &mut Socket, interface: &Interface, address: IpNet) -> Result<(), NetlinkError> {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.scope = AddressScope::Universe;
    message.header.index = interface.index;
    message.attributes =
        vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    match address {
        IpNet::V4(v4) if v4.prefix_len() < 31 => {
            message.attributes.push(AddressAttribute::Broadcast(v4.broadcast()));
        }
        IpNet::V4(_) => {}
        IpNet::V6(_) => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
    }
    let what = format!("add {address} to {}", interface.name);
    socket.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE, &what)
}

/// Takes an address off an interface.
///
/// # Errors
/// The kernel's refusal: "Cannot assign requested address" where it is not there.
pub fn remove_address(
    socket: &mut Socket,
    interface: &Interface,
    address: IpNet,
) -> Result<(), NetlinkError> {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = interface.index;
    message.attributes =
        vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    let what = format!("take {address} off {}", interface.name);
    socket.request(RouteNetlinkMessage::DelAddress(message), 0, &what)
}

/// Adds a route to the main table, or replaces the one to the same prefix.
///
/// Without an interface the kernel takes the one on whose subnet `via` lies.
///
/// # Errors
/// The kernel's refusal; "Network is unreachable" means that `via` is on no connected subnet.
pub fn add_route(
    socket: &mut Socket,
    to: IpNet,
    via: IpAddr,
    interface: Option<u32>,
) -> Result<(), NetlinkError> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.addr());
    message.header.destination_prefix_length = to.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::from(to.network())),
        RouteAttribute::Gateway(RouteAddress::from(via)),
    ];
    message.attributes.extend(interface.map(RouteAttribute::Oif));
    let what = format!("add the route to {to} via {via}");
    socket.request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE, &what)
}

/// Writes one of the kernel's settings of an interface, `/proc/sys/net/<family>/conf/<interface>/<key>`.
///
/// # Errors
/// The system's: the file is missing where the kernel has no IPv6, and read-only in an ordinary container.
pub fn set_sysctl(family: AddressFamily, interface: &str, key: &str, value: &str) -> io::Result<()> {
    let family = if family == AddressFamily::Inet6 { "ipv6" } else { "ipv4" };
    let path: PathBuf = ["/proc/sys/net", family, "conf", interface, key].iter().collect();
    // Opened without creating: procfs answers that with another error than "missing".
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    io::Write::write_all(&mut file, value.as_bytes())
}
