//! `sluice explain` says what the worker then does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_engine::explain::{Client, Exclusion, Explanation, Query, Source, Verdict, explain};
use sluice_engine::snapshot::FibChange;
use sluice_engine::{DropReason, Event};
use sluice_model::{Change, Endpoint, Protocol, Service, Settings, Step, TrafficPolicy};

const SYN: u8 = 0x02;
const A: &str = "10.244.1.5:8080";
const B: &str = "10.244.2.5:8080";
const C: &str = "10.244.3.5:8080";

fn ask(world: &World, service: &Service, src: &str, sport: Option<u16>, dst: &str) -> Explanation {
    let query = Query {
        source: ip(src),
        source_port: sport,
        destination: dst.parse().unwrap(),
        protocol: Protocol::Tcp,
    };
    let explanation =
        explain(&world.snapshot, &query, |name| (*name == service.name).then(|| service.clone()));
    // As the admin socket carries it.
    explanation_round_trip(&explanation);
    explanation
}

fn explanation_round_trip(explanation: &Explanation) {
    let text = serde_json::to_string(explanation).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), *explanation);
}

fn dropped(explanation: &Explanation) -> &str {
    match &explanation.verdict {
        Verdict::Drop { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// What the worker does with a SYN is what was said of it.
fn agrees(world: &mut World, explanation: &Explanation) {
    let query = explanation.query;
    let sport = query.source_port.unwrap();
    let (src, dst) = (query.source.to_string(), query.destination.ip().to_string());
    let frame = from_client(packet(&src, &dst).tcp(sport, query.destination.port(), SYN));
    match &explanation.verdict {
        Verdict::Forward { endpoint } => {
            let seen = world.one(UPLINK, frame, CLUSTER);
            assert_eq!(Some(seen.dst), *endpoint);
            match explanation.source.as_ref().unwrap() {
                Source::Preserved => assert_eq!(seen.src.ip(), query.source),
                Source::Translated { addresses, first_port, last_port } => {
                    assert!(addresses.contains(&seen.src.ip()));
                    assert!((*first_port..=*last_port).contains(&seen.src.port()));
                }
            }
        }
        Verdict::Drop { reason, .. } => {
            let reason = *DropReason::ALL.iter().find(|r| r.name() == reason).unwrap();
            world.dropped(UPLINK, frame, reason);
        }
        Verdict::Refuse { .. } => {
            let before = world.events(Event::Refused);
            world.one(UPLINK, frame, UPLINK);
            assert_eq!(world.events(Event::Refused), before + 1);
        }
        Verdict::Linux { .. } | Verdict::Proxy => {
            let outs = world.send(UPLINK, &[frame]);
            assert!(matches!(&outs[..], [Out::Punted(UPLINK, _)]), "{outs:?}");
        }
        Verdict::Impossible => panic!("no packet can be sent"),
    }
}

#[test]
fn the_endpoint_is_the_one_that_maglev_picks() {
    let mut world = World::new();
    let service = service("web", Protocol::Tcp, &[A, B, C]);
    world.serve(service.clone());
    let mut chosen = std::collections::HashSet::new();
    for sport in 40000..40040 {
        for dst in [format!("{VIP}:80"), format!("{NODE}:30080"), format!("{CLUSTER_IP}:80")] {
            let explanation = ask(&world, &service, CLIENT, Some(sport), &dst);
            agrees(&mut world, &explanation);
            let marked: Vec<_> = explanation.endpoints.iter().filter(|e| e.chosen).collect();
            assert_eq!(marked.len(), 1);
            assert_eq!(marked[0].hop.as_ref().unwrap().next_hop, ip("198.51.100.1"));
            chosen.insert(marked[0].address);
        }
    }
    assert_eq!(chosen.len(), 3, "all endpoints come up");
}

#[test]
fn without_a_source_port_all_endpoints_are_possible() {
    let mut world = World::new();
    let two = service("web", Protocol::Tcp, &[A, B]);
    world.serve(two.clone());
    let explanation = ask(&world, &two, CLIENT, None, &format!("{VIP}:80"));
    assert_eq!(explanation.verdict, Verdict::Forward { endpoint: None });
    assert!(explanation.endpoints.iter().all(|e| !e.chosen && e.excluded.is_none()));
    let one = service("web", Protocol::Tcp, &[A]);
    world.serve(one.clone());
    let explanation = ask(&world, &one, CLIENT, None, &format!("{VIP}:80"));
    assert_eq!(explanation.verdict, Verdict::Forward { endpoint: Some(A.parse().unwrap()) });
}

#[test]
fn affinity_makes_the_source_port_irrelevant() {
    let mut world = World::new();
    let service = affine(service("web", Protocol::Tcp, &[A, B, C]), 60);
    world.serve(service.clone());
    let any = ask(&world, &service, CLIENT, None, &format!("{VIP}:80"));
    assert_eq!(any.affinity.unwrap().timeout_seconds, 60);
    let with = ask(&world, &service, CLIENT, Some(40001), &format!("{VIP}:80"));
    assert_eq!(any.verdict, with.verdict);
    agrees(&mut world, &with);
}

#[test]
fn names_are_those_of_kubernetes() {
    let mut world = World::new();
    let service = service("web", Protocol::Tcp, &[A]);
    world.serve(service.clone());
    let explanation = ask(&world, &service, CLIENT, Some(1), &format!("{NODE}:30080"));
    let frontend = explanation.frontend.unwrap();
    assert_eq!(
        (frontend.service.as_str(), frontend.port, frontend.port_name.as_str()),
        ("default/web", 80, "web")
    );
    assert_eq!(frontend.kind.to_string(), "NodePort");
    assert_eq!(explanation.client, Some(Client::Outside));
    assert_eq!(explanation.policy.unwrap().step, Step::Ready);
    assert_eq!(explanation.back.unwrap().port, "uplink");
}

#[test]
fn source_ranges_are_named_where_they_shut_out() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[A]);
    service.source_ranges = vec!["192.0.2.128/25".parse().unwrap()];
    world.serve(service.clone());
    let out = ask(&world, &service, CLIENT, Some(1), &format!("{VIP}:80"));
    assert_eq!(dropped(&out), "source_range");
    let ranges = out.source_ranges.clone().unwrap();
    assert!(ranges.apply && !ranges.allowed);
    agrees(&mut world, &out);
    let cluster_ip = ask(&world, &service, CLIENT, Some(1), &format!("{CLUSTER_IP}:80"));
    assert!(!cluster_ip.source_ranges.clone().unwrap().apply);
    agrees(&mut world, &cluster_ip);
}

fn on(node: &str, address: &str) -> Endpoint {
    Endpoint { node: Some(node.into()), pod: Some(format!("pod-{node}").into()), ..endpoint(address) }
}

#[test]
fn policy_local_tells_local_endpoints_from_others_and_preserves_the_client() {
    let mut world = World::new();
    world.apply([Change::Settings(Settings { is_node: true, ..settings() })]);
    let mut service = service("web", Protocol::Tcp, &[]);
    service.external_policy = TrafficPolicy::Local;
    service.ports[0].endpoints = vec![on("edge-1", A), on("edge-2", B)];
    world.serve(service.clone());
    let outside = ask(&world, &service, CLIENT, Some(40000), &format!("{VIP}:80"));
    assert_eq!(outside.policy.unwrap().step, Step::Local);
    assert_eq!(outside.source, Some(Source::Preserved));
    let far = outside.endpoints.iter().find(|e| e.address == B.parse().unwrap()).unwrap();
    assert_eq!((far.excluded, far.pod.as_deref()), (Some(Exclusion::NotLocal), Some("pod-edge-2")));
    agrees(&mut world, &outside);

    let inside = ask(&world, &service, "10.244.9.9", None, &format!("{VIP}:80"));
    assert_eq!(inside.client, Some(Client::Inside));
    assert!(inside.endpoints.iter().all(|e| e.excluded.is_none()));

    service.ports[0].endpoints.remove(0);
    world.serve(service.clone());
    let none = ask(&world, &service, CLIENT, Some(40001), &format!("{VIP}:80"));
    assert_eq!(dropped(&none), "no_local_endpoint");
    agrees(&mut world, &none);
}

#[test]
fn unready_and_terminating_endpoints_are_told_apart() {
    let mut world = World::new();
    let mut service = service("web", Protocol::Tcp, &[A, B, C]);
    service.ports[0].endpoints[1].ready = false;
    service.ports[0].endpoints[1].serving = false;
    service.ports[0].endpoints[2].ready = false;
    service.ports[0].endpoints[2].terminating = true;
    world.serve(service.clone());
    let explanation = ask(&world, &service, CLIENT, Some(40000), &format!("{VIP}:80"));
    let excluded: Vec<_> = explanation.endpoints.iter().map(|e| e.excluded).collect();
    assert_eq!(excluded, [None, Some(Exclusion::NotReady), Some(Exclusion::Terminating)]);
    agrees(&mut world, &explanation);
}

#[test]
fn what_is_no_frontend_is_said_too() {
    let mut world = World::new();
    let service = service("web", Protocol::Tcp, &[]);
    world.serve(service.clone());
    let empty = ask(&world, &service, CLIENT, Some(40000), &format!("{VIP}:80"));
    assert_eq!(empty.verdict, Verdict::Refuse { served: true });
    agrees(&mut world, &empty);
    let other_port = ask(&world, &service, CLIENT, Some(40000), &format!("{VIP}:81"));
    assert_eq!(other_port.verdict, Verdict::Refuse { served: false });
    agrees(&mut world, &other_port);
    let unallocated = ask(&world, &service, CLIENT, Some(40000), "10.96.0.99:80");
    assert_eq!(dropped(&unallocated), "unallocated_service_address");
    agrees(&mut world, &unallocated);
    let own = ask(&world, &service, CLIENT, Some(40000), &format!("{NODE}:22"));
    assert_eq!(own.verdict, Verdict::Linux { own: Some("uplink".into()) });
    agrees(&mut world, &own);
    let other = ask(&world, &service, CLIENT, Some(40000), "203.0.113.77:80");
    assert_eq!(other.verdict, Verdict::Linux { own: None });
    agrees(&mut world, &other);
    let spoofed = ask(&world, &service, VIP, Some(40000), &format!("{VIP}:80"));
    assert_eq!(dropped(&spoofed), "spoofed_source");
    agrees(&mut world, &spoofed);
    let families = ask(&world, &service, CLIENT6, None, &format!("{VIP}:80"));
    assert_eq!(families.verdict, Verdict::Impossible);
}

#[test]
fn a_missing_way_is_named() {
    let mut world = World::new();
    let far = service("web", Protocol::Tcp, &["172.16.0.5:8080"]);
    world.serve(far.clone());
    let no_route = ask(&world, &far, CLIENT, Some(40000), &format!("{VIP}:80"));
    assert_eq!(dropped(&no_route), "no_route");
    agrees(&mut world, &no_route);
    let service = service("web", Protocol::Tcp, &[A]);
    world.serve(service.clone());
    let no_way_back = ask(&world, &service, "203.0.113.200", Some(40000), &format!("{VIP}:80"));
    assert_eq!(dropped(&no_way_back), "no_route");
    assert!(no_way_back.back.is_none());
    agrees(&mut world, &no_way_back);
    world.apply_fib(FibChange::NeighborGone { port: CLUSTER, ip: ip("198.51.100.1") });
    let waits = ask(&world, &service, CLIENT, Some(40000), &format!("{VIP}:80"));
    assert!(matches!(waits.verdict, Verdict::Forward { endpoint: Some(_) }));
    assert!(!waits.endpoints[0].hop.as_ref().unwrap().resolved);
}
