//! Services through a running gateway on TAP ports, with real sockets on both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::client::{any, ask, eventually, get_here};
use sluice_testbed::manifests::replace;

#[test]
fn every_frontend_answers_in_both_families_over_tcp_and_udp() {
    let lab = Lab::start(&[web_ab()]);
    for to in [VIP, VIP6, CLUSTER_IP, CLUSTER_IP6, NODE_PORT, NODE_PORT6] {
        let (_, seen) = lab.must_get(to);
        let expected = if at(to).is_ipv6() { "2001:db8:2::10" } else { "198.51.100.10" };
        assert_eq!(seen.ip().to_string(), expected, "full NAT shows the gateway's address");
        let answer = ask(&lab.bed.client, any(at(to).ip()), at(to), "ping", PATIENCE);
        assert!(answer.as_ref().is_ok_and(|a| a.ends_with(" ping")), "{to}: {answer:?}\n{}", lab.counters());
    }
    let pods: std::collections::HashSet<String> = (0..40).map(|_| lab.must_get(VIP).0).collect();
    assert_eq!(pods.len(), 2, "both endpoints take connections");
}

#[test]
fn rejected_at_once_when_no_endpoints() {
    let lab = Lab::start(&[web()]);
    for to in [VIP, VIP6, NODE_PORT, CLUSTER_IP6] {
        let start = Instant::now();
        let refused = lab.get(to).map_err(|e| e.kind());
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused), "{to}");
        let udp = ask(&lab.bed.client, any(at(to).ip()), at(to), "ping", PATIENCE).map_err(|e| e.kind());
        assert_eq!(udp, Err(ErrorKind::ConnectionRefused), "{to} over UDP\n{}", lab.counters());
        assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    }
}

fn echo(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn manifest_change_is_live_and_keeps_established_connections() {
    let lab = Lab::start(&[web().endpoint(POD_A).endpoint(POD_A6)]);
    let mut kept: Vec<TcpStream> = [VIP, VIP6]
        .map(|to| lab.bed.client.enter(move || TcpStream::connect_timeout(&at(to), PATIENCE).unwrap()))
        .into();
    kept.iter_mut().for_each(|s| echo(s, b"before"));
    lab.write(&web().endpoint(POD_B).endpoint(POD_B6));
    let start = Instant::now();
    let moved = eventually(Duration::from_secs(10), || {
        (lab.must_get(VIP).0 == "b" && lab.must_get(VIP6).0 == "b").then_some(())
    });
    assert!(moved.is_some(), "still the old endpoint after {:?}", start.elapsed());
    kept.iter_mut().for_each(|s| echo(s, b"after"));
}

#[test]
fn rolling_replacement_of_endpoints_fails_no_request_of_10000() {
    let lab = Lab::start(&[web_ab()]);
    let (total, workers) = (10_000, 4);
    let clients: Vec<_> = (0..workers)
        .map(|_| {
            lab.bed.client.spawn(move || {
                (0..total / workers)
                    .filter_map(|_| get_here(at(VIP), Duration::from_secs(10)).err())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    // A rollout: one endpoint at a time drains, goes, and comes back ready.
    let draining = "    conditions: { ready: false, serving: true, terminating: true }\n";
    let mut step = 0;
    while clients.iter().any(|c| !c.is_finished()) {
        let manifest = match step % 4 {
            0 => web().endpoint_with(POD_A, draining).endpoint(POD_B),
            1 => web().endpoint(POD_B),
            2 => web().endpoint(POD_A).endpoint_with(POD_B, draining),
            _ => web_ab(),
        };
        lab.write(&manifest);
        step += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let failed: Vec<_> = clients.into_iter().flat_map(|c| c.join().unwrap()).collect();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}\n{}",
        failed.len(),
        &failed[..failed.len().min(5)],
        lab.counters()
    );
    assert!(step >= 4, "only {step} steps of the rollout happened");
}

#[test]
fn hairpin_a_pod_reaches_itself_through_its_service() {
    let lab = Lab::start(&[web().endpoint(POD_A).endpoint(POD_A6)]);
    for (pod, to, gateway) in [(POD_A, CLUSTER_IP, "198.51.100.10"), (POD_A6, VIP6, "2001:db8:2::10")] {
        let source = SocketAddr::new(pod.parse().unwrap(), 0);
        let answer = ask(&lab.bed.node, source, at(to), "self", PATIENCE)
            .unwrap_or_else(|e| panic!("{e}\n{}", lab.counters()));
        assert!(
            answer.starts_with(&format!(
                "a {}",
                if pod.contains(':') { format!("[{gateway}]") } else { gateway.into() }
            )),
            "{answer}"
        );
    }
}

#[test]
fn external_traffic_policy_local_preserves_the_clients_address() {
    let node = "apiVersion: v1\nkind: Node\nmetadata: { name: edge-1 }\n";
    let here = "    conditions: { ready: true }\n    nodeName: edge-1\n";
    let there = "    conditions: { ready: true }\n    nodeName: other\n";
    let local = || {
        web().spec("externalTrafficPolicy: Local").endpoint_with(POD_A, there).endpoint_with(POD_A6, there)
    };
    let lab = Lab::start(&[local().endpoint_with(POD_B, here).endpoint_with(POD_B6, here)]);
    replace(&lab.manifests.join("node.yaml"), node).unwrap();
    let preserved = eventually(PATIENCE, || {
        let (pod, seen) = lab.get(VIP).ok()?;
        (pod == "b" && seen.ip().to_string() == "192.0.2.100").then_some(())
    });
    assert!(preserved.is_some(), "{:?}\n{}", lab.get(VIP), lab.counters());
    let (pod, seen) = lab.must_get(VIP6);
    assert_eq!((pod.as_str(), seen.ip().to_string().as_str()), ("b", "2001:db8:1::100"));
    lab.write(&local());
    let dropped =
        eventually(PATIENCE, || lab.get(VIP).err().filter(|e| e.kind() != ErrorKind::ConnectionRefused));
    assert!(dropped.is_some(), "no local endpoint: dropped, not refused");
    assert!(lab.counters().contains("no_local_endpoint"));
}

#[test]
fn load_balancer_source_ranges_shut_others_out_of_every_external_frontend() {
    let lab = Lab::start(&[web_ab().spec("loadBalancerSourceRanges: [192.0.2.0/28]")]);
    for to in [VIP, NODE_PORT, VIP6] {
        assert!(lab.get(to).is_err(), "{to} is open");
    }
    lab.must_get(CLUSTER_IP);
    lab.write(&web_ab().spec("loadBalancerSourceRanges: [192.0.2.96/28, \"2001:db8:1::/64\"]"));
    assert!(eventually(PATIENCE, || lab.get(VIP).ok()).is_some());
    lab.must_get(NODE_PORT);
    lab.must_get(VIP6);
}

#[test]
fn session_affinity_keeps_a_client_on_its_endpoint() {
    let lab = Lab::start(&[web_ab().spec("sessionAffinity: ClientIP")]);
    let first = lab.must_get(VIP).0;
    assert!((0..30).all(|_| lab.must_get(VIP).0 == first));
    lab.write(&web_ab());
    let spread = eventually(PATIENCE, || (lab.must_get(VIP).0 != first).then_some(()));
    assert!(spread.is_some(), "without affinity both answer");
}

#[test]
fn udp_client_follows_when_the_server_pod_cycles() {
    let lab = Lab::start(&[web().endpoint(POD_A)]);
    let source = at("192.0.2.100:5555");
    let asked = || ask(&lab.bed.client, source, at(VIP), "x", Duration::from_millis(500));
    // The node's MAC address may still be asked for, which Linux does once a second.
    let first = eventually(PATIENCE, || asked().ok());
    assert!(first.is_some_and(|answer| answer.starts_with("a ")), "{}", lab.counters());
    lab.write(&web().endpoint(POD_B));
    let moved = eventually(PATIENCE, || asked().ok().filter(|answer| answer.starts_with("b ")));
    assert!(moved.is_some(), "{:?}\n{}", asked(), lab.counters());
}

#[test]
fn fragmented_datagrams_pass_both_ways() {
    let lab = Lab::start(&[web_ab()]);
    for to in [VIP, VIP6] {
        let text = "0123456789".repeat(600);
        let answer = ask(&lab.bed.client, any(at(to).ip()), at(to), &text, PATIENCE)
            .unwrap_or_else(|e| panic!("{to}: {e}\n{}", lab.counters()));
        assert!(answer.ends_with(&text), "{} bytes came back", answer.len());
    }
}

#[test]
fn icmp_errors_of_the_endpoint_reach_the_client() {
    // Nobody listens on 9090: the pod's kernel says so by ICMP, about the translated packet.
    let manifest = web().port("closed", "UDP", 90, None, 9090).endpoint(POD_A).endpoint(POD_A6);
    let lab = Lab::start(&[manifest]);
    for to in ["203.0.113.10:90", "[2001:db8:ff::10]:90"] {
        let result = ask(&lab.bed.client, any(at(to).ip()), at(to), "x", PATIENCE).map_err(|e| e.kind());
        assert_eq!(result, Err(ErrorKind::ConnectionRefused), "{to}\n{}", lab.counters());
    }
}

#[test]
fn one_broken_manifest_is_reported_by_name_and_line_and_the_rest_goes_on() {
    let lab = Lab::start(&[web().endpoint(POD_A)]);
    replace(&lab.manifests.join("broken.yaml"), "apiVersion: v1\nkind: Service\nmetadata:\n  name: [\n")
        .unwrap();
    let reported = eventually(PATIENCE, || lab.gateway.log().contains("broken.yaml").then_some(()));
    assert!(reported.is_some(), "{}", lab.gateway.log());
    lab.must_get(VIP);
    lab.write(&web().endpoint(POD_B));
    assert!(eventually(PATIENCE, || (lab.must_get(VIP).0 == "b").then_some(())).is_some());
}
