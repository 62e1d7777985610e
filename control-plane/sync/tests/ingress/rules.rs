//! Ingresses, and what HTTP comes to: each row of the rules has its test here.
use serde_json::{Value, json};
use sluice_model::http::{HttpChange, HttpKey};
use sluice_sync::desired::{ExternalRules, IngressRules};

use crate::common::*;

#[test]
fn paths_of_all_three_types_are_taken_as_they_are_written() {
    let world = World::of(&[
        service("web"),
        ingress(
            "a",
            json!({ "rules": [rule("a.test", &[
                path("Exact", "/foo", "web"),
                path("Exact", "/foo/", "web"),
                path("Prefix", "/Bar/baz", "web"),
                path("Prefix", "/Bar/baz/", "web"),
                path("ImplementationSpecific", "/own", "web"),
                path("ImplementationSpecific", "", "web"),
            ])] }),
        ),
    ]);
    world.is_sound();
    let table: Vec<String> =
        world.table("a.test").iter().map(|line| line.split(" -> ").next().unwrap().to_owned()).collect();
    assert_eq!(table, ["= /foo", "= /foo/", "^ /", "^ /Bar/baz", "^ /Bar/baz/", "^ /own"]);
}

#[test]
fn a_path_that_no_request_has_is_left_out_and_told() {
    for (kind, text) in [
        ("Exact", "foo"),
        ("Prefix", ""),
        ("Prefix", "/a//b"),
        ("Exact", "/a/./b"),
        ("Prefix", "/a/../b"),
        ("Prefix", "/a%2fb"),
        ("Exact", "/a%2Fb"),
        ("Prefix", "/a/.."),
        ("Exact", "/a/."),
        ("ImplementationSpecific", "a"),
        ("Prefix", "/a\u{7}"),
        ("Regex", "/a"),
        ("", "/a"),
    ] {
        let spec =
            json!({ "rules": [rule("a.test", &[path(kind, text, "web"), path("Prefix", "/ok", "web")])] });
        let world = World::of(&[service("web"), ingress("a", spec)]);
        assert_eq!(world.table("a.test"), ["^ /ok -> default/web:80"], "{kind} {text}");
        let field = if ["Regex", ""].contains(&kind) { "pathType" } else { "path" };
        let problems = world.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let start = format!("error Ingress default/a spec.rules[0].http.paths[0].{field}: ");
        assert!(problems[0].starts_with(&start), "{problems:?}");
    }
}

#[test]
fn hosts_are_names_or_wildcards_of_one_label_or_none() {
    let world = World::of(&[
        service("web"),
        ingress(
            "a",
            json!({ "rules": [
                rule("A.Test", &[path("Prefix", "/", "web")]),
                rule("*.a.test", &[path("Prefix", "/w", "web")]),
                rule("", &[path("Prefix", "/n", "web")]),
                { "http": { "paths": [path("Prefix", "/m", "web")] } },
            ] }),
        ),
    ]);
    world.is_sound();
    assert_eq!(world.table("a.test"), ["^ / -> default/web:80"]);
    assert_eq!(world.table("*.a.test"), ["^ /w -> default/web:80"]);
    assert_eq!(world.table("*"), ["^ /m -> default/web:80", "^ /n -> default/web:80"]);
}

#[test]
fn bare_stars_addresses_and_ports_are_no_hosts() {
    for host in
        ["*", "*.", "192.0.2.1", "::1", "[::1]", "a.test:80", "a..test", "-a.test", "a_b.test", "a.*.test"]
    {
        let spec = json!({ "rules": [
            rule(host, &[path("Prefix", "/", "web")]),
            rule("ok.test", &[path("Prefix", "/", "web")]),
        ] });
        let world = World::of(&[service("web"), ingress("a", spec)]);
        let hosts: Vec<_> = world.told.keys().filter(|key| matches!(key, HttpKey::Host(_))).collect();
        assert_eq!(hosts.len(), 1, "{host}: {hosts:?}");
        let problems = world.problems();
        assert!(problems[0].starts_with("error Ingress default/a spec.rules[0].host: "), "{problems:?}");
        assert_eq!(problems.len(), 1);
    }
}

#[test]
fn what_no_path_of_a_host_takes_is_the_default_backend_s_or_nobody_s() {
    let rules = json!([rule("a.test", &[path("Prefix", "/foo", "web")])]);
    let mut world = World::of(&[service("web"), service("other"), ingress("a", json!({ "rules": rules }))]);
    // 404 beyond /foo: the host is known, and no other host is looked at.
    assert_eq!(world.table("a.test"), ["^ /foo -> default/web:80"]);
    assert!(world.host("*").is_none());
    world.apply(&[ingress("a", json!({ "rules": rules, "defaultBackend": backend("other", 80) }))]);
    assert_eq!(world.table("a.test"), ["^ / -> default/other:80", "^ /foo -> default/web:80"]);
    // What no rule matched is the default backend's, whatever its host.
    assert_eq!(world.table("*"), ["^ / -> default/other:80"]);
    world.is_sound();
}

#[test]
fn a_rule_without_http_takes_its_host_for_the_default_backend_or_404() {
    let mut world = World::of(&[service("web"), ingress("a", json!({ "rules": [{ "host": "a.test" }] }))]);
    assert_eq!(world.table("a.test"), [""; 0]);
    let spec = json!({ "rules": [{ "host": "a.test" }], "defaultBackend": backend("web", 80) });
    world.apply(&[ingress("a", spec)]);
    assert_eq!(world.table("a.test"), ["^ / -> default/web:80"]);
    world.is_sound();
}

#[test]
fn an_ingress_of_a_default_backend_alone_takes_all_hosts_and_one_of_nothing_is_told() {
    let mut world =
        World::of(&[service("web"), ingress("a", json!({ "defaultBackend": backend("web", 80) }))]);
    assert_eq!(world.table("*"), ["^ / -> default/web:80"]);
    world.is_sound();
    world.apply(&[ingress("a", json!({}))]);
    assert!(world.host("*").is_none());
    let problems = world.problems();
    assert!(problems[0].starts_with("error Ingress default/a spec: neither"), "{problems:?}");
    // Of several the oldest has it, and one with rules comes after all without.
    world.apply(&[
        aged(ingress("a", json!({ "defaultBackend": backend("web", 80) })), 5),
        aged(ingress("b", json!({ "defaultBackend": backend("web", 81) })), 4),
        aged(
            ingress("c", json!({ "defaultBackend": backend("web", 82), "rules": [{ "host": "c.test" }] })),
            1,
        ),
    ]);
    assert_eq!(world.table("*"), ["^ / -> default/web:81"]);
    let told = world.problems();
    assert!(
        told.iter().any(|it| it.starts_with("error Ingress default/a spec.defaultBackend: the default backend of all other hosts is Ingress default/b's")),
        "{told:?}"
    );
}

#[test]
fn a_backend_has_a_service_with_one_port_or_answers_503_and_is_told() {
    for (backend, field) in [
        (json!({}), ""),
        (json!({ "service": { "name": "web" } }), ".service.port"),
        (json!({ "service": { "name": "", "port": { "number": 80 } } }), ".service.name"),
        (json!({ "service": { "name": "web", "port": { "number": 80, "name": "http" } } }), ".service.port"),
        (json!({ "service": { "name": "web", "port": { "number": 65536 } } }), ".service.port.number"),
        (json!({ "service": { "name": "web", "port": { "number": -1 } } }), ".service.port.number"),
        (
            json!({ "service": { "name": "web", "port": { "number": 80 } },
                "resource": { "kind": "Bucket", "name": "b" } }),
            "",
        ),
    ] {
        let spec = json!({ "rules": [rule("a.test", &[
            json!({ "path": "/", "pathType": "Prefix", "backend": backend }),
        ])] });
        let world = World::of(&[service("web"), ingress("a", spec)]);
        assert_eq!(world.table("a.test"), ["^ / -> 503"], "{backend}");
        let start = format!("error Ingress default/a spec.rules[0].http.paths[0].backend{field}: ");
        let problems = world.problems();
        assert!(problems[0].starts_with(&start), "{backend}: {problems:?}");
    }
}

#[test]
fn a_resource_backend_answers_503_and_is_told() {
    let resource = json!({ "resource": { "apiGroup": "storage.test", "kind": "Bucket", "name": "b" } });
    let world = World::of(&[ingress("a", json!({ "defaultBackend": resource }))]);
    assert_eq!(world.table("*"), ["^ / -> 503"]);
    assert_eq!(
        world.problems(),
        [
            "error Ingress default/a spec.defaultBackend.resource: no Bucket is known as a backend; answered with 503"
        ]
    );
}

#[test]
fn a_port_by_name_or_number_leads_to_the_slices_own_numbers() {
    let mut web = service("web");
    web["spec"]["ports"] = json!([
        { "name": "http", "port": 80, "targetPort": 9 },
        { "name": "admin", "port": 81, "targetPort": "admin" },
        { "name": "dns", "port": 80, "protocol": "UDP" },
    ]);
    let by_name = json!({ "service": { "name": "web", "port": { "name": "admin" } } });
    let spec = json!({ "rules": [rule("a.test", &[
        path("Prefix", "/", "web"),
        json!({ "path": "/admin", "pathType": "Prefix", "backend": by_name }),
    ])] });
    let mut other = slice("web-2", "web", [9]);
    other["ports"] = json!([{ "name": "http", "port": 8081 }, { "name": "admin", "port": 9090 }]);
    let mut world = World::of(&[ingress("a", spec), slice("web-1", "web", [2, 1]), other]);
    // Whatever comes first.
    assert!(world.endpoints("web:80").is_empty());
    world.apply(&[web]);
    world.is_sound();
    assert_eq!(world.endpoints("web:80"), ["10.244.0.1:8080", "10.244.0.2:8080", "10.244.0.9:8081"]);
    assert_eq!(world.endpoints("web:admin"), ["10.244.0.9:9090"]);
}

#[test]
fn a_service_or_a_port_that_is_not_there_is_told_until_it_is() {
    let spec = json!({ "rules": [rule("a.test", &[path("Prefix", "/", "web")])] });
    let mut world = World::of(&[ingress("a", spec)]);
    assert_eq!(
        world.problems(),
        ["error Ingress default/a spec.rules: there is no Service default/web; answered with 503"]
    );
    assert!(world.endpoints("web:80").is_empty());
    let mut web = service("web");
    web["spec"]["ports"][0]["port"] = 81.into();
    world.apply(&[web]);
    assert_eq!(
        world.problems(),
        ["error Ingress default/a spec.rules: Service default/web has no TCP port 80; answered with 503"]
    );
    world.apply(&[service("web")]);
    world.is_sound();
}

#[test]
fn ready_endpoints_take_requests_and_where_there_are_none_those_that_serve_while_they_terminate() {
    let mut endpoints = slice("s", "web", [1, 2, 3]);
    endpoints["endpoints"][1]["conditions"] = json!({ "ready": false, "serving": true, "terminating": true });
    endpoints["endpoints"][2]["conditions"] = json!({ "ready": false, "serving": false });
    let mut world = World::of(&[service("web"), ingress("a", simple("a.test", "web")), endpoints.clone()]);
    assert_eq!(world.endpoints("web:80"), ["10.244.0.1:8080"]);
    endpoints["endpoints"][0]["conditions"] = json!({ "ready": false });
    world.apply(&[endpoints]);
    assert_eq!(world.endpoints("web:80"), ["10.244.0.2:8080"]);
}

#[test]
fn headless_services_are_backends_and_get_no_frontend() {
    let mut web = service("web");
    web["spec"]["clusterIP"] = "None".into();
    let mut endpoints = slice("s", "web", [1]);
    endpoints["metadata"]["labels"]["service.kubernetes.io/headless"] = "".into();
    let world = World::of(&[web, endpoints, ingress("a", simple("a.test", "web"))]);
    assert_eq!(world.endpoints("web:80"), ["10.244.0.1:8080"]);
    assert_eq!(world.desired.published(), 0);
    world.is_sound();
}

#[test]
fn external_name_is_refused_where_it_is_not_allowed() {
    let web = external("web", "metadata.internal");
    let world = World::of(&[web, ingress("a", simple("a.test", "web"))]);
    assert!(world.endpoints("web:80").is_empty());
    let problems = world.problems();
    assert!(problems[0].contains("Service default/web is of type ExternalName"), "{problems:?}");
    assert!(
        problems[0].contains("ingress.external_names does not allow `metadata.internal`"),
        "{problems:?}"
    );
    assert_eq!(world.desired.external_names().count(), 0, "it is not even looked up");
}

/// A Service that stands for a name.
fn external(name: &str, of: &str) -> Value {
    let mut object = service(name);
    object["spec"] = json!({ "type": "ExternalName", "externalName": of });
    object
}

fn allowing(names: &[&str], networks: &[&str]) -> World {
    let names = names.iter().map(|&name| name.into()).collect();
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    World::with(IngressRules { external: ExternalRules { names, networks }, ..rules() })
}

/// A name has these addresses.
fn resolve(world: &mut World, name: &str, addresses: &[&str]) {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    assert!(world.desired.set_external(name, Ok(addresses)), "{name}");
    world.look();
}

#[test]
fn external_names_that_are_allowed_lead_to_their_public_addresses() {
    let mut world = allowing(&["*.example.com"], &[]);
    let objects = [
        external("web", "API.Example.com."),
        external("other", "example.com"),
        ingress("a", simple("a.test", "web")),
    ];
    world.apply(&objects);
    assert_eq!(world.desired.external_names().collect::<Vec<_>>(), ["api.example.com"]);
    assert!(world.endpoints("web:80").is_empty());
    world.is_sound();
    resolve(&mut world, "api.example.com", &["8.8.8.8", "127.0.0.1", "2606:4700::1", "10.0.0.1", "8.8.8.8"]);
    assert_eq!(world.endpoints("web:80"), ["8.8.8.8:80", "[2606:4700::1]:80"]);
    world.is_sound();
    resolve(&mut world, "api.example.com", &["9.9.9.9"]);
    assert_eq!(world.endpoints("web:80"), ["9.9.9.9:80"]);
    // Read once more, it leads where it did.
    world.desired.restart(false);
    world.apply(&objects);
    world.apply(&[class("sluice", "sluice.dev/ingress")]);
    world.desired.sweep();
    world.look();
    assert_eq!(world.endpoints("web:80"), ["9.9.9.9:80"]);
    let failed = world.desired.set_external("api.example.com", Err("no such name".to_owned()));
    world.look();
    assert!(failed && world.endpoints("web:80").is_empty());
    let problems = world.problems();
    assert!(
        problems[0].contains("`api.example.com` has no address: no such name; answered with 503"),
        "{problems:?}"
    );
    // Another name of the same Service; none that anybody leads to.
    world.apply(&[external("web", "b.example.com")]);
    assert_eq!(world.desired.external_names().collect::<Vec<_>>(), ["b.example.com"]);
    assert!(!world.desired.set_external("api.example.com", Ok(Vec::new())));
    world.remove(&objects[2]);
    assert_eq!(world.desired.external_names().count(), 0);
}

#[test]
fn external_names_lead_to_no_inner_address_that_is_not_allowed() {
    let mut world = allowing(&["in.test"], &["10.20.0.0/16", "192.0.2.0/24", "fd00:1::/32"]);
    let mut cluster = service("cluster");
    cluster["spec"]["clusterIP"] = "8.8.4.4".into();
    world.apply(&[external("web", "in.test"), cluster, ingress("a", simple("a.test", "web"))]);
    for (address, leads) in [
        ("10.20.0.1", true),
        ("fd00:1::1", true),
        ("192.0.2.77", true),
        ("8.8.8.8", true),
        ("10.21.0.1", false),
        ("127.0.0.1", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
        ("169.254.169.254", false),
        ("fe80::1", false),
        // A Service's.
        ("8.8.4.4", false),
        // The gateway's own, though its network is allowed.
        ("192.0.2.10", false),
    ] {
        resolve(&mut world, "in.test", &[address]);
        assert_eq!(world.endpoints("web:80").len(), usize::from(leads), "{address}");
        let problems = world.problems();
        assert_eq!(problems.is_empty(), leads, "{address} {problems:?}");
        assert!(
            leads || problems[0].contains("which is not public and in none of ingress.external_networks")
        );
    }
}

#[test]
fn external_names_are_bounded_in_number() {
    let mut world = allowing(&["*.example.com"], &[]);
    let mut objects = Vec::new();
    for index in 0..300 {
        let name = format!("s{index}");
        objects.push(external(&name, &format!("{name}.example.com")));
        objects.push(ingress(&name, simple(&format!("{name}.test"), &name)));
    }
    world.apply(&objects);
    assert_eq!(world.desired.external_names().count(), 256);
    assert_eq!(world.problems().len(), 44);
    // Room that comes free is for those that are looked at next.
    for index in 0..100 {
        world.remove(&objects[2 * index + 1]);
    }
    world.apply(&objects[200..]);
    assert_eq!(world.desired.external_names().count(), 200);
    world.is_sound();
}

#[test]
fn another_namespace_s_service_and_secret_are_out_of_reach() {
    let mut other = service("web");
    other["metadata"]["namespace"] = "other".into();
    let mut certificate = secret("tls", "a.test");
    certificate["metadata"]["namespace"] = "other".into();
    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "tls" }]);
    let world = World::of(&[other, certificate, ingress("a", spec)]);
    assert_eq!(world.server_name("a.test").unwrap(), "default/tls");
    assert!(!world.told.keys().any(|key| matches!(key, HttpKey::Certificate(_))));
    assert_eq!(world.problems().len(), 2);
}

#[test]
fn only_ingresses_of_a_class_of_our_controller_are_ours() {
    let of = |name: &str, field: Option<&str>, annotation: Option<&str>| {
        let mut object = ingress(name, simple(&format!("{name}.test"), "web"));
        object["spec"]["ingressClassName"] = json!(field);
        if let Some(annotation) = annotation {
            object["metadata"]["annotations"]["kubernetes.io/ingress.class"] = annotation.into();
        }
        object
    };
    let mut world = World::of(&[
        service("web"),
        class("ours-too", "sluice.dev/ingress"),
        class("nginx", "k8s.io/ingress-nginx"),
        of("field", Some("sluice"), None),
        of("second", Some("ours-too"), None),
        of("annotation", None, Some("ours-too")),
        of("both", Some("sluice"), Some("sluice")),
        of("foreign", Some("nginx"), None),
        of("foreign-annotation", None, Some("nginx")),
        of("unknown", Some("none"), None),
        of("none", None, None),
    ]);
    world.is_sound();
    let ours = |world: &World| {
        let mut hosts: Vec<String> = world
            .told
            .keys()
            .filter_map(|key| match key {
                HttpKey::Host(host) => Some(host.to_string()),
                _ => None,
            })
            .collect();
        hosts.sort();
        hosts.join(" ")
    };
    assert_eq!(ours(&world), "annotation.test both.test field.test second.test");
    // A class that goes takes its Ingresses with it; by the annotation the configured name counts without a class too.
    world.remove(&class("sluice", "sluice.dev/ingress"));
    assert_eq!(ours(&world), "annotation.test second.test");
    assert_eq!(world.problems().len(), 2, "{:?}", world.problems());
    world.apply(&[of("legacy", None, Some("sluice")), class("sluice", "sluice.dev/ingress")]);
    assert_eq!(ours(&world), "annotation.test both.test field.test legacy.test second.test");
    // The field counts where the two differ.
    world.apply(&[of("both", Some("nginx"), Some("sluice")), of("field", Some("sluice"), Some("nginx"))]);
    assert_eq!(ours(&world), "annotation.test field.test legacy.test second.test");
    assert_eq!(world.problems().len(), 1);
}

#[test]
fn ingresses_without_a_class_are_ours_where_the_configuration_says_so() {
    let mut object = ingress("a", simple("a.test", "web"));
    object["spec"]["ingressClassName"] = json!(null);
    let mut world = World::with(IngressRules { watch_without_class: true, ..rules() });
    world.apply(std::slice::from_ref(&object));
    assert!(world.host("a.test").is_some());
    let mut world = World::new();
    world.apply(&[object]);
    assert!(world.host("a.test").is_none());
}

#[test]
fn the_newest_default_class_counts_where_no_api_server_has_seen_to_it() {
    let default = |name: &str, controller: &str, second: u8| {
        let mut object = aged(class(name, controller), second);
        object["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] = "true".into();
        object
    };
    let mut object = ingress("a", simple("a.test", "web"));
    object["spec"]["ingressClassName"] = json!(null);
    let mut world = World::with(IngressRules { default_class: true, ..rules() });
    world.apply(&[
        object.clone(),
        default("sluice", "sluice.dev/ingress", 5),
        default("nginx", "other/x", 4),
    ]);
    assert!(world.host("a.test").is_some());
    world.apply(&[default("nginx", "other/x", 6)]);
    assert!(world.host("a.test").is_none());
    // With an API server its admission has put the class into the object.
    let mut world = World::new();
    world.apply(&[object, default("sluice", "sluice.dev/ingress", 5)]);
    assert!(world.host("a.test").is_none());
}

#[test]
fn class_parameters_of_either_scope_are_told_and_change_nothing() {
    let of = |parameters: serde_json::Value| {
        let mut object = class("sluice", "sluice.dev/ingress");
        object["spec"]["parameters"] = parameters;
        let world = World::of(&[object, ingress("a", simple("a.test", "web")), service("web")]);
        assert!(world.host("a.test").is_some());
        world.problems().remove(0)
    };
    let known = "warning IngressClass sluice spec.parameters: no parameters are known";
    assert!(of(json!({ "kind": "X", "name": "x" })).starts_with(known));
    assert!(
        of(json!({ "kind": "X", "name": "x", "scope": "Namespace", "namespace": "n" })).starts_with(known)
    );
    for wrong in [
        json!({ "kind": "X", "name": "x", "namespace": "n" }),
        json!({ "kind": "X", "name": "x", "scope": "Namespace" }),
        json!({ "kind": "X", "name": "x", "scope": "Galaxy" }),
    ] {
        assert!(of(wrong).starts_with("error IngressClass sluice spec.parameters: "));
    }
}

#[test]
fn ingresses_of_one_host_are_merged_and_of_two_with_one_path_the_oldest_has_it() {
    let a = ingress(
        "a",
        json!({ "rules": [rule("a.test", &[path("Prefix", "/", "one"), path("Prefix", "/a", "one")])] }),
    );
    let b = ingress(
        "b",
        json!({ "rules": [rule("a.test", &[path("Prefix", "/", "two"), path("Exact", "/", "two")])] }),
    );
    let mut world = World::of(&[service("one"), service("two"), a.clone(), b.clone()]);
    // Of the same age, or of none that is known, by namespace and name.
    let merged = ["= / -> default/two:80", "^ / -> default/one:80", "^ /a -> default/one:80"];
    assert_eq!(world.table("a.test"), merged);
    assert_eq!(
        world.problems(),
        ["error Ingress default/b spec.rules: a.test/ is Ingress default/a's, which is older"]
    );
    world.apply(&[aged(a.clone(), 2), aged(b.clone(), 1)]);
    let older = ["= / -> default/two:80", "^ / -> default/two:80", "^ /a -> default/one:80"];
    assert_eq!(world.table("a.test"), older);
    assert_eq!(
        world.problems(),
        ["error Ingress default/a spec.rules: a.test/ is Ingress default/b's, which is older"]
    );
    // The winner goes, and the other has it.
    world.remove(&b);
    assert_eq!(world.table("a.test"), ["^ / -> default/one:80", "^ /a -> default/one:80"]);
    world.is_sound();
    assert!(world.upstream("two:80").is_none());
}

#[test]
fn one_path_twice_in_an_ingress_is_told_and_the_first_counts() {
    let spec =
        json!({ "rules": [rule("a.test", &[path("Prefix", "/", "one"), path("Prefix", "/", "two")])] });
    let world = World::of(&[service("one"), service("two"), ingress("a", spec)]);
    assert_eq!(world.table("a.test"), ["^ / -> default/one:80"]);
    assert_eq!(
        world.problems(),
        ["error Ingress default/a spec.rules: a.test/ stands there twice; the first counts"]
    );
}

#[test]
fn tls_entries_choose_certificates_by_name_and_send_plain_requests_to_https() {
    let mut spec = simple("a.test", "web");
    spec["rules"].as_array_mut().unwrap().extend([
        rule("b.wild.test", &[path("Prefix", "/", "web")]),
        rule("c.test", &[path("Prefix", "/", "web")]),
        rule("d.test", &[path("Prefix", "/", "web")]),
    ]);
    spec["tls"] = json!([
        { "hosts": ["a.test"], "secretName": "one" },
        { "hosts": ["*.wild.test"], "secretName": "two" },
        { "hosts": ["c.test"] },
    ]);
    let certificates = [secret("one", "a.test"), secret("two", "*.wild.test")];
    let mut world = World::of(&[service("web"), ingress("a", spec.clone()), certificates[0].clone()]);
    world.apply(&certificates[1..]);
    world.is_sound();
    assert_eq!(world.server_name("a.test").unwrap(), "default/one");
    assert_eq!(world.server_name("*.wild.test").unwrap(), "default/two");
    assert_eq!(world.server_name("c.test").unwrap(), "default");
    assert_eq!(world.server_name("d.test"), None);
    for (host, tls) in [("a.test", true), ("b.wild.test", true), ("c.test", true), ("d.test", false)] {
        let policy = &world.route(host).policy;
        assert_eq!(policy.https_redirect, tls.then_some(308), "{host}");
        assert_eq!(policy.hsts, tls.then_some(31_536_000), "{host}");
    }
    let shown =
        |world: &World| world.told.keys().filter(|key| matches!(key, HttpKey::Certificate(_))).count();
    assert_eq!(shown(&world), 2);
    // The wildcard goes, and with it what its hosts had of it, and the certificate that nobody shows any more.
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "one" }]);
    world.apply(&[ingress("a", spec)]);
    assert_eq!(world.route("b.wild.test").policy.https_redirect, None);
    assert_eq!(shown(&world), 1);
}

#[test]
fn a_wildcard_certificate_of_one_ingress_is_tls_for_hosts_of_another() {
    let mut wild = ingress("wild", json!({ "rules": [{ "host": "*.wild.test" }] }));
    let mut world = World::of(&[service("web"), wild.clone(), ingress("a", simple("a.wild.test", "web"))]);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, None);
    wild["spec"]["tls"] = json!([{ "hosts": ["*.wild.test"], "secretName": "two" }]);
    world.apply(&[wild.clone(), secret("two", "*.wild.test")]);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, Some(308));
    world.remove(&wild);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, None);
}

#[test]
fn tls_that_is_handed_through_below_a_wildcard_is_none_for_its_hosts() {
    let mut open =
        ingress("open", json!({ "rules": [{ "host": "*.wild.test" }], "tls": [{ "secretName": "t" }] }));
    let mut world = World::of(&[service("web"), ingress("a", simple("a.wild.test", "web")), open.clone()]);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, Some(308));
    let through = annotated("through", &[("ssl-passthrough", "true")], simple("*.wild.test", "web"));
    world.apply(std::slice::from_ref(&through));
    assert_eq!(world.server_name("*.wild.test").unwrap(), "-> default/web:80");
    assert_eq!(world.route("a.wild.test").policy.https_redirect, None);
    world.remove(&through);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, Some(308));
    open["spec"]["tls"] = json!([]);
    world.apply(&[open]);
    assert_eq!(world.route("a.wild.test").policy.https_redirect, None);
}

#[test]
fn tls_without_hosts_is_for_the_rules_hosts_and_for_all_that_nobody_has() {
    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "secretName": "one" }]);
    let world = World::of(&[service("web"), secret("one", "a.test"), ingress("a", spec)]);
    assert_eq!(world.server_name("a.test").unwrap(), "default/one");
    assert_eq!(world.server_name("*").unwrap(), "default/one");
    assert_eq!(world.route("a.test").policy.https_redirect, Some(308));
    world.is_sound();
}

#[test]
fn of_two_certificates_for_one_host_the_oldest_ingress_s_counts_and_the_other_is_told() {
    let of = |name: &str, second: u8, hosts: serde_json::Value| {
        let mut spec = json!({ "rules": [rule("a.test", &[path("Prefix", &format!("/{name}"), "web")])] });
        spec["tls"] = json!([{ "hosts": hosts, "secretName": name }]);
        aged(ingress(name, spec), second)
    };
    let hosts = json!(["a.test"]);
    let mut world = World::of(&[
        service("web"),
        secret("a", "a.test"),
        secret("b", "a.test"),
        of("a", 2, hosts.clone()),
        of("b", 1, hosts.clone()),
    ]);
    assert_eq!(world.server_name("a.test").unwrap(), "default/b");
    assert_eq!(
        world.problems(),
        [
            "error Ingress default/a spec.tls: a.test has another certificate in Ingress default/b, which counts"
        ]
    );
    assert!(!world.told.contains_key(&HttpKey::Certificate(sluice_model::ServiceName::new("default", "a"))));
    // One that names the host goes before one that names none, whatever their age.
    world.apply(&[of("b", 1, json!([]))]);
    assert_eq!(world.server_name("a.test").unwrap(), "default/a");
    assert_eq!(world.server_name("*").unwrap(), "default/b");
    world.is_sound();
}

#[test]
fn a_bad_secret_keeps_the_last_good_certificate_and_is_told() {
    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "tls" }]);
    let good = secret("tls", "a.test");
    let other = secret("tls", "a.test");
    let mut world = World::of(&[service("web"), ingress("a", spec), good.clone()]);
    let name = HttpKey::Certificate(sluice_model::ServiceName::new("default", "tls"));
    let before = world.told[&name].clone();
    let text = |secret: &serde_json::Value, key: &str| secret["stringData"][key].as_str().unwrap().to_owned();
    let mismatch = secret_of("tls", &text(&good, "tls.crt"), &text(&other, "tls.key"));
    let mut wrong_type = good.clone();
    wrong_type["type"] = "Opaque".into();
    let mut without_key = good.clone();
    without_key["stringData"].as_object_mut().unwrap().remove("tls.key");
    for (bad, field) in [
        (mismatch, "data[\"tls.key\"]"),
        (secret_of("tls", "", &text(&good, "tls.key")), "data[\"tls.crt\"]"),
        (secret_of("tls", "nonsense", "nonsense"), "data[\"tls.crt\"]"),
        (secret_of("tls", &text(&good, "tls.crt"), "nonsense"), "data[\"tls.key\"]"),
        (wrong_type, "type"),
        (without_key, "data[\"tls.key\"]"),
    ] {
        world.apply(&[bad]);
        assert_eq!(world.told[&name], before, "{field}");
        assert_eq!(world.news, [], "{field}");
        let problems = world.problems();
        assert!(problems[0].starts_with(&format!("error Secret default/tls {field}: ")), "{problems:?}");
        assert!(problems[0].contains("last good"), "{problems:?}");
    }
    // Another good one takes effect without anything else being told.
    world.apply(&[other]);
    world.is_sound();
    assert!(matches!(world.news.as_slice(), [HttpChange::Certificate(_)]), "{:?}", world.news);
    assert_ne!(world.told[&name], before);
    // One that is not there at all leaves the default certificate.
    world.remove(&good);
    assert!(!world.told.contains_key(&name));
    assert_eq!(world.server_name("a.test").unwrap(), "default/tls");
    assert_eq!(
        world.problems(),
        [
            "error Ingress default/a spec.tls: there is no Secret default/tls; the default certificate is shown"
        ]
    );
}

#[test]
fn a_secret_of_no_ingress_is_neither_told_of_nor_complained_about() {
    let mut world = World::of(&[secret_of("bad", "x", "y"), secret("good", "a.test")]);
    world.is_sound();
    assert!(!world.told.keys().any(|key| matches!(key, HttpKey::Certificate(_))));
    let keyless = secret_of("bad", "x", "y");
    world.remove(&keyless);
    world.is_sound();
}

#[test]
fn a_key_after_other_things_in_its_file_is_found() {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    // As openssl writes parameters of a curve.
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let key = parameters.to_owned() + &made.signing_key.serialize_pem();
    assert!(parsed(&secret_of("tls", &made.cert.pem(), &key)).2.is_empty());
}

#[test]
fn the_default_certificate_is_told_whoever_has_an_ingress() {
    let name = sluice_model::ServiceName::new("default", "tls");
    let mut of = rules();
    of.settings.default_certificate = Some(name.clone());
    let mut world = World::with(of);
    assert_eq!(
        world.problems(),
        ["error Secret default/tls : ingress.default_certificate names it, and it is not there"]
    );
    world.apply(&[secret("tls", "a.test")]);
    world.is_sound();
    assert!(world.told.contains_key(&HttpKey::Certificate(name)));
}

#[test]
fn secrets_of_namespaces_that_are_not_read_are_told_and_of_no_use() {
    let mut world = World::with(IngressRules { secret_namespaces: vec!["default".into()], ..rules() });
    let web = |host: &str| [service("web"), slice("s", "web", [1]), secret("tls", host), secured(host)];
    world.apply(&web("a.test"));
    world.is_sound();
    // A folder of manifests may well have it.
    world.apply(&web("b.test").map(|mut object| {
        object["metadata"]["namespace"] = "shop".into();
        object
    }));
    let why = "namespace shop is none of ingress.secret_namespaces; the default certificate is shown";
    assert_eq!(world.problems(), [format!("error Ingress shop/web spec.tls: {why}")]);
    assert_eq!(certificates(&world), ["default/tls"]);
    assert_eq!(world.server_name("b.test").as_deref(), Some("shop/tls"), "plain requests are sent to https");
    assert_eq!(world.table("b.test"), ["^ / -> shop/web:80"]);
}

/// An Ingress `web` for this host, with the Secret `tls`.
fn secured(host: &str) -> Value {
    let mut spec = simple(host, "web");
    spec["tls"] = json!([{ "hosts": [host], "secretName": "tls" }]);
    ingress("web", spec)
}

fn certificates(world: &World) -> Vec<String> {
    let names = world.told.keys().filter_map(|key| match key {
        HttpKey::Certificate(name) => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

#[test]
fn secrets_that_may_not_be_read_leave_their_last_certificates_and_are_told() {
    let objects = [
        class("sluice", "sluice.dev/ingress"),
        service("web"),
        slice("s", "web", [1]),
        secured("a.test"),
        secret("tls", "a.test"),
    ];
    let told = |shown: &str| {
        let why = format!("Secret default/tls may not be read; the {shown} certificate is shown");
        [format!("error Ingress default/web spec.tls: {why}")]
    };
    for namespace in ["default", ""] {
        let mut world = World::of(&objects);
        world.desired.restart(false);
        for value in &objects[..4] {
            world.desired.apply(parsed(value).1);
        }
        world.desired.set_secrets_unread(namespace, true);
        world.desired.set_secrets_unread("shop", true);
        world.desired.sweep();
        world.look();
        assert_eq!(world.news, []);
        assert_eq!(world.problems(), told("last good"));
        // They may be read, and this one is not among them.
        world.desired.set_secrets_unread(namespace, false);
        world.look();
        assert_eq!(certificates(&world), [""; 0]);
        let problems = world.problems();
        assert!(problems[0].contains("there is no Secret default/tls"), "{problems:?}");
        world.desired.set_secrets_unread(namespace, true);
        world.look();
        assert_eq!((certificates(&world).len(), world.problems()), (0, told("default").to_vec()));
        world.desired.set_secrets_unread(namespace, false);
        world.apply(&objects[4..]);
        assert_eq!(certificates(&world), ["default/tls"]);
        world.is_sound();
    }
}

#[test]
fn a_changed_slice_touches_its_upstreams_alone_and_a_changed_ingress_its_hosts() {
    let mut objects: Vec<_> = ["one", "two"].map(service).to_vec();
    objects.extend([slice("one-1", "one", [1]), slice("two-1", "two", [2])]);
    objects.extend((0..20).map(|n| {
        ingress(&format!("i{n}"), simple(&format!("h{n}.test"), if n % 2 == 0 { "one" } else { "two" }))
    }));
    let mut world = World::of(&objects);
    world.apply(&[slice("one-1", "one", [1, 3])]);
    let keys: Vec<String> = world.news.iter().map(|change| change.key().to_string()).collect();
    assert_eq!(keys, ["upstream default/one:80"]);
    world.apply(&[ingress("i7", simple("h7.test", "one"))]);
    let keys: Vec<String> = world.news.iter().map(|change| change.key().to_string()).collect();
    assert_eq!(keys, ["virtual host h7.test"]);
    // What changes nothing is not told.
    world.apply(&[slice("one-1", "one", [3, 1]), service("one"), ingress("i7", simple("h7.test", "one"))]);
    assert_eq!(world.news, []);
}

#[test]
fn what_a_former_process_told_is_told_again_and_what_is_no_more_goes_with_the_sweep() {
    use sluice_model::Change;
    use sluice_sync::desired::Desired;
    use sluice_sync::state::{Saved, StateFile};

    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "tls" }]);
    let certificate = secret("tls", "a.test");
    let objects = [service("web"), slice("s", "web", [1]), ingress("a", spec.clone()), certificate.clone()];
    let old = World::of(&objects);
    let shared = old.desired.shared();
    // Through the file, which nobody else may read: it has private keys.
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path());
    file.save(&StateFile::encode(&shared).unwrap()).unwrap();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let saved: Saved = file.load().unwrap().unwrap();
    assert_eq!(saved.http.len(), 4);

    let mut world = World::new();
    world.told.clear();
    world.desired = Desired::new(sluice_model::Settings::default()).with_ingress(Some(rules()));
    let told = &mut world.told;
    world.desired.restore(saved, |changes| {
        for change in changes {
            if let Change::Http(change) = change {
                told.insert(change.key(), change.clone());
            }
        }
    });
    assert_eq!(world.told, old.told);
    // The same objects once more, but for one certificate that has gone bad meanwhile, and nothing is told.
    for value in
        [class("sluice", "sluice.dev/ingress"), service("web"), slice("s", "web", [1]), ingress("a", spec)]
    {
        world.desired.apply(parsed(&value).1);
    }
    world.desired.apply(parsed(&secret_of("tls", "bad", "bad")).1);
    world.desired.sweep();
    world.look();
    assert_eq!(world.news, []);
    assert_eq!(world.told, old.told);
    world.remove(&ingress("a", json!({})));
    assert_eq!(world.told.len(), 1, "only settings are left");
}

#[test]
fn objects_that_are_read_once_more_by_other_rules_change_nothing_that_they_do_not_change() {
    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "tls" }]);
    let objects = [
        class("sluice", "sluice.dev/ingress"),
        service("web"),
        secret("tls", "a.test"),
        ingress("a", spec),
        ingress("b", simple("b.test", "web")),
    ];
    let mut world = World::of(&objects);
    world.desired.restart(false);
    for value in &objects[..4] {
        world.desired.apply(parsed(value).1);
    }
    world.desired.sweep();
    world.look();
    let keys: Vec<String> = world.news.iter().map(|change| change.key().to_string()).collect();
    assert_eq!(keys, ["virtual host b.test"]);
}
