//! What is said about a question: the object, the rule, the reply.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use sluice_dns::explain::{Explanation, Question, Rule, Subject, explain};
use sluice_model::{DnsAddress, DnsMode, DnsSettings, PodNames};

fn ask_about(settings: DnsSettings, name: &str, kind: u16, client: Option<&str>) -> Explanation {
    let zones = zones_of(settings, &cluster(), &["default", "shop"]);
    let question = Question { name: name.to_owned(), kind, client: client.map(ip), server: None };
    explain(&zones, &question).unwrap()
}

#[test]
fn each_rule_is_named() {
    const A: u16 = 1;
    let forwarding = || DnsSettings {
        forward: true,
        pods: PodNames::Insecure,
        clients: vec!["10.244.0.0/16".parse().unwrap()],
        fallthrough: vec!["in-addr.arpa".into()],
        ..settings()
    };
    for (name, kind, rule) in [
        ("web.default.svc.cluster.local", A, Rule::Records),
        ("web.default.svc.cluster.local", 16, Rule::OtherTypes),
        ("cluster.local", 6, Rule::Records),
        ("_tcp.web.default.svc.cluster.local", A, Rule::Empty),
        ("http.tcp.web.default.svc.cluster.local", A, Rule::Spelling),
        ("in.shop.svc.cluster.local", A, Rule::Alias),
        ("out.shop.svc.cluster.local", A, Rule::AliasElsewhere),
        ("10-244-1-5.default.pod.cluster.local", A, Rule::PodAddress),
        ("nope.default.svc.cluster.local", A, Rule::Missing),
        ("9.9.9.9.in-addr.arpa", 12, Rule::Fallthrough),
        ("example.com", A, Rule::Upstream),
        ("cluster.local", 252, Rule::Transfer),
    ] {
        let said = ask_about(forwarding(), name, kind, None);
        assert_eq!(said.rule, rule, "{name} {kind}");
        assert_eq!(said.reply.is_none(), matches!(rule, Rule::Fallthrough | Rule::Upstream), "{name}");
    }
    assert_eq!(ask_about(settings(), "example.com", A, None).rule, Rule::NoUpstream);
    let own = DnsAddress {
        address: ip("203.0.113.53"),
        clients: Some(vec!["0.0.0.0/0".parse().unwrap()]),
        recursion: Some(vec![]),
        cluster_zones: None,
    };
    let zones = zones_of(DnsSettings { addresses: vec![own], ..forwarding() }, &cluster(), &["default"]);
    let at = |name: &str, client: Option<&str>, server: Option<&str>| {
        let (client, server) = (client.map(ip), server.map(ip));
        explain(&zones, &Question { name: name.to_owned(), kind: A, client, server }).unwrap()
    };
    let (web, stranger, there) = ("web.default.svc.cluster.local", Some("192.0.2.1"), Some("203.0.113.53"));
    let said = at("example.com", None, there);
    assert_eq!((said.rule, said.forwarded), (Rule::NoRecursion, None));
    assert_eq!(at("9.9.9.9.in-addr.arpa", stranger, there).rule, Rule::NoRecursion);
    assert_eq!(at(web, stranger, there).rule, Rule::Records);
    assert_eq!((at(web, stranger, None).rule, at(web, stranger, None).allowed), (Rule::Client, false));
    let own = DnsAddress {
        address: ip("203.0.113.53"),
        clients: Some(vec!["0.0.0.0/0".parse().unwrap()]),
        recursion: None,
        cluster_zones: Some(vec![]),
    };
    let outer = zones_of(DnsSettings { addresses: vec![own], ..forwarding() }, &cluster(), &["default"]);
    let at = |name: &str, kind: u16, client: Option<&str>, server: Option<&str>| {
        let (client, server) = (client.map(ip), server.map(ip));
        explain(&outer, &Question { name: name.to_owned(), kind, client, server }).unwrap()
    };
    for name in [web, "nope.default.svc.cluster.local", "9.9.9.9.in-addr.arpa", "Cluster.local"] {
        for client in [stranger, None] {
            let said = at(name, A, client, there);
            assert_eq!((said.rule, said.forwarded), (Rule::Concealed, None), "{name}");
            assert_eq!(said.reply.unwrap()[3] & 15, 5);
        }
    }
    assert_eq!(at(web, 252, None, there).rule, Rule::Transfer);
    assert_eq!(at(web, A, None, None).rule, Rule::Records);
    assert_eq!(at("example.com", A, stranger, there).rule, Rule::Upstream);
    assert_eq!(
        ask_about(DnsSettings { listen: vec![], ..settings() }, "example.com", A, None).rule,
        Rule::Off
    );
    let refused = ask_about(forwarding(), "web.default.svc.cluster.local", A, Some("192.0.2.1"));
    assert_eq!((refused.rule, refused.allowed, refused.reply.unwrap()[3] & 15), (Rule::Client, false, 5));
    let compat = DnsSettings { mode: DnsMode::Compat, ..settings() };
    assert_eq!(ask_about(compat, "dns-version.cluster.local", A, None).rule, Rule::Compat);
}

#[test]
fn the_object_is_named() {
    let subject = |name: &str| ask_about(settings(), name, 1, None).subject;
    let service = |part: Option<&str>| Subject::Service {
        service: "default/web".into(),
        part: part.map(str::to_owned),
    };
    assert_eq!(subject("WEB.default.svc.cluster.local"), service(None));
    assert_eq!(subject("_http._tcp.web.default.svc.cluster.local."), service(Some("_http._tcp")));
    assert_eq!(subject("default.svc.cluster.local"), Subject::Namespace { namespace: "default".into() });
    assert_eq!(subject("10.0.96.10.in-addr.arpa"), Subject::Address { address: ip("10.96.0.10") });
    let six = sluice_dns::name::text(sluice_dns::name::reverse(ip("fd00:96::a")).wire());
    assert_eq!(subject(&six), Subject::Address { address: ip("fd00:96::a") });
    assert_eq!(subject("example.com"), Subject::Foreign);
    let out = ask_about(DnsSettings { forward: true, ..settings() }, "out.shop.svc.cluster.local", 1, None);
    assert_eq!(out.forwarded.as_deref(), Some("www.Example.com."));
    assert_eq!(out.reply.unwrap()[7], 1, "the alias itself");
}
