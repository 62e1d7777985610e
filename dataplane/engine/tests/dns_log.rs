//! What lcores note of queries for the log, and who they say answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use rtrb::Consumer;
use sluice_dns::name;
use sluice_engine::query_log::{QueryRecord, RING, ring};
use sluice_engine::{DropReason, Event};
use sluice_model::serving::{LogClass, QueryLog};
use sluice_model::{
    Change, DnsSettings, EndpointGroup, NameKind, NamedEndpoint, NamedPort, NamedService, Protocol,
    ResolverSettings, ServiceName, Serving, Settings,
};
use sluice_wire::build::Packet;

const DNS: &str = "10.96.0.2";
const DNS6: &str = "fd00:10:96::2";
const POD: &str = "10.244.3.9";
const POD6: &str = "fd00:10:244::9";
const WEB: &str = "web.default.svc.cluster.local";
/// An OPT record's option that asks who answers.
const NSID: [u8; 4] = [0, 3, 0, 0];

fn world(serving: Serving) -> World {
    let mut world = World::new();
    world.publisher.set_clock(1_700_000_000, world.now);
    // Whichever of both comes first.
    world.apply([serve(serving)]);
    let dns = DnsSettings {
        listen: vec![format!("{DNS}:53").parse().unwrap(), format!("[{DNS6}]:53").parse().unwrap()],
        clients: vec!["10.244.0.0/16".parse().unwrap(), "fd00:10:244::/56".parse().unwrap()],
        forward: true,
        keep: true,
        cookie_key: Some([7; 16]),
        ..DnsSettings::default()
    };
    let endpoint = |n: u16| NamedEndpoint {
        address: std::net::Ipv4Addr::new(10, 244, (n >> 8) as u8, n as u8).into(),
        hostname: None,
        pod: None,
        zone: None,
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
        Change::Named(NamedService {
            name: ServiceName::new("default", "many"),
            kind: NameKind::Headless,
            ports: vec![],
            endpoints: vec![EndpointGroup { endpoints: (1..=26).map(endpoint).collect(), ports: vec![] }],
            external: vec![],
        }),
    ]);
    world
}

fn serve(serving: Serving) -> Change {
    Change::Resolver(Box::new(ResolverSettings { serving, ..ResolverSettings::default() }))
}

fn logged(log: QueryLog) -> Serving {
    Serving { log: Some(log), ..Serving::default() }
}

fn named(nsid: &str) -> Serving {
    Serving { nsid: Some(nsid.into()), ..Serving::default() }
}

/// What has been noted since the last time.
fn all(records: &mut Consumer<QueryRecord>) -> Vec<QueryRecord> {
    std::iter::from_fn(|| records.pop().ok()).collect()
}

fn listen(world: &mut World) -> Consumer<QueryRecord> {
    let (near, far) = ring();
    world.workers[0].set_query_log(near);
    far
}

fn question(asked: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name::Name::parse(asked).unwrap().wire());
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// A question with an OPT record: DO, 1,400 bytes, these options.
fn edns(asked: &str, kind: u16, options: &[u8]) -> Vec<u8> {
    let mut message = question(asked, kind);
    message[11] = 1;
    message.extend([0, 0, 41, 5, 120, 0, 0, 0x80, 0, 0, options.len() as u8]);
    message.extend(options);
    message
}

fn query(from: &str, to: &str, payload: Vec<u8>) -> Vec<u8> {
    let macs = if from == CLIENT { (UPLINK_MAC, CLIENT_MAC) } else { (CLUSTER_MAC, NODE_MAC) };
    Packet::new(ip(from), ip(to)).macs(macs.0, macs.1).udp(40_000, 53).payload(payload).frame()
}

/// The reply to a query.
fn reply(world: &mut World, from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let port = if from == CLIENT { UPLINK } else { CLUSTER };
    let seen = world.one(port, query(from, to, payload.to_vec()), port);
    let start = usize::from(seen.parsed.l4) + 8;
    // Packets are as long as they say.
    assert_eq!(usize::from(seen.parsed.end), seen.frame.len());
    seen.frame[start..].to_vec()
}

#[test]
fn what_an_lcore_answers_is_noted_and_answered_as_without_a_log() {
    let mut plain = world(Serving::default());
    let mut world = world(logged(QueryLog::default()));
    let mut records = listen(&mut world);
    let mut notify = question(WEB, 6);
    notify[2] = 0x20;
    let mut broken = question(WEB, 1);
    broken.pop();
    let mut version = edns(WEB, 1, &[]);
    let at = version.len() - 5;
    version[at] = 1;
    let mut class = question(WEB, 1);
    *class.last_mut().unwrap() = 3;
    let (a, aaaa) = (Some((1, 1)), Some((28, 1)));
    for (from, to, asked, question, code) in [
        (POD, DNS, question("Web.default.svc.cluster.local", 1), a, 0),
        (POD6, DNS6, edns(WEB, 28, &[]), aaaa, 0),
        (POD, DNS, question("nope.default.svc.cluster.local", 1), a, 3),
        (POD, DNS, question("many.default.svc.cluster.local", 28), aaaa, 0),
        (CLIENT, DNS, question(WEB, 1), a, 5),
        (CLIENT, DNS, question("www.example.com", 1), a, 5),
        (POD, DNS, class, Some((1, 3)), 5),
        (POD, DNS, version, a, 16),
        (POD, DNS, notify, None, 4),
        (POD, DNS, broken, None, 1),
    ] {
        let without = reply(&mut plain, from, to, &asked);
        let reply = reply(&mut world, from, to, &asked);
        assert_eq!(reply, without, "{asked:02x?}");
        let record = records.pop().unwrap();
        let edns = asked[11] == 1;
        assert_eq!(record.client, std::net::SocketAddr::new(ip(from), 40_000));
        assert_eq!((record.id, record.question, record.code), (0x1234, question, code), "{asked:02x?}");
        assert_eq!((record.size, record.reply), (asked.len() as u16, reply.len() as u16));
        assert_eq!((record.dnssec, record.buffer), (edns, if edns { 1400 } else { 512 }));
        assert_eq!(record.flags[..], reply[2..4]);
        let wire =
            if question.is_some() { &asked[12..asked.len() - 4 - if edns { 11 } else { 0 }] } else { &[0] };
        assert_eq!(name::text(record.name()), name::text(wire));
        assert!(records.pop().is_err());
    }
    // What gets no answer here is not noted: the resolver's queries are in its own log.
    let foreign = query(POD, DNS, question("example.com", 1));
    assert_eq!(world.send(CLUSTER, std::slice::from_ref(&foreign)), [Out::Punted(CLUSTER, foreign)]);
    let mut response = question(WEB, 1);
    response[2] |= 0x80;
    world.dropped(CLUSTER, query(POD, DNS, response), DropReason::DnsIgnored);
    assert!(records.pop().is_err());
    // An answer of its that was kept is the lcore's.
    let mut answer = question("example.com", 1);
    (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    let packet =
        Packet::new(ip(DNS), ip(POD)).macs(NODE_MAC, CLUSTER_MAC).udp(53, 40_000).payload(answer.clone());
    world.advance(4_000);
    let now = world.now;
    world.workers[0].overhear(&packet.frame(), &world.snapshot, now);
    reply(&mut world, POD, DNS, &question("example.com", 1));
    let kept = records.pop().unwrap();
    assert_eq!((kept.code, kept.flags, usize::from(kept.reply)), (0, [0x81, 0x80], answer.len()));
    assert_eq!((world.events(Event::DnsKept), world.events(Event::DnsLogLost)), (1, 0));
    // The log ends, and begins again.
    for (serving, noted) in [(Serving::default(), false), (logged(QueryLog::default()), true)] {
        world.apply([serve(serving)]);
        reply(&mut world, POD, DNS, &question(WEB, 1));
        assert_eq!(records.pop().is_ok(), noted);
    }
}

#[test]
fn queries_are_chosen_by_zone_class_and_sample() {
    let ask = |world: &mut World, asked: &str, count: usize| {
        (0..count).for_each(|_| drop(reply(world, POD, DNS, &question(asked, 1))));
    };
    let log = QueryLog { sample: 10, zones: vec!["Default.svc.cluster.local".into()], ..QueryLog::default() };
    let mut world = self::world(logged(log));
    let mut records = listen(&mut world);
    ask(&mut world, WEB, 15);
    ask(&mut world, "nope.kube-system.svc.cluster.local", 100);
    ask(&mut world, "nope.default.svc.cluster.local", 15);
    let codes: Vec<u8> = all(&mut records).iter().map(|record| record.code).collect();
    assert_eq!(codes, [0, 0, 3]);
    for (classes, expected) in [
        (vec![LogClass::Denial], vec![3, 0]),
        (vec![LogClass::Error], vec![5, 16]),
        (vec![LogClass::Success, LogClass::Error], vec![0, 5, 16]),
    ] {
        world.apply([serve(logged(QueryLog { classes, ..QueryLog::default() }))]);
        ask(&mut world, WEB, 1);
        ask(&mut world, "nope.default.svc.cluster.local", 1);
        // No records.
        reply(&mut world, POD, DNS, &question(WEB, 16));
        reply(&mut world, CLIENT, DNS, &question(WEB, 1));
        let mut version = edns(WEB, 1, &[]);
        let at = version.len() - 5;
        version[at] = 1;
        reply(&mut world, POD, DNS, &version);
        let codes: Vec<u8> = all(&mut records).iter().map(|record| record.code).collect();
        assert_eq!(codes, expected);
    }
    assert_eq!(world.events(Event::DnsLogLost), 0);
}

#[test]
fn what_has_no_room_is_lost_and_counted_and_answered() {
    let mut world = world(logged(QueryLog { rate: 5, ..QueryLog::default() }));
    let frames = |count| vec![query(POD, DNS, question(WEB, 1)); count];
    // Nobody listens yet.
    assert_eq!(world.send(CLUSTER, &frames(3)).len(), 3);
    assert_eq!(world.events(Event::DnsLogLost), 3);
    world.advance(1_000);
    let mut records = listen(&mut world);
    assert_eq!(world.send(CLUSTER, &frames(12)).len(), 12);
    assert_eq!((all(&mut records).len(), world.events(Event::DnsLogLost)), (5, 10));
    // Another second.
    world.advance(1_000);
    assert_eq!(world.send(CLUSTER, &frames(2)).len(), 2);
    assert_eq!((all(&mut records).len(), world.events(Event::DnsLogLost)), (2, 10));
    // Nobody reads what is there.
    world.apply([serve(logged(QueryLog { rate: 1_000_000, ..QueryLog::default() }))]);
    assert_eq!(world.send(CLUSTER, &frames(RING + 30)).len(), RING + 30);
    assert_eq!((all(&mut records).len(), world.events(Event::DnsLogLost)), (RING, 40));
    // Nobody will.
    drop(records);
    assert_eq!(world.send(CLUSTER, &frames(1)).len(), 1);
    assert_eq!(world.events(Event::DnsLogLost), 41);
    assert_eq!(world.events(Event::DnsNoError), 3 + 12 + 2 + RING as u64 + 31);
}

/// A reply's options: after the records it has, at its end.
fn options(reply: &[u8]) -> &[u8] {
    let start = (12..reply.len() - 10).rfind(|at| reply[*at..*at + 5] == [0, 0, 41, 4, 208]).unwrap();
    let length = usize::from(u16::from_be_bytes([reply[start + 9], reply[start + 10]]));
    assert_eq!(reply.len(), start + 11 + length, "{reply:02x?}");
    &reply[start + 11..]
}

#[test]
fn who_answers_is_told_to_who_asks() {
    let told = |text: &str| [&[0, 3, 0, text.len() as u8], text.as_bytes()].concat();
    let mut world = world(named("edge-1/{generation}"));
    for (from, to, asked) in [
        (POD, DNS, WEB),
        (POD6, DNS6, "nope.default.svc.cluster.local"),
        (POD, DNS, "many.default.svc.cluster.local"),
    ] {
        // The option may have data, which mean nothing.
        for option in [&NSID[..], &[0, 3, 0, 2, 7, 7]] {
            let reply = reply(&mut world, from, to, &edns(asked, 1, option));
            assert_eq!(options(&reply), told("edge-1/3"), "{asked}");
        }
        let plain = reply(&mut world, from, to, &edns(asked, 1, &[]));
        assert_eq!(options(&plain), [0; 0]);
        let without = reply(&mut world, from, to, &question(asked, 1));
        assert_eq!(without[11], 0);
        let both = reply(
            &mut world,
            from,
            to,
            &edns(asked, 1, &[&NSID[..], &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]].concat()),
        );
        let (cookie, nsid) = options(&both).split_at(28);
        assert_eq!((&cookie[..4], nsid), (&[0, 10, 0, 24][..], &told("edge-1/3")[..]));
    }
    // Of a generation that answers, whatever has changed.
    world.publish();
    assert_eq!(options(&reply(&mut world, POD, DNS, &edns(WEB, 1, &NSID))), told("edge-1/4"));
    world.apply([serve(named("gw"))]);
    assert_eq!(options(&reply(&mut world, POD, DNS, &edns(WEB, 1, &NSID))), told("gw"));
    // Who may not ask learns why, and no more.
    let refused = reply(&mut world, CLIENT, DNS, &edns(WEB, 1, &NSID));
    assert_eq!(options(&refused), [0, 15, 0, 2, 0, 18]);
    // Behind a reason.
    world.apply([Change::Settings(Settings {
        dns: Some(DnsSettings { stale: true, ..world.snapshot.settings().dns.clone().unwrap() }),
        ..settings()
    })]);
    let stale = reply(&mut world, POD, DNS, &edns(WEB, 1, &NSID));
    assert_eq!(options(&stale), [&[0, 15, 0, 2, 0, 3][..], &told("gw")].concat());
    world.apply([serve(Serving::default())]);
    assert_eq!(options(&reply(&mut world, POD, DNS, &edns(WEB, 1, &NSID))), [0, 15, 0, 2, 0, 3]);
}

#[test]
fn no_record_makes_room_for_a_name() {
    let long = "n".repeat(128);
    let mut world = world(named(&long));
    let mut asked = edns("many.default.svc.cluster.local", 1, &NSID);
    let records = 26 * 16;
    // What a client takes at least.
    for size in [512_u16, 610] {
        let at = asked.len() - 12;
        asked[at..at + 2].copy_from_slice(&size.to_be_bytes());
        let reply = reply(&mut world, POD, DNS, &asked);
        let bare = asked.len() - NSID.len() + records;
        assert_eq!(reply[7], 26);
        assert_eq!(reply[2] & 2, 0, "not truncated");
        let expected = if bare + 132 <= usize::from(size) { bare + 132 } else { bare };
        assert_eq!(reply.len(), expected);
        assert_eq!(options(&reply).len(), expected - bare);
    }
    // The log has the length of what is sent.
    let serving = Serving { log: Some(QueryLog::default()), ..named(&long) };
    world.apply([serve(serving)]);
    let mut records = listen(&mut world);
    let reply = reply(&mut world, POD, DNS, &asked);
    assert_eq!(usize::from(records.pop().unwrap().reply), reply.len());
}
