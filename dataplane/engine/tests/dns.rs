//! Queries to the gateway's DNS addresses, as packets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_engine::{DropReason, Event, QueryType};
use sluice_model::{
    Change, DnsAddress, DnsSettings, NameKind, NamedPort, NamedService, Protocol, ServiceName, Settings,
    Visibility,
};
use sluice_wire::build::Packet;

const DNS: &str = "10.96.0.2";
const DNS6: &str = "fd00:10:96::2";
const POD: &str = "10.244.3.9";
const POD6: &str = "fd00:10:244::9";

fn world(forward: bool) -> World {
    let mut world = World::new();
    world.publisher.set_clock(1_700_000_000, world.now);
    let dns = DnsSettings {
        listen: vec![format!("{DNS}:53").parse().unwrap(), format!("[{DNS6}]:53").parse().unwrap()],
        clients: vec!["10.244.0.0/16".parse().unwrap(), "fd00:10:244::/56".parse().unwrap()],
        forward,
        ..DnsSettings::default()
    };
    world.apply([
        Change::Settings(Settings { dns: Some(dns), ..settings() }),
        Change::Named(NamedService {
            name: ServiceName::new("default", "web"),
            kind: NameKind::Cluster(vec![ip(CLUSTER_IP), ip(CLUSTER_IP6)]),
            ports: vec![NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
            endpoints: vec![],
            external: vec![],
        }),
    ]);
    world
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

fn query(from: &str, to: &str, payload: Vec<u8>) -> Packet {
    Packet::new(ip(from), ip(to)).macs(CLUSTER_MAC, NODE_MAC).udp(40_000, 53).payload(payload)
}

#[test]
fn a_pod_is_answered_where_it_asks() {
    let mut world = world(false);
    for (from, to, kind, tail) in
        [(POD, DNS, 1, vec![10, 96, 0, 20]), (POD6, DNS6, 28, vec![0, 0x20]), (POD, DNS, 28, vec![0, 0x20])]
    {
        let asked = question("Web.default.svc.cluster.local", kind);
        let seen = world.one(CLUSTER, query(from, to, asked.clone()).frame(), CLUSTER);
        assert_eq!(
            (seen.src.to_string(), seen.dst.ip()),
            (format!("{}", std::net::SocketAddr::new(ip(to), 53)), ip(from))
        );
        assert_eq!((seen.dst.port(), seen.macs()), (40_000, (NODE_MAC, CLUSTER_MAC)));
        let message = &seen.frame[usize::from(seen.parsed.l4) + 8..];
        assert_eq!(message[..2], [0x12, 0x34]);
        assert_eq!(message[12..asked.len()], asked[12..]);
        assert!(message.ends_with(&tail), "{message:02x?}");
    }
    let nope =
        world.one(CLUSTER, query(POD, DNS, question("nope.default.svc.cluster.local", 1)).frame(), CLUSTER);
    assert_eq!(nope.frame[usize::from(nope.parsed.l4) + 11] & 15, 3);
    let other = world.one(CLUSTER, query(POD, DNS, question("example.com", 1)).frame(), CLUSTER);
    assert_eq!(other.frame[usize::from(other.parsed.l4) + 11] & 15, 5);
    // Somebody who may not ask.
    let stranger =
        query("192.0.2.100", DNS, question("web.default.svc.cluster.local", 1)).macs(UPLINK_MAC, CLIENT_MAC);
    let refused = world.one(UPLINK, stranger.frame(), UPLINK);
    assert_eq!(refused.frame[usize::from(refused.parsed.l4) + 11] & 15, 5);
    assert_eq!(
        [Event::DnsNoError, Event::DnsNxDomain, Event::DnsRefused, Event::FlowsCreated]
            .map(|e| world.events(e)),
        [3, 1, 2, 0]
    );
    assert_eq!(world.drops(DropReason::BadChecksum), 0);
}

/// Of a query whose name is known its sum is, too: that must not hide what else is wrong with it.
#[test]
fn no_bit_may_be_wrong() {
    let mut world = world(false);
    for name in ["web.default.svc.cluster.local", "_http._tcp.web.default.svc.cluster.local"] {
        for (from, to) in [(POD, DNS), (POD6, DNS6)] {
            for edns in [false, true] {
                let mut message = question(name, 1);
                if edns {
                    message[11] = 1;
                    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
                }
                let first = query(from, to, message.clone()).frame();
                let message_at = first.len() - message.len();
                world.one(CLUSTER, first.clone(), CLUSTER);
                for bit in 0..message.len() * 8 {
                    let mut damaged = first.clone();
                    damaged[message_at + bit / 8] ^= 1 << (bit % 8);
                    world.dropped(CLUSTER, damaged, DropReason::BadChecksum);
                }
                // The client's port and the checksum itself.
                for at in [message_at - 8, message_at - 7, message_at - 2, message_at - 1] {
                    let mut damaged = first.clone();
                    damaged[at] ^= 0x10;
                    world.dropped(CLUSTER, damaged, DropReason::BadChecksum);
                }
            }
        }
    }
}

/// A port that connections may get, too, when their source is translated: their packets come first.
#[test]
fn a_port_of_others_is_answered_on_where_nobody_else_has_it() {
    let mut world = world(false);
    let mut dns = world.snapshot.settings().dns.clone().unwrap();
    dns.listen = vec![format!("{DNS}:5353").parse().unwrap()];
    world.apply([Change::Settings(Settings { dns: Some(dns), ..settings() })]);
    let asked = question("web.default.svc.cluster.local", 1);
    let to = |port| Packet::new(ip(POD), ip(DNS)).macs(CLUSTER_MAC, NODE_MAC).udp(40_000, port);
    let reply = world.one(CLUSTER, to(5353).payload(asked.clone()).frame(), CLUSTER);
    assert_eq!(reply.frame[usize::from(reply.parsed.l4) + 11] & 15, 0);
    world.send(CLUSTER, &[to(53).payload(asked).frame()]);
    assert_eq!(world.events(Event::DnsNoError), 1);
}

#[test]
fn what_is_no_query_gets_no_answer() {
    let mut world = world(false);
    let good = question("web.default.svc.cluster.local", 1);
    let mut response = good.clone();
    response[2] |= 0x80;
    world.dropped(CLUSTER, query(POD, DNS, response).frame(), DropReason::DnsIgnored);
    world.dropped(CLUSTER, query(POD, DNS, vec![1, 2, 3]).frame(), DropReason::DnsIgnored);
    for port in [7, 9, 19] {
        let frame = Packet::new(ip(POD), ip(DNS))
            .macs(CLUSTER_MAC, NODE_MAC)
            .udp(port, 53)
            .payload(good.clone())
            .frame();
        world.dropped(CLUSTER, frame, DropReason::DnsIgnored);
    }
    world.dropped(CLUSTER, query(DNS, DNS, good.clone()).frame(), DropReason::DnsIgnored);
    let mut damaged = query(POD, DNS, good.clone()).frame();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    world.dropped(CLUSTER, damaged, DropReason::BadChecksum);
    // Padding behind the packet is not part of the message, and an absent checksum is none that is wrong.
    let mut padded = query(POD, DNS, good.clone()).no_checksum().frame();
    padded.extend([0xff; 9]);
    world.one(CLUSTER, padded, CLUSTER);
    // Too long to be looked at.
    let mut long = good;
    long.resize(1400, 0);
    world.one(CLUSTER, query(POD, DNS, long).frame(), CLUSTER);
    // What is unusual around a query does not matter to its answer.
    let tagged = query(POD, DNS, question("web.default.svc.cluster.local", 1)).vlan(0).frame();
    world.one(CLUSTER, tagged, CLUSTER);
}

#[test]
fn the_address_answers_for_itself() {
    let mut world = world(false);
    // ARP, and other ports are refused at once.
    let tcp = |port| Packet::new(ip(POD), ip(DNS)).macs(CLUSTER_MAC, NODE_MAC).tcp(40_000, port, 2).frame();
    let reset = world.one(CLUSTER, tcp(22), CLUSTER);
    assert_eq!(reset.parsed.tcp_flags & 4, 4);
    let echo = Packet::new(ip(POD), ip(DNS)).macs(CLUSTER_MAC, NODE_MAC).icmp(8, 0, [0, 1, 0, 1]).frame();
    world.one(CLUSTER, echo, CLUSTER);

    // TCP is the resolver's, and foreign names where it has upstreams; the packet gets there as it came.
    let mut world = self::world(true);
    assert_eq!(world.send(CLUSTER, &[tcp(53)]), [Out::Punted(CLUSTER, tcp(53))]);
    let foreign = query(POD, DNS, question("example.com", 1)).frame();
    assert_eq!(world.send(CLUSTER, std::slice::from_ref(&foreign)), [Out::Punted(CLUSTER, foreign)]);
    assert_eq!(world.events(Event::DnsForwarded), 1);
    // Without DNS the address is nobody's.
    world.apply([Change::Settings(settings())]);
    let frame = query(POD, DNS, question("web.default.svc.cluster.local", 1)).frame();
    world.dropped(CLUSTER, frame, DropReason::UnallocatedService);
}

#[test]
fn what_the_resolver_answered_is_answered_at_once_the_next_time() {
    let mut world = world(true);
    for (from, to) in [(POD, DNS), (POD6, DNS6)] {
        let name = if from == POD { "example.com" } else { "example.net" };
        let asked = query(from, to, question(name, 1)).frame();
        assert_eq!(world.send(CLUSTER, std::slice::from_ref(&asked)), [Out::Punted(CLUSTER, asked.clone())]);
        let mut answer = question(name, 1);
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        let reply = |from: &str, port| {
            let packet = Packet::new(ip(from), ip(POD)).macs(NODE_MAC, CLUSTER_MAC);
            packet.udp(port, 40_000).payload(answer.clone()).frame()
        };
        let reply6 = Packet::new(ip(DNS6), ip(POD6)).udp(53, 40_000).payload(answer.clone()).frame();
        let now = world.now;
        // Of somebody else, and from another port: nothing is learned.
        for frame in [reply("192.0.2.1", 53), reply(DNS, 54)] {
            world.workers[0].overhear(&frame, &world.snapshot, now);
        }
        assert_eq!(world.send(CLUSTER, std::slice::from_ref(&asked)).len(), 1);
        assert_eq!(world.events(Event::DnsKept), u64::from(from == POD6));
        let reply = if from == POD { reply(DNS, 53) } else { reply6 };
        world.workers[0].overhear(&reply, &world.snapshot, now);
        let seen = world.one(CLUSTER, asked, CLUSTER);
        let message = &seen.frame[usize::from(seen.parsed.l4) + 8..];
        assert_eq!((&message[..4], &message[12..]), (&[0x12, 0x34, 0x81, 0x80][..], &answer[12..]));
    }
    assert_eq!((world.events(Event::DnsKept), world.events(Event::DnsForwarded)), (2, 4));
    assert_eq!(answered(&world, 1), [1, 1]);
}

#[test]
fn each_address_answers_its_own_clients() {
    let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect();
    let own = |address: &str, clients: &[&str]| DnsAddress {
        address: ip(address),
        clients: Some(nets(clients)),
        recursion: Some(vec![]),
        cluster_zones: None,
    };
    const OUTER: &str = "203.0.113.53";
    const OUTER6: &str = "2001:db8:113::53";
    let mut world = searching(|dns| {
        dns.listen.extend([OUTER, OUTER6].map(|ip| std::net::SocketAddr::new(ip.parse().unwrap(), 53)));
        dns.addresses = vec![own(OUTER, &["192.0.2.0/24"]), own(OUTER6, &["2001:db8:2::/64"])];
    });
    let code = |world: &mut World, from: &str, to: &str, asked: &[u8]| {
        let packet = query(from, to, asked.to_vec()).macs(UPLINK_MAC, CLIENT_MAC);
        let seen = world.one(UPLINK, packet.frame(), UPLINK);
        seen.frame[usize::from(seen.parsed.l4) + 11] & 15
    };
    // The usual way, and that of queries with options.
    let web = question("web.default.svc.cluster.local", 1);
    let mut unusual = web.clone();
    unusual[11] = 1;
    unusual.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0]);
    for (from, to, expected) in [
        ("192.0.2.9", OUTER, 0),
        (POD, OUTER, 5),
        ("192.0.2.9", DNS, 5),
        (POD, DNS, 0),
        ("2001:db8:2::9", OUTER6, 0),
        (POD6, OUTER6, 5),
        ("2001:db8:2::9", DNS6, 5),
        (POD6, DNS6, 0),
    ] {
        for asked in [&web, &unusual] {
            assert_eq!(code(&mut world, from, to, asked), expected, "{from} asks {to}");
        }
    }
    // Names of others go nowhere, though an answer is kept that somebody else asked for; no search list has an end.
    let other = question("example.com", 1);
    let mut answer = other.clone();
    (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    let reply = Packet::new(ip(DNS), ip(POD)).udp(53, 40_000).payload(answer).frame();
    // What comes right after a change of settings is not kept.
    let now = sluice_engine::Now(world.now.0 + 10_000);
    world.now = now;
    world.workers[0].overhear(&reply, &world.snapshot, now);
    assert_eq!(code(&mut world, POD, DNS, &other), 0);
    assert_eq!(world.events(Event::DnsKept), 1);
    assert_eq!(code(&mut world, "192.0.2.9", OUTER, &other), 5);
    let searched = question("www.example.net.default.svc.cluster.local", 1);
    assert_eq!(code(&mut world, "192.0.2.9", OUTER, &searched), 3);
    let told = [Event::DnsKept, Event::DnsForwarded, Event::DnsHinted].map(|event| world.events(event));
    assert_eq!(told, [1, 0, 0]);
}

#[test]
fn an_address_for_the_outside_knows_nothing_of_the_cluster() {
    const OUTER: &str = "203.0.113.53";
    const OUTER6: &str = "2001:db8:113::53";
    let own = |address: &str| DnsAddress {
        address: ip(address),
        clients: Some(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]),
        // All who may ask have it.
        recursion: None,
        cluster_zones: Some(vec![]),
    };
    let mut world = searching(|dns| {
        dns.listen.extend([OUTER, OUTER6].map(|ip| std::net::SocketAddr::new(ip.parse().unwrap(), 53)));
        dns.addresses = vec![own(OUTER), own(OUTER6)];
    });
    let code = |world: &mut World, from: &str, to: &str, asked: &[u8]| {
        let packet = query(from, to, asked.to_vec()).macs(UPLINK_MAC, CLIENT_MAC);
        let seen = world.one(UPLINK, packet.frame(), UPLINK);
        let message = &seen.frame[usize::from(seen.parsed.l4) + 8..];
        (message[3] & 15, message[7])
    };
    let (client, client6) = ("192.0.2.9", "2001:db8:2::9");
    for name in [
        "web.default.svc.cluster.local",
        "nope.default.svc.cluster.local",
        "WEB.default.svc.CLUSTER.local",
        "www.example.net.default.svc.cluster.local",
        "cluster.local",
        "10.0.96.10.in-addr.arpa",
    ] {
        for kind in [1, 12, 33] {
            let usual = question(name, kind);
            let mut unusual = usual.clone();
            unusual[11] = 1;
            unusual.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0]);
            for asked in [&usual, &unusual] {
                assert_eq!(code(&mut world, client, OUTER, asked), (5, 0), "{name}");
                assert_eq!(code(&mut world, client6, OUTER6, asked), (5, 0), "{name}");
                // A forged address is of no help.
                assert_eq!(code(&mut world, POD, OUTER, asked), (5, 0), "{name}");
            }
        }
    }
    let told = [Event::DnsForwarded, Event::DnsHinted, Event::DnsNoError].map(|event| world.events(event));
    assert_eq!(told, [0; 3]);
    let web = question("web.default.svc.cluster.local", 1);
    assert_eq!(code(&mut world, POD, DNS, &web), (0, 1));
    // What one was told the other is not.
    let other = question("example.com", 1);
    let mut answer = other.clone();
    (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    let now = sluice_engine::Now(world.now.0 + 10_000);
    world.now = now;
    let reply = |from: &str, to: &str| Packet::new(ip(from), ip(to)).udp(53, 40_000).payload(answer.clone());
    world.workers[0].overhear(&reply(OUTER, client).frame(), &world.snapshot, now);
    world.send(CLUSTER, &[query(POD, DNS, other.clone()).frame()]);
    assert_eq!((world.events(Event::DnsKept), world.events(Event::DnsForwarded)), (0, 1));
    world.workers[0].overhear(&reply(DNS, POD).frame(), &world.snapshot, now);
    assert_eq!(code(&mut world, POD, DNS, &other), (0, 1));
    let asked = query(client, OUTER, other.clone()).macs(UPLINK_MAC, CLIENT_MAC);
    world.send(UPLINK, &[asked.frame()]);
    assert_eq!((world.events(Event::DnsKept), world.events(Event::DnsForwarded)), (1, 2));
}

/// Queries of a type that were answered, over IPv4 and IPv6.
fn answered(world: &World, number: u16) -> [u64; 2] {
    [false, true].map(|v6| world.workers[0].counters().queries(v6, QueryType::of(number)))
}

#[test]
fn answers_are_counted_by_type_and_family() {
    let mut world = world(true);
    for (number, times) in [(1, 3), (28, 2), (33, 1), (12, 1), (16, 1), (99, 1)] {
        for name in ["web.default.svc.cluster.local", "none.default.svc.cluster.local"] {
            for _ in 0..times {
                let frame = query(POD, DNS, question(name, number)).frame();
                world.one(CLUSTER, frame, CLUSTER);
            }
            world.one(CLUSTER, query(POD6, DNS6, question(name, number)).frame(), CLUSTER);
        }
        assert_eq!(answered(&world, number), [2 * times, 2], "{number}");
    }
    // Whatever else is no type of its own; nor is what is forwarded an answer.
    world.one(CLUSTER, query(POD, DNS, question("web.default.svc.cluster.local", 257)).frame(), CLUSTER);
    world.send(CLUSTER, &[query(POD, DNS, question("example.com", 1)).frame()]);
    assert_eq!((answered(&world, 99), answered(&world, 1)), ([3, 2], [6, 2]));
}

/// A world where names of others are asked of a resolver, and namespaces are known.
fn searching(change: impl FnOnce(&mut DnsSettings)) -> World {
    let mut world = world(true);
    let mut dns = world.snapshot.settings().dns.clone().unwrap();
    change(&mut dns);
    world.apply([
        Change::Settings(Settings { dns: Some(dns), ..settings() }),
        Change::Namespace("default".into()),
    ]);
    world
}

#[test]
fn the_end_of_a_search_list_is_told_before_it_is_asked_for() {
    let mut world = searching(|_| {});
    let first = |name: &str| question(&format!("{name}.default.svc.cluster.local"), 28);
    for (from, to) in [(POD, DNS), (POD6, DNS6)] {
        let mut asked = first(if from == POD { "WWW.example.com" } else { "www.example.net" });
        asked[3] = 0x10;
        let outs = world.send(CLUSTER, &[query(from, to, asked.clone()).frame()]);
        let [Out::Punted(CLUSTER, hint), Out::Sent(CLUSTER, reply)] = &outs[..] else { panic!("{outs:?}") };
        let (hint, reply) = (Seen::new(hint.clone()), Seen::new(reply.clone()));
        assert_eq!(reply.frame[usize::from(reply.parsed.l4) + 11] & 15, 3);
        assert_eq!(
            (hint.src.to_string(), hint.dst.to_string()),
            (
                std::net::SocketAddr::new(ip(from), 0).to_string(),
                std::net::SocketAddr::new(ip(to), 53).to_string(),
            )
        );
        let message = &hint.frame[usize::from(hint.parsed.l4) + 8..];
        let mut bare = question(if from == POD { "WWW.example.com" } else { "www.example.net" }, 28);
        bare[..4].copy_from_slice(&[0, 0, 1, 0x10]);
        assert_eq!(message, bare);
        // The same again, at once: another name may have its place among those that are remembered.
        world.one(CLUSTER, query(from, to, asked).frame(), CLUSTER);
    }
    // Later steps of the list, one label, our own names, other types, without recursion, without a namespace.
    let mut iterative = first("b.example.com");
    iterative[2] = 0;
    for asked in [
        question("www.example.com.svc.cluster.local", 28),
        question("www.example.com.cluster.local", 28),
        first("www"),
        first("web.default.svc.cluster.local"),
        question("c.example.com.default.svc.cluster.local", 16),
        question("d.example.com.other.svc.cluster.local", 1),
        iterative,
    ] {
        world.one(CLUSTER, query(POD, DNS, asked).frame(), CLUSTER);
    }
    assert_eq!(world.events(Event::DnsHinted), 2);
    // Not more than so many, whatever is asked for.
    for n in 0..2_000 {
        world.send(CLUSTER, &[query(POD, DNS, first(&format!("n{n}.example.com"))).frame()]);
    }
    assert!((400..=502).contains(&world.events(Event::DnsHinted)), "{}", world.report());
    // Nobody keeps what a resolver would learn.
    let mut world = searching(|dns| dns.keep = false);
    world.one(CLUSTER, query(POD, DNS, first("www.example.com")).frame(), CLUSTER);
}

/// What the resolver is told shows outside: whether a namespace that a client does not see exists must not.
#[test]
fn a_namespace_that_is_not_seen_gives_no_hint() {
    let mut world = searching(|dns| {
        let clients = vec!["10.244.0.0/16".parse().unwrap()];
        dns.visibility = vec![Visibility { namespaces: vec![], clients, see: vec!["shared".into()] }];
    });
    world.apply([Change::Namespace("shared".into())]);
    for (namespace, hints) in [("default", 0), ("none", 0), ("shared", 1)] {
        let asked = question(&format!("www.example.com.{namespace}.svc.cluster.local"), 1);
        let outs = world.send(CLUSTER, &[query(POD, DNS, asked).frame()]);
        let Some(Out::Sent(CLUSTER, reply)) = outs.last() else { panic!("{outs:?}") };
        let reply = Seen::new(reply.clone());
        assert_eq!(reply.frame[usize::from(reply.parsed.l4) + 11] & 15, 3, "{namespace}");
        assert_eq!(world.events(Event::DnsHinted), hints, "{namespace}");
    }
}

#[test]
fn search_lists_are_completed_by_the_resolver_and_tls_is_its_as_well() {
    let mut world = searching(|dns| {
        dns.autopath = true;
        dns.secure = vec![format!("{DNS}:853").parse().unwrap(), "10.96.0.20:853".parse().unwrap()];
    });
    let asked = query(POD, DNS, question("www.example.com.default.svc.cluster.local", 1)).frame();
    assert_eq!(world.send(CLUSTER, std::slice::from_ref(&asked)), [Out::Punted(CLUSTER, asked)]);
    let absent = query(POD, DNS, question("www.example.com.other.svc.cluster.local", 1)).frame();
    world.one(CLUSTER, absent, CLUSTER);
    let tcp = |port| Packet::new(ip(POD), ip(DNS)).macs(CLUSTER_MAC, NODE_MAC).tcp(40_000, port, 2).frame();
    assert_eq!(world.send(CLUSTER, &[tcp(853)]), [Out::Punted(CLUSTER, tcp(853))]);
    let reset = world.one(CLUSTER, tcp(443), CLUSTER);
    assert_eq!(reset.parsed.tcp_flags & 4, 4);
}

#[test]
fn nobody_passes_for_the_resolver() {
    let mut world = world(true);
    for (from, to) in [(DNS, "192.0.2.9"), (DNS6, "2001:db8:9::9")] {
        let from_port = |port| {
            let packet = Packet::new(ip(from), ip(to)).macs(CLUSTER_MAC, NODE_MAC).udp(port, 40_000);
            packet.payload(question("example.com", 1))
        };
        world.dropped(CLUSTER, from_port(53).frame(), DropReason::SpoofedSource);
        world.dropped(CLUSTER, from_port(53).vlan(7).frame(), DropReason::SpoofedSource);
        let other = from_port(54).frame();
        assert_eq!(world.send(CLUSTER, std::slice::from_ref(&other)), [Out::Punted(CLUSTER, other)]);
    }
}

#[test]
fn a_flood_for_the_resolver_is_shed_before_answers_of_the_cluster() {
    let mut world = world(true);
    let mut answered = 0;
    for round in 0..200 {
        let name = |n: usize| format!("r{round}-{n}.example.org");
        let mut burst: Vec<_> = (0..63).map(|n| query(POD, DNS, question(&name(n), 1)).frame()).collect();
        burst.push(query(POD, DNS, question("web.default.svc.cluster.local", 1)).frame());
        let out = world.send(CLUSTER, &burst);
        answered += out.iter().filter(|out| !matches!(out, Out::Punted(..))).count();
    }
    assert_eq!((answered, world.events(Event::DnsForwarded)), (200, 200 * 63));
    let punted = world.events(Event::Punted);
    assert!((1_000..2_000).contains(&punted), "{punted}");
}
