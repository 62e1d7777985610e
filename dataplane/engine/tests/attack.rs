//! What a stranger may try, each attempt by a test that names what must hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
use common::*;
use sluice_model::{Change, Protocol, TrafficPolicy};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const RST: u8 = 0x04;
const A: &str = "10.244.1.5:8080";
const B: &str = "10.244.2.5:8080";

fn c(sport: u16, flags: u8) -> Vec<u8> {
    from_client(packet(CLIENT, VIP).tcp(sport, 80, flags))
}

fn establish(world: &mut World, sport: u16) -> u16 {
    let out = world.one(UPLINK, c(sport, SYN), CLUSTER);
    let p = out.src.port();
    world.one(CLUSTER, from_node(packet("10.244.1.5", SNAT).tcp(8080, p, SYN | ACK)), UPLINK);
    // a data packet from backend establishes
    world.one(CLUSTER, from_node(packet("10.244.1.5", SNAT).tcp(8080, p, ACK)), UPLINK);
    assert_eq!(world.workers[0].flows().established, 1, "{:?}", world.workers[0].flows());
    p
}

#[test]
fn a_full_table_leaves_room_for_handshakes() {
    let mut world = World::with(1, 256);
    let mut udp = service("dns", Protocol::Udp, &[B]);
    udp.ports[0].node_port = Some(30053);
    world.serve(service("web", Protocol::Tcp, &[A]));
    world.serve(udp);
    // UDP with answers fills the table
    for n in 0..400u16 {
        let out = world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(1000 + n, 80)), CLUSTER);
        world.send(CLUSTER, &[from_node(packet("10.244.2.5", SNAT).udp(8080, out.src.port()))]);
    }
    // victim
    let out = world.one(UPLINK, c(50000, SYN), CLUSTER);
    // one other new flow within the victim's round trip
    world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(999, 80)), CLUSTER);
    let back =
        world.send(CLUSTER, &[from_node(packet("10.244.1.5", SNAT).tcp(8080, out.src.port(), SYN | ACK))]);
    assert!(
        matches!(back[..], [Out::Sent(UPLINK, _)]),
        "victim's handshake lost: {back:?} {}",
        world.report()
    );
}

#[test]
fn syn_and_reset_do_not_get_past_the_limit_of_half_open_flows() {
    let mut world = World::with(1, 256);
    world.serve(service("web", Protocol::Tcp, &[A]));
    for n in 0..1000u16 {
        world.send(UPLINK, &[c(1000 + n, SYN), c(1000 + n, RST)]);
    }
    let s = world.workers[0].flows();
    assert!(s.used() <= 64, "{s:?}");
}

#[test]
fn a_syn_flood_does_not_keep_others_from_source_ports() {
    let mut world = World::with(1, 1 << 20);
    world.serve(service("web", Protocol::Tcp, &[A]));
    for s in 0..4u8 {
        let mut frames = vec![];
        for n in 1024..(1024 + 40000u32) {
            frames.push(from_client(packet(&format!("198.18.{s}.7"), VIP).tcp(n as u16, 80, SYN)));
        }
        // route for spoofed sources is needed
        if s == 0 {
            world.apply_fib(sluice_engine::snapshot::FibChange::Route(sluice_engine::snapshot::Route {
                to: "0.0.0.0/0".parse().unwrap(),
                via: Some(ip(CLIENT)),
                port: UPLINK,
                metric: 0,
            }));
        }
        world.send(UPLINK, &frames);
    }
    let mut ok = 0;
    for n in 0..200 {
        if !world.send(UPLINK, &[c(50000 + n, SYN)]).is_empty() {
            ok += 1
        }
    }
    assert!(ok > 150, "{ok} of 200 legitimate connections; table {:?}", world.workers[0].flows());
}

#[test]
fn a_forged_reset_and_syn_do_not_demote_a_connection_for_good() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let p = establish(&mut world, 40000);
    world.send(UPLINK, &[c(40000, RST), c(40000, SYN)]);
    for _ in 0..50 {
        world.send(UPLINK, &[c(40000, ACK)]);
        world.send(CLUSTER, &[from_node(packet("10.244.1.5", SNAT).tcp(8080, p, ACK))]);
    }
    let s = world.workers[0].flows();
    assert_eq!(s.established, 1, "{s:?}");
}

#[test]
fn fragments_of_any_protocol_to_own_addresses_reach_linux() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let (first, later) = ping_fragments(NODE);
    let out = world.send(UPLINK, &[first, later]);
    world.advance(1500);
    assert_eq!(out.len(), 2, "{}", world.report());
}

#[test]
fn fragments_of_any_protocol_pass_through_beside_a_local_service() {
    let mut world = World::new();
    let mut s = service("web", Protocol::Tcp, &[A]);
    s.external_policy = TrafficPolicy::Local;
    world.serve(s);
    let (first, later) = ping_fragments("198.18.0.1");
    let out = world.send(UPLINK, &[first, later]);
    world.advance(1500);
    assert_eq!(out.len(), 2, "{}", world.report());
}

fn fragment(frame: &[u8], at: usize) -> (Vec<u8>, Vec<u8>) {
    // split an unfragmented IPv4 frame's payload at `at`
    let (eth, ipp) = frame.split_at(14);
    let (h, pl) = ipp.split_at(20);
    let mk = |pl: &[u8], off: u16, more: bool| {
        let mut h = h.to_vec();
        let len = (20 + pl.len()) as u16;
        h[2..4].copy_from_slice(&len.to_be_bytes());
        h[6..8].copy_from_slice(&((off / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
        h[10] = 0;
        h[11] = 0;
        let mut s: u32 = h.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
        while s >> 16 != 0 {
            s = (s & 0xffff) + (s >> 16)
        }
        h[10..12].copy_from_slice(&(!(s as u16)).to_be_bytes());
        [eth, &h, pl].concat()
    };
    (mk(&pl[..at], 0, true), mk(&pl[at..], at as u16, false))
}

fn ping_fragments(dst: &str) -> (Vec<u8>, Vec<u8>) {
    let f = from_client(packet(CLIENT, dst).icmp(8, 0, [0, 1, 0, 1]).payload([7u8; 200]));
    fragment(&f, 104)
}

#[test]
fn datagrams_follow_the_frontend_to_its_new_owner() {
    let mut world = World::new();
    let mut young = service("young", Protocol::Udp, &[A]);
    young.created = 100;
    world.serve(young);
    let f = || from_client(packet(CLIENT, VIP).udp(5000, 80));
    let out = world.one(UPLINK, f(), CLUSTER);
    assert_eq!(out.dst, A.parse().unwrap());
    let mut old = service("old", Protocol::Udp, &[B]);
    old.created = 1;
    world.serve(old);
    let fresh = world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(5001, 80)), CLUSTER);
    assert_eq!(fresh.dst, B.parse().unwrap());
    let out = world.one(UPLINK, f(), CLUSTER);
    assert_eq!(out.dst, B.parse().unwrap(), "still the service that lost the frontend");
}

#[test]
fn a_long_udp_timeout_does_not_protect_datagrams_from_eviction() {
    let mut world = World::with(1, 256);
    let mut udp = service("dns", Protocol::Udp, &[B]);
    udp.ports[0].node_port = Some(30053);
    world.serve(service("web", Protocol::Tcp, &[A]));
    world.serve(udp);
    let mut s = settings();
    s.timeouts.udp = 3600;
    world.apply([Change::Settings(s)]);
    establish(&mut world, 40000);
    for n in 0..400u16 {
        let out = world.send(UPLINK, &[from_client(packet(CLIENT, VIP).udp(1000 + n, 80))]);
        let [Out::Sent(_, f)] = &out[..] else {
            panic!("{n}: {out:?} {} {:?}", world.report(), world.workers[0].flows())
        };
        let seen = Seen::new(f.clone());
        world.send(CLUSTER, &[from_node(packet("10.244.2.5", SNAT).udp(8080, seen.src.port()))]);
        world.advance(250);
    }
    let s = world.workers[0].flows();
    assert_eq!(s.established, 1);
}

#[test]
fn a_damaged_entry_is_taken_over_with_sound_checksums() {
    use sluice_engine::flow::FlowStorage;
    use sluice_engine::{Worker, WorkerConfig};
    use sluice_wire::TestBuf;
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let config = || WorkerConfig { lcore: 0, lcores: 1, keys: keys(), fragments: 256, affinity: 64 };
    let mk = |w: &World| {
        Worker::<TestBuf>::new(config(), FlowStorage::file(dir.path(), 0, 1, 64).unwrap(), w.now).unwrap()
    };
    world.workers = vec![mk(&world)];
    world.workers[0].adopt(&world.snapshot.clone());
    let p = establish(&mut world, 40000);
    world.workers.clear();
    // damage: l4_delta of the entry (offset 8*2+4*2+4+2 = 30)
    let path = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.file_name().unwrap().to_str().unwrap().starts_with("flows-"))
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 0x55;
    std::fs::write(&path, bytes).unwrap();
    world.workers = vec![mk(&world)];
    world.workers[0].adopt(&world.snapshot.clone());
    let _ = p;
    let out = world.send(UPLINK, &[c(40000, ACK)]);
    if let [Out::Sent(_, f)] = &out[..] {
        let parsed = sluice_wire::parse::parse(f).unwrap();
        assert!(
            sluice_wire::transport::checksum_ok(f, &parsed),
            "wrong transport checksum sent for the life of the flow"
        );
    }
}

#[test]
fn an_external_ip_does_not_take_the_gateways_own_address() {
    let mut world = World::new();
    let mut s = service("evil", Protocol::Tcp, &[A]);
    s.external_ips = vec![ip(NODE)];
    s.ports[0].port = 22;
    s.ports[0].node_port = None;
    world.serve(s);
    let out = world.send(UPLINK, &[from_client(packet(CLIENT, NODE).tcp(40000, 22, SYN))]);
    assert!(matches!(out[..], [Out::Punted(..)]), "{out:?}");
}

#[test]
fn an_icmp_error_for_somebody_else_is_not_translated() {
    // outer destination is not the address that sent the quoted packet (RFC 5508 3.? / RFC 792)
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let p = establish(&mut world, 40000);
    let quoted = packet(SNAT, "10.244.1.5").tcp(p, 8080, ACK).frame();
    let error =
        from_client(packet("192.0.2.66", NODE).icmp(3, 4, [0, 0, 0, 68]).payload(quoted[14..42].to_vec()));
    let out = world.send(UPLINK, &[error]);
    assert!(
        !matches!(out[..], [Out::Sent(UPLINK, _)]),
        "an outsider's error about the inner flow reached the client: {out:?}"
    );
}

#[test]
fn the_clients_side_alone_establishes_nothing() {
    let mut world = World::with(1, 256);
    let mut s = service("web", Protocol::Tcp, &["10.244.1.5:80"]);
    s.external_policy = TrafficPolicy::Local;
    world.serve(s);
    for n in 0..300u16 {
        let back = |flags| from_client(packet("10.244.1.5", CLIENT).tcp(80, 1000 + n, flags));
        world.send(UPLINK, &[c(1000 + n, SYN), back(SYN | ACK), back(ACK)]);
    }
    let s = world.workers[0].flows();
    assert!(s.established == 0, "{s:?} {}", world.report());
}
