//! Which endpoints take new flows: readiness, policies, topology, termination.
#![allow(clippy::unwrap_used)]

use sluice_model::{
    Empty, Endpoint, Scope, Service, ServiceName, ServicePort, Settings, Step, TrafficPolicy, select,
};

fn endpoint(address: &str, node: &str) -> Endpoint {
    Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node: Some(node.into()),
        zone: None,
        hint_zones: vec![],
        hint_nodes: vec![],
        pod: None,
        weight: 1,
    }
}

fn draining(address: &str, node: &str) -> Endpoint {
    Endpoint { ready: false, terminating: true, ..endpoint(address, node) }
}

fn service(endpoints: Vec<Endpoint>) -> Service {
    Service {
        name: ServiceName::new("default", "web"),
        created: 0,
        cluster_ips: vec!["10.96.0.1".parse().unwrap()],
        external_ips: vec![],
        load_balancer_ips: vec![],
        external_policy: TrafficPolicy::Cluster,
        internal_policy: TrafficPolicy::Cluster,
        affinity: None,
        source_ranges: vec![],
        health_check_node_port: None,
        ports: vec![ServicePort {
            name: "".into(),
            protocol: sluice_model::Protocol::Tcp,
            port: 80,
            node_port: None,
            endpoints,
        }],
    }
}

fn node() -> Settings {
    Settings { node: "here".into(), is_node: true, zone: Some("z1".into()), ..Settings::default() }
}

fn chosen(service: &Service, scope: Scope, settings: &Settings) -> (Vec<String>, Step) {
    let selection = select(service, 0, false, scope, settings);
    (selection.endpoints.iter().map(|e| e.address.to_string()).collect(), selection.step)
}

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";

#[test]
fn fallback_to_terminating_endpoints_in_four_combinations() {
    let local = |endpoints| Service {
        external_policy: TrafficPolicy::Local,
        internal_policy: TrafficPolicy::Local,
        ..service(endpoints)
    };
    for scope in [Scope::Internal, Scope::External] {
        // Cluster: a ready endpoint anywhere keeps terminating ones out; without one they serve.
        let both = service(vec![endpoint(A, "there"), draining(B, "here")]);
        assert_eq!(chosen(&both, scope, &node()), (vec![A.into()], Step::Ready));
        let only = service(vec![draining(A, "there"), draining(B, "here")]);
        assert_eq!(chosen(&only, scope, &node()), (vec![A.into(), B.into()], Step::Terminating));
        // Local: what is ready elsewhere does not count.
        let both = local(vec![endpoint(A, "there"), draining(B, "here")]);
        assert_eq!(chosen(&both, scope, &node()), (vec![B.into()], Step::LocalTerminating));
        let none = local(vec![endpoint(A, "there"), draining(B, "there")]);
        assert_eq!(chosen(&none, scope, &node()), (vec![], Step::Nothing(Empty::Drop)));
    }
}

#[test]
fn no_endpoint_anywhere_is_refused_whatever_the_policy() {
    let mut service = service(vec![]);
    assert_eq!(chosen(&service, Scope::External, &node()).1, Step::Nothing(Empty::Refuse));
    service.external_policy = TrafficPolicy::Local;
    assert_eq!(chosen(&service, Scope::External, &node()).1, Step::Nothing(Empty::Refuse));
    let gone = Endpoint { ready: false, serving: false, terminating: true, ..endpoint(A, "here") };
    service.ports[0].endpoints = vec![gone];
    assert_eq!(chosen(&service, Scope::External, &node()).1, Step::Nothing(Empty::Refuse));
}

#[test]
fn inside_the_cluster_an_external_address_reaches_all_endpoints() {
    let service = Service {
        external_policy: TrafficPolicy::Local,
        ..service(vec![endpoint(A, "there"), endpoint(B, "here")])
    };
    assert_eq!(chosen(&service, Scope::External, &node()).0, [B]);
    assert_eq!(chosen(&service, Scope::ExternalFromCluster, &node()).0, [A, B]);
}

#[test]
fn zone_hints_count_when_all_ready_endpoints_carry_one_and_one_names_the_zone() {
    let hinted =
        |address, zone: &str| Endpoint { hint_zones: vec![zone.into()], ..endpoint(address, "there") };
    let all = service(vec![hinted(A, "z1"), hinted(B, "z2")]);
    assert_eq!(chosen(&all, Scope::Internal, &node()), (vec![A.into()], Step::HintZone));
    let elsewhere = service(vec![hinted(A, "z3"), hinted(B, "z2")]);
    assert_eq!(chosen(&elsewhere, Scope::Internal, &node()).1, Step::Ready);
    let half = service(vec![hinted(A, "z1"), endpoint(B, "there")]);
    assert_eq!(chosen(&half, Scope::Internal, &node()), (vec![A.into(), B.into()], Step::Ready));
    let zoneless = Settings { zone: None, ..node() };
    assert_eq!(chosen(&all, Scope::Internal, &zoneless).1, Step::Ready);
}

#[test]
fn node_hints_come_before_zone_hints() {
    let hinted = |address, node: &str| Endpoint {
        hint_nodes: vec![node.into()],
        hint_zones: vec!["z1".into()],
        ..endpoint(address, node)
    };
    let all = service(vec![hinted(A, "here"), hinted(B, "there")]);
    assert_eq!(chosen(&all, Scope::Internal, &node()), (vec![A.into()], Step::HintNode));
    let elsewhere = Settings { node: "third".into(), ..node() };
    assert_eq!(chosen(&all, Scope::Internal, &elsewhere), (vec![A.into(), B.into()], Step::HintZone));
}

#[test]
fn a_gateway_that_is_no_node_uses_its_set_its_zone_or_everything() {
    let mut here = endpoint(A, "n1");
    here.zone = Some("z1".into());
    let service = Service { external_policy: TrafficPolicy::Local, ..service(vec![here, endpoint(B, "n2")]) };
    let outside = Settings { node: "gateway".into(), ..Settings::default() };
    assert_eq!(chosen(&service, Scope::External, &outside).0, [A, B]);
    let by_zone = Settings { zone: Some("z1".into()), ..outside.clone() };
    assert_eq!(chosen(&service, Scope::External, &by_zone).0, [A]);
    let by_set = Settings { local_nodes: vec!["n2".into()], ..by_zone };
    assert_eq!(chosen(&service, Scope::External, &by_set).0, [B]);
}

#[test]
fn families_do_not_mix() {
    let service = service(vec![endpoint(A, "here"), endpoint("[fd00::1]:80", "here")]);
    assert_eq!(select(&service, 0, true, Scope::Internal, &node()).endpoints.len(), 1);
    assert_eq!(select(&service, 0, false, Scope::Internal, &node()).endpoints.len(), 1);
    assert!(select(&service, 7, false, Scope::Internal, &node()).endpoints.is_empty());
}
