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

#[test]
fn target_ports_named_or_numbered_do_not_count_and_the_slices_numbers_do() {
    for target in ["9999", "\"9999\"", "somewhere"] {
        let text = web("ClusterIP", &[]).replace("targetPort: 8080", &format!("targetPort: {target}"));
        let world = World::of(&all(&[text, slice("web-1", &["10.244.1.5"])]));
        assert_eq!(world.addresses(), ["10.244.1.5:8080"], "{target}");
        assert_eq!(world.errors(), [""; 0]);
    }
}

#[test]
fn fields_that_are_others_business_change_nothing() {
    for fields in [
        &["trafficDistribution: PreferClose"][..],
        &["publishNotReadyAddresses: true"],
        &["selector: { app: web }"],
        &["ipFamilies: [IPv4]", "ipFamilyPolicy: SingleStack"],
        &["loadBalancerIP: 203.0.113.99"],
    ] {
        let mut world = World::of(&web("ClusterIP", &[]));
        world.write("a.yaml", web("ClusterIP", fields));
        assert_eq!((&world.told[..], &world.problems()[..]), (&[][..], &[][..]), "{fields:?}");
    }
}

#[test]
fn app_protocol_is_ignored_on_services_and_slices() {
    let plain = all(&[web("ClusterIP", &[]), slice("web-1", &["10.244.1.5"])]);
    let mut world = World::of(&plain);
    let named = plain.replace("name: http,", "name: http, appProtocol: kubernetes.io/h2c,");
    assert_eq!(named.matches("appProtocol").count(), 2);
    world.write("a.yaml", named);
    assert_eq!((&world.told[..], &world.problems()[..]), (&[][..], &[][..]));
}

#[test]
fn node_ports_are_open_in_the_families_of_the_service_alone() {
    let settings = sluice_model::Settings {
        node_port_addresses: vec![ip("192.0.2.1"), ip("2001:db8::1")],
        ..configured()
    };
    for (cluster_ips, expected) in [
        ("clusterIP: 10.96.0.20", vec!["192.0.2.1:30080"]),
        ("clusterIP: \"fd00:10:96::20\"", vec!["[2001:db8::1]:30080"]),
        ("clusterIPs: [10.96.0.20, \"fd00:10:96::20\"]", vec!["192.0.2.1:30080", "[2001:db8::1]:30080"]),
    ] {
        let world = World::of(&web("NodePort", &[]).replace("clusterIP: 10.96.0.20", cluster_ips));
        let all = world.service("default/web").frontends(&settings);
        let open = all.iter().filter(|f| f.kind == FrontendKind::NodePort);
        assert_eq!(open.map(|f| f.address.to_string()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn node_port_that_is_written_down_is_served_though_none_are_allocated() {
    // Kubernetes respects an explicit number whatever `allocateLoadBalancerNodePorts` says; `false` allocates no new one.
    let text = balanced("[{ ip: 203.0.113.1 }]", &["allocateLoadBalancerNodePorts: false"]);
    assert_eq!(World::of(&text).service("default/web").ports[0].node_port, Some(30080));
    let unallocated = World::of(&text.replace("nodePort: 30080", "nodePort: 0"));
    assert_eq!(unallocated.service("default/web").ports[0].node_port, None, "0 is none");
}

#[test]
fn one_node_port_for_two_ports_of_a_protocol_rejects_the_service() {
    let ports = "ports: [{ name: a, port: 80, nodePort: 30080 }, { name: b, port: 81, nodePort: 30080 }]";
    let text = |kind: &str| {
        web(kind, &[]).replace("ports: [{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]", ports)
    };
    let world = World::of(&text("NodePort"));
    assert_eq!(world.errors(), ["a.yaml:7 Service default/web spec.ports[1].nodePort"]);
    assert!(world.services.is_empty());
    assert_eq!(
        World::of(&text("ClusterIP")).errors(),
        [""; 0],
        "left over from another type they do no harm"
    );
}

#[test]
fn lists_longer_than_the_data_plane_takes_reject_the_service_and_the_last_good_version_stays() {
    let many = |each: &dyn Fn(usize) -> String| (0..4097).map(each).collect::<Vec<_>>().join(", ");
    let addresses = many(&|n| format!("198.18.{}.{}", n / 200, n % 200 + 1));
    let ranges = many(&|n| format!("\"198.18.{}.{}/32\"", n / 200, n % 200 + 1));
    let ingress = many(&|n| format!("{{ ip: 198.18.{}.{} }}", n / 200, n % 200 + 1));
    let ports = many(&|n| format!("{{ name: p{n}, port: {} }}", n + 1));
    for (text, field) in [
        (web("ClusterIP", &[&format!("externalIPs: [{addresses}]")]), "spec.externalIPs"),
        (web("ClusterIP", &[&format!("clusterIPs: [{addresses}]")]), "spec.clusterIPs"),
        (
            balanced("[]", &[]).replace(
                "namespace: default",
                &format!(
                    "namespace: default, annotations: {{ service.beta.kubernetes.io/load-balancer-source-ranges: \"{}\" }}",
                    ranges.replace('"', "")
                ),
            ),
            "metadata.annotations[\"service.beta.kubernetes.io/load-balancer-source-ranges\"]",
        ),
        (
            balanced("[]", &[&format!("loadBalancerSourceRanges: [{ranges}]")]),
            "spec.loadBalancerSourceRanges",
        ),
        (balanced(&format!("[{ingress}]"), &[]), "status.loadBalancer.ingress"),
        (
            web("ClusterIP", &[]).replace(
                "[{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }]",
                &format!("[{ports}]"),
            ),
            "spec.ports",
        ),
    ] {
        let mut world = World::of(&web("ClusterIP", &[]));
        world.write("a.yaml", text);
        let errors = world.errors();
        assert_eq!(errors.len(), 1, "{field}: {errors:?}");
        assert!(errors[0].ends_with(&format!("Service default/web {field}")), "{errors:?}");
        assert_eq!(world.told, [], "{field}");
        assert_eq!(world.service("default/web").ports[0].port, 80);
    }
}

#[test]
fn session_affinity_timeout_at_its_bounds_and_unknown_values() {
    for (seconds, is_good) in [(0, false), (1, true), (86_400, true), (86_401, false), (-1, false)] {
        let config = format!("sessionAffinityConfig: {{ clientIP: {{ timeoutSeconds: {seconds} }} }}");
        let world = World::of(&web("ClusterIP", &["sessionAffinity: ClientIP", &config]));
        assert_eq!(world.errors().is_empty(), is_good, "{seconds}");
        assert_eq!(world.services.len(), usize::from(is_good), "{seconds}");
    }
    let world = World::of(&web("ClusterIP", &["sessionAffinity: Cookie"]));
    assert_eq!(world.errors(), ["a.yaml:8 Service default/web spec.sessionAffinity"]);
    let scoped = web("ClusterIP", &["sessionAffinity: ClientIP"]).replace(
        "namespace: default",
        "namespace: default, annotations: { sluice.dev/affinity-scope: cluster }",
    );
    let world = World::of(&scoped);
    assert_eq!(world.service("default/web").affinity.map(|a| a.across_ports), Some(false));
    let field = "metadata.annotations[\"sluice.dev/affinity-scope\"]";
    assert_eq!(world.errors(), [format!("a.yaml:3 Service default/web {field}")]);
}

#[test]
fn health_check_node_port_counts_for_load_balancers_of_policy_local_alone() {
    let lines = ["externalTrafficPolicy: Local", "healthCheckNodePort: 32000"];
    let port = |world: &World| world.service("default/web").health_check_node_port;
    assert_eq!(port(&World::of(&web("NodePort", &lines))), None);
    assert_eq!(port(&World::of(&balanced("[]", &[lines[0], "healthCheckNodePort: 0"]))), None);
    let world = World::of(&balanced("[]", &[lines[0], "healthCheckNodePort: 65536"]));
    assert_eq!(world.errors(), ["a.yaml:9 Service default/web spec.healthCheckNodePort"]);
    let mut world = World::of(&balanced("[]", &lines));
    assert_eq!(port(&world), Some(32000));
    world.write("a.yaml", balanced("[]", &["externalTrafficPolicy: Cluster", lines[1]]));
    assert_eq!(port(&world), None, "closed with the policy");
}

#[test]
fn source_ranges_of_the_field_go_before_the_annotation_and_an_empty_list_does_not() {
    let annotation = "namespace: default, annotations: { service.beta.kubernetes.io/load-balancer-source-ranges: 192.168.0.0/16 }";
    for (lines, expected) in [
        (&["loadBalancerSourceRanges: [10.0.0.0/8]"][..], "10.0.0.0/8"),
        (&["loadBalancerSourceRanges: []"], "192.168.0.0/16"),
    ] {
        let world = World::of(&balanced("[]", lines).replace("namespace: default", annotation));
        let ranges = &world.service("default/web").source_ranges;
        assert_eq!(ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn one_range_that_cannot_be_read_is_told_and_the_others_hold() {
    let world =
        World::of(&balanced("[]", &["loadBalancerSourceRanges: [10.0.0.0/8, 10.0.0.1, \"10.0.0.0/33\"]"]));
    let ranges = &world.service("default/web").source_ranges;
    assert_eq!(ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8"]);
    let field = |n: u8| format!("a.yaml:8 Service default/web spec.loadBalancerSourceRanges[{n}]");
    assert_eq!(world.errors(), [field(1), field(2)]);
}

#[test]
fn load_balancer_address_of_an_unknown_mode_is_told_and_not_served() {
    let world = World::of(&balanced("[{ ip: 203.0.113.1, ipMode: Tunnel }, { ip: 203.0.113.2 }]", &[]));
    assert_eq!(world.service("default/web").load_balancer_ips, [ip("203.0.113.2")]);
    assert_eq!(world.errors(), ["a.yaml:8 Service default/web status.loadBalancer.ingress[0].ipMode"]);
}

#[test]
fn cluster_address_that_is_none_rejects_the_service() {
    for address in ["10.96.0.256", "127.0.0.1", "224.0.0.1", "0.0.0.0", "169.254.1.1", "\"::ffff:10.0.0.1\""]
    {
        let world = World::of(
            &web("ClusterIP", &[]).replace("clusterIP: 10.96.0.20", &format!("clusterIP: {address}")),
        );
        assert_eq!(world.errors(), ["a.yaml:6 Service default/web spec.clusterIP"], "{address}");
        assert!(world.services.is_empty());
    }
    let unallocated = web("ClusterIP", &[]).replace("clusterIP: 10.96.0.20", "clusterIP: \"\"");
    let world = World::of(&unallocated);
    assert!(
        world.errors().is_empty() && kinds(&world).is_empty(),
        "one that is not allocated yet is no mistake"
    );
}
