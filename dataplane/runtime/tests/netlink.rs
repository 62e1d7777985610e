//! The netlink side against the running kernel, in network namespaces of their own.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use netlink_packet_route::AddressFamily;
use sluice_engine::PortId;
use sluice_engine::snapshot::{FibChange, PortInfo, Route};
use sluice_runtime::Stop;
use sluice_runtime::netlink::link::{self, Interface};
use sluice_runtime::netlink::mirror::MirroredPort;
use sluice_runtime::netlink::monitor::{Listener, Monitor};
use sluice_runtime::netlink::resolve::Resolver;
use sluice_runtime::netlink::socket::{NetlinkError, Socket};

mod common;
use common::{Far, isolated, run, wait_for};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the listener was told, applied.
#[derive(Debug, Default)]
struct Told {
    port: Option<PortInfo>,
    routes: Vec<Route>,
    neighbors: HashMap<IpAddr, [u8; 6]>,
    stale: Vec<(PortId, IpAddr)>,
    gateways: HashSet<(PortId, IpAddr)>,
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Told>>);

impl Listener for Recorder {
    fn changed(&mut self, changes: Vec<FibChange>) {
        let mut told = self.0.lock().unwrap();
        for change in changes {
            match change {
                FibChange::Port(info) => told.port = Some(info),
                FibChange::Route(route) => told.routes.push(route),
                FibChange::RouteGone(route) => {
                    let at =
                        told.routes.iter().position(|known| *known == route).expect("a route that was told");
                    told.routes.remove(at);
                }
                FibChange::Neighbor { ip, mac, .. } => drop(told.neighbors.insert(ip, mac)),
                FibChange::NeighborGone { ip, .. } => {
                    assert!(told.neighbors.remove(&ip).is_some(), "a neighbour that was told");
                }
            }
        }
    }

    fn stale(&mut self, neighbors: Vec<(PortId, IpAddr)>) {
        self.0.lock().unwrap().stale.extend(neighbors);
    }

    fn gateways(&mut self, gateways: HashSet<(PortId, IpAddr)>) {
        self.0.lock().unwrap().gateways = gateways;
    }
}

/// An `sl-up` whose peer is in a second namespace with 192.0.2.2/24 and 2001:db8::2/64, set up by the code under test.
fn with_peer() -> (Far, Socket, Interface) {
    let far = Far::new();
    run("ip link add sl-up type veth peer name peer");
    run(&format!("ip link set peer netns {}", far.pid()));
    far.run("ip link set peer address 02:00:00:00:00:02");
    far.run("ip addr add 192.0.2.2/24 dev peer");
    far.run("ip addr add 2001:db8::2/64 dev peer nodad");
    far.run("ip link set peer up");
    let mut socket = Socket::route(0).unwrap();
    let interface = link::find(&mut socket, "sl-up").unwrap().unwrap();
    link::set_sysctl(AddressFamily::Inet6, "sl-up", "accept_dad", "0").unwrap();
    link::set_up(&mut socket, &interface, Some(MAC), 1400).unwrap();
    link::add_address(&mut socket, &interface, "192.0.2.1/24".parse().unwrap()).unwrap();
    link::add_address(&mut socket, &interface, "2001:db8::1/64".parse().unwrap()).unwrap();
    (far, socket, interface)
}

fn mirrored(index: u32) -> Vec<MirroredPort> {
    let addresses = ["192.0.2.1/24", "2001:db8::1/64"].iter().map(|a| a.parse().unwrap()).collect();
    vec![MirroredPort { info: PortInfo { id: 0, name: "up".into(), mac: MAC, mtu: 1500, addresses }, index }]
}

fn follow(index: u32) -> (Recorder, Stop, std::thread::JoinHandle<()>) {
    let recorder = Recorder::default();
    let monitor = Monitor::start(mirrored(index), recorder.clone()).unwrap();
    let stop = Stop::default();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || monitor.run(&stop)
    });
    (recorder, stop, thread)
}

#[test]
fn an_interface_is_set_up() {
    if !isolated("an_interface_is_set_up") {
        return;
    }
    let (_far, mut socket, interface) = with_peer();
    let now = link::find(&mut socket, "sl-up").unwrap().unwrap();
    assert_eq!((now.index, now.mac, now.mtu, now.up), (interface.index, Some(MAC), 1400, true));
    let shown = run("ip addr show dev sl-up");
    for expected in ["192.0.2.1/24 brd 192.0.2.255", "2001:db8::1/64"] {
        assert!(shown.contains(expected), "{shown}");
    }
    let ours = shown.lines().find(|line| line.contains("2001:db8::1/64")).unwrap();
    assert!(!ours.contains("tentative"), "{shown}");
    // Again is no error.
    link::add_address(&mut socket, &interface, "192.0.2.1/24".parse().unwrap()).unwrap();

    link::add_route(&mut socket, "10.244.0.0/16".parse().unwrap(), ip("192.0.2.2"), None).unwrap();
    let via6 = ip("2001:db8::2");
    link::add_route(&mut socket, "fd00::/8".parse().unwrap(), via6, Some(interface.index)).unwrap();
    assert!(run("ip route").contains("10.244.0.0/16 via 192.0.2.2 dev sl-up"));
    assert!(run("ip -6 route").contains("fd00::/8 via 2001:db8::2 dev sl-up"));

    let error =
        link::add_route(&mut socket, "10.0.0.0/8".parse().unwrap(), ip("203.0.113.1"), None).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("10.0.0.0/8 via 203.0.113.1") && text.contains("unreachable"), "{text}");
    assert!(matches!(link::find(&mut socket, "absent"), Ok(None)));
}

#[test]
fn the_mirror_follows_the_kernel() {
    if !isolated("the_mirror_follows_the_kernel") {
        return;
    }
    let (_far, _socket, interface) = with_peer();
    let (recorder, stop, thread) = follow(interface.index);
    let told = || recorder.0.lock().unwrap();
    {
        let told = told();
        let port = told.port.as_ref().unwrap();
        let addresses = ["192.0.2.1/24".parse().unwrap(), "2001:db8::1/64".parse().unwrap()];
        assert_eq!((port.mtu, &port.addresses[..]), (1400, &addresses[..]));
        let connected = |to: &str| told.routes.iter().any(|r| r.to == to.parse().unwrap() && r.via.is_none());
        assert!(connected("192.0.2.0/24") && connected("2001:db8::/64"), "{told:?}");
        assert_eq!(told.routes.len(), 2, "{told:?}");
    }
    let has = |to: &str, via: &str| {
        let (to, via) = (to.parse().unwrap(), Some(ip(via)));
        told().routes.iter().any(|r| r.to == to && r.via == via)
    };
    run("ip route add 10.0.0.0/8 via 192.0.2.2");
    wait_for("a route", || has("10.0.0.0/8", "192.0.2.2"));
    run("ip route replace 10.0.0.0/8 via 192.0.2.3");
    wait_for("its replacement", || has("10.0.0.0/8", "192.0.2.3") && !has("10.0.0.0/8", "192.0.2.2"));
    assert_eq!(told().gateways, HashSet::from([(0, ip("192.0.2.3"))]));
    run("ip route append 10.0.0.0/8 via 192.0.2.4");
    run("ip route del 10.0.0.0/8 via 192.0.2.3");
    wait_for("the appended one to take over", || has("10.0.0.0/8", "192.0.2.4"));

    run("ip -6 route add fd00::/8 nexthop via 2001:db8::2 nexthop via 2001:db8::3");
    wait_for("a multipath route", || has("fd00::/8", "2001:db8::2"));
    run("ip -6 route del fd00::/8 nexthop via 2001:db8::2");
    wait_for("its second hop", || has("fd00::/8", "2001:db8::3"));

    run("ip addr add 198.51.100.9/24 dev sl-up");
    wait_for("an address", || told().port.as_ref().unwrap().addresses.len() == 3);
    wait_for("its route", || told().routes.iter().any(|r| r.to == "198.51.100.0/24".parse().unwrap()));

    run("ip link set sl-up mtu 1350");
    wait_for("the MTU", || told().port.as_ref().unwrap().mtu == 1350);

    // IPv4 routes go without a word each.
    run("ip link set sl-up down");
    wait_for("all routes to go", || told().routes.is_empty());
    run("ip link set sl-up up");
    wait_for("connected routes to come back", || {
        told().routes.iter().any(|r| r.to == "192.0.2.0/24".parse().unwrap())
    });
    stop.set();
    thread.join().unwrap();
}

#[test]
fn a_flood_of_notifications_ends_in_the_right_state() {
    if !isolated("a_flood_of_notifications_ends_in_the_right_state") {
        return;
    }
    let (_far, _socket, interface) = with_peer();
    let recorder = Recorder::default();
    let mut monitor = Monitor::start(mirrored(interface.index), recorder.clone()).unwrap();
    // Nobody reads while 30,000 routes come and all but one go: more than the socket's buffer holds.
    let batch = |verb: &str, count: u32| {
        let lines: String = (0..count)
            .map(|n| {
                format!("route {verb} 10.{}.{}.{}/32 via 192.0.2.2\n", n >> 14, (n >> 6) & 255, (n & 63) << 2)
            })
            .collect();
        let path = std::env::temp_dir().join(format!("sluice-routes-{}", std::process::id()));
        std::fs::write(&path, lines).unwrap();
        run(&format!("ip -batch {}", path.display()));
        std::fs::remove_file(path).unwrap();
    };
    batch("add", 30_000);
    batch("del", 29_999);
    let mut overrun = false;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match monitor.step(Duration::from_millis(300)) {
            Err(NetlinkError::Overrun) => overrun = true,
            Err(error) => panic!("{error}"),
            Ok(()) => {}
        }
        let told = recorder.0.lock().unwrap();
        let gateways = told.routes.iter().filter(|r| r.via.is_some()).count();
        if gateways == 1 {
            assert!(overrun, "the flood was too small to test anything");
            break;
        }
        assert!(Instant::now() < deadline, "{gateways} routes left, overrun: {overrun}");
    }
}

#[test]
fn next_hops_are_resolved_by_the_kernel() {
    if !isolated("next_hops_are_resolved_by_the_kernel") {
        return;
    }
    let (_far, _socket, interface) = with_peer();
    let (recorder, stop, monitor) = follow(interface.index);
    let (resolver, asker) = Resolver::new(HashMap::from([(0, interface.index)])).unwrap();
    let resolver = std::thread::spawn({
        let stop = stop.clone();
        move || resolver.run(&stop)
    });
    for peer in ["192.0.2.2", "2001:db8::2"] {
        assert!(asker.neighbor(0, ip(peer)));
        wait_for(peer, || recorder.0.lock().unwrap().neighbors.get(&ip(peer)) == Some(&[2, 0, 0, 0, 0, 2]));
    }

    // Gateways are kept resolved by the kernel itself.
    asker.gateways(HashSet::from([(0, ip("192.0.2.2"))]));
    wait_for("the managed flag", || {
        run("ip neigh show dev sl-up").lines().any(|l| l.contains("192.0.2.2") && l.contains("managed"))
    });
    // Until they are no gateways any more.
    asker.gateways(HashSet::new());
    wait_for("its end", || !run("ip neigh show dev sl-up").contains("managed"));

    // One that nobody answers for never counts as resolved.
    assert!(asker.neighbor(0, ip("192.0.2.77")));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!recorder.0.lock().unwrap().neighbors.contains_key(&ip("192.0.2.77")));

    // And one that goes away is gone.
    run("ip neigh del 192.0.2.2 dev sl-up");
    wait_for("its removal", || !recorder.0.lock().unwrap().neighbors.contains_key(&ip("192.0.2.2")));
    stop.set();
    monitor.join().unwrap();
    resolver.join().unwrap();
}
