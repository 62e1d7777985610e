//! Rows and explanations of a small table.

use sluice_model::ServiceName;
use sluice_model::http::{
    Action, Canary, Forward, HeaderMatch, HostPattern, HttpChange, HttpSettings, PathMatch, Policy, Redirect,
    Rewrite, Route, ServerName, TlsAction, Upstream, UpstreamEndpoint, UpstreamName, UpstreamPort,
    VirtualHost,
};

use super::*;
use crate::table::{Table, Tables};
use crate::upstream::Millis;

fn name(service: &str) -> UpstreamName {
    UpstreamName { service: ServiceName::new("default", service), port: UpstreamPort::Number(80) }
}

fn forward(service: &str) -> Action {
    Action::Forward(Forward { upstream: name(service), fallback: None, canary: None })
}

fn route(path: PathMatch, action: Action, policy: Policy) -> Route {
    Route { path, action, policy, origin: "Ingress default/web".into() }
}

fn prefix(path: &str, action: Action) -> Route {
    route(PathMatch::Prefix(path.into()), action, Policy::default())
}

fn upstream(service: &str, endpoints: &[&str]) -> HttpChange {
    let endpoints = endpoints
        .iter()
        .map(|address| UpstreamEndpoint { address: address.parse().unwrap(), pod: Some("p".into()) })
        .collect();
    HttpChange::Upstream(Upstream { name: name(service), endpoints })
}

fn host(host: HostPattern, routes: Vec<Route>) -> HttpChange {
    HttpChange::Host(VirtualHost { host, routes, decoded: false })
}

fn tables() -> Tables {
    let tables = Tables::default();
    let canary = Canary {
        upstream: name("new"),
        header: Some(("x-new".into(), HeaderMatch::Switch)),
        cookie: None,
        weight: 5,
        total: 100,
    };
    let settings = HttpSettings {
        http: vec!["203.0.113.80:80".parse().unwrap()],
        https: vec!["203.0.113.80:443".parse().unwrap()],
        ..HttpSettings::default()
    };
    let shop = vec![
        prefix("/", forward("web")),
        prefix(
            "/api",
            Action::Forward(Forward { upstream: name("api"), fallback: None, canary: Some(canary) }),
        ),
        route(PathMatch::Exact("/api/v1".into()), forward("none"), Policy::default()),
        route(
            PathMatch::Exact("/safe".into()),
            forward("web"),
            Policy { https_redirect: Some(308), ..Policy::default() },
        ),
        route(
            PathMatch::Prefix("/inside".into()),
            forward("web"),
            Policy { allow: vec!["10.0.0.0/8".parse().unwrap()], ..Policy::default() },
        ),
        prefix(
            "/second",
            Action::Forward(Forward { upstream: name("none"), fallback: Some(name("web")), canary: None }),
        ),
        prefix("/gone", Action::Respond(410)),
        prefix(
            "/moved",
            Action::Redirect(Redirect {
                keep_query: false,
                status: 301,
                scheme: None,
                host: Some("new.example".into()),
                location: None,
            }),
        ),
    ];
    let pattern = route(
        PathMatch::Pattern("/old/(.*)".into()),
        forward("web"),
        Policy {
            rewrite: Some(Rewrite { path: "/new/$1".into() }),
            host: Some("inner".into()),
            ..Policy::default()
        },
    );
    tables.apply(&[
        HttpChange::Settings(Box::new(settings)),
        host(HostPattern::Exact("shop.example".into()), shop),
        host(HostPattern::Exact("old.example".into()), vec![pattern]),
        host(HostPattern::Wildcard("example".into()), vec![prefix("/", forward("web"))]),
        HttpChange::ServerName(ServerName {
            host: HostPattern::Exact("shop.example".into()),
            action: TlsAction::Terminate(None),
        }),
        upstream("web", &["10.244.1.5:8080", "10.244.2.5:8080"]),
        upstream("api", &["10.244.1.6:8080"]),
        upstream("new", &[]),
        upstream("none", &[]),
    ]);
    tables
}

fn ask(table: &Table, url: &str, client: Option<&str>) -> HttpExplanation {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
    let tls = scheme == "https";
    let query = HttpQuery {
        tls,
        host: host.to_owned(),
        port: if tls { 443 } else { 80 },
        path: format!("/{path}"),
        query,
        client: client.map(|client| client.parse().unwrap()),
    };
    let explained = explain(table, query, |_| None, Millis::now());
    // As the admin socket carries it.
    let text = serde_json::to_string(&explained).unwrap();
    assert_eq!(serde_json::from_str::<HttpExplanation>(&text).unwrap(), explained);
    explained
}

fn to(explanation: &HttpExplanation) -> &str {
    match &explanation.verdict {
        HttpVerdict::Forward { upstream, .. } => upstream,
        HttpVerdict::Refuse { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_sorted_and_complete() {
    let tables = tables();
    let table = tables.load();
    let rows = routes(&table);
    let hosts: Vec<_> = rows.iter().map(|row| row.host.as_str()).collect();
    assert!(hosts.is_sorted() && rows.len() == 10, "{rows:?}");
    assert_eq!((hosts[0], hosts[1], hosts[9]), ("*.example", "old.example", "shop.example"));
    let api = rows.iter().find(|row| row.path == "/api").unwrap();
    let ActionRow::Forward { upstream, canary: Some(canary), .. } = &api.action else { panic!("{api:?}") };
    assert_eq!((upstream.as_str(), canary.header.as_deref()), ("default/api:80", Some("x-new: always")));
    assert_eq!((canary.upstream.as_str(), canary.weight), ("default/new:80", 5));
    let rows = upstreams(&table, Millis::now());
    let states: Vec<_> =
        rows.iter().map(|row| (row.upstream.as_str(), row.endpoint.is_some(), row.state)).collect();
    assert_eq!(
        states,
        [
            ("default/api:80", true, EndpointState::In),
            ("default/new:80", false, EndpointState::None),
            ("default/none:80", false, EndpointState::None),
            ("default/web:80", true, EndpointState::In),
            ("default/web:80", true, EndpointState::In),
        ]
    );
    let web = table.upstream_named(&name("web")).unwrap();
    for _ in 0..5 {
        web.failed(web.members()[0].endpoint(), Millis::now());
    }
    let _request = web.members()[1].endpoint().begin();
    let rows = upstreams(&table, Millis::now());
    assert_eq!((rows[3].state, rows[3].in_flight), (EndpointState::Ejected, 0));
    assert_eq!((rows[4].state, rows[4].in_flight, rows[4].failures), (EndpointState::In, 1, 0));
}

#[test]
fn the_route_is_the_one_that_a_request_gets() {
    let tables = tables();
    let table = tables.load();
    for (url, wanted) in [
        ("http://shop.example/", "default/web:80"),
        ("http://SHOP.example./api/x?y", "default/api:80"),
        ("http://shop.example/api/v1", "no-endpoint"),
        ("http://shop.example/apix", "default/web:80"),
        ("http://shop.example/x/../api/", "default/api:80"),
        ("http://shop.example/second", "default/web:80"),
        ("http://other.example/x", "default/web:80"),
        ("http://old.example/none", "no-route"),
        ("http://a.b.example/", "no-host"),
        ("http://shop.example/%2e%2e/", "malformed-path"),
        ("http://sh_op,.example/", "malformed-host"),
    ] {
        assert_eq!(to(&ask(&table, url, None)), wanted, "{url}");
    }
    let explained = ask(&table, "http://shop.example/api/v1/x", None);
    assert_eq!(explained.route.as_ref().unwrap().path, "/api");
    assert_eq!((explained.others[0].path.as_str(), explained.others[0].fits), ("/", true));
    assert!(explained.others[1..].iter().all(|other| !other.fits) && explained.others.len() == 7);
    let host = explained.host.unwrap();
    assert_eq!(
        (host.pattern.as_deref(), host.passed_over),
        (Some("shop.example"), vec!["*.example".to_owned()])
    );
    assert_eq!(explained.endpoints.len(), 1);
}

#[test]
fn what_the_gateway_answers_itself_is_said() {
    let tables = tables();
    let table = tables.load();
    let safe = ask(&table, "http://shop.example/safe?x=1", None).verdict;
    let location = "https://shop.example/safe?x=1".to_owned();
    assert_eq!(safe, HttpVerdict::Redirect { status: 308, by: RedirectBy::Https, location });
    assert_eq!(to(&ask(&table, "https://shop.example/safe", None)), "default/web:80");
    assert_eq!(to(&ask(&table, "http://shop.example/inside", Some("192.0.2.1"))), "forbidden");
    assert_eq!(to(&ask(&table, "http://shop.example/inside", Some("10.1.2.3"))), "default/web:80");
    assert_eq!(ask(&table, "http://shop.example/gone", None).verdict, HttpVerdict::Respond { status: 410 });
    let moved = ask(&table, "https://shop.example/moved/x", None).verdict;
    let location = "https://new.example/moved/x".to_owned();
    assert_eq!(moved, HttpVerdict::Redirect { status: 301, by: RedirectBy::Route, location });
    let old = ask(&table, "http://old.example/old/a/b", None).verdict;
    let HttpVerdict::Forward { path, host, fallback: false, .. } = &old else { panic!("{old:?}") };
    assert_eq!((path.as_str(), host.as_str()), ("/new/a/b", "inner"));
}

#[test]
fn tls_and_ports_come_first() {
    let tables = tables();
    let table = tables.load();
    let query = |tls, port| HttpQuery {
        tls,
        host: "shop.example".to_owned(),
        port,
        path: "/".to_owned(),
        query: None,
        client: None,
    };
    assert_eq!(explain(&table, query(true, 80), |_| None, Millis::now()).verdict, HttpVerdict::NotServed);
    assert_eq!(explain(&table, query(false, 8080), |_| None, Millis::now()).verdict, HttpVerdict::NotServed);
    let passed = |name: &str| {
        assert_eq!(name, "shop.example");
        Some(TlsExplained {
            server_name: name.to_owned(),
            certificate: None,
            passthrough: Some("default/tls:443".to_owned()),
        })
    };
    let explained = explain(&table, query(true, 443), passed, Millis::now());
    assert_eq!(explained.verdict, HttpVerdict::Passthrough { upstream: "default/tls:443".to_owned() });
    assert_eq!(explain(&table, query(false, 80), |_| panic!(), Millis::now()).tls, None);
}

#[test]
fn the_explanation_agrees_with_the_table_whatever_the_path() {
    let tables = tables();
    let table = tables.load();
    let parts = ["/", "api", "v1", "/api", "/old/", "safe", "/..", "//", "x"];
    for a in parts {
        for b in parts {
            for c in parts {
                for host in ["shop.example", "old.example", "z.example"] {
                    let path = format!("/{a}{b}{c}");
                    let explained = ask(&table, &format!("http://{host}{path}"), None);
                    let Some(normal) = &explained.path else { continue };
                    let found = match table.find(host, normal) {
                        crate::table::Lookup::Route(found) => Some(found.value.path().clone()),
                        _ => None,
                    };
                    let said = explained.route.as_ref().map(|route| route.path.clone());
                    let text = found.as_ref().map(|path| rows_text(path).to_owned());
                    assert_eq!(said, text, "{host}{path}");
                    // Who fits as well has no longer text, but for the slash at the end of a prefix; patterns come before those.
                    let is_pattern = matches!(found, Some(PathMatch::Pattern(_)));
                    let longest = said.map_or(0, |said| said.len());
                    let others = explained.others.iter().filter(|other| other.fits);
                    assert!(
                        is_pattern
                            || others.into_iter().all(|it| it.path.trim_end_matches('/').len() <= longest),
                        "{host}{path}"
                    );
                }
            }
        }
    }
}

fn rows_text(path: &PathMatch) -> &str {
    super::rows::kind_and_text(path).1
}

#[test]
fn a_certificate_that_cannot_be_read_has_a_row_all_the_same() {
    let row = CertificateRow::new("default/tls".to_owned(), b"none", vec!["shop.example".to_owned()]);
    assert_eq!((row.not_after, row.names.len()), (None, 0));
}
