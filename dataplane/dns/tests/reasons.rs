//! What is not answered here, and what is said of it: names that a resolver has, clients that may not ask, and why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType as T;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::Verdict;
use sluice_model::{DnsAddress, DnsSettings, Elsewhere, NameKind, PodNames};

#[test]
fn what_comes_before_the_clusters_names_is_a_resolvers() {
    let elsewhere = |zone: &str, kind| Elsewhere { zone: zone.into(), kind, ..Elsewhere::default() };
    let given = DnsSettings {
        forward: true,
        elsewhere: vec![elsewhere("cluster.local", Some(28)), elsewhere("Shop.svc.cluster.local", None)],
        ..settings()
    };
    let zones = zones_of(given, &cluster(), &["default", "shop"]);
    let asked = |name: &str, kind, resolver| {
        let bytes = query(name, kind).to_vec().unwrap();
        raw(&zones, &bytes, sluice_dns::Asked { resolver, ..ASKED }).map(|reply| reply[3] & 15)
    };
    let web = "web.default.svc.cluster.local.";
    assert_eq!(asked(web, T::A, false), Ok(0));
    for (name, kind) in [
        (web, T::AAAA),
        ("WEB.default.SVC.cluster.local.", T::AAAA),
        ("in.shop.svc.cluster.local.", T::A),
        ("shop.svc.cluster.local.", T::A),
        ("none.shop.svc.cluster.local.", T::SRV),
    ] {
        assert_eq!(asked(name, kind, false), Err(Verdict::Elsewhere), "{name}");
        assert!(asked(name, kind, true).is_ok(), "{name}");
    }
    assert_eq!(asked("x.workshop.svc.cluster.local.", T::A, false), Ok(3));
}

/// `10.96.0.2` is for the cluster; the other address is for one network, of which a part has recursion.
fn two_addresses() -> DnsSettings {
    let nets = |text: &str| Some(vec![text.parse().unwrap()]);
    DnsSettings {
        clients: vec!["10.244.0.0/16".parse().unwrap()],
        addresses: vec![DnsAddress {
            address: ip("203.0.113.53"),
            clients: nets("192.0.2.0/24"),
            recursion: nets("192.0.2.128/25"),
            cluster_zones: None,
        }],
        forward: true,
        fallthrough: vec!["in-addr.arpa".into()],
        ..settings()
    }
}

#[test]
fn an_address_has_clients_of_its_own() {
    let zones = zones_of(two_addresses(), &cluster(), &["default"]);
    let asked = |client: &str, server: &str, resolver| {
        let bytes = query("web.default.svc.cluster.local.", T::A).to_vec().unwrap();
        let asked = sluice_dns::Asked { client: ip(client), server: ip(server), resolver, ..ASKED };
        raw(&zones, &bytes, asked).map(|reply| reply[3] & 15)
    };
    for (client, server, code) in [
        ("10.244.1.5", "10.96.0.2", 0),
        ("192.0.2.5", "10.96.0.2", 5),
        ("192.0.2.5", "203.0.113.53", 0),
        ("10.244.1.5", "203.0.113.53", 5),
    ] {
        assert_eq!(asked(client, server, false), Ok(code), "{client} asks {server}");
        // The resolver has looked at that itself.
        assert_eq!(asked(client, server, true), Ok(0));
    }
}

#[test]
fn without_recursion_others_are_not_asked() {
    let asked = |settings: &DnsSettings, name: &str, kind, client: &str| {
        let zones = zones_of(settings.clone(), &cluster(), &["default", "shop"]);
        let bytes = query(name, kind).to_vec().unwrap();
        let asked = sluice_dns::Asked { client: ip(client), server: ip("203.0.113.53"), ..ASKED };
        raw(&zones, &bytes, asked).map(|reply| (reply[3] & 15, reply[7]))
    };
    let (served, trusted) = ("192.0.2.5", "192.0.2.200");
    let given = two_addresses();
    for (name, kind, code, answers) in [
        ("example.com.", T::A, 5, 0),
        ("9.9.9.9.in-addr.arpa.", T::PTR, 5, 0),
        // The alias is told, and not what it leads to.
        ("out.shop.svc.cluster.local.", T::A, 0, 1),
    ] {
        assert_eq!(asked(&given, name, kind, served), Ok((code, answers)), "{name}");
        assert_eq!(asked(&given, name, kind, trusted), Err(Verdict::Forward), "{name}");
        // A resolver with tables of its own says itself what is not in them.
        let tables = DnsSettings { tables: true, ..given.clone() };
        assert_eq!(asked(&tables, name, kind, served), Err(Verdict::Forward), "{name}");
        let compat = DnsSettings { mode: sluice_model::DnsMode::Compat, ..given.clone() };
        assert_eq!(asked(&compat, name, kind, served), Ok((code, answers)), "{name}");
    }
    let completed = DnsSettings { autopath: true, ..given };
    let name = "example.com.default.svc.cluster.local.";
    assert_eq!(asked(&completed, name, T::A, served), Ok((3, 0)));
    assert_eq!(asked(&completed, name, T::A, trusted), Err(Verdict::Forward));
}

#[test]
fn who_asks_may_make_a_query_a_resolvers() {
    let net = |text: &str| vec![text.parse().unwrap()];
    let guarded = Elsewhere { zone: ".".into(), kind: None, clients: vec![], except: net("10.244.0.0/16") };
    let typed = Elsewhere {
        zone: "default.svc.cluster.local".into(),
        kind: Some(16),
        clients: net("10.244.9.0/24"),
        except: net("10.244.9.9/32"),
    };
    let given = DnsSettings { forward: true, elsewhere: vec![guarded, typed], localhost: true, ..settings() };
    let zones = zones_of(given, &cluster(), &["default"]);
    let asked = |name: &str, kind, client: &str| {
        let bytes = query(name, kind).to_vec().unwrap();
        let asked = sluice_dns::Asked { client: ip(client), ..ASKED };
        raw(&zones, &bytes, asked).map(|reply| reply[3] & 15)
    };
    let web = "web.default.svc.cluster.local.";
    assert_eq!(asked(web, T::A, "10.244.1.5"), Ok(0));
    assert_eq!(asked(web, T::A, "192.0.2.1"), Err(Verdict::Elsewhere));
    assert_eq!(asked(web, T::TXT, "10.244.9.8"), Err(Verdict::Elsewhere));
    assert_eq!(asked(web, T::TXT, "10.244.9.9"), Ok(0));
    // Whatever has been answered to others does not count for who may not ask.
    assert_eq!(asked("www.example.com.", T::A, "10.244.1.5"), Err(Verdict::Forward));
    assert_eq!(asked("www.example.com.", T::A, "192.0.2.1"), Err(Verdict::Elsewhere));
    assert_eq!(asked("LocalHost.default.svc.cluster.local.", T::A, "10.244.1.5"), Err(Verdict::Elsewhere));
    assert_eq!(asked("localhosts.default.svc.cluster.local.", T::A, "10.244.1.5"), Ok(3));
}

#[test]
fn who_is_refused_is_told_why() {
    let given = DnsSettings { clients: vec!["10.244.0.0/16".parse().unwrap()], ..settings() };
    let zones = zones_of(DnsSettings { cookie_key: Some([9; 16]), ..given }, &cluster(), &["default"]);
    let ask = |name: &str, kind, client: &str, cookie: bool| {
        let mut message = query(name, kind);
        let mut edns = Edns::new();
        if cookie {
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![7; 8]));
        }
        message.set_edns(edns);
        let bytes = message.to_vec().unwrap();
        let reply = raw(&zones, &bytes, sluice_dns::Asked { client: ip(client), ..ASKED }).unwrap();
        let reply = Message::from_bytes(&reply).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
        let options = reply.edns.unwrap();
        assert_eq!(options.option(EdnsCode::Cookie).is_some(), cookie);
        match options.option(EdnsCode::from(15)) {
            Some(EdnsOption::Unknown(15, said)) => u16::from_be_bytes([said[0], said[1]]),
            other => panic!("{other:?}"),
        }
    };
    let web = "web.default.svc.cluster.local.";
    for cookie in [false, true] {
        assert_eq!(ask(web, T::A, "192.0.2.1", cookie), 18);
        assert_eq!(ask("example.com.", T::A, "10.244.0.9", cookie), 20);
        assert_eq!(ask("cluster.local.", T::AXFR, "10.244.0.9", cookie), 21);
    }
    let plain = query("example.com.", T::A).to_vec().unwrap();
    assert_eq!(raw(&zones, &plain, ASKED).unwrap().len(), plain.len());
}

#[test]
fn a_name_that_wants_for_an_endpoint_is_said_to() {
    use sluice_dns::Catalog;
    use sluice_model::Change;
    let given = DnsSettings { hide_empty: true, ..settings() };
    let mut catalog: Catalog = catalog_of(given, &[], &["default"]);
    let mut idle = service("default", "idle", NameKind::Headless);
    idle.ports = vec![port("sql", sluice_model::Protocol::Tcp, 5432)];
    let hidden = service("default", "hidden", NameKind::Cluster(vec![ip("10.96.7.7")]));
    for service in [&idle, &hidden] {
        catalog.apply(&Change::Named(service.clone()));
    }
    let said = |catalog: &Catalog, name: &str, edns: bool| {
        let mut message = query(name, T::A);
        if edns {
            message.set_edns(Edns::new());
        }
        let reply = ask_message(&catalog.zones(), &message);
        assert_eq!((reply.authorities.len(), reply.edns.is_some()), (1, edns));
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        match reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::from(15))) {
            Some(EdnsOption::Unknown(_, said)) => String::from_utf8_lossy(said).into_owned(),
            _ => String::new(),
        }
    };
    for name in ["idle.default.svc.cluster.local.", "HIDDEN.default.svc.cluster.local."] {
        assert_eq!(said(&catalog, name, true), "\0\0no ready endpoint", "{name}");
        assert_eq!(said(&catalog, name, false), "");
    }
    assert_eq!(said(&catalog, "none.default.svc.cluster.local.", true), "");
    // Once it has one there is a name, and once it is gone nothing is said of it.
    let mut ready = idle.clone();
    ready.endpoints = vec![sluice_model::EndpointGroup {
        ports: idle.ports.clone(),
        endpoints: vec![endpoint("10.244.0.9", None, None)],
    }];
    catalog.apply(&Change::Named(ready));
    let name = "idle.default.svc.cluster.local.";
    assert_eq!(ask(&catalog.zones(), name, T::A), format!("NOERROR | {name} 30 A 10.244.0.9"));
    catalog.apply(&Change::Named(idle.clone()));
    assert_eq!(said(&catalog, name, true), "\0\0no ready endpoint");
    catalog.apply(&Change::NamedGone(idle.name.clone()));
    assert_eq!(said(&catalog, name, true), "");
}

/// The code of a reply, and the code and words of its extended error.
fn reason(
    zones: &sluice_dns::Zones,
    name: &str,
    kind: T,
    edns: bool,
) -> (ResponseCode, Option<(u16, String)>) {
    let mut message = query(name, kind);
    if edns {
        message.set_edns(Edns::new());
    }
    let reply = ask_message(zones, &message);
    let said = match reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::from(15))) {
        Some(EdnsOption::Unknown(_, said)) => {
            Some((u16::from_be_bytes([said[0], said[1]]), String::from_utf8_lossy(&said[2..]).into_owned()))
        }
        _ => None,
    };
    (reply.metadata.response_code, said)
}

#[test]
fn where_only_some_namespaces_have_names_it_is_said_of_the_others_whether_or_not_they_are_there() {
    let selected = DnsSettings { selected: true, ..settings() };
    let zones = zones_of(selected, &cluster(), &["default"]);
    let other = Some((0, "no such namespace has names here".to_owned()));
    for name in
        ["web.secret.svc.cluster.local.", "_a._tcp.b.Nowhere.SVC.Cluster.Local.", "secret.svc.cluster.local."]
    {
        assert_eq!(reason(&zones, name, T::A, true), (ResponseCode::NXDomain, other.clone()), "{name}");
        assert_eq!(reason(&zones, name, T::A, false), (ResponseCode::NXDomain, None), "{name}");
    }
    for name in ["none.default.svc.cluster.local.", "nope.cluster.local.", "x.pod.cluster.local."] {
        assert_eq!(reason(&zones, name, T::A, true), (ResponseCode::NXDomain, None), "{name}");
    }
    assert_eq!(reason(&zones, "web.default.svc.cluster.local.", T::A, true), (ResponseCode::NoError, None));
    // Where all have, nothing is hidden.
    let zones = zones_of(settings(), &cluster(), &["default"]);
    assert_eq!(reason(&zones, "web.secret.svc.cluster.local.", T::A, true), (ResponseCode::NXDomain, None));
}

#[test]
fn what_may_be_no_more_is_said_to_be_stale_until_it_is_known_anew() {
    use sluice_model::{Change, Settings};
    let given = |stale| DnsSettings { stale, pods: PodNames::Insecure, ..settings() };
    let mut catalog = catalog_of(given(true), &cluster(), &["default", "shop"]);
    let web = "web.default.svc.cluster.local.";
    let rows = [
        (web, T::A, ResponseCode::NoError, 3),
        (web, T::TXT, ResponseCode::NoError, 3),
        ("out.shop.svc.cluster.local.", T::A, ResponseCode::NoError, 3),
        ("http.tcp.web.default.svc.cluster.local.", T::SRV, ResponseCode::NoError, 3),
        ("10-1-2-3.default.pod.cluster.local.", T::A, ResponseCode::NoError, 3),
        ("none.default.svc.cluster.local.", T::A, ResponseCode::NXDomain, 19),
        ("empty.default.svc.cluster.local.", T::A, ResponseCode::NXDomain, 19),
    ];
    let stale = catalog.zones();
    for (name, kind, code, reason_code) in rows {
        let said = Some((reason_code, String::new()));
        assert_eq!(reason(&stale, name, kind, true), (code, said), "{name}");
        assert_eq!(reason(&stale, name, kind, false), (code, None), "{name}");
    }
    // The same names, and nothing is kept less for it.
    catalog.apply(&Change::Settings(Settings { dns: Some(given(false)), ..Settings::default() }));
    let fresh = catalog.zones();
    for (name, kind, code, _) in rows {
        let (found, said) = reason(&fresh, name, kind, true);
        assert_eq!(found, code, "{name}");
        assert!(said.is_none_or(|(code, _)| code == 0), "{name}");
    }
    assert_eq!(fresh.len(), stale.len());
}

#[test]
fn a_reason_takes_no_room_from_records() {
    let given = DnsSettings { stale: true, ..settings() };
    let mut many = service("default", "many", NameKind::Headless);
    let ready = |n: usize| endpoint(&format!("10.244.{}.{}", n / 200, n % 200 + 1), None, None);
    let mut told = 0;
    for count in 1..=28 {
        many.endpoints =
            vec![sluice_model::EndpointGroup { ports: vec![], endpoints: (0..count).map(ready).collect() }];
        let zones = zones_of(given.clone(), std::slice::from_ref(&many), &["default"]);
        let mut message = query("many.default.svc.cluster.local.", T::A);
        let mut edns = Edns::new();
        edns.set_max_payload(512);
        message.set_edns(edns);
        let bytes = raw(&zones, &message.to_vec().unwrap(), ASKED).unwrap();
        assert!(bytes.len() <= 512, "{}", bytes.len());
        let reply = Message::from_bytes(&bytes).unwrap();
        assert_eq!((reply.answers.len(), reply.metadata.truncation), (count, false));
        told += usize::from(reply.edns.unwrap().option(EdnsCode::from(15)).is_some());
    }
    assert_eq!(told, 27, "the last one leaves no room for it");
}
