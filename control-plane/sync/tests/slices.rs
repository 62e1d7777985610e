//! EndpointSlices: which of them count for a Service, and what is left of endpoints that stand in several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;

/// An endpoint with these conditions.
fn endpoint(address: &str, conditions: &str) -> String {
    format!("{{ addresses: [{address}], conditions: {{ {conditions} }} }}")
}

#[test]
fn slice_without_the_service_name_label_serves_nobody_until_it_has_it() {
    let whole = slice("web-1", &["10.244.1.5"]);
    let without = whole.replace(", labels: { kubernetes.io/service-name: web }", "");
    let empty = whole.replace("service-name: web", "service-name: \"\"");
    assert!(without != whole && empty != whole);
    for text in [without, empty] {
        let mut world = World::of(&all(&[web("ClusterIP", &[]), text]));
        assert_eq!(world.endpoints(), []);
        assert_eq!(world.problems(), [""; 0], "a slice without a Service is no mistake");
        world.write("a.yaml", all(&[web("ClusterIP", &[]), whole.clone()]));
        assert_eq!(world.addresses(), ["10.244.1.5:8080"]);
    }
}

#[test]
fn slice_of_another_namespace_does_not_count() {
    let elsewhere = slice("web-1", &["10.244.1.5"]).replace("namespace: default", "namespace: shop");
    let world = World::of(&all(&[web("ClusterIP", &[]), elsewhere, slice("web-1", &["10.244.1.6"])]));
    assert_eq!(world.addresses(), ["10.244.1.6:8080"], "nor does its name stand for that of ours");
}

#[test]
fn headless_label_taken_off_brings_the_endpoints_back() {
    let labelled = slice("web-1", &["10.244.1.5"])
        .replace("labels: {", "labels: { service.kubernetes.io/headless: \"\",");
    let mut world = World::of(&all(&[web("ClusterIP", &[]), labelled.clone()]));
    assert_eq!(world.endpoints(), []);
    world.write("a.yaml", all(&[web("ClusterIP", &[]), slice("web-1", &["10.244.1.5"])]));
    assert_eq!(world.addresses(), ["10.244.1.5:8080"]);
    world.write("a.yaml", all(&[web("ClusterIP", &[]), labelled]));
    assert_eq!(world.endpoints(), []);
}

#[test]
fn conditions_that_are_empty_or_null_are_absent() {
    let endpoints = [
        endpoint("10.244.0.1", ""),
        endpoint("10.244.0.2", "ready: null, serving: null, terminating: null"),
        "{ addresses: [10.244.0.3], conditions: null }".to_owned(),
    ];
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let world = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &endpoints)]));
    let seen: Vec<_> = world.endpoints().iter().map(|e| (e.ready, e.serving, e.terminating)).collect();
    assert_eq!(seen, [(true, true, false); 3]);
    assert_eq!(world.problems(), [""; 0]);
}

#[test]
fn of_an_endpoint_in_several_slices_the_most_usable_counts() {
    let ready = endpoint("10.244.1.5", "ready: true");
    let terminating = endpoint("10.244.1.5", "ready: false, serving: true, terminating: true");
    let useless = endpoint("10.244.1.5", "ready: false, serving: false, terminating: true");
    // In either order of the slices' names.
    for (better, worse) in [(&ready, &terminating), (&terminating, &useless), (&ready, &useless)] {
        let alone = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &[better])]));
        for (one, two) in [(better, worse), (worse, better)] {
            let slices = [slice("web-1", &[one]), slice("web-2", &[two])];
            let world = World::of(&all(&[web("ClusterIP", &[]), slices[0].clone(), slices[1].clone()]));
            assert_eq!(world.endpoints(), alone.endpoints(), "{one} {two}");
        }
    }
}

#[test]
fn of_equals_in_several_slices_that_of_the_first_slice_by_name_counts_whichever_came_first() {
    let on = |node: &str| format!("{{ addresses: [10.244.1.5], nodeName: {node} }}");
    for files in [["1.yaml", "2.yaml"], ["2.yaml", "1.yaml"]] {
        let mut world = World::of(&web("ClusterIP", &[]));
        world.write(files[0], slice("web-b", &[&on("n2")]));
        world.write(files[1], slice("web-a", &[&on("n1")]));
        assert_eq!(world.endpoints().len(), 1);
        assert_eq!(world.endpoints()[0].node.as_deref(), Some("n1"));
    }
}

#[test]
fn endpoint_becomes_ready_terminates_and_goes() {
    let mut world = World::of(&web("ClusterIP", &[]));
    for (conditions, expected) in [
        ("ready: false, serving: false, terminating: false", Some((false, false, false))),
        ("ready: true, serving: true, terminating: false", Some((true, true, false))),
        ("ready: false, serving: true, terminating: true", Some((false, true, true))),
        ("ready: false, serving: false, terminating: true", Some((false, false, true))),
        ("", None),
    ] {
        let endpoints = [endpoint("10.244.1.5", conditions)];
        let endpoints: Vec<&str> =
            endpoints.iter().filter(|_| expected.is_some()).map(String::as_str).collect();
        world.write("b.yaml", slice("web-1", &endpoints));
        let seen = world.endpoints().first().map(|e| (e.ready, e.serving, e.terminating));
        assert_eq!(seen, expected);
        assert_eq!(world.told.len(), 1, "every step is told: {conditions}");
    }
}

#[test]
fn slice_that_is_deleted_takes_its_own_endpoints_with_it_and_no_others() {
    let mut world = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &["10.244.1.5", "10.244.1.6"])]));
    world.write("b.yaml", slice("web-2", &["10.244.1.6", "10.244.1.7"]));
    assert_eq!(world.addresses(), ["10.244.1.5:8080", "10.244.1.6:8080", "10.244.1.7:8080"]);
    world.remove("b.yaml");
    assert_eq!(world.addresses(), ["10.244.1.5:8080", "10.244.1.6:8080"]);
}

#[test]
fn slice_that_changes_its_port_moves_its_endpoints() {
    let with = |ports: &str| slice_of("web-1", "IPv4", "web", ports, &["10.244.1.5"]);
    let mut world = World::of(&all(&[web("ClusterIP", &[]), with("[{ name: http, port: 8080 }]")]));
    world.write("a.yaml", all(&[web("ClusterIP", &[]), with("[{ name: http, port: 8081 }]")]));
    assert_eq!(world.addresses(), ["10.244.1.5:8081"]);
    world.write("a.yaml", all(&[web("ClusterIP", &[]), with("null")]));
    assert_eq!(world.endpoints(), [], "no port is no endpoint");
}

#[test]
fn only_the_first_address_of_an_endpoint_has_a_meaning() {
    let several = "{ addresses: [10.244.1.9, 10.244.1.5] }";
    let none = "{ addresses: [] }";
    let world = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &[several, none])]));
    assert_eq!(world.addresses(), ["10.244.1.9:8080"]);
}

#[test]
fn unknown_address_type_and_wrong_ports_are_told_with_their_line() {
    let ports = "[{ name: http, port: 70000 }, { name: http, protocol: ICMP, port: 1 }]";
    let text = slice_of("web-1", "IPv4", "web", ports, &["10.244.1.5"]);
    let world = World::of(&all(&[web("ClusterIP", &[]), text]));
    assert_eq!(world.endpoints(), []);
    assert_eq!(
        world.errors(),
        [
            "a.yaml:13 EndpointSlice default/web-1 ports[0].port",
            "a.yaml:13 EndpointSlice default/web-1 ports[1].protocol"
        ]
    );
    let text = slice_of("web-1", "IPX", "web", "[{ name: http, port: 8080 }]", &["10.244.1.5"]);
    let world = World::of(&all(&[web("ClusterIP", &[]), text]));
    assert_eq!(world.endpoints(), []);
    assert_eq!(world.errors(), ["a.yaml:12 EndpointSlice default/web-1 addressType"]);
}
