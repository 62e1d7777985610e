use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteNextHop, RouteNextHopFlags, RouteType,
};

use super::*;
use crate::netlink::family;

const UPLINK: u32 = 11;
const CLUSTER: u32 = 12;
const MANAGEMENT: u32 = 2;

fn mirror() -> Mirror {
    let port = |id: u8, name: &str, index, addresses: &[&str]| MirroredPort {
        info: PortInfo {
            id,
            name: name.into(),
            mac: [2, 0, 0, 0, 0, id],
            mtu: 1500,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        },
        index,
    };
    Mirror::new(vec![
        port(0, "uplink", UPLINK, &["192.0.2.7/24", "192.0.2.1/24"]),
        port(1, "cluster", CLUSTER, &[]),
    ])
}

fn link(index: u32, mtu: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.attributes = vec![LinkAttribute::IfName("x".into()), LinkAttribute::Mtu(mtu)];
    RouteNetlinkMessage::NewLink(message)
}

fn address(index: u32, net: &str) -> AddressMessage {
    let net: IpNet = net.parse().unwrap();
    let mut message = AddressMessage::default();
    message.header.family = family(net.addr());
    message.header.prefix_len = net.prefix_len();
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Address(net.addr())];
    if net.addr().is_ipv4() {
        message.attributes.push(AddressAttribute::Local(net.addr()));
    }
    message
}

fn route_message(to: &str, metric: u32) -> RouteMessage {
    let to: IpNet = to.parse().unwrap();
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.addr());
    message.header.destination_prefix_length = to.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Priority(metric)];
    if to.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(RouteAddress::from(to.addr())));
    }
    message
}

fn route(to: &str, via: Option<&str>, index: u32, metric: u32) -> RouteMessage {
    let mut message = route_message(to, metric);
    message.attributes.push(RouteAttribute::Oif(index));
    message.attributes.extend(via.map(|via| RouteAttribute::Gateway(via.parse::<IpAddr>().unwrap().into())));
    message
}

fn neighbor(index: u32, ip: &str, state: NeighbourState, mac: &[u8]) -> NeighbourMessage {
    let ip: IpAddr = ip.parse().unwrap();
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = index;
    message.header.state = state;
    message.attributes =
        vec![NeighbourAttribute::Destination(ip.into()), NeighbourAttribute::LinkLayerAddress(mac.to_vec())];
    message
}

fn new_route(to: &str, via: Option<&str>, index: u32, metric: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRoute(route(to, via, index, metric))
}

fn expected_route(to: &str, via: Option<&str>, port: u8, metric: u32) -> Route {
    Route { to: to.parse().unwrap(), via: via.map(|via| via.parse().unwrap()), port, metric }
}

fn port_of(changes: &[FibChange]) -> &PortInfo {
    match changes {
        [FibChange::Port(info)] => info,
        other => panic!("{other:?}"),
    }
}

fn nets(addresses: &[&str]) -> Vec<IpNet> {
    addresses.iter().map(|a| a.parse().unwrap()).collect()
}

#[test]
fn addresses_come_in_the_configurations_order() {
    let mut mirror = mirror();
    let mut apply = |net| mirror.apply(&RouteNetlinkMessage::NewAddress(address(UPLINK, net))).changes;
    assert_eq!(port_of(&apply("192.0.2.1/24")).addresses, nets(&["192.0.2.1/24"]));
    assert_eq!(port_of(&apply("192.0.2.99/24")).addresses, nets(&["192.0.2.1/24", "192.0.2.99/24"]));
    assert_eq!(
        port_of(&apply("192.0.2.7/24")).addresses,
        nets(&["192.0.2.7/24", "192.0.2.1/24", "192.0.2.99/24"])
    );
    assert!(apply("192.0.2.7/24").is_empty(), "nothing new");
    assert!(apply("fe80::1/64").is_empty(), "link-local addresses are Linux's own business");

    let gone = mirror.apply(&RouteNetlinkMessage::DelAddress(address(UPLINK, "192.0.2.7/24")));
    assert_eq!(port_of(&gone.changes).addresses, nets(&["192.0.2.1/24", "192.0.2.99/24"]));
    assert!(gone.resync, "routes may have gone with it");
    let other = mirror.apply(&RouteNetlinkMessage::NewAddress(address(MANAGEMENT, "10.9.9.9/24")));
    assert!(other.changes.is_empty());
}

#[test]
fn tentative_addresses_wait() {
    let mut mirror = mirror();
    let mut message = address(CLUSTER, "2001:db8:2::10/64");
    message.header.flags = AddressHeaderFlags::Tentative;
    assert!(mirror.apply(&RouteNetlinkMessage::NewAddress(message.clone())).changes.is_empty());
    message.header.flags = AddressHeaderFlags::Permanent;
    let changes = mirror.apply(&RouteNetlinkMessage::NewAddress(message)).changes;
    assert_eq!(port_of(&changes).addresses, nets(&["2001:db8:2::10/64"]));
}

#[test]
fn the_mtu_is_the_smaller_of_both() {
    let mut mirror = mirror();
    assert_eq!(port_of(&mirror.apply(&link(UPLINK, 1400)).changes).mtu, 1400);
    assert_eq!(port_of(&mirror.apply(&link(UPLINK, 9000)).changes).mtu, 1500);
    let outcome = mirror.apply(&link(UPLINK, 9000));
    assert!(outcome.changes.is_empty() && outcome.resync);
}

#[test]
fn routes_are_added_replaced_and_removed() {
    let mut mirror = mirror();
    let first = expected_route("10.244.0.0/16", Some("198.51.100.1"), 1, 0);
    let changes = mirror.apply(&new_route("10.244.0.0/16", Some("198.51.100.1"), CLUSTER, 0)).changes;
    assert_eq!(changes, [FibChange::Route(first.clone())]);
    assert!(mirror.apply(&new_route("10.244.0.0/16", Some("198.51.100.1"), CLUSTER, 0)).changes.is_empty());

    // A replacement is announced by the new route alone.
    let second = expected_route("10.244.0.0/16", Some("192.0.2.9"), 0, 0);
    let changes = mirror.apply(&new_route("10.244.0.0/16", Some("192.0.2.9"), UPLINK, 0)).changes;
    assert_eq!(changes, [FibChange::RouteGone(first), FibChange::Route(second.clone())]);
    assert_eq!(mirror.gateways(), HashSet::from([(0, "192.0.2.9".parse().unwrap())]));

    // Replaced by one that leaves through a foreign interface.
    let changes = mirror.apply(&new_route("10.244.0.0/16", Some("10.0.0.1"), MANAGEMENT, 0)).changes;
    assert_eq!(changes, [FibChange::RouteGone(second)]);
    assert!(mirror.gateways().is_empty());

    let third = expected_route("0.0.0.0/0", None, 0, 7);
    assert_eq!(
        mirror.apply(&new_route("0.0.0.0/0", None, UPLINK, 7)).changes,
        [FibChange::Route(third.clone())]
    );
    let other_metric = RouteNetlinkMessage::DelRoute(route("0.0.0.0/0", None, UPLINK, 8));
    assert!(mirror.apply(&other_metric).changes.is_empty());
    let outcome = mirror.apply(&RouteNetlinkMessage::DelRoute(route("0.0.0.0/0", None, UPLINK, 7)));
    assert_eq!(outcome.changes, [FibChange::RouteGone(third)]);
    assert!(outcome.resync, "an older route of the same prefix may take its place");
}

#[test]
fn of_several_next_hops_the_first_live_one_of_ours_counts() {
    let mut mirror = mirror();
    let hop = |index, via: Ipv4Addr, flags| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = index;
        hop.flags = flags;
        hop.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(via))];
        hop
    };
    let mut message = route_message("10.0.0.0/8", 0);
    message.attributes.push(RouteAttribute::MultiPath(vec![
        hop(CLUSTER, Ipv4Addr::new(198, 51, 100, 1), RouteNextHopFlags::Dead),
        hop(MANAGEMENT, Ipv4Addr::new(10, 0, 0, 1), RouteNextHopFlags::empty()),
        hop(CLUSTER, Ipv4Addr::new(198, 51, 100, 2), RouteNextHopFlags::empty()),
        hop(UPLINK, Ipv4Addr::new(192, 0, 2, 9), RouteNextHopFlags::empty()),
    ]));
    let expected = expected_route("10.0.0.0/8", Some("198.51.100.2"), 1, 0);
    assert_eq!(mirror.apply(&RouteNetlinkMessage::NewRoute(message)).changes, [FibChange::Route(expected)]);
    // One hop of them goes: only a new look tells which are left.
    let one = RouteNetlinkMessage::DelRoute(route("10.0.0.0/8", Some("198.51.100.2"), CLUSTER, 0));
    let outcome = mirror.apply(&one);
    assert!(outcome.changes.is_empty() && outcome.resync);
}

#[test]
fn other_kinds_of_routes_are_left_out() {
    type Change = fn(&mut RouteMessage);
    let changes: &[Change] = &[
        |m| m.header.table = 255,
        |m| m.attributes.push(RouteAttribute::Table(1000)),
        |m| m.header.kind = RouteType::BlackHole,
        |m| m.header.flags = RouteFlags::Cloned,
        |m| m.header.tos = 16,
        |m| m.header.source_prefix_length = 64,
        |m| m.header.address_family = AddressFamily::Mpls,
        |m| m.header.destination_prefix_length = 129,
    ];
    for change in changes {
        let mut mirror = mirror();
        let mut message = route("2001:db8:5::/48", Some("2001:db8:1::9"), UPLINK, 1024);
        change(&mut message);
        let outcome = mirror.apply(&RouteNetlinkMessage::NewRoute(message.clone()));
        assert!(outcome.changes.is_empty(), "{message:?}");
    }
    for to in ["fe80::/64", "ff00::/8", "169.254.0.0/16", "224.0.0.0/4"] {
        assert!(mirror().apply(&new_route(to, None, UPLINK, 0)).changes.is_empty(), "{to}");
    }
}

#[test]
fn neighbors_follow_their_state() {
    let mut mirror = mirror();
    let ip: IpAddr = "198.51.100.1".parse().unwrap();
    let mac = [2, 0, 0, 0, 9, 9];
    let mut apply = |state, mac: &[u8]| {
        mirror.apply(&RouteNetlinkMessage::NewNeighbour(neighbor(CLUSTER, "198.51.100.1", state, mac)))
    };
    assert!(apply(NeighbourState::Incomplete, &[]).changes.is_empty());
    assert_eq!(apply(NeighbourState::Reachable, &mac).changes, [FibChange::Neighbor { port: 1, ip, mac }]);
    let stale = apply(NeighbourState::Stale, &mac);
    assert_eq!((stale.changes.len(), &stale.stale[..]), (0, &[(1, ip)][..]));
    for state in
        [NeighbourState::Delay, NeighbourState::Probe, NeighbourState::Permanent, NeighbourState::Noarp]
    {
        assert!(apply(state, &mac).changes.is_empty(), "{state:?}");
    }
    let moved = [2, 0, 0, 0, 9, 8];
    assert_eq!(
        apply(NeighbourState::Reachable, &moved).changes,
        [FibChange::Neighbor { port: 1, ip, mac: moved }]
    );
    assert_eq!(apply(NeighbourState::Failed, &[]).changes, [FibChange::NeighborGone { port: 1, ip }]);
    assert!(apply(NeighbourState::Failed, &[]).changes.is_empty());

    apply(NeighbourState::Reachable, &mac);
    let deleted = neighbor(CLUSTER, "198.51.100.1", NeighbourState::Stale, &mac);
    let changes = mirror.apply(&RouteNetlinkMessage::DelNeighbour(deleted)).changes;
    assert_eq!(changes, [FibChange::NeighborGone { port: 1, ip }]);
}

#[test]
fn addresses_that_are_no_neighbors_are_left_out() {
    let cases: &[(u32, &str, &[u8])] = &[
        (MANAGEMENT, "198.51.100.1", &[2, 0, 0, 0, 9, 9]),
        (CLUSTER, "224.0.0.251", &[1, 0, 0x5e, 0, 0, 0xfb]),
        (CLUSTER, "198.51.100.1", &[0; 6]),
        (CLUSTER, "198.51.100.1", &[0xff; 6]),
        (CLUSTER, "198.51.100.1", &[2, 0, 0, 0]),
    ];
    for (index, ip, mac) in cases {
        let message = RouteNetlinkMessage::NewNeighbour(neighbor(*index, ip, NeighbourState::Noarp, mac));
        assert!(mirror().apply(&message).changes.is_empty(), "{ip} {mac:?}");
    }
    let mut proxy = neighbor(CLUSTER, "198.51.100.1", NeighbourState::Permanent, &[2, 0, 0, 0, 9, 9]);
    proxy.header.flags = NeighbourFlags::Proxy;
    assert!(mirror().apply(&RouteNetlinkMessage::NewNeighbour(proxy)).changes.is_empty());
}

#[test]
fn a_dump_replaces_what_was_known() {
    let mut mirror = mirror();
    let mac = [2, 0, 0, 0, 9, 9];
    let v6: Ipv6Addr = "2001:db8:1::9".parse().unwrap();
    let neighbor6 = neighbor(UPLINK, "2001:db8:1::9", NeighbourState::Stale, &mac);
    let first = [
        link(UPLINK, 1500),
        RouteNetlinkMessage::NewAddress(address(UPLINK, "192.0.2.1/24")),
        new_route("192.0.2.0/24", None, UPLINK, 0),
        new_route("10.0.0.0/8", Some("192.0.2.9"), UPLINK, 0),
        // A second of the same prefix and metric is not the one in use.
        new_route("10.0.0.0/8", Some("192.0.2.8"), UPLINK, 0),
        RouteNetlinkMessage::NewNeighbour(neighbor6),
    ];
    let outcome = mirror.reconcile(&first);
    let connected = expected_route("192.0.2.0/24", None, 0, 0);
    let ten = expected_route("10.0.0.0/8", Some("192.0.2.9"), 0, 0);
    assert_eq!(outcome.changes.len(), 4, "{:?}", outcome.changes);
    for expected in [
        FibChange::Neighbor { port: 0, ip: v6.into(), mac },
        FibChange::Route(connected.clone()),
        FibChange::Route(ten.clone()),
    ] {
        assert!(outcome.changes.contains(&expected), "{expected:?}");
    }
    assert_eq!(outcome.stale, [(0, v6.into())]);
    assert!(mirror.reconcile(&first).changes.is_empty(), "the same again changes nothing");

    let second = [link(UPLINK, 1500), new_route("10.0.0.0/8", Some("192.0.2.8"), UPLINK, 0)];
    let changes = mirror.reconcile(&second).changes;
    assert_eq!(changes.len(), 5, "{changes:?}");
    for expected in [
        FibChange::RouteGone(connected),
        FibChange::RouteGone(ten),
        FibChange::Route(expected_route("10.0.0.0/8", Some("192.0.2.8"), 0, 0)),
        FibChange::NeighborGone { port: 0, ip: v6.into() },
    ] {
        assert!(changes.contains(&expected), "{expected:?}");
    }
    assert!(changes.iter().any(|c| matches!(c, FibChange::Port(info) if info.addresses.is_empty())));
}
