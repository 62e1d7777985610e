//! TCP to the proxy's listeners, as packets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_engine::explain::{Query, Verdict, explain};
use sluice_engine::punt::PuntClass;
use sluice_engine::{DropReason, Event};
use sluice_model::{Change, IngressSettings, Protocol, Settings};
use sluice_wire::arp::Arp;
use sluice_wire::ethernet::MacAddr;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const HTTP: &str = "203.0.113.80";
const HTTP6: &str = "2001:db8:ff::80";
const A: &str = "10.244.1.5:8080";

fn ingress() -> IngressSettings {
    let at = |port| [format!("{HTTP}:{port}").parse().unwrap(), format!("[{HTTP6}]:{port}").parse().unwrap()];
    IngressSettings { listen: [at(80), at(443)].concat(), clients: vec![], syns_per_second: None }
}

fn serve(world: &mut World, ingress: IngressSettings) {
    world.apply([Change::Settings(Settings { ingress: Some(ingress), ..settings() })]);
}

fn world(ingress: IngressSettings) -> World {
    let mut world = World::new();
    serve(&mut world, ingress);
    world
}

fn tcp(src: &str, sport: u16, dst: &str, dport: u16, flags: u8) -> Vec<u8> {
    from_client(packet(src, dst).tcp(sport, dport, flags))
}

fn passes(world: &mut World, frame: Vec<u8>) {
    let outs = world.send(UPLINK, std::slice::from_ref(&frame));
    assert_eq!(outs, [Out::Punted(UPLINK, frame)], "{}", world.report());
}

/// Packets of the class that went to Linux, and that the limit kept back.
fn punted(world: &World) -> (u64, u64) {
    let of = |lcore: usize| world.workers[lcore].punts().counts().find(|(c, ..)| *c == PuntClass::Ingress);
    (0..world.workers.len()).filter_map(of).fold((0, 0), |sum, (_, a, b)| (sum.0 + a, sum.1 + b))
}

#[test]
fn connections_reach_linux_as_they_came_and_take_no_flow() {
    let mut world = world(ingress());
    for (client, address) in [(CLIENT, HTTP), (CLIENT6, HTTP6)] {
        for port in [80, 443] {
            for flags in [SYN, ACK, ACK | FIN, RST, ACK | 0x08] {
                passes(&mut world, tcp(client, 40_000, address, port, flags));
            }
        }
    }
    assert_eq!((world.events(Event::IngressSyns), world.events(Event::FlowsCreated)), (4, 0));
    assert_eq!(punted(&world), (20, 0));
}

#[test]
fn the_address_answers_for_itself_and_other_ports_are_refused() {
    let mut world = world(ingress());
    for (client, address) in [(CLIENT, HTTP), (CLIENT6, HTTP6)] {
        let reset = world.one(UPLINK, tcp(client, 40_000, address, 8443, SYN), UPLINK);
        assert_eq!(reset.parsed.tcp_flags & RST, RST);
        // UDP is nobody's there.
        world.one(UPLINK, from_client(packet(client, address).udp(40_000, 443)), UPLINK);
    }
    world.one(UPLINK, from_client(packet(CLIENT, HTTP).icmp(8, 0, [0, 1, 0, 1])), UPLINK);
    world.one(UPLINK, from_client(packet(CLIENT6, HTTP6).icmp(128, 0, [0, 1, 0, 1])), UPLINK);
    assert_eq!((world.events(Event::Refused), world.events(Event::EchoReplies)), (4, 2));
    world.dropped(UPLINK, from_client(packet(CLIENT, HTTP).raw(47)), DropReason::UnallocatedService);
    let who_has = Arp::request(CLIENT_MAC, CLIENT.parse().unwrap(), HTTP.parse().unwrap());
    let who_has = who_has.to_frame(MacAddr([0xff; 6])).to_vec();
    assert!(matches!(&world.send(UPLINK, &[who_has])[..], [Out::Sent(UPLINK, _)]));
    assert_eq!(world.events(Event::NeighborReplies), 1);
    // When HTTP is served there no more, the address is nobody's.
    world.apply([Change::Settings(settings())]);
    assert!(matches!(
        &world.send(UPLINK, &[tcp(CLIENT, 40_000, HTTP, 80, SYN)])[..],
        [Out::Punted(UPLINK, _)]
    ));
    assert_eq!(punted(&world), (0, 0), "as anybody else's packet");
}

#[test]
fn other_networks_than_the_clients_are_dropped_by_name() {
    let clients = vec!["192.0.2.0/25".parse().unwrap(), "2001:db8:1::/64".parse().unwrap()];
    let mut world = world(IngressSettings { clients, ..ingress() });
    for (client, address) in [(CLIENT, HTTP), (CLIENT6, HTTP6)] {
        passes(&mut world, tcp(client, 40_000, address, 443, SYN));
    }
    for (client, address) in [("192.0.2.200", HTTP), ("2001:db8:2::7", HTTP6)] {
        for flags in [SYN, ACK] {
            world.dropped(UPLINK, tcp(client, 40_000, address, 443, flags), DropReason::IngressClient);
        }
    }
}

#[test]
fn nobody_connects_from_an_address_of_the_gateways() {
    let mut world = world(ingress());
    for source in [NODE, SNAT, HTTP] {
        world.dropped(UPLINK, tcp(source, 40_000, HTTP, 80, SYN), DropReason::SpoofedSource);
    }
    world.dropped(UPLINK, tcp(HTTP6, 40_000, HTTP6, 80, SYN), DropReason::SpoofedSource);
}

#[test]
fn flags_that_make_no_sense_are_dropped_by_name() {
    let mut world = world(ingress());
    for flags in [0, 0x28, SYN | FIN, SYN | RST, SYN | ACK | FIN] {
        world.dropped(UPLINK, tcp(CLIENT, 40_000, HTTP, 80, flags), DropReason::BadTcpFlags);
    }
    world.dropped(UPLINK, tcp(CLIENT, 40_000, HTTP, 80, SYN | ACK), DropReason::TcpNoFlow);
}

#[test]
fn a_client_that_connects_too_often_is_limited_and_others_are_not() {
    let mut world = world(IngressSettings { syns_per_second: Some(10), ..ingress() });
    let syns =
        |from: &str| -> Vec<Vec<u8>> { (0..200).map(|n| tcp(from, 40_000 + n, HTTP, 80, SYN)).collect() };
    let through = world.send(UPLINK, &syns(CLIENT)).len() as u64;
    assert!((10..=30).contains(&through), "{through}");
    assert_eq!(world.drops(DropReason::IngressSynLimited), 200 - through);
    // Connections that there are go on, and somebody else is let in.
    for _ in 0..100 {
        passes(&mut world, tcp(CLIENT, 40_000, HTTP, 80, ACK));
    }
    passes(&mut world, tcp("192.0.2.7", 40_000, HTTP, 80, SYN));
    // As often as the limit says, for who goes on.
    let before = world.events(Event::IngressSyns);
    for n in 0..200 {
        world.advance(50);
        world.send(UPLINK, &[tcp(CLIENT, 41_000 + n, HTTP, 80, SYN), tcp(CLIENT, 42_000 + n, HTTP, 80, SYN)]);
    }
    let more = world.events(Event::IngressSyns) - before;
    assert!((80..=120).contains(&more), "{more} in ten seconds");
    // Without a limit all come in.
    serve(&mut world, ingress());
    assert_eq!(world.send(UPLINK, &syns(CLIENT)).len(), 200);
}

#[test]
fn a_flood_is_limited_as_a_class_of_its_own() {
    let mut world = world(ingress());
    let flood: Vec<_> = (0..40_000_u32)
        .map(|n| tcp(&format!("198.18.{}.{}", n >> 8 & 255, n & 255), 1024 + (n >> 16) as u16, HTTP, 80, SYN))
        .collect();
    world.send(UPLINK, &flood);
    assert_eq!(punted(&world), (30_000, 10_000));
    assert_eq!(world.drops(DropReason::PuntLimited), 10_000);
    // What the gateway is administered by is not in want.
    let ssh = tcp(CLIENT, 40_000, NODE, 22, SYN);
    assert_eq!(world.send(UPLINK, std::slice::from_ref(&ssh)), [Out::Punted(UPLINK, ssh)]);
}

#[test]
fn fragments_follow_their_first_and_are_limited_with_it() {
    for lcores in [1, 3] {
        let mut world = World::with(lcores, 256);
        serve(&mut world, ingress());
        let fragments = |id: u32, from: &str, to: &str| {
            packet(from, to)
                .macs(UPLINK_MAC, CLIENT_MAC)
                .id(id)
                .tcp_segment(40_000, 80, ACK, (1, 1), &[])
                .payload(vec![7; 2800])
                .fragments(1000)
        };
        for (from, to) in [(CLIENT, HTTP), (CLIENT6, HTTP6)] {
            let before = punted(&world).0;
            let in_order = fragments(1, from, to);
            let outs = world.send(UPLINK, &in_order);
            assert_eq!(outs.len(), in_order.len(), "{}", world.report());
            let mut reversed = fragments(2, from, to);
            reversed.reverse();
            let outs = world.send(UPLINK, &reversed);
            assert_eq!(outs.len(), reversed.len(), "{}", world.report());
            assert!(outs.iter().all(|out| matches!(out, Out::Punted(UPLINK, _))));
            assert_eq!(punted(&world).0 - before, 2 * in_order.len() as u64, "all in the class of the first");
        }
        // Those of a first that was not let in are not either.
        serve(&mut world, IngressSettings { clients: vec!["10.0.0.0/8".parse().unwrap()], ..ingress() });
        assert_eq!(world.send(UPLINK, &fragments(3, CLIENT, HTTP)), []);
        assert_eq!(world.drops(DropReason::IngressClient), 1);
    }
}

#[test]
fn errors_about_what_the_proxy_sent_reach_its_sockets() {
    let mut world = world(ingress());
    for (client, address, kind, code) in [(CLIENT, HTTP, 3, 4), (CLIENT6, HTTP6, 2, 0)] {
        let error = |sport| {
            let sent = packet(address, client).tcp_segment(sport, 40_000, ACK, (1, 1), &[]).packet();
            from_client(packet(client, address).icmp(kind, code, [0, 0, 5, 0]).payload(sent))
        };
        passes(&mut world, error(443));
        world.dropped(UPLINK, error(4443), DropReason::IcmpNoFlow);
    }
}

#[test]
fn listeners_come_before_frontends_on_their_ports_alone() {
    let mut world = World::new();
    let mut web = service("web", Protocol::Tcp, &[A]);
    web.load_balancer_ips = vec![ip(HTTP)];
    let mut other = service("other", Protocol::Tcp, &[A]);
    (other.load_balancer_ips, other.ports[0].port) = (vec![ip(HTTP)], 8080);
    (other.cluster_ips, other.ports[0].node_port) = (vec![], None);
    world.apply([Change::Service(web), Change::Service(other)]);
    world.one(UPLINK, tcp(CLIENT, 40_000, HTTP, 80, SYN), CLUSTER);
    serve(&mut world, ingress());
    passes(&mut world, tcp(CLIENT, 40_001, HTTP, 80, SYN));
    world.one(UPLINK, tcp(CLIENT, 40_001, HTTP, 8080, SYN), CLUSTER);
    // The same holds on an address of the gateway's own, where the other ports are Linux's.
    let own = format!("{NODE}:443").parse().unwrap();
    serve(&mut world, IngressSettings { listen: vec![own], ..IngressSettings::default() });
    passes(&mut world, tcp(CLIENT, 40_000, NODE, 443, SYN));
    assert_eq!(world.events(Event::IngressSyns), 2);
    passes(&mut world, tcp(CLIENT, 40_000, NODE, 22, SYN));
    assert_eq!(world.events(Event::IngressSyns), 2);
    world.one(UPLINK, tcp(CLIENT, 40_002, HTTP, 80, SYN), CLUSTER);
}

#[test]
fn any_lcore_gives_packets_to_linux() {
    let mut world = World::with(4, 256);
    serve(&mut world, ingress());
    for lcore in 0..4 {
        let frame = tcp(CLIENT, 40_000, HTTP, 443, SYN);
        let outs = world.send_to(lcore, UPLINK, std::slice::from_ref(&frame));
        assert_eq!(outs, [Out::Punted(UPLINK, frame)]);
    }
    assert_eq!(world.events(Event::HandedOver), 0);
}

#[test]
fn explain_says_what_the_worker_does() {
    let clients = vec!["192.0.2.0/25".parse().unwrap()];
    let mut world = world(IngressSettings { clients, ..ingress() });
    for (source, port, drop) in [
        (CLIENT, 443, None),
        (SNAT, 443, Some(DropReason::IngressClient)),
        ("192.0.2.200", 443, Some(DropReason::IngressClient)),
        (NODE, 80, Some(DropReason::SpoofedSource)),
    ] {
        let query = Query {
            source: ip(source),
            source_port: Some(40_000),
            destination: format!("{HTTP}:{port}").parse().unwrap(),
            protocol: Protocol::Tcp,
        };
        let verdict = explain(&world.snapshot, &query, |_| None).verdict;
        let frame = tcp(source, 40_000, HTTP, port, SYN);
        match drop {
            None => {
                assert_eq!(verdict, Verdict::Proxy);
                passes(&mut world, frame);
            }
            Some(reason) => {
                assert!(matches!(&verdict, Verdict::Drop { reason: said, .. } if said == reason.name()));
                world.dropped(UPLINK, frame, reason);
            }
        }
    }
}
