//! What DNS is told of manifests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::*;
use sluice_corefile::Selector;
use sluice_model::{
    Change, DnsSettings, ExternalAddress, NameKind, NamedService, ObjectKey, PodNames, ServiceName, Settings,
};
use sluice_sync::desired::Desired;
use sluice_sync::object::{Exposed, Rules};

fn world(exposed: Exposed) -> World {
    let rules = Rules { names: Some(exposed), ..rules() };
    let by_labels = rules.by_namespace_labels();
    let mut world = World::with(rules);
    let dns = DnsSettings {
        service: Some(ServiceName::new("kube-system", "kube-dns")),
        listen: vec!["192.0.2.53:53".parse().unwrap()],
        pods: PodNames::Verified,
        ..DnsSettings::default()
    };
    let settings = Settings { dns: Some(dns), ..configured() };
    world.desired = Desired::new(settings).by_namespace_labels(by_labels);
    world
}

fn told(world: &World) -> BTreeMap<ObjectKey, &Change> {
    world.told.iter().map(|change| (change.key(), change)).collect()
}

fn named<'w>(world: &'w World, name: &str) -> &'w NamedService {
    match told(world).get(&ObjectKey::Named(ServiceName::new("default", name))) {
        Some(Change::Named(service)) => service,
        other => panic!("{name}: {other:?} {:?}", world.folder.problems()),
    }
}

const HEADLESS: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { clusterIP: None, ports: [{ name: sql, port: 5432 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: db-1
  namespace: default
  labels: { kubernetes.io/service-name: db, service.kubernetes.io/headless: "" }
addressType: IPv4
ports: [{ name: sql, port: 5433 }, { name: all }]
endpoints:
- { addresses: [10.244.1.7], hostname: db-0, targetRef: { kind: Pod, name: db-0 } }
- { addresses: [10.244.2.7], conditions: { ready: false, serving: true, terminating: true } }
- { addresses: [10.244.3.7], conditions: {} }
"#;

#[test]
fn zones_of_endpoints_are_known_where_names_go_by_them() {
    let zoned = HEADLESS
        .replace("hostname: db-0", "hostname: db-0, zone: US-a")
        .replace("conditions: {} }", "conditions: {}, zone: \"\" }");
    for (zones, expected) in [(true, Some("US-a")), (false, None)] {
        let mut world = world(Exposed { zones, ..Exposed::default() });
        world.write("a.yaml", zoned.clone());
        let db = named(&world, "db");
        let found: Vec<_> = db.endpoints[0].endpoints.iter().map(|e| e.zone.as_deref()).collect();
        assert_eq!(found, [expected, None]);
    }
}

#[test]
fn every_kind_of_service_has_its_name() {
    let mut world = world(Exposed::default());
    let external = |name: &str, to: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: default }}\nspec: {{ type: ExternalName, externalName: \"{to}\" }}\n"
        )
    };
    let other_proxy = web("ClusterIP", &[])
        .replace("name: web,", "name: other, labels: { service.kubernetes.io/service-proxy-name: x },")
        .replace(".20", ".21");
    world.write(
        "a.yaml",
        all(&[
            web("ClusterIP", &[]),
            slice("web-1", &["10.244.1.5"]),
            HEADLESS.into(),
            external("out", "www.example.com"),
            external("address", "192.0.2.1"),
            external("nothing", "a..b"),
            other_proxy,
        ]),
    );
    let web = named(&world, "web");
    assert_eq!(web.kind, NameKind::Cluster(vec!["10.96.0.20".parse().unwrap()]));
    assert_eq!((web.ports.len(), web.endpoints.len(), web.endpoints[0].endpoints.len()), (1, 1, 1));
    let db = named(&world, "db");
    assert_eq!(db.kind, NameKind::Headless);
    let endpoints: Vec<_> =
        db.endpoints[0].endpoints.iter().map(|e| (e.address.to_string(), e.hostname.as_deref())).collect();
    assert_eq!(endpoints, [("10.244.1.7".into(), Some("db-0")), ("10.244.3.7".into(), None)]);
    assert_eq!((db.endpoints[0].ports.len(), db.endpoints[0].ports[0].port), (1, 5433));
    assert_eq!(named(&world, "out").kind, NameKind::External("www.example.com".into()));
    assert!(matches!(named(&world, "other").kind, NameKind::Cluster(_)), "another proxy's still has a name");
    let wrong: Vec<_> = world
        .folder
        .problems()
        .into_iter()
        .filter(|p| p.field == "spec.externalName")
        .map(|p| p.object)
        .collect();
    assert_eq!(wrong, ["Service default/address", "Service default/nothing"]);
    // Only the one that is balanced here has frontends.
    assert_eq!(world.services.keys().collect::<Vec<_>>(), ["default/web"]);

    world.write("a.yaml", all(&[web_alone()]));
    let told = told(&world);
    assert!(
        told.values()
            .all(|change| !matches!(change, Change::Named(_)) || change.key().to_string().ends_with("web"))
    );
    assert_eq!(told.values().filter(|change| matches!(change, Change::NamedGone(_))).count(), 3);
}

fn web_alone() -> String {
    web("ClusterIP", &[])
}

#[test]
fn the_dns_services_addresses_are_where_queries_are_answered() {
    let mut world = world(Exposed::default());
    let listen = |world: &World| {
        let listen = world.desired.settings().dns.unwrap().listen;
        listen.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listen(&world), ["192.0.2.53:53"]);
    let dns = web("ClusterIP", &[])
        .replace("name: web, namespace: default", "name: kube-dns, namespace: kube-system");
    world.write("dns.yaml", &dns);
    assert_eq!(listen(&world), ["192.0.2.53:53", "10.96.0.20:53"]);
    assert_eq!(world.settings.dns.as_ref().unwrap().listen.len(), 2, "and it was told");
    std::fs::remove_file(world.path("dns.yaml")).unwrap();
    world.look();
    assert_eq!(listen(&world), ["192.0.2.53:53"]);
}

#[test]
fn namespaces_and_pods_that_may_be_told_of() {
    let mut world = world(Exposed { namespaces: vec!["shown".into()], pods: true, ..Exposed::default() });
    let namespace = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name} }}\n");
    let pod = |namespace: &str, phase: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: p, namespace: {namespace} }}\nstatus: {{ phase: {phase}, podIP: 10.244.1.1, podIPs: [{{ ip: 10.244.1.1 }}, {{ ip: \"fd00::1\" }}] }}\n"
        )
    };
    let parts = |phase: &str| {
        all(&[
            namespace("shown"),
            namespace("hidden"),
            pod("shown", phase),
            pod("hidden", phase),
            web_alone(),
        ])
    };
    world.write("a.yaml", parts("Running"));
    let keys: Vec<String> = told(&world).keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["settings", "namespace shown", "service default/web", "pod shown/p"]);
    let Some(Change::Pod(pod)) = told(&world).get(&ObjectKey::Pod(ServiceName::new("shown", "p"))).copied()
    else {
        panic!()
    };
    assert_eq!(pod.addresses.len(), 2);
    // One that has ended has given its address back.
    world.write("a.yaml", parts("Succeeded"));
    assert_eq!(world.told, [Change::PodGone(ServiceName::new("shown", "p"))]);
    std::fs::remove_file(world.path("a.yaml")).unwrap();
    world.look();
    assert!(world.told.contains(&Change::NamespaceGone("shown".into())));
}

#[test]
fn who_asks_is_known_of_pods_without_names_too() {
    for exposed in [
        Exposed { namespaces: vec!["shown".into()], ..Exposed::default() },
        Exposed { namespace_labels: selector("team=red"), ..Exposed::default() },
    ] {
        let mut world = world(Exposed { pods: true, clients: true, ..exposed });
        let namespace = |name: &str, team: &str| {
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ team: {team} }} }}\n"
            )
        };
        let pod = |namespace: &str, spec: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{ name: p, namespace: {namespace} }}\nspec: {{ {spec} }}\nstatus: {{ phase: Running, podIP: 10.244.1.1 }}\n"
            )
        };
        let known = |world: &World| -> Vec<(String, bool, bool)> {
            let pods = told(world).into_values().filter_map(|change| match change {
                Change::Pod(pod) => Some((pod.name.to_string(), pod.named, pod.client)),
                _ => None,
            });
            pods.collect()
        };
        let parts = |spec: &str| {
            all(&[
                namespace("shown", "red"),
                namespace("other", "blue"),
                pod("shown", spec),
                pod("other", spec),
            ])
        };
        world.write("a.yaml", parts(""));
        let (shown, other) = ("shown/p".to_owned(), "other/p".to_owned());
        assert_eq!(known(&world), [(other, false, true), (shown.clone(), true, true)]);
        // The address of the node that it runs on is not its own.
        world.write("a.yaml", parts("hostNetwork: true"));
        assert_eq!(known(&world), [(shown, true, false)]);
        assert!(world.told.contains(&Change::PodGone(ServiceName::new("other", "p"))), "{:?}", world.told);
    }
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn keys(world: &World) -> Vec<String> {
    told(world)
        .iter()
        .map(|(key, change)| format!("{}{key}", if change.is_gone() { "-" } else { "" }))
        .collect()
}

#[test]
fn labels_say_which_services_and_pods_have_names_and_may_change() {
    let labels = selector("tier in (a, b), !hidden");
    let mut world = world(Exposed { labels, pods: true, ..Exposed::default() });
    let labelled = |labels: &str| {
        let service = web_alone().replace("name: web,", &format!("name: web, labels: {{ {labels} }},"));
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: p, namespace: default, labels: {{ {labels} }} }}\nstatus: {{ phase: Running, podIP: 10.244.1.1 }}\n"
        );
        all(&[service, pod])
    };
    world.write("a.yaml", labelled("tier: a"));
    assert_eq!(
        keys(&world),
        ["settings", "service default/web", "names of service default/web", "pod default/p"]
    );
    world.write("a.yaml", labelled("tier: a, hidden: \"\""));
    assert_eq!(
        keys(&world),
        ["-names of service default/web", "-pod default/p"],
        "it is served on, without a name"
    );
    world.write("a.yaml", labelled("tier: b"));
    assert_eq!(keys(&world), ["names of service default/web", "pod default/p"]);
    world.write("a.yaml", labelled("tier: c"));
    assert_eq!(keys(&world), ["-names of service default/web", "-pod default/p"]);
}

#[test]
fn labels_of_namespaces_say_whose_names_are_told_and_may_change() {
    let namespace_labels = selector("team=red");
    let mut world = world(Exposed { namespace_labels, pods: true, ..Exposed::default() });
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: p, namespace: default }\nstatus: { phase: Running, podIP: 10.244.1.1 }\n";
    let namespace = |team: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{ name: default, labels: {{ team: {team} }} }}\n"
        )
    };
    let dns = web("ClusterIP", &[])
        .replace("name: web, namespace: default", "name: kube-dns, namespace: kube-system")
        .replace(".20", ".10");
    // A namespace that nobody has told of is not known to be of the team.
    world.write(
        "a.yaml",
        all(&[web_alone(), slice("web-1", &["10.244.1.5"]), HEADLESS.into(), pod.into(), dns]),
    );
    assert_eq!(keys(&world), ["settings", "service default/web", "service kube-system/kube-dns"]);
    let listen = &world.settings.dns.as_ref().unwrap().listen;
    assert!(
        listen.contains(&"10.96.0.10:53".parse().unwrap()),
        "a Service without a name has its addresses: {listen:?}"
    );

    let all_of_it = ["names of service default/db", "names of service default/web", "pod default/p"];
    world.write("n.yaml", namespace("red"));
    assert_eq!(keys(&world), [&["namespace default"][..], &all_of_it].concat());
    world.write("n.yaml", namespace("blue"));
    let gone: Vec<String> =
        ["namespace default"].iter().chain(&all_of_it).map(|key| format!("-{key}")).collect();
    assert_eq!(keys(&world), gone);
    world.write("n.yaml", namespace("blue, other: x"));
    assert_eq!(keys(&world), [""; 0]);
    // What comes while the namespace is hidden is told when it no longer is.
    world.write("b.yaml", web("ClusterIP", &[]).replace("name: web,", "name: late,").replace(".20", ".21"));
    assert_eq!(keys(&world), ["service default/late"]);
    world.write("n.yaml", namespace("red"));
    assert_eq!(keys(&world).len(), 5);
    assert!(matches!(named(&world, "late").kind, NameKind::Cluster(_)));
    world.remove("n.yaml");
    assert_eq!(keys(&world).len(), 5);
    assert!(world.told.iter().all(Change::is_gone));
}

#[test]
fn a_namespace_is_known_by_its_own_name_too() {
    let namespace_labels = selector("kubernetes.io/metadata.name in (a, default)");
    let mut world = world(Exposed { namespace_labels, ..Exposed::default() });
    world.write(
        "a.yaml",
        all(&[web_alone(), "apiVersion: v1\nkind: Namespace\nmetadata: { name: default }\n".into()]),
    );
    assert!(matches!(named(&world, "web").kind, NameKind::Cluster(_)));
}

const IMPORTS: &str = r#"
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: web, namespace: default }
spec: { type: ClusterSetIP, ips: [10.97.0.1], ports: [{ name: http, port: 80, appProtocol: http }], sessionAffinity: None }
status: { clusters: [{ cluster: west }] }
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: db, namespace: default }
spec: { type: Headless, ports: [{ name: sql, port: 5432 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: imported-db-west
  namespace: default
  labels: { multicluster.kubernetes.io/service-name: db, multicluster.kubernetes.io/source-cluster: west }
addressType: IPv4
ports: [{ name: sql, port: 5432 }]
endpoints: [{ addresses: [10.1.0.7], hostname: db-0 }]
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: wrong, namespace: default }
spec: { type: LoadBalancer }
"#;

#[test]
fn imports_of_other_clusters_have_names_where_they_are_asked_for() {
    let mut world = world(Exposed { imports: true, ..Exposed::default() });
    world.write("a.yaml", all(&[IMPORTS.into(), HEADLESS.into()]));
    let import = |world: &World, name: &str| match told(world)
        .get(&ObjectKey::Imported(ServiceName::new("default", name)))
    {
        Some(Change::Imported(import)) => import.clone(),
        other => panic!("{name}: {other:?} {:?}", world.folder.problems()),
    };
    let web = import(&world, "web");
    assert_eq!(web.service.kind, NameKind::Cluster(vec!["10.97.0.1".parse().unwrap()]));
    assert_eq!(&*web.service.ports[0].name, "http");
    let db = import(&world, "db");
    assert_eq!((&db.service.kind, db.clusters.clone()), (&NameKind::Headless, vec![Some("west".into())]));
    assert_eq!(db.service.endpoints[0].endpoints[0].address.to_string(), "10.1.0.7");
    // The Service of that name has its own endpoints.
    assert_eq!(named(&world, "db").endpoints[0].endpoints.len(), 2);
    let problems: Vec<String> =
        world.folder.problems().iter().map(|p| format!("{} {}", p.object, p.field)).collect();
    assert_eq!(problems, ["ServiceImport default/wrong spec.type"]);

    // Another cluster takes over, then nobody.
    world.write("a.yaml", all(&[IMPORTS.replace("west", "east"), HEADLESS.into()]));
    assert_eq!(keys(&world), ["names of service import default/db"]);
    assert_eq!(import(&world, "db").clusters, [Some("east".into())]);
    world.write("a.yaml", HEADLESS);
    assert_eq!(keys(&world), ["-names of service import default/db", "-names of service import default/web"]);
}

#[test]
fn imports_are_other_peoples_objects_where_nobody_asks_for_them() {
    let mut world = world(Exposed::default());
    world.write("a.yaml", IMPORTS);
    assert_eq!(keys(&world), ["settings"]);
    assert!(world.folder.problems().iter().all(|problem| problem.level == sluice_sync::Level::Note));
}

#[test]
fn labels_hide_imports_as_they_hide_services() {
    let exposed = Exposed {
        imports: true,
        labels: selector("!hidden"),
        namespace_labels: selector("team=red"),
        ..Exposed::default()
    };
    let mut world = world(exposed);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: { name: default, labels: { team: red } }\n";
    world.write("a.yaml", IMPORTS);
    assert_eq!(keys(&world), ["settings"]);
    world.write("n.yaml", namespace);
    assert_eq!(
        keys(&world),
        ["namespace default", "names of service import default/db", "names of service import default/web"]
    );
    world.write("a.yaml", IMPORTS.replace("name: web,", "name: web, labels: { hidden: \"\" },"));
    assert_eq!(keys(&world), ["-names of service import default/web"]);
    world.remove("n.yaml");
    assert_eq!(keys(&world), ["-namespace default", "-names of service import default/db"]);
}

#[test]
fn thousands_of_imports_are_told_and_then_only_the_one_that_changes() {
    let mut world = world(Exposed { imports: true, ..Exposed::default() });
    let import = |n: usize, address: &str| {
        IMPORTS
            .split("---\n")
            .skip(1)
            .take(2)
            .collect::<Vec<_>>()
            .join("---\n")
            .replace("10.1.0.7", address)
            .replace("name: db,", &format!("name: db-{n},"))
            .replace("imported-db-west", &format!("imported-db-{n}-west"))
            .replace("service-name: db,", &format!("service-name: db-{n},"))
    };
    let mut parts: Vec<String> =
        (0..3_000).map(|n| import(n, &format!("10.1.{}.{}", n / 250, n % 250 + 1))).collect();
    world.write("a.yaml", all(&parts));
    assert!(world.folder.problems().is_empty(), "{:?}", world.folder.problems());
    let told = |world: &World| keys(world).iter().filter(|key| key.contains("service import")).count();
    assert_eq!(told(&world), 3_000);
    parts[1_234] = import(1_234, "10.9.9.9");
    world.write("a.yaml", all(&parts));
    assert_eq!(keys(&world), ["names of service import default/db-1234"]);
    parts.truncate(2_999);
    world.write("a.yaml", all(&parts));
    assert_eq!(keys(&world), ["-names of service import default/db-2999"]);
}

#[test]
fn external_addresses_are_those_of_the_service_and_then_of_its_status() {
    let mut world = world(Exposed::default());
    let status = "status:\n  loadBalancer:\n    ingress:\n    - { ip: 192.0.2.1 }\n    - { ip: \"2001:db8::1\", ipMode: Proxy }\n    - { hostname: \
                  lb.example.net }\n    - { ip: 127.0.0.1 }\n";
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: web, namespace: default }}\nspec: {{ type: LoadBalancer, clusterIP: 10.96.0.20, \
         externalIPs: [203.0.113.7, nonsense], ports: [{{ port: 80 }}] }}\n{status}"
    );
    world.write("a.yaml", all(&[service]));
    let ip = |text: &str| ExternalAddress::Ip(text.parse().unwrap());
    let own = ip("203.0.113.7");
    assert_eq!(
        named(&world, "web").external,
        [own, ip("192.0.2.1"), ip("2001:db8::1"), ExternalAddress::Host("lb.example.net".into())]
    );
}
