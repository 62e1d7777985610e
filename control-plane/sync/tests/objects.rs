//! From API objects to what is served: the rows of `docs/services.md` that are decided here, each by a test that names it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_model::{Affinity, Change, FrontendKind, Protocol, TrafficPolicy};
use sluice_sync::object::Rules;

fn kinds(world: &World) -> Vec<FrontendKind> {
    world.service("default/web").frontends(&world.settings).iter().map(|f| f.kind).collect()
}

#[test]
fn change_of_type_opens_and_closes_frontends() {
    let vip = "[{ ip: 203.0.113.10 }]";
    let status = format!("status: {{ loadBalancer: {{ ingress: {vip} }} }}\n");
    let mut world = World::new();
    for (kind, expected) in [
        ("ClusterIP", vec![FrontendKind::ClusterIp]),
        ("NodePort", vec![FrontendKind::ClusterIp, FrontendKind::NodePort]),
        ("LoadBalancer", vec![FrontendKind::ClusterIp, FrontendKind::LoadBalancer, FrontendKind::NodePort]),
        ("ClusterIP", vec![FrontendKind::ClusterIp]),
    ] {
        world.write("web.yaml", web(kind, &[]) + &status);
        let mut kinds = kinds(&world);
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        assert_eq!(kinds, expected, "{kind}");
    }
    world.write("web.yaml", web("ExternalName", &["externalName: example.org"]));
    assert!(world.services.is_empty(), "an ExternalName Service has no frontend");
    world.write("web.yaml", web("NodePort", &[]));
    assert_eq!(kinds(&world).len(), 2);
}

#[test]
fn unknown_type_is_rejected_and_the_last_good_version_stays() {
    let mut world = World::of(&web("NodePort", &[]));
    world.write("a.yaml", web("Loadbalancer", &[]));
    assert_eq!(world.errors(), ["a.yaml:5 Service default/web spec.type"]);
    assert_eq!(kinds(&world).len(), 2);
}

#[test]
fn headless_service_and_headless_slices_have_no_frontend_and_no_endpoint() {
    let mut world = World::of(&web("ClusterIP", &[]).replace("clusterIP: 10.96.0.20", "clusterIP: None"));
    assert!(world.services.is_empty());
    let headless = slice("web-1", &["10.244.1.5"])
        .replace("labels: {", "labels: { service.kubernetes.io/headless: \"\",");
    world.write("a.yaml", all(&[web("ClusterIP", &[]), headless]));
    assert_eq!(world.endpoints(), []);
    assert!(world.errors().is_empty());
}

#[test]
fn service_proxy_name_label_removes_the_frontends_and_nothing_else() {
    let other = web("ClusterIP", &[]).replace("name: web,", "name: other,").replace(".20", ".21");
    let mut world = World::of(&all(&[web("ClusterIP", &[]), other]));
    let labelled = web("ClusterIP", &[]).replace(
        "namespace: default",
        "namespace: default, labels: { service.kubernetes.io/service-proxy-name: cilium }",
    );
    world.write("a.yaml", all(&[labelled, web("ClusterIP", &[]).replace("name: web,", "name: other,")]));
    assert_eq!(world.services.keys().collect::<Vec<_>>(), ["default/other"]);
    world.write("a.yaml", web("ClusterIP", &[]));
    assert_eq!(world.services.keys().collect::<Vec<_>>(), ["default/web"]);
}

#[test]
fn load_balancer_addresses_with_ip_mode_vip_and_none_are_served_and_with_proxy_not() {
    let ingress = "[{ ip: 203.0.113.1 }, { ip: 203.0.113.2, ipMode: VIP }, { ip: 203.0.113.3, ipMode: Proxy }, { hostname: lb.example.org }, { ip: \"2001:db8::1\" }]";
    let world = World::of(&balanced(ingress, &[]));
    let served = &world.service("default/web").load_balancer_ips;
    assert_eq!(*served, [ip("203.0.113.1"), ip("203.0.113.2"), ip("2001:db8::1")]);
    assert!(world.errors().is_empty());
}

#[test]
fn load_balancer_class_of_another_is_not_ours_and_its_node_port_is() {
    for (class, ours) in [("sluice.dev/gateway", true), ("example.org/other", false)] {
        let class = format!("loadBalancerClass: {class}");
        let world = World::of(&balanced("[{ ip: 203.0.113.1 }]", &[&class]));
        let service = world.service("default/web");
        assert_eq!(service.load_balancer_ips.len(), usize::from(ours), "{class}");
        assert_eq!(service.ports[0].node_port, Some(30080), "{class}");
    }
}

#[test]
fn load_balancer_without_node_ports() {
    let text = balanced("[{ ip: 203.0.113.1 }]", &["allocateLoadBalancerNodePorts: false"]);
    let world = World::of(&text.replace(", nodePort: 30080", ""));
    assert_eq!(kinds(&world), [FrontendKind::ClusterIp, FrontendKind::LoadBalancer]);
}

#[test]
fn node_ports_are_released_with_their_service_and_taken_by_another() {
    let mut world = World::of(&web("NodePort", &[]));
    let other = web("NodePort", &[]).replace("name: web,", "name: other,").replace(".20", ".21");
    world.write("b.yaml", &other);
    assert_eq!(world.desired.conflicts().len(), 1, "{:?}", world.desired.conflicts());
    world.remove("a.yaml");
    assert_eq!(world.desired.conflicts(), []);
    assert_eq!(world.services["default/other"].ports[0].node_port, Some(30080));
}

#[test]
fn same_node_port_for_different_protocols() {
    let ports = "ports: [{ name: t, port: 53, nodePort: 30053 }, { name: u, port: 53, nodePort: 30053, protocol: UDP }, { name: s, port: 53, nodePort: 30053, protocol: SCTP }]";
    let text = web("NodePort", &[])
        .replace("ports: [{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]", ports);
    let world = World::of(&text);
    let protocols: Vec<_> = world.service("default/web").ports.iter().map(|p| p.protocol).collect();
    assert_eq!(protocols, [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    assert_eq!(world.desired.conflicts(), []);
}

#[test]
fn external_ips_are_served_unless_switched_off() {
    let text = web("ClusterIP", &["externalIPs: [198.51.100.77, 127.0.0.1]"]);
    let mut world = World::of(&text);
    assert_eq!(world.service("default/web").external_ips, [ip("198.51.100.77")]);
    assert_eq!(world.errors(), ["a.yaml:8 Service default/web spec.externalIPs[1]"]);
    world = World::with(Rules { external_ips: false, ..rules() });
    world.write("a.yaml", &text);
    assert!(world.service("default/web").external_ips.is_empty());
}

#[test]
fn dual_stack_addresses_and_slices_of_both_families() {
    let text = web(
        "ClusterIP",
        &["clusterIPs: [10.96.0.20, \"fd00:10:96::20\"]", "ipFamilyPolicy: RequireDualStack"],
    );
    let v6 = slice_of("web-6", "IPv6", "web", "[{ name: http, port: 8080 }]", &["fd00:10:244::5"]);
    let world = World::of(&all(&[text, slice("web-4", &["10.244.1.5"]), v6]));
    assert_eq!(world.service("default/web").cluster_ips, [ip("10.96.0.20"), ip("fd00:10:96::20")]);
    assert_eq!(world.addresses(), ["10.244.1.5:8080", "[fd00:10:244::5]:8080"]);
}

#[test]
fn source_ranges_from_field_and_annotation_with_spaces_and_host_bits() {
    let field = "loadBalancerSourceRanges: [\" 10.1.2.3/8 \", \"2001:db8::1/32\", 10.0.0.0/8]";
    let world = World::of(&balanced("[{ ip: 203.0.113.1 }]", &[field]));
    let texts = |world: &World| {
        world.service("default/web").source_ranges.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(texts(&world), ["10.0.0.0/8", "2001:db8::/32"]);
    let annotation = "namespace: default, annotations: { service.beta.kubernetes.io/load-balancer-source-ranges: \"192.168.0.0/16, 172.16.0.0/12\" }";
    let annotated = balanced("[]", &[]).replace("namespace: default", annotation);
    assert_eq!(texts(&World::of(&annotated)), ["192.168.0.0/16", "172.16.0.0/12"]);
    let nodeport = web("NodePort", &[]).replace("namespace: default", annotation);
    assert!(texts(&World::of(&nodeport)).is_empty(), "the annotation counts for load balancers alone");
}

#[test]
fn source_ranges_of_which_none_can_be_read_shut_everybody_out() {
    let world = World::of(&balanced("[{ ip: 203.0.113.1 }]", &["loadBalancerSourceRanges: [nonsense]"]));
    assert_eq!(world.errors(), ["a.yaml:8 Service default/web spec.loadBalancerSourceRanges[0]"]);
    let ranges = &world.service("default/web").source_ranges;
    assert!(!ranges.is_empty() && !ranges.iter().any(|range| range.contains(&ip("192.0.2.100"))));
}

#[test]
fn traffic_policies_and_health_check_node_port() {
    let local = ["externalTrafficPolicy: Local", "healthCheckNodePort: 32000"];
    let world = World::of(&balanced("[]", &local));
    let service = world.service("default/web");
    assert_eq!(
        (service.external_policy, service.internal_policy),
        (TrafficPolicy::Local, TrafficPolicy::Cluster)
    );
    assert_eq!(service.health_check_node_port, Some(32000));
    let world = World::of(&balanced("[]", &["internalTrafficPolicy: Local", "healthCheckNodePort: 32000"]));
    let service = world.service("default/web");
    assert_eq!(
        (service.external_policy, service.internal_policy),
        (TrafficPolicy::Cluster, TrafficPolicy::Local)
    );
    assert_eq!(service.health_check_node_port, None, "only where the external policy is Local");
    let world = World::of(&balanced("[]", &["externalTrafficPolicy: Nearby"]));
    assert_eq!(world.errors(), ["a.yaml:8 Service default/web spec.externalTrafficPolicy"]);
}

#[test]
fn switch_of_session_affinity_its_timeout_and_scope() {
    let affinity = |lines: &[&str]| World::of(&web("NodePort", lines)).service("default/web").affinity;
    assert_eq!(affinity(&["sessionAffinity: None"]), None);
    let default = Affinity { timeout_seconds: 10_800, across_ports: false };
    assert_eq!(affinity(&["sessionAffinity: ClientIP"]), Some(default));
    let timed = ["sessionAffinity: ClientIP", "sessionAffinityConfig: { clientIP: { timeoutSeconds: 7 } }"];
    assert_eq!(affinity(&timed), Some(Affinity { timeout_seconds: 7, ..default }));
    let across = web("NodePort", &["sessionAffinity: ClientIP"]).replace(
        "namespace: default",
        "namespace: default, annotations: { sluice.dev/affinity-scope: service }",
    );
    assert!(World::of(&across).service("default/web").affinity.unwrap().across_ports);
    let world = World::of(&web(
        "NodePort",
        &[timed[0], "sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } }"],
    ));
    assert_eq!(
        world.errors(),
        ["a.yaml:9 Service default/web spec.sessionAffinityConfig.clientIP.timeoutSeconds"]
    );
}

#[test]
fn endpoints_over_several_slices_with_several_ports() {
    let service = web("ClusterIP", &[]).replace(
        "[{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]",
        "[{ name: http, port: 80 }, { name: admin, port: 81 }]",
    );
    let one = slice_of(
        "web-1",
        "IPv4",
        "web",
        "[{ name: http, port: 8080 }, { name: admin, port: 9090 }]",
        &["10.244.1.5"],
    );
    let two = slice_of("web-2", "IPv4", "web", "[{ name: http, port: 8081 }]", &["10.244.2.5", "10.244.1.5"]);
    let world = World::of(&all(&[service, one, two]));
    let ports = &world.service("default/web").ports;
    let of = |n: usize| ports[n].endpoints.iter().map(|e| e.address.to_string()).collect::<Vec<_>>();
    assert_eq!(of(0), ["10.244.1.5:8080", "10.244.1.5:8081", "10.244.2.5:8081"]);
    assert_eq!(of(1), ["10.244.1.5:9090"]);
}

#[test]
fn slices_may_come_before_their_service_and_stay_when_it_goes() {
    let mut world = World::of(&slice("web-1", &["10.244.1.5"]));
    assert!(world.services.is_empty());
    world.write("b.yaml", web("ClusterIP", &[]));
    assert_eq!(world.addresses(), ["10.244.1.5:8080"]);
    world.remove("b.yaml");
    assert_eq!(world.told, [Change::ServiceGone(name("web"))]);
    world.write("b.yaml", web("ClusterIP", &[]));
    assert_eq!(world.addresses(), ["10.244.1.5:8080"], "a recreated Service has its endpoints");
}

#[test]
fn endpoint_that_moves_between_slices_is_never_missing_and_never_twice() {
    let mut world = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &["10.244.1.5"])]));
    let unready = "{ addresses: [10.244.1.5], conditions: { ready: false } }";
    for (one, two) in [
        (vec!["10.244.1.5"], vec![unready]),
        (vec![unready], vec!["10.244.1.5"]),
        (vec![], vec!["10.244.1.5"]),
    ] {
        world.write("a.yaml", all(&[web("ClusterIP", &[]), slice("web-1", &one), slice("web-2", &two)]));
        assert_eq!(world.addresses(), ["10.244.1.5:8080"], "{one:?} {two:?}");
        assert!(world.endpoints()[0].ready, "{one:?} {two:?}");
    }
}

#[test]
fn slice_relabelled_to_another_service_leaves_no_endpoint_behind() {
    let other = web("ClusterIP", &[]).replace("name: web,", "name: other,").replace(".20", ".21");
    let services = all(&[web("ClusterIP", &[]), other]);
    let mut world = World::of(&all(&[services.clone(), slice("web-1", &["10.244.1.5"])]));
    let relabelled = slice("web-1", &["10.244.1.5"]).replace("service-name: web", "service-name: other");
    world.write("a.yaml", all(&[services.clone(), relabelled]));
    assert_eq!(world.endpoints(), []);
    assert_eq!(world.service("default/other").ports[0].endpoints.len(), 1);
    let unlabelled = slice("web-1", &["10.244.1.5"]).replace("kubernetes.io/service-name: web", "app: web");
    world.write("a.yaml", all(&[services, unlabelled]));
    assert_eq!(world.service("default/other").ports[0].endpoints, []);
}

#[test]
fn conditions_that_are_absent_mean_ready_serving_and_not_terminating() {
    let endpoints = [
        "{ addresses: [10.244.0.1] }",
        "{ addresses: [10.244.0.2], conditions: { ready: false } }",
        "{ addresses: [10.244.0.3], conditions: { ready: false, serving: true, terminating: true } }",
        "{ addresses: [10.244.0.4], conditions: { ready: false, terminating: true } }",
    ];
    let world = World::of(&all(&[web("ClusterIP", &[]), slice("web-1", &endpoints)]));
    let seen: Vec<_> = world.endpoints().iter().map(|e| (e.ready, e.serving, e.terminating)).collect();
    assert_eq!(seen, [(true, true, false), (false, false, false), (false, true, true), (false, false, true)]);
}

#[test]
fn not_ready_addresses_that_the_slice_controller_publishes_as_ready_are_served() {
    // `publishNotReadyAddresses` is folded into the condition by the controller; the field itself changes nothing here.
    let unready =
        slice("web-1", &["{ addresses: [10.244.0.1], conditions: { ready: false, serving: false } }"]);
    let published =
        slice("web-1", &["{ addresses: [10.244.0.1], conditions: { ready: true, serving: false } }"]);
    for (text, ready) in [(unready, false), (published, true)] {
        let world = World::of(&all(&[web("ClusterIP", &["publishNotReadyAddresses: true"]), text]));
        assert_eq!(world.endpoints()[0].ready, ready);
    }
}

#[test]
fn hints_zones_nodes_and_pods_are_kept() {
    let endpoint = "{ addresses: [10.244.0.1], nodeName: n1, zone: z1, targetRef: { kind: Pod, name: web-0 }, hints: { forZones: [{ name: z1 }], forNodes: [{ name: n1 }] } }";
    let text = web("ClusterIP", &["trafficDistribution: PreferSameZone"]);
    let world = World::of(&all(&[text, slice("web-1", &[endpoint])]));
    let seen = &world.endpoints()[0];
    assert_eq!(seen.hint_zones, vec![Box::<str>::from("z1")]);
    assert_eq!(seen.hint_nodes, vec![Box::<str>::from("n1")]);
    assert_eq!(
        (seen.node.as_deref(), seen.zone.as_deref(), seen.pod.as_deref()),
        (Some("n1"), Some("z1"), Some("web-0"))
    );
    assert!(world.errors().is_empty(), "{:?}", world.problems());
}

#[test]
fn fqdn_slices_and_addresses_of_the_wrong_family_are_left_out() {
    let fqdn = slice_of("web-1", "FQDN", "web", "[{ name: http, port: 8080 }]", &["pod.example.org"]);
    let mixed = slice_of(
        "web-2",
        "IPv4",
        "web",
        "[{ name: http, port: 8080 }]",
        &["10.244.0.1", "fd00::1", "0.0.0.0"],
    );
    let world = World::of(&all(&[web("ClusterIP", &[]), fqdn, mixed]));
    assert_eq!(world.addresses(), ["10.244.0.1:8080"]);
    assert_eq!(world.errors().len(), 2, "{:?}", world.problems());
}

#[test]
fn slice_ports_match_by_name_and_protocol() {
    let ports = "[{ name: http, protocol: UDP, port: 1 }, { name: other, port: 2 }, { name: http }, { name: http, port: 8080 }, { name: http, port: 0 }]";
    let text = slice_of("web-1", "IPv4", "web", ports, &["10.244.0.1"]);
    let world = World::of(&all(&[web("ClusterIP", &[]), text]));
    assert_eq!(world.addresses(), ["10.244.0.1:8080"]);
    let unnamed = web("ClusterIP", &[]).replace("name: http, port: 80", "port: 80");
    let text = slice_of("web-1", "IPv4", "web", "[{ name: \"\", port: 8080 }]", &["10.244.0.1"]);
    assert_eq!(
        World::of(&all(&[unnamed, text])).addresses(),
        ["10.244.0.1:8080"],
        "a single port has no name"
    );
}

#[test]
fn ports_that_contradict_each_other_reject_the_service() {
    let with = |ports: &str| {
        web("ClusterIP", &[]).replace("[{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]", ports)
    };
    for (ports, field) in [
        ("[{ name: a, port: 80 }, { name: b, port: 80 }]", "spec.ports[1].port"),
        ("[{ name: a, port: 80 }, { name: a, port: 81 }]", "spec.ports[1].name"),
        ("[{ name: a, port: 80 }, { port: 81 }]", "spec.ports[1].name"),
        ("[{ name: a, port: 65536 }]", "spec.ports[0].port"),
        ("[{ name: a, port: 80, protocol: ICMP }]", "spec.ports[0].protocol"),
    ] {
        let world = World::of(&with(ports));
        assert!(world.services.is_empty());
        assert_eq!(world.errors(), [format!("a.yaml:7 Service default/web {field}")], "{ports}");
    }
}

#[test]
fn of_two_claimants_the_older_is_told_then_the_one_whose_name_sorts_first() {
    let dated = |service: &str, at: &str| {
        let created = format!("name: {service}, creationTimestamp: \"{at}\",");
        web("ClusterIP", &[]).replace("name: web,", &created)
    };
    let mut world =
        World::of(&all(&[dated("a", "2024-05-06T07:08:09Z"), dated("b", "2023-05-06T07:08:09Z")]));
    let winner = |world: &World| {
        let conflicts = world.desired.conflicts();
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        conflicts[0].winner.to_string()
    };
    assert_eq!(winner(&world), "default/b");
    world.write("a.yaml", all(&[dated("a", "2024-05-06T07:08:09Z"), dated("b", "2024-05-06T07:08:09Z")]));
    assert_eq!(winner(&world), "default/a");
    world.write("a.yaml", dated("b", "2023-05-06T07:08:09Z"));
    assert_eq!(world.desired.conflicts(), []);
}

#[test]
fn the_gateways_own_node_object_gives_its_zone() {
    let node = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{ name: {name}, labels: {{ topology.kubernetes.io/zone: z1 }} }}\n"
        )
    };
    let mut world = World::of(&node("other"));
    assert!(!world.settings.is_node && world.settings.zone.is_none());
    world.write("a.yaml", node("edge-1"));
    assert!(world.settings.is_node);
    assert_eq!(world.settings.zone.as_deref(), Some("z1"));
    world.remove("a.yaml");
    assert!(!world.settings.is_node && world.settings.zone.is_none());
}

#[test]
fn what_is_told_is_what_changed_and_nothing_else() {
    let other = web("ClusterIP", &[]).replace("name: web,", "name: other,").replace(".20", ".21");
    let services = all(&[web("ClusterIP", &[]), other]);
    let mut world = World::of(&all(&[services.clone(), slice("web-1", &["10.244.1.5"])]));
    world.write("a.yaml", all(&[services.clone(), slice("web-1", &["10.244.1.5"])]));
    assert_eq!(world.told, [], "the same text again");
    world.write("a.yaml", all(&[services, slice("web-1", &["10.244.1.6"])]));
    assert!(
        matches!(&world.told[..], [Change::Service(service)] if service.name == name("web")),
        "{:?}",
        world.told
    );
}
