//! Several lcores: whichever receives a packet, its flow's owner works on it, in both directions; and restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::*;
use proptest::prelude::*;
use sluice_engine::flow::FlowStorage;
use sluice_engine::{Event, Worker, WorkerConfig};
use sluice_model::{Change, Protocol, Settings, TrafficPolicy};

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const A: &str = "10.244.1.5:8080";
const B: &str = "10.244.2.5:8080";
const A6: &str = "[fd00:10:244:1::5]:8080";

fn sent(outs: Vec<Out>, port: u8) -> Seen {
    match &outs[..] {
        [Out::Sent(out, frame)] if *out == port => Seen::new(frame.clone()),
        _ => panic!("expected one packet out of port {port}: {outs:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_directions_of_a_flow_meet_on_one_lcore(
        lcores in 2_u16..6, sport in 1024_u16.., preserve: bool, affinity: bool, v6: bool, arrivals in proptest::collection::vec(any::<u8>(), 6)
    ) {
        let mut world = World::with(lcores, 256);
        world.apply([Change::Settings(Settings { is_node: true, ..settings() })]);
        let mut web = service("web", Protocol::Tcp, &[A, B, A6]);
        if preserve {
            web.external_policy = TrafficPolicy::Local;
            web.ports[0].endpoints.iter_mut().for_each(|e| e.node = Some("edge-1".into()));
        }
        world.serve(if affinity { affine(web, 60) } else { web });
        let (client, vip) = if v6 { (CLIENT6, VIP6) } else { (CLIENT, VIP) };
        let mut arrive = arrivals.iter().map(|&a| usize::from(a) % usize::from(lcores));
        let mut next = || arrive.next().unwrap();

        let syn = from_client(packet(client, vip).tcp(sport, 80, SYN));
        let out = sent(world.send_to(next(), UPLINK, &[syn]), CLUSTER);
        let answer = packet(&out.dst.ip().to_string(), &out.src.ip().to_string())
            .tcp_segment(8080, out.src.port(), SYN | ACK, (5000, 1001), &[]);
        let back = sent(world.send_to(next(), CLUSTER, &[from_node(answer)]), UPLINK);
        prop_assert_eq!(back.dst.port(), sport);
        let ack = packet(client, vip).tcp_segment(sport, 80, ACK, (1001, 5001), &[]);
        let again = sent(world.send_to(next(), UPLINK, &[from_client(ack)]), CLUSTER);
        prop_assert_eq!((again.src, again.dst), (out.src, out.dst));
        // An error about the answer, from the client's side, and one about the request, from the pod's.
        let (kind, code) = if v6 { (1, 4) } else { (3, 3) };
        let error = from_client(packet(client, vip).icmp(kind, code, [0; 4]).payload(&back.frame[14..]));
        sent(world.send_to(next(), UPLINK, &[error]), CLUSTER);
        let error = from_node(
            packet(&out.dst.ip().to_string(), &out.src.ip().to_string()).icmp(kind, code, [0; 4]).payload(&out.frame[14..]),
        );
        sent(world.send_to(next(), CLUSTER, &[error]), UPLINK);
        let flows: u32 = world.workers.iter().map(|w| w.flows().used()).sum();
        prop_assert_eq!(flows, 1);
    }

    #[test]
    fn connections_meet_on_one_lcore_also_after_their_service_changed_who_owns_them(
        lcores in 2_u16..6, sport in 1024_u16.., rules: [[bool; 2]; 2], arrivals in proptest::collection::vec(any::<u8>(), 8)
    ) {
        let mut world = World::with(lcores, 256);
        world.apply([Change::Settings(Settings { is_node: true, ..settings() })]);
        let mut arrive = arrivals.iter().map(|&a| usize::from(a) % usize::from(lcores));
        let mut next = || arrive.next().unwrap();
        for [preserve, affinity] in rules {
            let mut web = service("web", Protocol::Tcp, &[A]);
            if preserve {
                web.external_policy = TrafficPolicy::Local;
                web.ports[0].endpoints.iter_mut().for_each(|e| e.node = Some("edge-1".into()));
            }
            world.serve(if affinity { affine(web, 60) } else { web });
            let syn = from_client(packet(CLIENT, VIP).tcp(sport, 80, SYN));
            let out = sent(world.send_to(next(), UPLINK, &[syn]), CLUSTER);
            let answer = packet(&out.dst.ip().to_string(), &out.src.ip().to_string())
                .tcp_segment(8080, out.src.port(), SYN | ACK, (5000, 1001), &[]);
            let back = sent(world.send_to(next(), CLUSTER, &[from_node(answer)]), UPLINK);
            prop_assert_eq!((back.src.port(), back.dst.port()), (80, sport));
            let ack = packet(CLIENT, VIP).tcp_segment(sport, 80, ACK, (1001, 5001), &[]);
            let again = sent(world.send_to(next(), UPLINK, &[from_client(ack)]), CLUSTER);
            prop_assert_eq!((again.src, again.dst), (out.src, out.dst));
            let reset = packet(CLIENT, VIP).tcp_segment(sport, 80, RST | ACK, (1001, 5001), &[]);
            sent(world.send_to(next(), UPLINK, &[from_client(reset)]), CLUSTER);
        }
    }

    #[test]
    fn fragments_reach_the_lcore_of_their_flow_whichever_comes_first(
        lcores in 2_u16..5, sport in 1024_u16.., order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(), arrivals in proptest::collection::vec(any::<u8>(), 4)
    ) {
        let mut world = World::with(lcores, 256);
        world.serve(service("udp", Protocol::Udp, &[A, B]));
        let whole = packet(CLIENT, VIP).udp(sport, 80).payload([5; 3500]).id(7).macs(UPLINK_MAC, CLIENT_MAC);
        let fragments = whole.fragments(1000);
        prop_assert_eq!(fragments.len(), 4);
        let mut outs = vec![];
        for (&n, &lcore) in order.iter().zip(&arrivals) {
            outs.extend(world.send_to(usize::from(lcore) % usize::from(lcores), UPLINK, &[fragments[n].clone()]));
        }
        let to: std::collections::HashSet<_> = outs
            .iter()
            .map(|out| match out {
                Out::Sent(CLUSTER, frame) => Seen::new(frame.clone()).dst.ip(),
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!((outs.len(), to.len()), (4, 1), "{}", world.report());
    }
}

#[test]
fn a_new_process_goes_on_with_the_flows_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new();
    let start = |world: &World| {
        let config = WorkerConfig { lcore: 0, lcores: 1, keys: keys(), fragments: 16, affinity: 16 };
        let storage = FlowStorage::file(folder.path(), 0, 1, 1024).unwrap();
        Worker::new(config, storage, world.now).unwrap()
    };
    world.workers[0] = start(&world);
    world.serve(service("web", Protocol::Tcp, &[A, A6]));
    let mut flows = vec![];
    for (client, vip, snat) in [(CLIENT, VIP, SNAT), (CLIENT6, VIP6, SNAT6)] {
        let out = world.one(UPLINK, from_client(packet(client, vip).tcp(40000, 80, SYN)), CLUSTER);
        let pod = out.dst.ip().to_string();
        let answer = packet(&pod, snat).tcp_segment(8080, out.src.port(), SYN | ACK, (5000, 1001), &[]);
        world.one(CLUSTER, from_node(answer), UPLINK);
        let ack = packet(client, vip).tcp_segment(40000, 80, ACK, (1001, 5001), &[]);
        world.one(UPLINK, from_client(ack), CLUSTER);
        flows.push((client, vip, snat, out));
    }
    // The old one is gone without a word.
    world.workers.clear();
    let fresh = start(&world);
    world.workers.push(fresh);
    assert_eq!(world.workers[0].flows().established, 2);
    for (client, vip, snat, out) in &flows {
        let data = packet(client, vip).tcp(40000, 80, ACK).payload(*b"more");
        let again = world.one(UPLINK, from_client(data), CLUSTER);
        assert_eq!((again.src, again.dst), (out.src, out.dst));
        let pod = out.dst.ip().to_string();
        world.one(CLUSTER, from_node(packet(&pod, snat).tcp(8080, out.src.port(), ACK)), UPLINK);
    }
    assert!(world.events(Event::Revalidated) >= 2);
}
