//! Clients that ask too much, as packets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_engine::{DropReason, Event, Now};
use sluice_model::{
    Change, DnsSettings, NameKind, NamedPort, NamedService, Protocol, RateLimit, ServiceName, Settings,
};
use sluice_wire::build::Packet;

const DNS: &str = "10.96.0.2";
const WEB: &str = "web.default.svc.cluster.local";
/// What one address may ask at once, at 50 a second.
const BURST: usize = 150;

fn world(limit: Option<RateLimit>) -> World {
    let mut world = World::new();
    world.publisher.set_clock(1_700_000_000, world.now);
    let dns = DnsSettings {
        listen: vec![format!("{DNS}:53").parse().unwrap()],
        clients: vec!["10.244.0.0/16".parse().unwrap()],
        forward: true,
        rate_limit: limit,
        cookie_key: Some([7; 16]),
        ..DnsSettings::default()
    };
    world.apply([
        Change::Settings(Settings { dns: Some(dns), ..settings() }),
        Change::Named(NamedService {
            name: ServiceName::new("default", "web"),
            kind: NameKind::Cluster(vec![ip(CLUSTER_IP)]),
            ports: vec![NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
            endpoints: vec![],
            external: vec![],
        }),
    ]);
    world
}

fn limit(slip: u8, exempt: &[&str]) -> RateLimit {
    RateLimit { per_second: 50, slip, exempt: exempt.iter().map(|net| net.parse().unwrap()).collect() }
}

/// A question; with EDNS, and a cookie in it, where one is given.
fn question(name: &str, cookie: Option<&[u8]>) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(cookie.is_some())];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    if let Some(cookie) = cookie {
        message.extend([
            0,
            0,
            41,
            4,
            208,
            0,
            0,
            0,
            0,
            0,
            4 + cookie.len() as u8,
            0,
            10,
            0,
            cookie.len() as u8,
        ]);
        message.extend(cookie);
    }
    message
}

fn frame(from: &str, message: Vec<u8>) -> Vec<u8> {
    Packet::new(ip(from), ip(DNS)).macs(CLUSTER_MAC, NODE_MAC).udp(40_000, 53).payload(message).frame()
}

/// Asks so many times; what came of it.
fn ask(world: &mut World, from: &str, message: &[u8], times: usize) -> Vec<Out> {
    let frames = vec![frame(from, message.to_vec()); times];
    frames.chunks(32).flat_map(|some| world.send(CLUSTER, some)).collect()
}

#[test]
fn a_flood_is_limited_and_nobody_else_is() {
    let mut world = world(Some(limit(0, &[])));
    let web = question(WEB, None);
    let flood = ask(&mut world, "10.244.3.9", &web, 1000).len();
    assert!((BURST - 2..=BURST + 2).contains(&flood), "{flood}");
    assert_eq!(world.drops(DropReason::DnsRateLimited), 1000 - flood as u64);
    // Its neighbours, each within its own limit, until their network has had its own, which is 32 times as much.
    let mut all = flood;
    for last in 10..60 {
        let from = format!("10.244.3.{last}");
        let answered = ask(&mut world, &from, &web, 120).len();
        all += answered;
        assert!(answered == 120 || all >= 32 * BURST - 40, "{from}: {answered} after {all}");
    }
    assert!(all <= 32 * BURST + 1, "{all}");
    // Another network's clients have all of their answers.
    assert_eq!(ask(&mut world, "10.244.100.1", &web, 100).len(), 100);
    // The limit is a rate: a second later there is a second's worth again.
    let before = world.drops(DropReason::DnsRateLimited);
    world.now = Now(world.now.0 + 60_000);
    assert_eq!(ask(&mut world, "10.244.3.9", &web, 100).len(), 100);
    assert_eq!(world.drops(DropReason::DnsRateLimited), before);
}

#[test]
fn whatever_is_answered_is_limited() {
    // Names that exist and that do not, those of others, other networks' clients, and what is understood by nobody.
    let odd = [&question(WEB, None)[..12], &[3, b'w']].concat();
    let cases = [
        ("10.244.3.9", question(WEB, None)),
        ("10.244.3.9", question(WEB, Some(&[1; 8]))),
        ("10.244.3.9", question("nope.default.svc.cluster.local", None)),
        ("10.244.3.9", question("example.com", None)),
        ("198.51.100.9", question(WEB, None)),
        ("10.244.3.9", odd),
    ];
    for (from, message) in cases {
        let mut world = world(Some(limit(0, &[])));
        let outs = ask(&mut world, from, &message, 400).len();
        assert!((BURST - 2..=BURST + 2).contains(&outs), "{from} {message:02x?}: {outs}");
    }
    // What gets no answer does not count.
    let mut world = world(Some(limit(1, &[])));
    let mut answer = question(WEB, None);
    answer[2] |= 0x80;
    assert_eq!(ask(&mut world, "10.244.3.9", &answer, 400).len(), 0);
    assert_eq!(world.drops(DropReason::DnsIgnored), 400);
    assert_eq!(ask(&mut world, "10.244.3.9", &question(WEB, None), 100).len(), 100);
    assert_eq!(world.events(Event::DnsSlipped), 0);
}

#[test]
fn every_so_many_are_told_to_come_back_over_tcp() {
    for (slip, of_600) in [(1, 600), (2, 300), (3, 200)] {
        for message in [question(WEB, None), question("example.com", Some(&[1; 8]))] {
            let mut world = world(Some(limit(slip, &[])));
            let within = (1..).find(|_| {
                ask(&mut world, "10.244.3.9", &message, 1);
                world.drops(DropReason::DnsRateLimited) + world.events(Event::DnsSlipped) > 0
            });
            assert!(within.is_some_and(|n| (BURST - 2..=BURST + 2).contains(&n)), "{within:?}");
            let before = world.events(Event::DnsSlipped);
            let frame = frame("10.244.3.9", message.clone());
            let mut slips = 0;
            for _ in 0..600 {
                let outs = world.send(CLUSTER, std::slice::from_ref(&frame));
                let Some(Out::Sent(port, sent)) = outs.first() else { continue };
                slips += 1;
                let seen = Seen::new(sent.clone());
                assert_eq!((*port, seen.src.ip(), seen.dst.ip()), (CLUSTER, ip(DNS), ip("10.244.3.9")));
                let reply = &sent[usize::from(seen.parsed.l4) + 8..];
                // An answer, truncated, to this question, and with no record but for EDNS.
                let edns = u8::from(message[11] == 1);
                assert_eq!(reply[..12], [0x12, 0x34, 0x83, 0, 0, 1, 0, 0, 0, 0, 0, edns]);
                let name = message.len() - if edns == 1 { 23 } else { 0 };
                assert_eq!(reply[12..name], message[12..name]);
                // A cookie to come back with is all that it is longer by.
                assert_eq!(reply.len(), message.len() + if edns == 1 { 16 } else { 0 });
            }
            assert_eq!((slips, world.events(Event::DnsSlipped) - before), (of_600, of_600));
        }
    }
}

#[test]
fn a_cookie_and_an_exemption_pass() {
    let mut world = world(Some(limit(1, &["10.244.7.0/24"])));
    assert_eq!(ask(&mut world, "10.244.7.1", &question(WEB, None), 1000).len(), 1000);
    assert_eq!(world.events(Event::DnsSlipped), 0);

    ask(&mut world, "10.244.3.9", &question(WEB, None), 1000);
    let slipped = world.events(Event::DnsSlipped);
    assert!(slipped > 800);
    // The reply that says so brings a cookie.
    let outs = ask(&mut world, "10.244.3.9", &question(WEB, Some(&[1; 8])), 1);
    let Some(Out::Sent(_, sent)) = outs.first() else { panic!("{outs:?}") };
    assert_eq!(world.events(Event::DnsSlipped), slipped + 1);
    let cookie = sent.last_chunk::<24>().unwrap();
    let known = question(WEB, Some(cookie));
    assert_eq!(ask(&mut world, "10.244.3.9", &known, 1000).len(), 1000);
    assert_eq!(world.events(Event::DnsSlipped), slipped + 1);
    // Somebody else's is none.
    ask(&mut world, "10.244.3.10", &known, 1000);
    assert!(world.events(Event::DnsSlipped) > slipped + 800);
}

#[test]
fn without_a_limit_there_is_none() {
    let mut world = world(None);
    assert_eq!(ask(&mut world, "10.244.3.9", &question(WEB, None), 5000).len(), 5000);
    assert_eq!(world.drops(DropReason::DnsRateLimited), 0);
}
