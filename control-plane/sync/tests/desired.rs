//! The desired state by itself: whatever objects come and go in whatever order, what is told adds up to what they mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_model::http::{HttpChange, HttpSettings, TicketKey};
use sluice_model::{
    Change, DnsSettings, NameKind, NamedImport, NamedPod, NamedService, ObjectKey, Service, ServiceName,
    Settings,
};
use sluice_sync::desired::{Desired, ExternalRules, IngressRules, Shrink, Things};
use sluice_sync::object::{self, Exposed, Key, Kind, NodeObject, Object, Rules};
use sluice_sync::state::Saved;

fn parsed(value: &Value) -> (Key, Object) {
    let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default();
    let key = |kind| Key { kind, namespace: text("namespace").into(), name: text("name").into() };
    let rules = Rules {
        load_balancer_class: "sluice.dev/gateway".into(),
        external_ips: true,
        names: Some(Exposed::default()),
        ingress: false,
        secret_namespaces: Vec::new(),
    };
    match value["kind"].as_str().unwrap() {
        "Node" => {
            let node = object::node(&serde_json::from_value(value.clone()).unwrap());
            (key(Kind::Node), Object::Node(Arc::new(node)))
        }
        "Service" => {
            let service = object::service(&serde_json::from_value(value.clone()).unwrap(), &rules).unwrap();
            (key(Kind::Service), Object::Service(Arc::new(service.object)))
        }
        _ => {
            let slice = object::endpoint_slice(&serde_json::from_value(value.clone()).unwrap(), &rules);
            (key(Kind::EndpointSlice), Object::EndpointSlice(Arc::new(slice.object)))
        }
    }
}

fn node(name: &str, zone: Option<&str>) -> Value {
    let labels = zone.map(|zone| json!({ "topology.kubernetes.io/zone": zone }));
    json!({ "kind": "Node", "metadata": { "name": name, "labels": labels } })
}

fn service(name: &str) -> Value {
    json!({ "kind": "Service", "metadata": { "namespace": "default", "name": name }, "spec": {
        "clusterIP": "10.96.0.20", "ports": [{ "name": "http", "port": 80 }]
    } })
}

fn slice(name: &str, of: &str, hosts: impl IntoIterator<Item = u8>) -> Value {
    let endpoints: Vec<Value> =
        hosts.into_iter().map(|host| json!({ "addresses": [format!("10.244.0.{host}")] })).collect();
    json!({ "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
        "metadata": { "namespace": "default", "name": name, "labels": { "kubernetes.io/service-name": of } },
        "ports": [{ "name": "http", "port": 8080 }]
    })
}

fn configured() -> Settings {
    Settings {
        node: "edge-1".into(),
        zone: Some("configured".into()),
        node_port_addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        dns: Some(DnsSettings::default()),
        ..Settings::default()
    }
}

/// A copy that only changes by what is told.
#[derive(Debug, Default, PartialEq)]
struct Copy {
    services: BTreeMap<ServiceName, Service>,
    settings: Option<Settings>,
    /// What DNS is told.
    names: BTreeMap<ObjectKey, Change>,
}

impl Copy {
    /// Takes changes over, none of which may be without effect.
    fn follow(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Settings(settings) => {
                    assert_ne!(self.settings.as_ref(), Some(&settings));
                    self.settings = Some(settings);
                }
                Change::Service(service) => {
                    service.check().expect("what is told must be acceptable to the data plane");
                    assert_ne!(self.services.get(&service.name), Some(&service));
                    self.services.insert(service.name.clone(), service);
                }
                Change::ServiceGone(name) => assert!(self.services.remove(&name).is_some(), "{name}"),
                gone if gone.is_gone() => assert!(self.names.remove(&gone.key()).is_some(), "{gone:?}"),
                named => {
                    named.check().expect("what is told must be acceptable to the data plane");
                    assert_ne!(self.names.get(&named.key()), Some(&named));
                    self.names.insert(named.key(), named);
                }
            }
        }
    }

    fn usable(&self) -> usize {
        let ports = self.services.values().flat_map(|service| &service.ports);
        let served =
            ports.flat_map(|port| &port.endpoints).filter(|e| e.ready || (e.serving && e.terminating));
        let headless = self.names.values().filter_map(|change| match change {
            Change::Named(named) if named.kind == NameKind::Headless => Some(&named.endpoints),
            _ => None,
        });
        served.count() + headless.flatten().map(|group| group.endpoints.len()).sum::<usize>()
    }
}

/// What would be on disk.
fn saved_of(desired: &Desired) -> Saved {
    let shared = desired.shared();
    Saved {
        node: shared.node.as_deref().cloned(),
        services: shared.services.iter().map(|service| Service::clone(service)).collect(),
        named: shared.named.iter().map(|named| NamedService::clone(named)).collect(),
        namespaces: shared.namespaces,
        pods: shared.pods.iter().map(|pod| NamedPod::clone(pod)).collect(),
        imported: shared.imported.iter().map(|import| NamedImport::clone(import)).collect(),
        hosted: shared.hosted.iter().map(|host| (**host).clone()).collect(),
        http: shared.http,
    }
}

fn apply(desired: &mut Desired, values: &[Value]) {
    values.iter().for_each(|value| desired.apply(parsed(value).1));
}

/// A Desired that has told of 24 endpoints of `web`.
fn of_24_endpoints() -> Desired {
    let mut desired = Desired::new(configured());
    apply(&mut desired, &[service("web"), slice("web-1", "web", 1..=24)]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 3, "growth is not held back");
    desired
}

#[test]
fn loss_of_more_than_half_of_all_endpoints_is_held_back_until_it_is_released() {
    let mut desired = of_24_endpoints();
    apply(&mut desired, &[slice("web-1", "web", 1..=11)]);
    let held = desired.take_guarded_changes().unwrap_err();
    assert_eq!(held, Shrink { of: Things::Endpoints, before: 24, after: 11 });
    assert!(held.to_string().contains("of 24 endpoints 11 would be left"), "{held}");
    assert!(desired.is_dirty());
    assert_eq!(desired.services().next().unwrap().ports[0].endpoints.len(), 24);
    assert_eq!(desired.take_guarded_changes(), Err(held), "asking again releases nothing");
    assert_eq!(desired.take_changes().len(), 2, "the Service and its names");
    assert_eq!(desired.services().next().unwrap().ports[0].endpoints.len(), 11);
    assert!(!desired.is_dirty());
}

#[test]
fn keys_of_session_tickets_do_not_wait_for_a_loss_to_be_released() {
    let rules = IngressRules {
        controller: "sluice.dev/ingress".into(),
        class: "sluice".into(),
        watch_without_class: false,
        default_class: false,
        hsts: None,
        external: ExternalRules::default(),
        secret_namespaces: Vec::new(),
        settings: HttpSettings::default(),
    };
    let mut desired = Desired::new(configured()).with_ingress(Some(rules));
    apply(&mut desired, &[service("web"), slice("web-1", "web", 1..=24)]);
    desired.take_guarded_changes().unwrap();
    apply(&mut desired, &[slice("web-1", "web", 1..=11)]);
    let keys = vec![TicketKey::new(&[7; 48]).unwrap()];
    desired.set_ticket_keys(keys.clone());
    let held = desired.take_guarded_changes().unwrap_err();
    let told = desired.take_settings();
    let [Change::Http(HttpChange::Settings(told))] = &told[..] else { panic!("{told:?}") };
    assert_eq!(told.ticket_keys, keys);
    assert_eq!(desired.take_settings(), []);
    assert_eq!(desired.take_guarded_changes(), Err(held));
}

#[test]
fn endpoints_of_headless_services_count_where_they_have_names() {
    let headless = |hosts: std::ops::RangeInclusive<u8>| {
        let mut slice = slice("db-1", "db", hosts);
        slice["metadata"]["labels"]["service.kubernetes.io/headless"] = "".into();
        slice
    };
    let mut db = service("db");
    db["spec"]["clusterIP"] = "None".into();
    let mut desired = Desired::new(configured());
    apply(&mut desired, &[db, headless(1..=30)]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 2, "settings and names");
    assert_eq!(desired.published(), 0);
    apply(&mut desired, &[headless(1..=10)]);
    let held = Err(Shrink { of: Things::Endpoints, before: 30, after: 10 });
    assert_eq!(desired.take_guarded_changes(), held);
    assert_eq!(desired.take_guarded_changes(), held, "also when asked again");
    apply(&mut desired, &[headless(1..=24)]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 1);
    // Both sorts together.
    apply(&mut desired, &[service("web"), slice("web-1", "web", 1..=8)]);
    desired.take_guarded_changes().unwrap();
    desired.remove(&parsed(&headless(1..=24)).0);
    assert_eq!(desired.take_guarded_changes(), Err(Shrink { of: Things::Endpoints, before: 32, after: 8 }));
    // What a former process has told counts as well.
    let mut next = Desired::new(configured());
    next.restore(saved_of(&desired), |_| {});
    assert!(next.take_guarded_changes().is_ok(), "nothing restored goes before the sweep");
    next.sweep();
    assert_eq!(next.take_guarded_changes(), Err(Shrink { of: Things::Endpoints, before: 32, after: 0 }));
    assert!(!next.take_changes().is_empty());
    assert_eq!(next.take_guarded_changes(), Ok(vec![]));
}

#[test]
fn held_loss_that_is_taken_back_is_never_told() {
    let mut desired = of_24_endpoints();
    desired.remove(&parsed(&slice("web-1", "web", [])).0);
    assert_eq!(desired.take_guarded_changes(), Err(Shrink { of: Things::Endpoints, before: 24, after: 0 }));
    apply(&mut desired, &[slice("web-1", "web", 1..=24)]);
    assert_eq!(desired.take_guarded_changes(), Ok(vec![]));
}

#[test]
fn loss_of_half_or_of_few_or_to_another_service_is_not_held_back() {
    let mut desired = of_24_endpoints();
    apply(&mut desired, &[slice("web-1", "web", 1..=12)]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 2, "half");
    apply(&mut desired, &[slice("web-1", "web", [])]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 2, "12 endpoints are few");
    let mut desired = of_24_endpoints();
    apply(&mut desired, &[service("other"), slice("web-1", "other", 1..=24)]);
    assert_eq!(desired.take_guarded_changes().unwrap().len(), 4, "moved, not lost");
}

#[test]
fn terminating_endpoints_that_serve_are_no_loss_and_unready_ones_are() {
    for (serving, is_held) in [(true, false), (false, true)] {
        let mut desired = of_24_endpoints();
        let mut drained = slice("web-1", "web", 1..=24);
        for endpoint in drained["endpoints"].as_array_mut().unwrap() {
            endpoint["conditions"] = json!({ "ready": false, "serving": serving, "terminating": true });
        }
        apply(&mut desired, &[drained]);
        assert_eq!(desired.take_guarded_changes().is_err(), is_held, "serving: {serving}");
    }
}

#[test]
fn what_was_restored_stays_until_the_sweep_whatever_comes_before_its_service() {
    let mut former = of_24_endpoints();
    apply(&mut former, &[node("edge-1", Some("z1"))]);
    former.take_changes();
    let saved: Vec<Service> = former.services().cloned().collect();
    let mut desired = Desired::new(configured());
    let mut copy = Copy::default();
    desired.restore(saved_of(&former), |changes| copy.follow(changes.to_vec()));
    assert_eq!(copy.settings.as_ref().unwrap().zone.as_deref(), Some("z1"));
    // Slices are told before their Service, a Service before its slices, or one slice of several before the others.
    for values in
        [vec![slice("web-1", "web", 1..=24)], vec![service("web")], vec![slice("web-1", "web", 1..=20)]]
    {
        apply(&mut desired, &values);
        copy.follow(desired.take_guarded_changes().unwrap());
        assert_eq!(copy.services.values().cloned().collect::<Vec<_>>(), saved, "{values:?}");
        desired.remove(&parsed(&values[0]).0);
        copy.follow(desired.take_changes());
        assert_eq!(copy.services.values().cloned().collect::<Vec<_>>(), saved, "{values:?}");
    }
    apply(&mut desired, &[service("new")]);
    copy.follow(desired.take_changes());
    assert_eq!(copy.services.len(), 2, "what was not there before is served");
    desired.sweep();
    copy.follow(desired.take_changes());
    let names: Vec<String> = copy.services.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["default/new"], "all is known now, and it is not there");
}

#[test]
fn names_are_stale_from_the_restoring_to_the_sweep() {
    let dns = Some(sluice_model::DnsSettings::default());
    let mut desired = Desired::new(sluice_model::Settings { dns, ..configured() });
    let is_stale = |desired: &Desired| desired.settings().dns.unwrap().stale;
    assert!(!is_stale(&desired));
    let mut copy = Copy::default();
    desired.restore(Saved::default(), |changes| copy.follow(changes.to_vec()));
    assert!(is_stale(&desired) && copy.settings.as_ref().unwrap().dns.as_ref().unwrap().stale);
    desired.sweep();
    copy.follow(desired.take_changes());
    assert!(!is_stale(&desired) && !copy.settings.unwrap().dns.unwrap().stale);
}

#[test]
fn node_that_was_restored_and_is_no_more_goes_with_the_sweep() {
    let mut desired = Desired::new(configured());
    let (_, Object::Node(former)) = parsed(&node("edge-1", Some("z1"))) else { panic!() };
    desired.restore(Saved { node: Some(NodeObject::clone(&former)), ..Saved::default() }, |_| {});
    assert!(desired.settings().is_node);
    desired.sweep();
    assert!(!desired.settings().is_node, "the list of Nodes did not have it");
    assert_eq!(desired.settings().zone.as_deref(), Some("configured"));
    assert!(desired.is_dirty());
}

#[test]
fn node_that_was_restored_and_is_still_there_stays_with_the_sweep() {
    let mut desired = Desired::new(configured());
    let (_, Object::Node(former)) = parsed(&node("edge-1", Some("z1"))) else { panic!() };
    desired.restore(Saved { node: Some(NodeObject::clone(&former)), ..Saved::default() }, |_| {});
    apply(&mut desired, &[node("edge-1", Some("z1"))]);
    desired.sweep();
    let told = desired.take_changes();
    // Nothing but that all is known now.
    let is_known = |settings: &Settings| settings.dns.as_ref().is_some_and(|dns| !dns.stale);
    assert!(matches!(&told[..], [Change::Settings(settings)] if is_known(settings)), "{told:?}");
    assert!(desired.settings().is_node);
}

#[test]
fn only_the_gateways_own_node_counts_and_its_zone_goes_before_the_configured_one() {
    let mut desired = Desired::new(configured());
    let seen = |desired: &Desired| {
        let settings = desired.settings();
        (settings.is_node, settings.zone.unwrap().to_string())
    };
    desired.take_changes();
    for (value, is_gone, expected, told) in [
        (node("edge-2", Some("z2")), false, (false, "configured"), 0),
        (node("edge-1", None), false, (true, "configured"), 1),
        (node("edge-1", Some("")), false, (true, "configured"), 0),
        (node("edge-1", Some("z1")), false, (true, "z1"), 1),
        (node("edge-2", None), true, (true, "z1"), 0),
        (node("edge-1", Some("z3")), false, (true, "z3"), 1),
        (node("edge-1", None), true, (false, "configured"), 1),
    ] {
        let (key, object) = parsed(&value);
        if is_gone {
            desired.remove(&key)
        } else {
            desired.apply(object)
        }
        assert_eq!(seen(&desired), (expected.0, expected.1.to_owned()), "{value}");
        assert_eq!(desired.take_changes().len(), told, "{value}");
    }
}

#[test]
fn claimants_rank_by_age_then_namespace_then_name_and_no_age_is_the_oldest() {
    let claimant = |namespace: &str, name: &str, created: Option<&str>| {
        let mut value = service(name);
        value["metadata"]["namespace"] = namespace.into();
        value["metadata"]["creationTimestamp"] = created.into();
        value
    };
    let (old, new) = (Some("2024-05-06T07:08:09Z"), Some("2024-05-06T07:08:10Z"));
    let mut values = vec![
        claimant("a", "a", new),
        claimant("b", "z", old),
        claimant("c", "a", old),
        claimant("c", "b", old),
    ];
    let mut order = vec!["b/z", "c/a", "c/b", "a/a"];
    for _ in 0..2 {
        for turn in 0..values.len() {
            values.rotate_left(turn);
            let mut desired = Desired::new(configured());
            apply(&mut desired, &values);
            desired.take_changes();
            let conflicts = desired.conflicts();
            let losers: Vec<String> = conflicts.iter().map(|c| c.loser.to_string()).collect();
            assert!(conflicts.iter().all(|c| c.winner.to_string() == order[0]), "{conflicts:?}");
            assert_eq!(losers, order[1..], "whoever comes first");
        }
        values.push(claimant("z", "z", None));
        order.insert(0, "z/z");
    }
}

#[test]
fn conflict_is_about_one_frontend_and_ends_with_it() {
    let mut web = service("web");
    let mut other = service("other");
    other["spec"]["externalIPs"] = json!(["10.96.0.20"]);
    other["spec"]["clusterIP"] = json!("10.96.0.21");
    web["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    other["metadata"]["creationTimestamp"] = "2021-01-01T00:00:00Z".into();
    let mut desired = Desired::new(configured());
    apply(&mut desired, &[other.clone(), web.clone()]);
    desired.take_changes();
    let told: Vec<String> = desired.conflicts().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["10.96.0.20:80/TCP is claimed by default/web and default/other; default/web has it"]);
    for (field, value) in [("port", json!(81)), ("protocol", json!("UDP"))] {
        let mut apart = other.clone();
        apart["spec"]["ports"][0][field] = value;
        apply(&mut desired, &[apart]);
        desired.take_changes();
        assert_eq!(desired.conflicts(), [], "{field}");
        apply(&mut desired, &[other.clone()]);
        desired.take_changes();
        assert_eq!(desired.conflicts().len(), 1);
    }
    desired.remove(&parsed(&web).0);
    desired.take_changes();
    assert_eq!(desired.conflicts(), []);
}

/// Endpoints as all slices in `objects` together mean them, found the long way round: address → ready, else serving while
/// terminating, else neither.
fn expected(service: &Value, objects: &BTreeMap<Key, Value>) -> Vec<BTreeMap<SocketAddr, u8>> {
    let mut all = Vec::new();
    for port in service["spec"]["ports"].as_array().unwrap() {
        let mut endpoints = BTreeMap::new();
        for slice in objects.values().filter(|o| o["kind"] == "EndpointSlice") {
            let labels = &slice["metadata"]["labels"];
            if slice["metadata"]["namespace"] != service["metadata"]["namespace"]
                || labels["kubernetes.io/service-name"] != service["metadata"]["name"]
                || !labels["service.kubernetes.io/headless"].is_null()
            {
                continue;
            }
            for from in slice["ports"].as_array().unwrap() {
                if from["name"] != port["name"] || from["protocol"] != port["protocol"] {
                    continue;
                }
                for endpoint in slice["endpoints"].as_array().unwrap() {
                    let ip = endpoint["addresses"][0].as_str().unwrap().parse().unwrap();
                    let number = from["port"].as_u64().unwrap() as u16;
                    let is = |condition: &str| endpoint["conditions"][condition].as_bool().unwrap();
                    let usability =
                        if is("ready") { 2 } else { u8::from(is("serving") && is("terminating")) };
                    let known = endpoints.entry(SocketAddr::new(ip, number)).or_insert(0);
                    *known = usability.max(*known);
                }
            }
        }
        all.push(endpoints);
    }
    all
}

fn any_service() -> impl Strategy<Value = Value> {
    let ports = prop_oneof![
        Just(json!([{ "name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080 }])),
        Just(json!([{ "name": "http", "protocol": "UDP", "port": 80, "nodePort": 30080 }])),
        Just(
            json!([{ "name": "http", "protocol": "TCP", "port": 80 }, { "name": "admin", "protocol": "TCP", "port": 81 }])
        ),
    ];
    let kind = prop::sample::select(vec!["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]);
    let address = prop::sample::select(vec!["10.96.0.1", "10.96.0.2", "fd00::1", "None"]);
    let age =
        prop::sample::select(vec![json!(null), json!("2024-01-01T00:00:00Z"), json!("2025-01-01T00:00:00Z")]);
    let proxy = prop::option::weighted(0.1, Just("other"));
    let place = (prop::sample::select(vec!["default", "shop"]), prop::sample::select(vec!["web", "db"]));
    (place, kind, address, ports, age, proxy, any::<bool>()).prop_map(
        |((namespace, name), kind, address, ports, age, proxy, affinity)| {
            let labels = proxy.map(|proxy| json!({ "service.kubernetes.io/service-proxy-name": proxy }));
            json!({ "kind": "Service",
                "metadata": { "namespace": namespace, "name": name, "creationTimestamp": age, "labels": labels },
                "spec": { "type": kind, "clusterIP": address, "ports": ports,
                    "sessionAffinity": if affinity { "ClientIP" } else { "None" } },
                "status": { "loadBalancer": { "ingress": [{ "ip": "203.0.113.1" }] } }
            })
        },
    )
}

fn any_slice() -> impl Strategy<Value = Value> {
    let endpoint = (1_u8..13, any::<[bool; 3]>()).prop_map(|(host, [ready, serving, terminating])| {
        json!({ "addresses": [format!("10.244.0.{host}")],
            "conditions": { "ready": ready, "serving": serving, "terminating": terminating } })
    });
    let port = (
        prop::sample::select(vec!["http", "admin"]),
        prop::sample::select(vec!["TCP", "UDP"]),
        8080_u16..8082,
    )
        .prop_map(|(name, protocol, port)| json!({ "name": name, "protocol": protocol, "port": port }));
    let label = prop_oneof![
        8 => prop::sample::select(vec!["web", "db"]).prop_map(|of| json!({ "kubernetes.io/service-name": of })),
        1 => Just(json!({ "kubernetes.io/service-name": "web", "service.kubernetes.io/headless": "" })),
        1 => Just(json!({})),
    ];
    let place = (prop::sample::select(vec!["default", "shop"]), 0_u8..3);
    (place, label, prop::collection::vec(port, 0..4), prop::collection::vec(endpoint, 0..16)).prop_map(
        |((namespace, n), labels, ports, endpoints)| {
            json!({ "kind": "EndpointSlice", "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
                "metadata": { "namespace": namespace, "name": format!("s{n}"), "labels": labels } })
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Value),
    /// Of the objects there are, one goes.
    Remove(prop::sample::Index),
    Take,
    TakeGuarded,
}

fn step() -> impl Strategy<Value = Step> {
    let node = (prop::sample::select(vec!["edge-1", "edge-2"]), prop::option::of(0_u8..2))
        .prop_map(|(name, zone)| node(name, zone.map(|zone| format!("z{zone}")).as_deref()));
    prop_oneof![
        4 => any_service().prop_map(Step::Apply),
        6 => any_slice().prop_map(Step::Apply),
        1 => node.prop_map(Step::Apply),
        3 => any::<prop::sample::Index>().prop_map(Step::Remove),
        2 => Just(Step::Take),
        2 => Just(Step::TakeGuarded),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_sequence_of_changes_is_told_as_the_state_built_from_its_outcome(
        steps in prop::collection::vec(step(), 1..50),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut desired = Desired::new(configured());
        let mut copy = Copy::default();
        let mut objects = BTreeMap::new();
        for step in steps {
            match step {
                Step::Apply(value) => {
                    let (key, object) = parsed(&value);
                    desired.apply(object);
                    objects.insert(key, value);
                }
                Step::Remove(which) if !objects.is_empty() => {
                    let key = objects.keys().nth(which.index(objects.len())).unwrap().clone();
                    objects.remove(&key);
                    desired.remove(&key);
                }
                Step::Remove(_) => {}
                Step::Take => copy.follow(desired.take_changes()),
                Step::TakeGuarded => {
                    let before = copy.usable();
                    match desired.take_guarded_changes() {
                        Ok(changes) => {
                            copy.follow(changes);
                            prop_assert!(before < 20 || copy.usable() * 2 >= before);
                        }
                        Err(shrink) => {
                            prop_assert_eq!(shrink.before, before);
                            prop_assert!(before >= 20 && shrink.after * 2 < before);
                        }
                    }
                }
            }
        }
        copy.follow(desired.take_changes());
        prop_assert_eq!(desired.take_changes(), []);

        let mut order: Vec<&Value> = objects.values().collect();
        if !order.is_empty() {
            let turn = shuffle.index(order.len());
            order.rotate_left(turn);
        }
        let mut scratch = Desired::new(configured());
        order.iter().for_each(|value| scratch.apply(parsed(value).1));
        let mut fresh = Copy::default();
        fresh.follow(scratch.take_changes());
        prop_assert_eq!(&copy, &fresh);
        prop_assert_eq!(desired.conflicts(), scratch.conflicts());
        prop_assert_eq!(desired.counts(), scratch.counts());
        let published: BTreeMap<_, _> = desired.services().map(|s| (s.name.clone(), s.clone())).collect();
        prop_assert_eq!(&published, &copy.services);

        for value in objects.values().filter(|value| value["kind"] == "Service") {
            let text = |field: &str| value["metadata"][field].as_str().unwrap();
            let served = copy.services.get(&ServiceName::new(text("namespace"), text("name")));
            let is_ours = value["spec"]["type"] != "ExternalName"
                && value["spec"]["clusterIP"] != "None"
                && value["metadata"]["labels"].is_null();
            prop_assert_eq!(served.is_some(), is_ours);
            if let Some(served) = served {
                let seen: Vec<BTreeMap<SocketAddr, u8>> = served.ports.iter().map(|port| {
                    port.endpoints.iter().map(|e| {
                        (e.address, if e.ready { 2 } else { u8::from(e.serving && e.terminating) })
                    }).collect()
                }).collect();
                prop_assert_eq!(seen, expected(value, &objects));
            }
        }
    }
}

#[test]
fn the_packet_path_is_told_what_the_resolver_serves() {
    use sluice_model::serving::{Secure, Serving};
    use sluice_model::{DnsSettings, ResolverSettings};
    let mut desired = Desired::new(Settings { dns: Some(DnsSettings::default()), ..Settings::default() });
    let address = "192.0.2.53:853".parse().unwrap();
    let secure = Secure { addresses: vec![address], certificate: "/a".into(), key: "/b".into(), path: None };
    let serving = Serving { secure: vec![secure], autopath: true, ..Serving::default() };
    desired
        .set_names(Some(DnsSettings::default()), ResolverSettings { serving, ..ResolverSettings::default() });
    let dns = desired.settings().dns.unwrap();
    assert_eq!((dns.secure, dns.autopath), (vec![address], true));
}
