//! What `docs/services.md` promises, each row by a test that names it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::*;
use sluice_engine::{DropReason, Event};
use sluice_model::{Change, Protocol, ServiceName, TrafficPolicy};
use sluice_wire::parse::{Kind, parse};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const RST: u8 = 0x04;
const FIN: u8 = 0x01;

const A: &str = "10.244.1.5:8080";
const B: &str = "10.244.2.5:8080";
const A6: &str = "[fd00:10:244:1::5]:8080";

fn syn(src: &str, sport: u16, dst: &str, dport: u16) -> Vec<u8> {
    from_client(packet(src, dst).tcp(sport, dport, SYN))
}

#[test]
fn load_balancer_v4_tcp_both_ways() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let out = world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER);
    assert_eq!(out.dst, A.parse().unwrap());
    assert_eq!(out.src.ip(), ip(SNAT));
    assert_eq!(out.macs(), (NODE_MAC, CLUSTER_MAC));
    assert_eq!(out.parsed.ttl, 63);
    let answer = from_node(packet("10.244.1.5", SNAT).tcp(8080, out.src.port(), SYN | ACK));
    let back = world.one(CLUSTER, answer, UPLINK);
    assert_eq!(
        (back.src.to_string(), back.dst.to_string()),
        (format!("{VIP}:80"), format!("{CLIENT}:40000"))
    );
    assert_eq!(back.macs(), (CLIENT_MAC, UPLINK_MAC));
}

#[test]
fn dual_stack_v6_tcp_and_udp() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let mut world = World::new();
        world.serve(service("web", protocol, &[A, A6]));
        let packet6 = packet(CLIENT6, VIP6);
        let first = match protocol {
            Protocol::Tcp => packet6.tcp(40000, 80, SYN),
            _ => packet6.udp(40000, 80).payload(*b"hello"),
        };
        let out = world.one(UPLINK, from_client(first), CLUSTER);
        assert_eq!(out.dst, A6.parse().unwrap());
        assert_eq!(out.src.ip(), ip(SNAT6));
        let answer = packet("fd00:10:244:1::5", SNAT6);
        let answer = match protocol {
            Protocol::Tcp => answer.tcp(8080, out.src.port(), SYN | ACK),
            _ => answer.udp(8080, out.src.port()).payload(*b"there"),
        };
        let back = world.one(CLUSTER, from_node(answer), UPLINK);
        assert_eq!(back.src, format!("[{VIP6}]:80").parse().unwrap());
        assert_eq!(back.dst, format!("[{CLIENT6}]:40000").parse().unwrap());
    }
}

#[test]
fn cluster_ip_and_node_port_reach_ready_endpoints() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    for (dst, port) in [(CLUSTER_IP, 80), (NODE, 30080)] {
        let out = world.one(UPLINK, syn(CLIENT, 41000, dst, port), CLUSTER);
        assert_eq!(out.dst, A.parse().unwrap());
    }
}

#[test]
fn same_port_different_protocols() {
    let mut world = World::new();
    let mut udp = service("dns-udp", Protocol::Udp, &[B]);
    udp.cluster_ips = vec![ip("10.96.0.30")];
    world.serve(service("web", Protocol::Tcp, &[A]));
    world.serve(udp);
    let tcp = world.one(UPLINK, syn(CLIENT, 40000, NODE, 30080), CLUSTER);
    let udp = world.one(UPLINK, from_client(packet(CLIENT, NODE).udp(40000, 30080)), CLUSTER);
    assert_eq!((tcp.dst, udp.dst), (A.parse().unwrap(), B.parse().unwrap()));
}

#[test]
fn sctp_ports_are_translated_and_chunks_left_alone() {
    let mut world = World::new();
    world.serve(service("sctp", Protocol::Sctp, &[A]));
    // INIT with an IPv4 address parameter (RFC 9260, section 3.3.2.1.1).
    let init = [1, 0, 0, 28, 1, 2, 3, 4, 0, 1, 0, 0, 0, 5, 0, 5, 9, 9, 9, 9, 0, 5, 0, 8, 192, 0, 2, 100];
    let out = world.one(UPLINK, from_client(packet(CLIENT, VIP).sctp(5000, 80, 0).payload(init)), CLUSTER);
    assert_eq!(out.dst, A.parse().unwrap());
    assert_eq!(&out.frame[out.frame.len() - init.len()..], init);
    let back = from_node(packet("10.244.1.5", SNAT).sctp(8080, out.src.port(), 7).payload([2, 0, 0, 4]));
    assert_eq!(world.one(CLUSTER, back, UPLINK).src, format!("{VIP}:80").parse().unwrap());
}

#[test]
fn rejected_at_once_when_no_endpoints() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[]));
    for (src, dst) in [(CLIENT, VIP), (CLIENT6, VIP6)] {
        let out = world.one(UPLINK, from_client(packet(src, dst).tcp(40000, 80, SYN)), UPLINK);
        assert_eq!(out.parsed.tcp_flags & (RST | ACK), RST | ACK);
        assert_eq!(out.src, std::net::SocketAddr::new(ip(dst), 80));
        assert_eq!(out.macs().0, CLIENT_MAC);
    }
    world.serve(service("web", Protocol::Udp, &[]));
    let out = world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(40000, 80)), UPLINK);
    assert_eq!((out.parsed.icmp_type(), out.parsed.icmp_code()), (3, 3));
    let out = world.one(UPLINK, from_client(packet(CLIENT6, VIP6).udp(40000, 80)), UPLINK);
    assert_eq!((out.parsed.icmp_type(), out.parsed.icmp_code()), (1, 4));
    assert_eq!(world.events(Event::Refused), 4);
}

#[test]
fn known_address_unknown_port_is_refused_and_unallocated_address_dropped() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let out = world.one(UPLINK, syn(CLIENT, 40000, VIP, 81), UPLINK);
    assert_eq!(out.parsed.tcp_flags & RST, RST);
    world.dropped(UPLINK, syn(CLIENT, 40000, "10.96.9.9", 80), DropReason::UnallocatedService);
}

#[test]
fn source_ranges_hold_for_load_balancer_node_port_and_both_families() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[A, A6]);
    service.source_ranges = vec!["192.0.2.0/28".parse().unwrap()];
    world.serve(service);
    world.dropped(UPLINK, syn(CLIENT, 40000, VIP, 80), DropReason::SourceRange);
    world.dropped(UPLINK, syn(CLIENT, 40000, NODE, 30080), DropReason::SourceRange);
    world.dropped(UPLINK, from_client(packet(CLIENT6, VIP6).tcp(40000, 80, SYN)), DropReason::SourceRange);
    world.one(UPLINK, syn(CLIENT, 40000, CLUSTER_IP, 80), CLUSTER);
    // A pod may use the node port, but not the load balancer's address.
    let pod = |dst: &str, port| from_node(packet("10.244.3.3", dst).tcp(40000, port, SYN));
    world.one(CLUSTER, pod(NODE, 30080), CLUSTER);
    world.dropped(CLUSTER, pod(VIP, 80), DropReason::SourceRange);
}

#[test]
fn denied_client_of_a_service_without_endpoints_is_dropped() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[]);
    service.source_ranges = vec!["192.0.2.0/28".parse().unwrap()];
    world.serve(service);
    world.dropped(UPLINK, syn(CLIENT, 40000, VIP, 80), DropReason::SourceRange);
}

fn local(mut service: sluice_model::Service, nodes: &[&str]) -> sluice_model::Service {
    service.external_policy = TrafficPolicy::Local;
    for (endpoint, node) in service.ports[0].endpoints.iter_mut().zip(nodes) {
        endpoint.node = Some((*node).into());
    }
    service
}

fn on_node() -> sluice_model::Settings {
    sluice_model::Settings { is_node: true, ..settings() }
}

#[test]
fn external_traffic_policy_local_keeps_the_client_and_drops_without_local_endpoint() {
    let mut world = World::new();
    world.apply([Change::Settings(on_node())]);
    world.serve(local(service("web", Protocol::Tcp, &[A, B]), &["other", "edge-1"]));
    for sport in 40000..40020 {
        let out = world.one(UPLINK, syn(CLIENT, sport, VIP, 80), CLUSTER);
        assert_eq!(out.dst, B.parse().unwrap());
        assert_eq!(out.src, format!("{CLIENT}:{sport}").parse().unwrap());
    }
    let back = from_node(packet("10.244.2.5", CLIENT).tcp(8080, 40000, SYN | ACK));
    assert_eq!(world.one(CLUSTER, back, UPLINK).src, format!("{VIP}:80").parse().unwrap());
    world.serve(local(service("web", Protocol::Tcp, &[A, B]), &["other", "other"]));
    world.dropped(UPLINK, syn(CLIENT, 42000, VIP, 80), DropReason::NoLocalEndpoint);
    // Inside the cluster the same address reaches all endpoints, by full NAT.
    let out = world.one(CLUSTER, from_node(packet("10.244.3.3", VIP).tcp(40000, 80, SYN)), CLUSTER);
    assert_eq!(out.src.ip(), ip(SNAT));
}

#[test]
fn internal_traffic_policy_local() {
    let mut world = World::new();
    world.apply([Change::Settings(on_node())]);
    let mut service = local(service("web", Protocol::Tcp, &[A]), &["other"]);
    service.internal_policy = TrafficPolicy::Local;
    world.serve(service.clone());
    world.dropped(UPLINK, syn(CLIENT, 40000, CLUSTER_IP, 80), DropReason::NoLocalEndpoint);
    service.ports[0].endpoints[0].node = Some("edge-1".into());
    world.serve(service);
    world.one(UPLINK, syn(CLIENT, 40000, CLUSTER_IP, 80), CLUSTER);
}

#[test]
fn terminating_endpoints_serve_only_when_none_is_ready() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[A, B]);
    (service.ports[0].endpoints[0].ready, service.ports[0].endpoints[0].terminating) = (false, true);
    world.serve(service.clone());
    for sport in 40000..40020 {
        assert_eq!(world.one(UPLINK, syn(CLIENT, sport, VIP, 80), CLUSTER).dst, B.parse().unwrap());
    }
    service.ports[0].endpoints.truncate(1);
    world.serve(service);
    assert_eq!(world.one(UPLINK, syn(CLIENT, 41000, VIP, 80), CLUSTER).dst, A.parse().unwrap());
}

fn establish(world: &mut World, sport: u16) -> common::Seen {
    let out = world.one(UPLINK, syn(CLIENT, sport, VIP, 80), CLUSTER);
    let backend = out.dst.ip().to_string();
    let answer = packet(&backend, SNAT).tcp_segment(8080, out.src.port(), SYN | ACK, (5000, 1001), &[]);
    world.one(CLUSTER, from_node(answer), UPLINK);
    let ack = packet(CLIENT, VIP).tcp_segment(sport, 80, ACK, (1001, 5001), &[]);
    world.one(UPLINK, from_client(ack), CLUSTER);
    assert_eq!(world.workers[0].flows().established, 1);
    out
}

fn data(sport: u16) -> Vec<u8> {
    from_client(packet(CLIENT, VIP).tcp(sport, 80, ACK).payload(*b"data"))
}

#[test]
fn established_connection_stays_while_its_endpoint_terminates_goes_and_others_come() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let out = establish(&mut world, 40000);
    world.serve(service("web", Protocol::Tcp, &[A, B]));
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).dst, out.dst);
    let mut terminating = service("web", Protocol::Tcp, &[A, B]);
    (terminating.ports[0].endpoints[0].ready, terminating.ports[0].endpoints[0].terminating) = (false, true);
    world.serve(terminating);
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).dst, out.dst);
    world.serve(service("web", Protocol::Tcp, &[B]));
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).src, out.src);
}

#[test]
fn connection_being_set_up_stays_with_the_endpoint_that_answered() {
    for gone_before_the_answer in [true, false] {
        let mut world = World::new();
        world.serve(service("web", Protocol::Tcp, &[A]));
        let out = world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER);
        let port = out.src.port();
        let answer = packet("10.244.1.5", SNAT).tcp_segment(8080, port, SYN | ACK, (5000, 1001), &[]);
        if gone_before_the_answer {
            world.serve(service("web", Protocol::Tcp, &[B]));
        }
        world.one(CLUSTER, from_node(answer), UPLINK);
        if !gone_before_the_answer {
            world.serve(service("web", Protocol::Tcp, &[B]));
        }
        let ack = packet(CLIENT, VIP).tcp_segment(40000, 80, ACK, (1001, 5001), &[]);
        assert_eq!(world.one(UPLINK, from_client(ack), CLUSTER).dst, out.dst);
        assert_eq!(world.one(UPLINK, data(40000), CLUSTER).src, out.src);
        assert_eq!(world.workers[0].flows().established, 1);
    }
}

#[test]
fn repeated_syn_moves_to_another_endpoint_when_the_first_is_gone_without_an_answer() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER);
    world.serve(service("web", Protocol::Tcp, &[B]));
    // Whatever comes between does not tie the client to the endpoint that is gone.
    world.one(UPLINK, data(40000), CLUSTER);
    assert_eq!(world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER).dst, B.parse().unwrap());
}

#[test]
fn recreated_service_takes_new_flows() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER);
    world.apply([Change::ServiceGone(ServiceName::new("default", "web"))]);
    let outs = world.send(UPLINK, &[syn(CLIENT, 40001, VIP, 80)]);
    assert!(matches!(outs[..], [Out::Punted(..)]), "nobody's address is Linux's to route: {outs:?}");
    world.serve(service("web", Protocol::Tcp, &[B]));
    assert_eq!(world.one(UPLINK, syn(CLIENT, 40002, VIP, 80), CLUSTER).dst, B.parse().unwrap());
}

#[test]
fn ports_added_and_deleted() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[A]);
    world.serve(service.clone());
    let mut second = service.ports[0].clone();
    (second.name, second.port, second.node_port) = ("alt".into(), 81, Some(30081));
    service.ports.push(second);
    world.serve(service.clone());
    world.one(UPLINK, syn(CLIENT, 40000, VIP, 81), CLUSTER);
    service.ports.remove(0);
    world.serve(service);
    let out = world.one(UPLINK, syn(CLIENT, 40001, VIP, 80), UPLINK);
    assert_eq!(out.parsed.tcp_flags & RST, RST);
    world.one(UPLINK, syn(CLIENT, 40002, VIP, 81), CLUSTER);
}

fn datagram(sport: u16) -> Vec<u8> {
    from_client(packet(CLIENT, VIP).udp(sport, 80).payload(*b"ping"))
}

#[test]
fn udp_flow_moves_when_its_endpoint_goes_and_stays_when_another_changes() {
    let mut world = World::new();
    world.serve(service("udp", Protocol::Udp, &[A, B]));
    let first = world.one(UPLINK, datagram(40000), CLUSTER).dst;
    let (mine, other) = if first == A.parse().unwrap() { (A, B) } else { (B, A) };
    world.serve(service("udp", Protocol::Udp, &[mine, other, "10.244.9.9:8080"]));
    assert_eq!(world.one(UPLINK, datagram(40000), CLUSTER).dst, first);
    world.serve(service("udp", Protocol::Udp, &[other]));
    assert_eq!(world.one(UPLINK, datagram(40000), CLUSTER).dst, other.parse().unwrap());
    assert_eq!(world.events(Event::FlowsMoved), 1);
}

#[test]
fn udp_flow_ends_at_once_with_its_last_endpoint_and_with_its_service() {
    let mut world = World::new();
    world.serve(service("udp", Protocol::Udp, &[A]));
    world.one(UPLINK, datagram(40000), CLUSTER);
    world.serve(service("udp", Protocol::Udp, &[]));
    let out = world.one(UPLINK, datagram(40000), UPLINK);
    assert_eq!((out.parsed.icmp_type(), out.parsed.icmp_code()), (3, 3));
    world.serve(service("udp", Protocol::Udp, &[A]));
    world.one(UPLINK, datagram(40000), CLUSTER);
    world.apply([Change::ServiceGone(ServiceName::new("default", "udp"))]);
    assert!(matches!(world.send(UPLINK, &[datagram(40000)])[..], [Out::Punted(..)]));
    assert_eq!(world.workers[0].flows().used(), 0);
}

#[test]
fn session_affinity_sticks_per_client_survives_additions_and_moves_when_the_endpoint_goes() {
    let mut world = World::new();
    let eps: Vec<String> = (1..=8).map(|n| format!("10.244.1.{n}:8080")).collect();
    let refs: Vec<&str> = eps.iter().map(String::as_str).collect();
    world.serve(affine(service("web", Protocol::Tcp, &refs[..4]), 100));
    let first = world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER).dst;
    world.serve(affine(service("web", Protocol::Tcp, &refs), 100));
    for sport in 40001..40040 {
        assert_eq!(world.one(UPLINK, syn(CLIENT, sport, VIP, 80), CLUSTER).dst, first);
    }
    let without: Vec<&str> = refs.iter().copied().filter(|e| *e != first.to_string()).collect();
    world.serve(affine(service("web", Protocol::Tcp, &without), 100));
    let second = world.one(UPLINK, syn(CLIENT, 41000, VIP, 80), CLUSTER).dst;
    assert_ne!(second, first);
    world.serve(affine(service("web", Protocol::Tcp, &refs), 100));
    assert_eq!(world.one(UPLINK, syn(CLIENT, 41001, VIP, 80), CLUSTER).dst, second);
    // Silence for longer than the timeout: the hash decides again, and all endpoints are there as at first but four.
    world.advance(101_000);
    let third = world.one(UPLINK, syn(CLIENT, 41002, VIP, 80), CLUSTER).dst;
    let fresh = {
        let mut world = World::new();
        world.serve(affine(service("web", Protocol::Tcp, &refs), 100));
        world.one(UPLINK, syn(CLIENT, 50000, VIP, 80), CLUSTER).dst
    };
    assert_eq!(third, fresh);
}

#[test]
fn hairpin_endpoint_reaches_itself_with_its_source_translated() {
    let mut world = World::new();
    world.apply([Change::Settings(on_node())]);
    world.serve(local(service("web", Protocol::Tcp, &[A]), &["edge-1"]));
    for dst in [CLUSTER_IP, VIP] {
        let out = world.one(CLUSTER, from_node(packet("10.244.1.5", dst).tcp(40000, 80, SYN)), CLUSTER);
        assert_eq!(out.dst, A.parse().unwrap());
        assert_eq!(out.src.ip(), ip(SNAT));
        let back = from_node(packet("10.244.1.5", SNAT).tcp(8080, out.src.port(), SYN | ACK));
        let back = world.one(CLUSTER, back, CLUSTER);
        assert_eq!((back.src.ip(), back.dst), (ip(dst), "10.244.1.5:40000".parse().unwrap()));
    }
}

#[test]
fn invalid_tcp_is_dropped() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    for flags in [ACK, RST, FIN | ACK, SYN | ACK] {
        world.dropped(UPLINK, from_client(packet(CLIENT, VIP).tcp(40000, 80, flags)), DropReason::TcpNoFlow);
    }
    for flags in [0, SYN | FIN, SYN | RST, 0x29 & !ACK & !FIN] {
        world.dropped(
            UPLINK,
            from_client(packet(CLIENT, VIP).tcp(40000, 80, flags)),
            DropReason::BadTcpFlags,
        );
    }
    establish(&mut world, 40000);
    world.dropped(UPLINK, from_client(packet(CLIENT, VIP).tcp(40000, 80, 0)), DropReason::BadTcpFlags);
    world.dropped(
        UPLINK,
        from_client(packet(CLIENT, VIP).tcp(40000, 80, SYN | FIN)),
        DropReason::BadTcpFlags,
    );
    assert_eq!(world.workers[0].flows().established, 1);
}

#[test]
fn icmp_errors_are_translated_from_both_sides_and_families() {
    for v6 in [false, true] {
        let (client, vip, snat, pod, node) = if v6 {
            (CLIENT6, VIP6, SNAT6, "fd00:10:244:1::5", "fd00:10:244:1::1")
        } else {
            (CLIENT, VIP, SNAT, "10.244.1.5", "10.244.1.1")
        };
        let mut world = World::new();
        world.serve(service("udp", Protocol::Udp, &[A, A6]));
        let out =
            world.one(UPLINK, from_client(packet(client, vip).udp(40000, 80).payload([7; 64])), CLUSTER);
        let (kind, code) = if v6 { (1, 4) } else { (3, 3) };
        let error = from_node(packet(pod, snat).icmp(kind, code, [0; 4]).payload(&out.frame[14..]));
        let seen = world.one(CLUSTER, error, UPLINK);
        assert_eq!((seen.src.ip(), seen.dst.ip()), (ip(vip), ip(client)));
        let quoted = inner(&seen);
        assert_eq!((quoted.src, quoted.dst), (format_addr(client, 40000), format_addr(vip, 80)));
        // From a router on the way: "too big", its own address kept.
        let (kind, code) = if v6 { (2, 0) } else { (3, 4) };
        let error = from_node(packet(node, snat).icmp(kind, code, [0, 0, 5, 0]).payload(&out.frame[14..]));
        let seen = world.one(CLUSTER, error, UPLINK);
        assert_eq!((seen.src.ip(), seen.dst.ip()), (ip(node), ip(client)));
        // And from the client about an answer.
        let back = world.one(
            CLUSTER,
            from_node(packet(pod, snat).udp(8080, out.src.port()).payload([9; 40])),
            UPLINK,
        );
        let (kind, code) = if v6 { (1, 4) } else { (3, 3) };
        let error = from_client(packet(client, vip).icmp(kind, code, [0; 4]).payload(&back.frame[14..]));
        let seen = world.one(UPLINK, error, CLUSTER);
        assert_eq!((seen.src.ip(), seen.dst.ip()), (ip(snat), ip(pod)));
        let quoted = inner(&seen);
        assert_eq!((quoted.src, quoted.dst), (format_addr(pod, 8080), out.src));
    }
}

fn format_addr(address: &str, port: u16) -> std::net::SocketAddr {
    std::net::SocketAddr::new(ip(address), port)
}

/// The packet quoted in an ICMP error, with sound checksums.
fn inner(seen: &Seen) -> Seen {
    let mut frame = seen.frame[..14].to_vec();
    frame.extend(&seen.frame[usize::from(seen.parsed.l4) + 8..usize::from(seen.parsed.end)]);
    Seen::new(frame)
}

#[test]
fn ttl_exceeded_is_told_to_the_sender() {
    let mut world = World::new();
    world.serve(service("udp", Protocol::Udp, &[A, A6]));
    let out = world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(40000, 80).ttl(1)), UPLINK);
    assert_eq!((out.src.ip(), out.parsed.icmp_type()), (ip(NODE), 11));
    let out = world.one(UPLINK, from_client(packet(CLIENT6, VIP6).udp(40000, 80).ttl(1)), UPLINK);
    assert_eq!((out.src.ip(), out.parsed.icmp_type()), (ip(NODE6), 3));
}

#[test]
fn too_big_for_the_way_ahead_is_told_to_the_sender() {
    let mut world = World::new();
    world.serve(service("udp", Protocol::Udp, &[A, A6]));
    let out = world.one(UPLINK, from_client(packet(CLIENT, VIP).udp(40000, 80).payload([0; 1500])), UPLINK);
    assert_eq!((out.parsed.icmp_type(), out.parsed.icmp_code()), (3, 4));
    let out = world.one(UPLINK, from_client(packet(CLIENT6, VIP6).udp(40000, 80).payload([0; 1500])), UPLINK);
    assert_eq!(out.parsed.icmp_type(), 2);
}

#[test]
fn fragments_follow_the_first_in_order_and_out_of_order() {
    for (src, dst, pod) in [(CLIENT, VIP, "10.244.1.5"), (CLIENT6, VIP6, "fd00:10:244:1::5")] {
        let mut world = World::new();
        world.serve(service("udp", Protocol::Udp, &[A, A6]));
        let fragments = |id| {
            packet(src, dst)
                .udp(40000, 80)
                .payload([3; 3000])
                .id(id)
                .macs(UPLINK_MAC, CLIENT_MAC)
                .fragments(1000)
        };
        let in_order = world.send(UPLINK, &fragments(1));
        assert_eq!(in_order.len(), fragments(1).len(), "{}", world.report());
        let mut reversed = fragments(2);
        reversed.reverse();
        let out_of_order = world.send(UPLINK, &reversed);
        assert_eq!(out_of_order.len(), in_order.len(), "{}", world.report());
        for out in in_order.iter().chain(&out_of_order) {
            let Out::Sent(CLUSTER, frame) = out else { panic!("{out:?}") };
            assert_eq!(Seen::new(frame.clone()).dst.ip(), ip(pod));
        }
        // The first one never comes: nothing is kept for long.
        world.send(UPLINK, &fragments(3)[1..]);
        world.advance(2_000);
        assert_eq!(world.drops(DropReason::FragmentOrphan), fragments(3).len() as u64 - 1);
    }
}

#[test]
fn reassembled_datagram_has_a_sound_checksum() {
    let mut world = World::new();
    world.serve(service("udp", Protocol::Udp, &[A]));
    let whole = packet(CLIENT, VIP).udp(40000, 80).payload([5; 2000]).id(77).macs(UPLINK_MAC, CLIENT_MAC);
    let mut payload = vec![];
    for out in world.send(UPLINK, &whole.fragments(800)) {
        let Out::Sent(_, frame) = out else { panic!("{out:?}") };
        let parsed = parse(&frame).unwrap();
        payload.extend(&frame[usize::from(parsed.l4)..usize::from(parsed.end)]);
    }
    let joined = packet(SNAT, "10.244.1.5").raw(17).payload(payload).macs(NODE_MAC, CLUSTER_MAC).frame();
    Seen::new(joined);
}

#[test]
fn mss_is_clamped_where_configured() {
    let mut world = World::new();
    world.apply([Change::Settings(sluice_model::Settings { mss_clamp: Some(1360), ..settings() })]);
    world.serve(service("web", Protocol::Tcp, &[A]));
    let syn = packet(CLIENT, VIP).tcp_segment(40000, 80, SYN, (1, 0), &[2, 4, 0x05, 0xB4]);
    let out = world.one(UPLINK, from_client(syn), CLUSTER);
    assert_eq!(out.frame[54..58], [2, 4, 0x05, 0x50]);
}

#[test]
fn spoofed_and_martian_sources_are_dropped() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    for src in [VIP, NODE, CLUSTER_IP, SNAT] {
        world.dropped(UPLINK, syn(src, 40000, VIP, 80), DropReason::SpoofedSource);
    }
    world.dropped(UPLINK, syn("127.0.0.1", 40000, VIP, 80), DropReason::MartianSource);
    world.dropped(UPLINK, syn("224.0.0.1", 40000, VIP, 80), DropReason::MartianSource);
}

#[test]
fn arp_and_neighbour_discovery_for_frontends_and_not_for_others() {
    use sluice_wire::arp::Arp;
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let ask = |target: &str| {
        Arp::request(CLIENT_MAC, CLIENT.parse().unwrap(), target.parse().unwrap())
            .to_frame(sluice_wire::ethernet::MacAddr([0xff; 6]))
            .to_vec()
    };
    let outs = world.send(UPLINK, &[ask(VIP)]);
    let [Out::Sent(UPLINK, reply)] = &outs[..] else { panic!("{outs:?}") };
    let parsed = parse(reply).unwrap();
    assert_eq!((parsed.kind, parsed.sport), (Kind::Arp, 2));
    assert_eq!(reply[22..28], UPLINK_MAC.0);
    // The gateway's own address is Linux's to answer for, and a stranger's nobody's.
    for other in [NODE, "192.0.2.77"] {
        assert!(matches!(world.send(UPLINK, &[ask(other)])[..], [Out::Punted(UPLINK, _)]));
    }
}

#[test]
fn echo_to_a_frontend_is_answered_and_to_the_gateway_punted() {
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    let out =
        world.one(UPLINK, from_client(packet(CLIENT, VIP).icmp(8, 0, [0, 1, 0, 1]).payload(*b"abc")), UPLINK);
    assert_eq!((out.src.ip(), out.parsed.icmp_type()), (ip(VIP), 0));
    let own = from_client(packet(CLIENT, NODE).icmp(8, 0, [0, 1, 0, 1]));
    assert!(matches!(world.send(UPLINK, &[own])[..], [Out::Punted(UPLINK, _)]));
}

#[test]
fn a_syn_flood_does_not_touch_established_connections() {
    let mut world = World::with(1, 256);
    world.serve(service("web", Protocol::Tcp, &[A]));
    let out = establish(&mut world, 40000);
    for n in 0..5000_u32 {
        let src = format!("198.18.{}.{}", n / 250, n % 250 + 1);
        let frame = from_client(packet(&src, VIP).tcp(1024 + (n % 60000) as u16, 80, SYN));
        world.send(UPLINK, &[frame]);
    }
    assert!(world.workers[0].flows().embryonic <= 64);
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).src, out.src);
}

/// A connection from this port, established; none where the SYN goes nowhere.
fn open(world: &mut World, sport: u16) -> Option<Seen> {
    let sent = world.send(UPLINK, &[syn(CLIENT, sport, VIP, 80)]);
    let [Out::Sent(CLUSTER, frame)] = &sent[..] else { return None };
    let out = Seen::new(frame.clone());
    let (backend, port) = (out.dst.ip().to_string(), out.src.port());
    let answer = packet(&backend, SNAT).tcp_segment(8080, port, SYN | ACK, (5000, 1001), &[]);
    world.one(CLUSTER, from_node(answer), UPLINK);
    let ack = packet(CLIENT, VIP).tcp_segment(sport, 80, ACK, (1001, 5001), &[]);
    world.one(UPLINK, from_client(ack), CLUSTER);
    Some(out)
}

#[test]
fn snat_tuples_are_unique_and_kept_while_the_backend_may_remember_them() {
    let mut world = World::with(1, 8192);
    let range = sluice_model::PortRange::new(2000, 2063).unwrap();
    world.apply([Change::Settings(sluice_model::Settings { snat_ports: range, ..settings() })]);
    world.serve(service("web", Protocol::Tcp, &[A]));
    let mut seen = std::collections::HashSet::new();
    let mut sport = 40000;
    while let Some(out) = open(&mut world, sport) {
        assert!(range.contains(out.src.port()));
        assert!(seen.insert(out.src), "{:?} given twice", out.src);
        sport += 1;
    }
    assert!(seen.len() >= 48, "only {} of 64 ports were found", seen.len());
    assert!(world.drops(DropReason::SnatExhausted) >= 1);
}

#[test]
fn snat_exhaustion_shows_by_service_before_it_happens() {
    let mut world = World::with(1, 8192);
    let range = sluice_model::PortRange::new(2000, 2127).unwrap();
    world.apply([Change::Settings(sluice_model::Settings { snat_ports: range, ..settings() })]);
    world.serve(service("web", Protocol::Tcp, &[A]));
    let mut other = service("other", Protocol::Tcp, &[B]);
    (other.cluster_ips, other.load_balancer_ips) = (vec![ip("10.96.0.99")], vec![]);
    other.ports[0].node_port = None;
    world.serve(other);
    let mut alarmed_at = None;
    let mut sport = 40000;
    while open(&mut world, sport).is_some() {
        sport += 1;
        if alarmed_at.is_none() && !world.workers[0].pressure().counts().is_empty() {
            alarmed_at = Some(sport - 40000);
        }
    }
    world.one(UPLINK, syn(CLIENT, 50000, "10.96.0.99", 80), CLUSTER);
    let alarmed_at = alarmed_at.unwrap();
    assert!((64..sport - 40000).contains(&alarmed_at), "at {alarmed_at} of {}", sport - 40000);
    let [(slot, scarcity)] = world.workers[0].pressure().counts() else {
        panic!("one service alone is short")
    };
    assert!(scarcity.hard > 0 && scarcity.failed == 1, "{scarcity:?}");
    assert_eq!(world.snapshot.service_port(*slot).unwrap().name, ServiceName::new("default", "web"));
    world.workers[0].clear_pressure();
    assert!(world.workers[0].pressure().counts().is_empty());
}

#[test]
fn packet_to_an_unresolved_next_hop_waits_for_it() {
    use sluice_engine::snapshot::FibChange;
    let mut world = World::new();
    let pod = "198.51.100.77";
    world.serve(service("web", Protocol::Tcp, &["198.51.100.77:8080"]));
    assert_eq!(world.send(UPLINK, &[syn(CLIENT, 40000, VIP, 80)]), []);
    assert_eq!(world.workers[0].unresolved(), Some((CLUSTER, ip(pod))));
    world.apply_fib(FibChange::Neighbor { port: CLUSTER, ip: ip(pod), mac: [2, 9, 9, 9, 9, 9] });
    let outs = world.advance(250);
    let [Out::Sent(CLUSTER, frame)] = &outs[..] else { panic!("{outs:?} {}", world.report()) };
    assert_eq!(frame[..6], [2, 9, 9, 9, 9, 9]);
    world.serve(service("web", Protocol::Tcp, &["198.51.100.78:8080"]));
    assert_eq!(world.send(UPLINK, &[syn(CLIENT, 40001, VIP, 80)]), []);
    world.advance(4_000);
    assert_eq!(world.drops(DropReason::NeighborUnresolved), 1);
}

#[test]
fn route_and_mac_changes_reach_running_flows() {
    use sluice_engine::snapshot::{FibChange, Route};
    let mut world = World::new();
    world.serve(service("web", Protocol::Tcp, &[A]));
    establish(&mut world, 40000);
    world.apply_fib(FibChange::Neighbor { port: CLUSTER, ip: ip("198.51.100.1"), mac: [2, 1, 1, 1, 1, 1] });
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).macs().0.0, [2, 1, 1, 1, 1, 1]);
    world.apply_fib(FibChange::Neighbor { port: CLUSTER, ip: ip("198.51.100.2"), mac: [2, 2, 2, 2, 2, 2] });
    world.apply_fib(FibChange::Route(Route {
        to: "10.244.1.0/24".parse().unwrap(),
        via: Some(ip("198.51.100.2")),
        port: CLUSTER,
        metric: 0,
    }));
    assert_eq!(world.one(UPLINK, data(40000), CLUSTER).macs().0.0, [2, 2, 2, 2, 2, 2]);
}

#[test]
fn of_two_services_with_one_frontend_the_older_wins_and_the_other_is_reported() {
    let mut world = World::new();
    let mut younger = service("aaa", Protocol::Tcp, &[B]);
    younger.created = 2;
    world.serve(younger);
    assert_eq!(world.one(UPLINK, syn(CLIENT, 40000, VIP, 80), CLUSTER).dst, B.parse().unwrap());
    world.serve(service("web", Protocol::Tcp, &[A]));
    assert_eq!(world.one(UPLINK, syn(CLIENT, 40001, VIP, 80), CLUSTER).dst, A.parse().unwrap());
    let conflicts = world.publisher.conflicts();
    assert!(!conflicts.is_empty());
    for conflict in &conflicts {
        assert_eq!((&*conflict.winner.name, &*conflict.loser.name), ("web", "aaa"));
    }
    world.apply([Change::ServiceGone(ServiceName::new("default", "web"))]);
    assert_eq!(world.one(UPLINK, syn(CLIENT, 40002, VIP, 80), CLUSTER).dst, B.parse().unwrap());
    assert_eq!(world.publisher.conflicts(), []);
}

#[test]
fn a_fragmented_sctp_packet_is_dropped_by_name() {
    let mut world = World::new();
    world.serve(service("sctp", Protocol::Sctp, &[A]));
    let whole = packet(CLIENT, VIP).sctp(5000, 80, 0).payload([0; 2000]).id(9).macs(UPLINK_MAC, CLIENT_MAC);
    world.dropped(UPLINK, whole.fragments(1000)[0].clone(), DropReason::BadFragment);
}
