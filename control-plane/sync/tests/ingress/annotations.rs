//! ingress-nginx's annotations: what each comes to, and what is said of values that make no sense.

use serde_json::{Value, json};
use sluice_model::http::{
    Action, BackendProtocol, Balance, ClientLimits, Forward, HashKey, HeaderMatch, PathMatch, Policy,
    ProxyVersion, Redirect, RetryOn, Route, SameSite, UpstreamName, UpstreamPort,
};

use crate::common::*;

/// The world of one Ingress for `a.test` with one path `/` and these annotations.
fn world(annotations: &[(&str, &str)]) -> World {
    World::of(&[service("web"), service("other"), annotated("a", annotations, simple("a.test", "web"))])
}

/// The rules of its only route, with nothing to complain about.
fn policy(annotations: &[(&str, &str)]) -> Policy {
    let world = world(annotations);
    world.is_sound();
    world.route("a.test").policy.clone()
}

fn forward(world: &World, host: &str, path: &str) -> Forward {
    let routes = world.routes(host);
    let route = routes.iter().find(|route| line(route).starts_with(&format!("{path} ->")));
    match &route.unwrap_or_else(|| panic!("{routes:#?}")).action {
        Action::Forward(forward) => forward.clone(),
        other => panic!("{other:?}"),
    }
}

/// Each of these values is told by the annotation's name and the value, and changes nothing else.
fn refused(name: &str, values: &[&str]) {
    let good = world(&[("upstream-vhost", "kept.test")]);
    for value in values {
        let world = world(&[(name, value), ("upstream-vhost", "kept.test")]);
        let problems = world.problems();
        let start =
            format!("error Ingress default/a metadata.annotations[\"nginx.ingress.kubernetes.io/{name}\"]: ");
        assert_eq!(problems.len(), 1, "{name}: {value}: {problems:?}");
        assert!(problems[0].starts_with(&start), "{problems:?}");
        assert!(problems[0].contains(&format!("`{}`", value.trim())), "{problems:?}");
        assert_eq!(world.routes("a.test"), good.routes("a.test"), "{name}: {value}");
    }
}

#[test]
fn without_annotations_the_defaults_are_ingress_nginx_s() {
    let policy = policy(&[]);
    assert_eq!(policy, Policy::default());
    assert_eq!(policy.max_body, Some(1 << 20));
    let times = policy.timeouts;
    assert_eq!((times.connect_ms, times.read_ms, times.write_ms), (5_000, 60_000, 60_000));
    let retry = policy.retry;
    assert_eq!((retry.tries, retry.within_ms), (3, 0));
    assert!(retry.on.error && retry.on.timeout && !retry.on.non_idempotent);
}

#[test]
fn annotations_of_others_are_none_of_ours() {
    let mut object = ingress("a", simple("a.test", "web"));
    object["metadata"]["annotations"] = json!({ "example.com/x": "y", "kubectl.kubernetes.io/z": "{" });
    World::of(&[service("web"), object]).is_sound();
}

#[test]
fn ssl_redirect_and_force_ssl_redirect() {
    let tls = |annotations: &[(&str, &str)]| {
        let mut spec = simple("a.test", "web");
        spec["tls"] = json!([{ "hosts": ["a.test"] }]);
        let world = World::of(&[service("web"), annotated("a", annotations, spec)]);
        world.is_sound();
        world.route("a.test").policy.https_redirect
    };
    assert_eq!(tls(&[]), Some(308));
    assert_eq!(tls(&[("ssl-redirect", "false")]), None);
    assert_eq!(tls(&[("ssl-redirect", "false"), ("force-ssl-redirect", "true")]), Some(308));
    assert_eq!(policy(&[("ssl-redirect", "true")]).https_redirect, None);
    assert_eq!(policy(&[("force-ssl-redirect", "true")]).https_redirect, Some(308));
    refused("ssl-redirect", &["yes", ""]);
    refused("force-ssl-redirect", &["on"]);
}

#[test]
fn rewrite_target_makes_paths_regular_expressions_and_keeps_its_groups() {
    let spec =
        json!({ "rules": [rule("a.test", &[path("ImplementationSpecific", "/api(/|$)(.*)", "web")])] });
    let world = World::of(&[service("web"), annotated("a", &[("rewrite-target", "/$2")], spec)]);
    world.is_sound();
    let route = world.route("a.test");
    assert_eq!(route.path, PathMatch::Pattern("/api(/|$)(.*)".into()));
    assert_eq!(&*route.policy.rewrite.as_ref().unwrap().path, "/$2");
    // The path itself is no other path.
    let world = crate::annotations::world(&[("rewrite-target", "/")]);
    let route = world.route("a.test");
    assert_eq!((&route.path, &route.policy.rewrite), (&PathMatch::Prefix("/".into()), &None));
    refused("rewrite-target", &["api", "", "/a b"]);
}

#[test]
fn use_regex_changes_all_ingresses_of_the_host_and_is_told() {
    let asks = annotated(
        "asks",
        &[("use-regex", "true")],
        json!({ "rules": [rule("a.test", &[path("ImplementationSpecific", "/v[0-9]+", "web")])] }),
    );
    let other = ingress(
        "other",
        json!({ "rules": [
            rule("a.test", &[path("Exact", "/x", "web"), path("Prefix", "/broken(", "web")]),
            rule("b.test", &[path("Prefix", "/x", "web")]),
        ] }),
    );
    let mut world = World::of(&[service("web"), asks.clone(), other]);
    let table = ["~ /broken\\( -> default/web:80", "~ /v[0-9]+ -> default/web:80", "~ /x -> default/web:80"];
    assert_eq!(world.table("a.test"), table);
    assert_eq!(world.table("b.test"), ["^ /x -> default/web:80"]);
    let problems = world.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("warning Ingress default/other spec.rules: paths of a.test are regular"));
    world.remove(&asks);
    assert_eq!(world.table("a.test"), ["= /x -> default/web:80", "^ /broken( -> default/web:80"]);
    refused("use-regex", &["maybe"]);
}

#[test]
fn a_path_that_is_no_regular_expression_is_told_and_the_others_stay() {
    let spec = json!({ "rules": [rule("a.test", &[
        path("ImplementationSpecific", "/(?=look)", "web"),
        path("ImplementationSpecific", "/ok", "web"),
    ])] });
    let world = World::of(&[service("web"), annotated("a", &[("use-regex", "true")], spec)]);
    assert_eq!(world.table("a.test"), ["~ /ok -> default/web:80"]);
    let problems = world.problems();
    assert!(problems[0].contains("`/(?=look)` is no regular expression that is known"), "{problems:?}");
}

#[test]
fn app_root_sends_the_root_elsewhere() {
    let world = world(&[("app-root", "/app")]);
    world.is_sound();
    let root = &world.routes("a.test")[0];
    assert_eq!(root.path, PathMatch::Exact("/".into()));
    let Action::Redirect(Redirect { status: 302, location: Some(to), scheme: None, host: None, .. }) =
        &root.action
    else {
        panic!("{root:?}")
    };
    assert_eq!(&**to, "/app");
    assert_eq!(world.routes("a.test").len(), 2);
    refused("app-root", &["app", "//evil.test", "/a\u{e9}"]);
}

#[test]
fn proxy_body_size() {
    for (text, bytes) in [
        ("8m", Some(8 << 20)),
        ("1024", Some(1024)),
        ("16K", Some(16 << 10)),
        ("2g", Some(2 << 30)),
        ("0", None),
    ] {
        assert_eq!(policy(&[("proxy-body-size", text)]).max_body, bytes, "{text}");
    }
    refused(
        "proxy-body-size",
        &["8 m", "m", "-1", "99999999999999999999g", "18446744073709551615g", "\u{e9}"],
    );
}

#[test]
fn proxy_timeouts() {
    let policy = policy(&[
        ("proxy-connect-timeout", "2"),
        ("proxy-read-timeout", "3600"),
        ("proxy-send-timeout", "7"),
    ]);
    let times = policy.timeouts;
    assert_eq!((times.connect_ms, times.read_ms, times.write_ms), (2_000, 3_600_000, 7_000));
    for name in ["proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout"] {
        refused(name, &["60s", "0", "-1", "4000001", ""]);
    }
}

#[test]
fn proxy_next_upstream() {
    let retry = policy(&[
        ("proxy-next-upstream", "error http_502 http_503 non_idempotent invalid_header"),
        ("proxy-next-upstream-tries", "5"),
        ("proxy-next-upstream-timeout", "30"),
    ])
    .retry;
    assert!(retry.on.error && !retry.on.timeout && retry.on.non_idempotent && retry.on.invalid_header);
    assert!(retry.on.status(502) && retry.on.status(503) && !retry.on.status(504));
    assert_eq!((retry.tries, retry.within_ms), (5, 30_000));
    assert_eq!(policy(&[("proxy-next-upstream", "off")]).retry.on, RetryOn::default());
    assert_eq!(policy(&[("proxy-next-upstream-tries", "0")]).retry.tries, 255);
    refused("proxy-next-upstream-tries", &["many"]);
    refused("proxy-next-upstream-timeout", &["4000001"]);
    let world = world(&[("proxy-next-upstream", "error http_418")]);
    assert!(world.problems()[0].contains("`http_418`"), "{:?}", world.problems());
    assert!(world.route("a.test").policy.retry.on.error);
}

#[test]
fn backend_protocol() {
    for (text, protocol) in [
        ("HTTP", BackendProtocol::Http),
        ("https", BackendProtocol::Https),
        ("GRPC", BackendProtocol::Grpc),
        ("GRPCS", BackendProtocol::Grpcs),
    ] {
        assert_eq!(policy(&[("backend-protocol", text)]).protocol, protocol);
    }
    refused("backend-protocol", &["FCGI", "AUTO_HTTP", ""]);
}

#[test]
fn limits_of_a_client() {
    let limits = |annotations: &[(&str, &str)]| policy(annotations).limits.map(|limits| *limits);
    let none = ClientLimits::default();
    let burst = none.burst;
    assert_eq!(burst, 5);
    let rps = ClientLimits { per_second: 10, ..none.clone() };
    assert_eq!(limits(&[("limit-rps", "10")]), Some(rps.clone()));
    let more = [("limit-rps", "10"), ("limit-rpm", "60"), ("limit-connections", "3")];
    let all = ClientLimits { per_minute: 60, connections: 3, ..rps };
    assert_eq!(limits(&more), Some(all.clone()));
    let exempt = [("limit-burst-multiplier", "2"), ("limit-whitelist", "10.0.0.0/8,192.0.2.7")];
    let networks = ["10.0.0.0/8", "192.0.2.7/32"].map(|network| network.parse().unwrap());
    let all = ClientLimits { burst: 2, exempt: networks.into(), ..all };
    assert_eq!(limits(&[&more[..], &exempt].concat()), Some(all));
    // 0 is no limit, as with ingress-nginx.
    assert_eq!(limits(&[("limit-rps", "0"), ("limit-burst-multiplier", "2")]), None);
    for name in ["limit-rps", "limit-rpm", "limit-connections"] {
        refused(name, &["many", "-1", "1000001", "1.5"]);
    }
    refused("limit-burst-multiplier", &["0", "1001"]);
}

#[test]
fn proxy_protocol_towards_endpoints() {
    let annotated = |annotations: Value| {
        let mut ingress = ingress("a", simple("a.test", "web"));
        ingress["metadata"]["annotations"] = annotations;
        World::of(&[service("web"), ingress])
    };
    let own = "sluice.dev/proxy-protocol";
    for (text, version) in [("v1", ProxyVersion::V1), (" v2", ProxyVersion::V2)] {
        let world = annotated(json!({ own: text }));
        world.is_sound();
        assert_eq!(world.route("a.test").policy.proxy_protocol, Some(version));
        let world = annotated(json!({ own: text, "nginx.ingress.kubernetes.io/ssl-passthrough": "true" }));
        assert_eq!(world.server_name("a.test").unwrap(), format!("-> default/web:80 {version:?}"));
    }
    let world = annotated(json!({ own: "V3", "sluice.dev/compat": "ingress-nginx" }));
    assert_eq!(world.route("a.test").policy, Policy::default());
    let problems = world.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|told| told.contains(own) && told.contains("`V3`: neither v1 nor v2")));
    assert!(problems.iter().any(|told| told.starts_with("warning") && told.contains("sluice.dev/compat")));
}

#[test]
fn source_ranges_of_both_lists() {
    let ranges = |list: &[ipnet::IpNet]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let policy = policy(&[
        ("whitelist-source-range", "10.0.0.0/8, 2001:db8::/32,192.0.2.7"),
        ("denylist-source-range", "10.9.9.9/16"),
    ]);
    assert_eq!(ranges(&policy.allow), ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]);
    assert_eq!(ranges(&policy.deny), ["10.9.0.0/16"]);
    let policy = crate::annotations::policy(&[("allowlist-source-range", "10.0.0.0/8")]);
    assert_eq!(ranges(&policy.allow), ["10.0.0.0/8"]);
    // One that cannot be read is told, and the others hold; where none can be, nobody comes in.
    for (text, left) in [("10.0.0.0/8,internal", "10.0.0.0/8"), ("internal", "::/128")] {
        let world = world(&[("whitelist-source-range", text)]);
        assert_eq!(ranges(&world.route("a.test").policy.allow), [left]);
        assert!(
            world.problems()[0].contains("whitelist-source-range\"]: `internal`"),
            "{:?}",
            world.problems()
        );
    }
}

#[test]
fn cors() {
    let cors = policy(&[("enable-cors", "true")]).cors.unwrap();
    assert_eq!(cors.origins, ["*".into()]);
    assert_eq!(&*cors.methods, "GET, PUT, POST, DELETE, PATCH, OPTIONS");
    assert!(cors.headers.contains("If-Modified-Since") && cors.headers.contains("Authorization"));
    assert_eq!((&*cors.expose, cors.credentials, cors.max_age), ("", true, 1_728_000));
    let cors = policy(&[
        ("enable-cors", "true"),
        ("cors-allow-origin", "https://a.test:8443, https://*.b.test"),
        ("cors-allow-methods", "GET, POST"),
        ("cors-allow-headers", "X-A"),
        ("cors-expose-headers", "X-B, X-C"),
        ("cors-allow-credentials", "false"),
        ("cors-max-age", "600"),
    ])
    .cors
    .unwrap();
    assert_eq!(cors.origins, ["https://a.test:8443".into(), "https://*.b.test".into()]);
    assert_eq!((&*cors.methods, &*cors.headers, &*cors.expose), ("GET, POST", "X-A", "X-B, X-C"));
    assert_eq!((cors.credentials, cors.max_age), (false, 600));
    assert_eq!(policy(&[("cors-allow-origin", "https://a.test")]).cors, None);
    refused("cors-allow-methods", &["GET; drop"]);
    refused("cors-allow-headers", &["a b"]);
    refused("cors-expose-headers", &["a:b"]);
    refused("cors-allow-origin", &["a.test", "https://a.test/path", "://x"]);
    refused("cors-max-age", &["-1"]);
    refused("cors-allow-credentials", &["2"]);
    refused("enable-cors", &["2"]);
    // Where no origin can be read none may, rather than all.
    let world = world(&[("enable-cors", "true"), ("cors-allow-origin", "a.test")]);
    assert!(world.route("a.test").policy.cors.as_ref().unwrap().origins.is_empty());
}

#[test]
fn affinity_by_cookie() {
    let affinity = policy(&[("affinity", "cookie"), ("affinity-mode", "persistent")]).affinity.unwrap();
    assert_eq!(&*affinity.cookie, "INGRESSCOOKIE");
    assert_eq!(
        (affinity.path, affinity.max_age, affinity.same_site, affinity.secure),
        (None, None, None, None)
    );
    assert!(!affinity.change_on_failure);
    let affinity = policy(&[
        ("affinity", "cookie"),
        ("session-cookie-name", "route"),
        ("session-cookie-path", "/a"),
        ("session-cookie-domain", "a.test"),
        ("session-cookie-expires", "1"),
        ("session-cookie-max-age", "172800"),
        ("session-cookie-samesite", "Lax"),
        ("session-cookie-secure", "true"),
        ("session-cookie-change-on-failure", "true"),
    ])
    .affinity
    .unwrap();
    assert_eq!((&*affinity.cookie, affinity.path.as_deref()), ("route", Some("/a")));
    assert_eq!((affinity.domain.as_deref(), affinity.max_age), (Some("a.test"), Some(172_800)));
    assert_eq!((affinity.same_site, affinity.secure), (Some(SameSite::Lax), Some(true)));
    assert!(affinity.change_on_failure);
    let expires = policy(&[("affinity", "cookie"), ("session-cookie-expires", "60")]).affinity.unwrap();
    assert_eq!(expires.max_age, Some(60));
    assert_eq!(policy(&[("session-cookie-name", "route")]).affinity, None);
    refused("affinity", &["ip"]);
    refused("affinity-mode", &["loose"]);
    refused("session-cookie-name", &["a=b", "a;b", ""]);
    refused("session-cookie-path", &["a", "/a;Domain=x"]);
    refused("session-cookie-domain", &["a; Secure"]);
    refused("session-cookie-samesite", &["lax"]);
    refused("session-cookie-max-age", &["x"]);
}

fn canary(annotations: &[(&str, &str)]) -> World {
    let mut all = vec![("canary", "true")];
    all.extend_from_slice(annotations);
    World::of(&[
        service("web"),
        service("next"),
        ingress("a", simple("a.test", "web")),
        annotated("b", &all, simple("a.test", "next")),
    ])
}

#[test]
fn canary_by_weight_header_and_cookie() {
    let of = |annotations: &[(&str, &str)]| {
        let world = canary(annotations);
        world.is_sound();
        assert!(world.upstream("next:80").is_some());
        forward(&world, "a.test", "^ /").canary.unwrap()
    };
    let by = of(&[("canary-weight", "20")]);
    assert_eq!((by.weight, by.total, by.header, by.cookie), (20, 100, None, None));
    assert_eq!(by.upstream.to_string(), "default/next:80");
    let by = of(&[("canary-weight", "200"), ("canary-weight-total", "1000")]);
    assert_eq!((by.weight, by.total), (200, 1000));
    let by = of(&[("canary-by-header", "X-Next")]);
    assert_eq!(by.header, Some(("X-Next".into(), HeaderMatch::Switch)));
    let by = of(&[("canary-by-header", "X-Next"), ("canary-by-header-value", "beta")]);
    assert_eq!(by.header, Some(("X-Next".into(), HeaderMatch::Exact("beta".into()))));
    let by = of(&[("canary-by-header", "X-Next"), ("canary-by-header-pattern", "^b.*a$")]);
    assert_eq!(by.header, Some(("X-Next".into(), HeaderMatch::Pattern("^b.*a$".into()))));
    let by = of(&[("canary-by-cookie", "next")]);
    assert_eq!((by.cookie.as_deref(), by.weight), (Some("next"), 0));
}

#[test]
fn a_canary_without_a_route_or_beside_another_is_told() {
    let mut world = canary(&[("canary-weight", "101")]);
    assert!(world.problems()[0].contains("canary-weight\"]: `101`"), "{:?}", world.problems());
    assert_eq!(forward(&world, "a.test", "^ /").canary.unwrap().weight, 0);
    let second = annotated("c", &[("canary", "true")], simple("a.test", "next"));
    world.apply(&[second, annotated("b", &[("canary", "true")], simple("a.test", "next"))]);
    assert!(world.problems()[0].starts_with("error Ingress default/c "), "{:?}", world.problems());
    world.remove(&ingress("a", simple("a.test", "web")));
    assert!(world.host("a.test").is_none());
    assert_eq!(world.problems().len(), 2, "{:?}", world.problems());
    let of = |annotation: (&str, &str)| canary(&[annotation]).problems().remove(0);
    assert!(of(("canary-by-header-pattern", "(")).contains("`(`"));
    assert!(of(("canary-by-header", "a b")).contains("`a b`"));
    assert!(of(("canary-by-cookie", "a;b")).contains("`a;b`"));
    assert!(of(("canary-weight-total", "0")).contains("`0`"));
    refused("canary", &["x"]);
}

#[test]
fn upstream_vhost() {
    assert_eq!(policy(&[("upstream-vhost", "inner.test:8080")]).host.as_deref(), Some("inner.test:8080"));
    let world = world(&[("upstream-vhost", "$host")]);
    assert!(world.problems()[0].contains("`$host`"));
    assert_eq!(world.route("a.test").policy.host, None);
}

#[test]
fn permanent_and_temporal_redirects() {
    let redirect = |annotations: &[(&str, &str)]| {
        let world = world(annotations);
        world.is_sound();
        match &world.route("a.test").action {
            Action::Redirect(redirect) => redirect.clone(),
            other => panic!("{other:?}"),
        }
    };
    let to = redirect(&[("permanent-redirect", "https://b.test/x?y")]);
    assert_eq!((to.status, to.location.as_deref()), (301, Some("https://b.test/x?y")));
    let to = redirect(&[("permanent-redirect", "https://b.test/x"), ("permanent-redirect-code", "308")]);
    assert_eq!(to.status, 308);
    let to = redirect(&[("temporal-redirect", "/there"), ("permanent-redirect", "https://b.test")]);
    assert_eq!((to.status, to.location.as_deref()), (302, Some("/there")));
    let to = redirect(&[("temporal-redirect", "/there"), ("temporal-redirect-code", "307")]);
    assert_eq!(to.status, 307);
    let to = redirect(&[("permanent-redirect", "https://b.test:8443$request_uri")]);
    assert_eq!(
        (to.scheme.as_deref(), to.host.as_deref(), to.location),
        (Some("https"), Some("b.test:8443"), None)
    );
    for name in ["permanent-redirect", "temporal-redirect"] {
        refused(
            name,
            &[
                "b.test",
                "ftp://b.test",
                "https://$host/x",
                "https:///x",
                "https://b.test/x$request_uri",
                "https://b.test/ x",
            ],
        );
        refused(&format!("{name}-code"), &["200", "304", "x"]);
    }
}

#[test]
fn from_to_www_redirect() {
    let redirected = |world: &World, host: &str| match &world.route(host).action {
        Action::Redirect(Redirect { status: 308, host: Some(host), location: None, .. }) => host.to_string(),
        other => panic!("{other:?}"),
    };
    let mut spec = simple("a.test", "web");
    spec["tls"] = json!([{ "hosts": ["a.test"], "secretName": "tls" }]);
    let mut world = World::of(&[
        service("web"),
        secret("tls", "a.test"),
        annotated("a", &[("from-to-www-redirect", "true")], spec),
        annotated("w", &[("from-to-www-redirect", "true")], simple("www.b.test", "web")),
    ]);
    world.is_sound();
    assert_eq!(redirected(&world, "www.a.test"), "a.test");
    assert_eq!(redirected(&world, "b.test"), "www.b.test");
    assert_eq!(world.server_name("www.a.test").unwrap(), "default/tls");
    // A host of its own goes before.
    let own = ingress("own", simple("www.a.test", "web"));
    world.apply(std::slice::from_ref(&own));
    assert_eq!(world.table("www.a.test"), ["^ / -> default/web:80"]);
    world.remove(&own);
    assert_eq!(redirected(&world, "www.a.test"), "a.test");
    refused("from-to-www-redirect", &["www"]);
}

#[test]
fn server_alias_has_all_routes_of_its_host() {
    let alias = annotated("a", &[("server-alias", "b.test, *.c.test")], simple("a.test", "web"));
    let second = ingress("second", json!({ "rules": [rule("a.test", &[path("Prefix", "/x", "web")])] }));
    let mut world = World::of(&[service("web"), alias, second.clone()]);
    world.is_sound();
    for host in ["a.test", "b.test", "*.c.test"] {
        assert_eq!(world.table(host), ["^ / -> default/web:80", "^ /x -> default/web:80"], "{host}");
    }
    world.remove(&second);
    assert_eq!(world.table("b.test"), ["^ / -> default/web:80"]);
    // A host of its own goes before, and the alias is told.
    world.apply(&[ingress("own", json!({ "rules": [rule("b.test", &[path("Prefix", "/own", "web")])] }))]);
    assert_eq!(world.table("b.test"), ["^ /own -> default/web:80"]);
    assert!(world.problems()[0].contains("b.test is a host of its own"), "{:?}", world.problems());
    refused("server-alias", &["~^a.*$", "192.0.2.1", "a:80"]);
}

#[test]
fn default_backend_takes_over_where_there_is_no_endpoint() {
    let world = world(&[("default-backend", "other")]);
    world.is_sound();
    let fallback = forward(&world, "a.test", "^ /").fallback.unwrap();
    let service = sluice_model::ServiceName::new("default", "other");
    assert_eq!(fallback, UpstreamName { service, port: UpstreamPort::First });
    let world = crate::annotations::world(&[("default-backend", "none")]);
    assert!(world.problems()[0].contains("default-backend\"]: there is no Service default/none"));
    refused("default-backend", &["ns/other", "other:80", ""]);
}

#[test]
fn load_balance_and_upstream_hash_by() {
    let balance = |annotations: &[(&str, &str)]| policy(annotations).balance;
    assert_eq!(balance(&[("load-balance", "round_robin")]), Balance::RoundRobin);
    assert_eq!(balance(&[("load-balance", "ewma")]), Balance::LeastRequest);
    for (text, key) in [
        ("$remote_addr", HashKey::Client),
        ("$binary_remote_addr", HashKey::Client),
        ("$request_uri", HashKey::Uri),
        ("${host}", HashKey::Host),
        ("$http_x_user", HashKey::Header("x-user".into())),
        ("$cookie_Session", HashKey::Cookie("Session".into())),
        ("$arg_id", HashKey::Argument("id".into())),
    ] {
        assert_eq!(balance(&[("upstream-hash-by", text), ("load-balance", "ewma")]), Balance::Hash(key));
    }
    refused("load-balance", &["ip_hash"]);
    refused("upstream-hash-by", &["request_uri", "$host$uri", "$nonsense", "$http_", ""]);
}

#[test]
fn ssl_passthrough_hands_tls_through() {
    let mut world = world(&[("ssl-passthrough", "true")]);
    world.is_sound();
    assert_eq!(world.server_name("a.test").unwrap(), "-> default/web:80");
    assert_eq!(world.route("a.test").policy.https_redirect, None);
    world.apply(&[ingress("a", simple("a.test", "web"))]);
    assert_eq!(world.server_name("a.test"), None);
    refused("ssl-passthrough", &["x"]);
}

#[test]
fn snippets_are_refused_and_the_rest_is_served() {
    for name in
        ["configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet", "modsecurity-snippet"]
    {
        let world = world(&[(name, "return 200;"), ("upstream-vhost", "kept.test")]);
        let problems = world.problems();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("error ") && problems[0].contains(name), "{problems:?}");
        assert_eq!(world.route("a.test").policy.host.as_deref(), Some("kept.test"));
    }
}

#[test]
fn authentication_that_is_not_known_lets_nobody_in() {
    for name in ["auth-type", "auth-url", "auth-tls-secret"] {
        let world = world(&[(name, "x"), ("auth-realm", "r")]);
        assert_eq!(world.table("a.test"), ["^ / -> 503"], "{name}");
        let problems = world.problems();
        assert!(problems.iter().any(|it| it.starts_with("error") && it.contains(name)), "{problems:?}");
        assert!(problems.iter().any(|it| it.starts_with("warning") && it.contains("auth-realm")));
    }
}

#[test]
fn the_lint_names_every_annotation_that_is_not_known() {
    for name in [
        "limit-rate",
        "limit-rate-after",
        "mirror-target",
        "satisfy",
        "service-upstream",
        "custom-headers",
        "x-forwarded-prefix",
        "custom-http-errors",
        "proxy-ssl-secret",
        "proxy-buffering",
        "enable-modsecurity",
        "upstream-hash-by-subset",
        "no-such-thing",
    ] {
        let world = world(&[(name, "some value")]);
        let expected = format!(
            "warning Ingress default/a metadata.annotations[\"nginx.ingress.kubernetes.io/{name}\"]: `some value`: not known here; the Ingress is served without it"
        );
        assert_eq!(world.problems(), [expected]);
        assert_eq!(world.table("a.test"), ["^ / -> default/web:80"]);
    }
}

#[test]
fn the_lint_names_what_leans_on_surprises_of_ingress_nginx() {
    let told = |annotations: &[(&str, &str)], path: &str, kind: &str| {
        let mut spec = simple("a.test", "web");
        let first = &mut spec["rules"][0]["http"]["paths"][0];
        (first["path"], first["pathType"]) = (path.into(), kind.into());
        World::of(&[service("web"), annotated("a", annotations, spec)]).problems()
    };
    let is = |problems: Vec<String>, field: &str, message: &str| {
        assert_eq!(problems, [format!("warning Ingress default/a {field}: {message}")]);
    };
    let rewrite = "metadata.annotations[\"nginx.ingress.kubernetes.io/rewrite-target\"]";
    // A rewrite makes plain paths regular expressions; where there is a pattern, that was meant.
    let implied = "implies `use-regex`: the host's paths are regular expressions, which fit from the beginning in any case";
    is(told(&[("rewrite-target", "/b")], "/a", "Prefix"), rewrite, implied);
    assert!(told(&[("rewrite-target", "/$1")], "/a/(.*)", "ImplementationSpecific").is_empty());
    assert!(told(&[("rewrite-target", "/b"), ("use-regex", "true")], "/a", "Prefix").is_empty());
    let exact = "`/a` is of type Exact, and a regular expression all the same: it fits all that begins so, in any case";
    is(told(&[("use-regex", "true")], "/a", "Exact"), "spec.rules", exact);
    assert!(told(&[("use-regex", "false")], "/a", "Exact").is_empty());
    // A missing slash is asked for, and not here; who has no annotation of ingress-nginx's never had it.
    let any = [("proxy-body-size", "8m")];
    let slash = "ingress-nginx answers `/a` with 301 to `/a/`; here it goes to its backend as it is";
    is(told(&any, "/a/", "Prefix"), "spec.rules", slash);
    let slash = "ingress-nginx answers `/a` with 301 to `/a/`; here it is answered with 404";
    is(told(&any, "/a/", "Exact"), "spec.rules", slash);
    assert!(told(&any, "/", "Prefix").is_empty() && told(&[], "/a/", "Exact").is_empty());
    // Nothing is decoded.
    for path in ["/a b", "/caf\u{e9}", "/a\"b"] {
        let message = format!(
            "`{path}` has bytes that requests have encoded, and nothing is decoded before it is matched: it fits none"
        );
        is(told(&[], path, "Prefix"), "spec.rules", &message);
    }
    assert!(told(&[], "/caf%C3%A9", "Exact").is_empty());
}

#[test]
fn nothing_is_said_of_an_ingress_that_is_another_s() {
    let mut foreign: Value =
        annotated("a", &[("server-snippet", "x"), ("limit-rate", "1")], simple("a.test", "web"));
    foreign["spec"]["ingressClassName"] = "nginx".into();
    World::of(&[class("nginx", "k8s.io/ingress-nginx"), foreign]).is_sound();
}

/// The class `sluice`, with hosts as ingress-nginx serves them.
fn compat() -> Value {
    let mut class = class("sluice", "sluice.dev/ingress");
    class["metadata"]["annotations"] = json!({ "sluice.dev/compat": "ingress-nginx" });
    class
}

#[test]
fn a_class_may_have_its_hosts_served_as_ingress_nginx_does() {
    let rules = json!({ "rules": [rule("a.test", &[
        path("Prefix", "/foo/", "web"),
        path("Exact", "/bar/", "web"),
        path("Prefix", "/own/", "web"),
        path("Exact", "/own", "web"),
        path("Prefix", "/a b", "web"),
        path("Prefix", "/", "web"),
    ])] });
    let plain = [
        "= /bar/ -> default/web:80",
        "= /own -> default/web:80",
        "^ / -> default/web:80",
        "^ /a b -> default/web:80",
        "^ /foo/ -> default/web:80",
        "^ /own/ -> default/web:80",
    ];
    let object = annotated("a", &[("proxy-read-timeout", "5")], rules);
    let mut world = World::of(&[service("web"), object]);
    assert_eq!(world.table("a.test"), plain);
    assert!(!world.host("a.test").unwrap().decoded);
    assert_eq!(world.problems().len(), 4, "{:?}", world.problems());

    world.apply(&[compat()]);
    world.is_sound();
    assert!(world.host("a.test").unwrap().decoded);
    let routes = world.routes("a.test");
    let sent = routes.iter().filter_map(|route| match (&route.path, &route.action) {
        (PathMatch::Exact(from), Action::Redirect(to)) => {
            assert!(to.status == 301 && to.keep_query && route.policy.timeouts.read_ms == 5000);
            Some((&**from, to.location.as_deref().unwrap()))
        }
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [("/bar", "/bar/"), ("/foo", "/foo/")]);
    assert_eq!(routes.len(), plain.len() + 2);

    world.apply(&[class("sluice", "sluice.dev/ingress")]);
    assert_eq!(world.table("a.test"), plain);
    let mut wrong = compat();
    wrong["metadata"]["annotations"]["sluice.dev/compat"] = "traefik".into();
    world.apply(&[wrong]);
    assert_eq!(world.table("a.test"), plain);
    assert!(world.problems().iter().any(|problem| problem.contains("`traefik` is not ingress-nginx")));
}

#[test]
fn one_class_of_a_host_decides_for_all_its_ingresses_and_the_others_are_told() {
    let mut other = ingress("b", json!({ "rules": [rule("a.test", &[path("Prefix", "/b/", "web")])] }));
    other["spec"]["ingressClassName"] = "other".into();
    let own = ingress("a", json!({ "rules": [rule("a.test", &[path("Prefix", "/a/", "web")])] }));
    let world = World::of(&[service("web"), class("other", "sluice.dev/ingress"), compat(), own, other]);
    assert_eq!(world.routes("a.test").len(), 4);
    let problems = world.problems();
    assert!(problems.len() == 1 && problems[0].contains("Ingress default/b"), "{problems:?}");
    assert!(problems[0].contains("a.test is served as ingress-nginx serves it"), "{problems:?}");
    // Regular expressions have no slashes to be sent to.
    let regex = json!({ "rules": [rule("a.test", &[path("ImplementationSpecific", "/a/", "web")])] });
    let world = World::of(&[service("web"), compat(), annotated("a", &[("use-regex", "true")], regex)]);
    assert_eq!(world.table("a.test"), ["~ /a/ -> default/web:80"]);
    assert!(world.host("a.test").unwrap().decoded);
}

/// What nginx does with a path, given the locations that ingress-nginx writes for these: the route's number, or `/`.
fn nginx(rules: &[(bool, String)], path: &str) -> Option<Result<usize, String>> {
    let mut whole: Vec<(String, usize)> = Vec::new();
    let mut begins: Vec<(String, usize)> = Vec::new();
    for (index, (_, text)) in rules.iter().enumerate().filter(|(_, (exact, _))| *exact) {
        whole.push((text.clone(), index));
    }
    for (index, (_, text)) in rules.iter().enumerate().filter(|(_, (exact, _))| !*exact) {
        if text == "/" {
            begins.push((text.clone(), index));
            continue;
        }
        begins.push((format!("{}/", text.trim_end_matches('/')), index));
        if !whole.iter().any(|(other, _)| other == text) {
            whole.push((text.clone(), index));
        }
    }
    if let Some((_, index)) = whole.iter().find(|(text, _)| text == path) {
        return Some(Ok(*index));
    }
    let slashed = format!("{path}/");
    if whole.iter().chain(&begins).any(|(text, _)| *text == slashed) {
        return Some(Err(slashed));
    }
    let fitting = begins.iter().filter(|(text, _)| path.starts_with(text.as_str()));
    fitting.max_by_key(|(text, _)| text.len()).map(|(_, index)| Ok(*index))
}

proptest::proptest! {
    #[test]
    fn compat_hosts_send_requests_where_nginx_does(
        given in proptest::collection::vec((proptest::bool::ANY, "(/[ab]{1,2}){1,3}/?|/"), 1..10),
        paths in proptest::collection::vec("(/[ab]{1,2}){1,4}/?|/", 1..20),
    ) {
        // Of each path one, and of prefixes one with or without a slash: nginx has no two locations of one name.
        let mut rules: Vec<(bool, String)> = Vec::new();
        for (exact, text) in given {
            let name = |exact: bool, text: &str| if exact { text.to_owned() } else { format!("{}/", text.trim_end_matches('/')) };
            if !rules.iter().any(|(other, known)| *other == exact && name(exact, known) == name(exact, &text)) {
                rules.push((exact, text));
            }
        }
        let paths_of: Vec<Value> = rules
            .iter()
            .enumerate()
            .map(|(index, (exact, text))| path(if *exact { "Exact" } else { "Prefix" }, text, &format!("s{index}")))
            .collect();
        let mut world = World::new();
        world.apply(&[compat(), ingress("a", json!({ "rules": [rule("a.test", &paths_of)] }))]);
        let routes = world.routes("a.test");
        for path in &paths {
            let elements = |text: &str| -> Vec<String> {
                text.trim_end_matches('/').split('/').skip(1).map(str::to_owned).collect()
            };
            let rank = |route: &Route| match &route.path {
                PathMatch::Exact(text) => (**text == **path).then_some((1, text.len())),
                PathMatch::Prefix(text) => elements(path).starts_with(&elements(text)).then_some((0, text.len())),
                PathMatch::Pattern(_) => None,
            };
            let found = routes.iter().filter_map(|route| Some((rank(route)?, route))).max_by_key(|(rank, _)| *rank);
            let found = found.map(|(_, route)| match &route.action {
                Action::Forward(forward) => Ok(forward.upstream.service.name[1..].parse::<usize>().unwrap()),
                Action::Redirect(to) => Err(to.location.as_deref().unwrap().to_owned()),
                Action::Respond(_) => panic!("{route:?}"),
            });
            proptest::prop_assert_eq!(found, nginx(&rules, path), "{:?} {}", rules, path);
        }
    }
}
