//! Tables from changes.

use std::time::Instant;

use sluice_model::ServiceName;
use sluice_model::http::{
    Action, Forward, PathMatch, Policy, Retry, Route, ServerName, TlsAction, Upstream, UpstreamEndpoint,
    UpstreamName, UpstreamPort, VirtualHost,
};

use super::*;

fn name(service: &str) -> UpstreamName {
    let service = ServiceName { namespace: "default".into(), name: service.into() };
    UpstreamName { service, port: UpstreamPort::Number(80) }
}

fn route(path: &str, service: &str) -> Route {
    let forward = Forward { upstream: name(service), fallback: None, canary: None };
    Route {
        path: PathMatch::Prefix(path.into()),
        action: Action::Forward(forward),
        policy: Policy::default(),
        origin: "Ingress default/web".into(),
    }
}

fn host(host: HostPattern, routes: Vec<Route>) -> HttpChange {
    HttpChange::Host(VirtualHost { host, routes, decoded: false })
}

fn exact(name: &str) -> HostPattern {
    HostPattern::Exact(name.into())
}

fn upstream(service: &str, endpoints: &[u8]) -> HttpChange {
    let endpoint = |last: &u8| UpstreamEndpoint { address: ([10, 0, 0, *last], 80).into(), pod: None };
    HttpChange::Upstream(Upstream {
        name: name(service),
        endpoints: endpoints.iter().map(endpoint).collect(),
    })
}

fn found(table: &Table, host: &str, path: &str) -> Option<Arc<CompiledRoute>> {
    match table.find(host, path) {
        Lookup::Route(found) => Some(Arc::clone(found.value)),
        Lookup::NoHost | Lookup::NoPath => None,
    }
}

#[test]
fn a_host_without_a_fitting_path_does_not_fall_through_to_another_host() {
    let tables = Tables::default();
    tables.apply(&[
        host(exact("a.b.com"), vec![route("/a", "a")]),
        host(HostPattern::Wildcard("b.com".into()), vec![route("/", "wild")]),
        host(HostPattern::Any, vec![route("/", "any")]),
    ]);
    let table = tables.load();
    assert!(matches!(table.find("a.b.com", "/x"), Lookup::NoPath));
    assert!(matches!(table.find("x.b.com", "/x"), Lookup::Route(_)));
    tables.apply(&[HttpChange::HostGone(HostPattern::Any)]);
    assert!(matches!(tables.load().find("c.com", "/"), Lookup::NoHost));
    assert!(matches!(table.find("c.com", "/"), Lookup::Route(_)), "a table in use stays as it is");
}

#[test]
fn what_a_change_does_not_touch_is_shared() {
    let tables = Tables::default();
    let mut other = route("/b", "b");
    other.policy.retry = Retry { tries: 1, ..Retry::default() };
    tables.apply(&[
        host(exact("a.com"), vec![route("/a", "a"), other.clone()]),
        host(exact("b.com"), vec![route("/a", "a")]),
    ]);
    let before = tables.load();
    other.policy.max_body = None;
    tables.apply(&[host(exact("a.com"), vec![other, route("/a", "a"), route("/c", "c")])]);
    let after = tables.load();
    let same =
        |host, path| Arc::ptr_eq(&found(&before, host, path).unwrap(), &found(&after, host, path).unwrap());
    assert!(same("a.com", "/a") && same("b.com", "/a") && !same("a.com", "/b"));
    assert!(std::ptr::eq(
        found(&after, "a.com", "/a").unwrap().policy(),
        found(&after, "b.com", "/a").unwrap().policy()
    ));
    assert!(std::ptr::eq(
        found(&after, "a.com", "/a").unwrap().policy(),
        found(&after, "a.com", "/c").unwrap().policy()
    ));
    assert_eq!((after.routes().count(), after.host_count()), (4, 2));
}

#[test]
fn upstreams_are_found_and_endpoints_shared_between_them() {
    let tables = Tables::default();
    tables.apply(&[host(HostPattern::Any, vec![route("/", "a")]), upstream("a", &[1, 2])]);
    let table = tables.load();
    let route = found(&table, "x", "/").unwrap();
    let CompiledAction::Forward(forward) = route.action() else { panic!() };
    assert_eq!(table.upstream(&forward.upstream).unwrap().members().len(), 2);
    tables.apply(&[upstream("b", &[2, 3]), upstream("a", &[2])]);
    let table = tables.load();
    let member = |service| table.upstream_named(&name(service)).unwrap().members()[0].endpoint().clone();
    assert!(Arc::ptr_eq(&member("a"), &member("b")), "health of an endpoint is one");
    tables.apply(&[HttpChange::UpstreamGone(name("a"))]);
    assert!(tables.load().upstream(&forward.upstream).is_none());
    assert_eq!(tables.load().upstreams().count(), 1);
}

#[test]
fn server_names_choose_as_tls_does() {
    let tables = Tables::default();
    let entry = |host| HttpChange::ServerName(ServerName { host, action: TlsAction::Terminate(None) });
    let wildcard = HostPattern::Wildcard("b.com".into());
    tables.apply(&[entry(exact("a.b.com")), entry(wildcard.clone())]);
    let table = tables.load();
    assert_eq!(table.server_name("a.b.com"), &exact("a.b.com"));
    assert_eq!(table.server_name("c.b.com"), &wildcard);
    assert_eq!(table.server_name("b.com"), &HostPattern::Any);
}

#[test]
fn a_change_among_five_thousand_is_cheap() {
    let tables = Tables::default();
    let many: Vec<_> =
        (0..5000).map(|index| route(&format!("/app-{index}"), &format!("app-{index}"))).collect();
    let hosts: Vec<_> =
        (0..5000).map(|index| host(exact(&format!("h{index}.com")), vec![route("/", "a")])).collect();
    tables.apply(&hosts);
    tables.apply(&[host(exact("big.com"), many.clone())]);
    let quickest = |changes: &[HttpChange]| {
        let times = (0..20).map(|_| {
            let start = Instant::now();
            tables.apply(changes);
            start.elapsed()
        });
        times.min().unwrap()
    };
    let one_host = quickest(&[host(exact("h77.com"), vec![route("/x", "a")])]);
    let mut changed = many;
    changed[17].policy.max_body = None;
    let one_of_many = quickest(&[host(exact("big.com"), changed)]);
    let endpoints = quickest(&[upstream("a", &[1, 2, 3])]);
    eprintln!("a host {one_host:?}, a route of 5000 on a host {one_of_many:?}, endpoints {endpoints:?}");
    assert!(one_host.as_micros() < 500 && endpoints.as_micros() < 500, "{one_host:?} {endpoints:?}");
    assert!(one_of_many.as_millis() < 20, "{one_of_many:?}");
    assert!(found(&tables.load(), "h77.com", "/").is_none());
}
