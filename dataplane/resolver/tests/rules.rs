//! Rules about who may ask, names of the host's own, made-up addresses, and bits of headers.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::*;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{Name, RData, Record, RecordType as T};
use sluice_resolver::config::{Acl, AclAction, AclPolicy, Cache, Dns64, HeaderBits, Local, Zone};
use sluice_resolver::{Authority, Transport, Verdict};

/// Names in `cluster.local.` have 10.96.0.1, whatever is asked of them otherwise.
struct Cluster;

impl Authority for Cluster {
    fn answer(&self, query: &[u8], _: SocketAddr, _: IpAddr, _: Transport, out: &mut Vec<u8>) -> Verdict {
        let query = Message::from_vec(query).unwrap();
        let name = &query.queries[0].name;
        if !Name::from_ascii("cluster.local.").unwrap().zone_of(name) {
            return Verdict::NotMine;
        }
        let mut reply = answer(&query, vec![]);
        reply.metadata.recursion_available = false;
        reply.metadata.authoritative = true;
        match query.queries[0].query_type {
            T::A => reply.answers = vec![a(name, 30, [10, 96, 0, 1])],
            _ => reply.authorities = vec![soa("cluster.local.", 5, 5)],
        }
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        *out = reply.to_vec().unwrap();
        Verdict::Answered
    }
}

fn policy(action: AclAction, types: &[T], networks: &[&str]) -> AclPolicy {
    AclPolicy {
        action,
        types: types.iter().copied().map(u16::from).collect(),
        networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acl_blocks_filters_drops_and_allows() {
    let upstream = Fake::honest().await;
    let acl = vec![
        Acl {
            zones: vec!["secret.example".into()],
            policies: vec![policy(AclAction::Block, &[], &["127.0.0.0/8"])],
        },
        Acl {
            zones: vec![],
            policies: vec![
                policy(AclAction::Filter, &[T::AAAA], &[]),
                policy(AclAction::Drop, &[T::TXT], &["127.0.0.1/32"]),
                policy(AclAction::Allow, &[], &["127.0.0.1/32"]),
                policy(AclAction::Block, &[], &[]),
            ],
        },
    ];
    let rewrite = sluice_resolver::config::Rewrite::Name {
        matches: sluice_resolver::config::NameMatch::Exact("open.example.".into(), "secret.example.".into()),
        answer: vec![],
        go_on: false,
    };
    let zone = Zone { acl, rewrite: vec![rewrite], ..root(forward(&[upstream.address])) };
    let server = start_with(settings(vec![zone]), Cluster).await;
    let reply = server.ask("www.secret.example.", T::A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::Refused, Some(15)));
    // What counts is what is looked up.
    let reply = server.ask("open.example.", T::A).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    let reply = server.ask("www.example.", T::AAAA).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::NoError, Some(17)));
    assert!(reply.answers.is_empty());
    // The cluster's names, too.
    let reply = ask_tcp(server.tcp, &query("web.cluster.local.", T::AAAA)).await;
    assert_eq!(extended(&reply), Some(17));
    assert_eq!(data(&server.ask("web.cluster.local.", T::A).await), ["web.cluster.local. 10.96.0.1"]);
    assert_eq!(upstream.count(), 0);
    assert_eq!(data(&server.ask("www.example.", T::A).await), ["www.example. 192.0.2.1"]);
    let text = query("www.example.", T::TXT).to_vec().unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(200), send_udp(server.udp, &text)).await;
    assert!(silence.is_err());
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_the_host_come_before_all() {
    let upstream = Fake::honest().await;
    let zone = Zone { local: Some(Local { prefix: true }), ..root(forward(&[upstream.address])) };
    let server = start_with(settings(vec![zone]), Cluster).await;
    let reply = server.ask("LocalHost.", T::A).await;
    assert_eq!(data(&reply), ["LocalHost. 127.0.0.1"]);
    assert_eq!(reply.queries[0].name.to_ascii(), "LocalHost.");
    let reply = server.ask("localhost.web.cluster.local.", T::AAAA).await;
    assert_eq!(data(&reply), ["localhost.web.cluster.local. ::1"]);
    assert_eq!(data(&server.ask("1.0.0.127.in-addr.arpa.", T::PTR).await).len(), 1);
    assert_eq!(upstream.count(), 0);
}

/// One that has 192.0.2.33 for all, and 2001:db8::1 for `six.example.`; no `none.example.`, and it fails with AAAA of
/// `broken.example.`
async fn dual() -> Fake {
    Fake::start(|query, _| {
        let asked = &query.queries[0];
        let reply = match (asked.name.to_lowercase().to_ascii().as_str(), asked.query_type) {
            ("none.example.", _) => nxdomain(query, "example.", 60, 60),
            ("broken.example.", T::AAAA) => failure(query, ResponseCode::ServFail),
            ("six.example.", T::AAAA) => {
                let address = RData::AAAA(AAAA("2001:db8::1".parse().unwrap()));
                answer(query, vec![Record::from_rdata(asked.name.clone(), 60, address)])
            }
            ("alias.example.", T::A) => answer(
                query,
                vec![cname(&asked.name, "v4.example."), a(&name("v4.example."), 300, [192, 0, 2, 33])],
            ),
            (_, T::A) => answer(query, vec![a(&asked.name, 300, [192, 0, 2, 33])]),
            _ => {
                let mut reply = answer(query, vec![]);
                reply.authorities = vec![soa("example.", 45, 45)];
                reply
            }
        };
        now(reply)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_made_up_where_there_are_none() {
    let upstream = dual().await;
    let dns64 = Dns64 { prefix: "64:ff9b::/96".parse().unwrap(), all: false, ipv4: true };
    let cached =
        Zone { dns64: Some(dns64), cache: Some(Cache::default()), ..root(forward(&[upstream.address])) };
    let zones = vec![cached.clone()];
    let server = start_with(settings(zones), Cluster).await;
    // Twice: from the upstream, and from the cache.
    for _ in 0..2 {
        let reply = server.ask("v4.example.", T::AAAA).await;
        assert_eq!(data(&reply), ["v4.example. 64:ff9b::c000:221"]);
        assert!(reply.answers[0].ttl <= 45 && !reply.metadata.authentic_data);
        assert_eq!(reply.queries[0].query_type, T::AAAA);
    }
    assert_eq!(upstream.count(), 2);
    let reply = ask_tcp(server.tcp, &query("alias.example.", T::AAAA)).await;
    assert_eq!(data(&reply), ["alias.example. v4.example.", "v4.example. 64:ff9b::c000:221"]);
    assert_eq!(data(&server.ask("six.example.", T::AAAA).await), ["six.example. 2001:db8::1"]);
    assert_eq!(data(&server.ask("broken.example.", T::AAAA).await), ["broken.example. 64:ff9b::c000:221"]);
    let reply = server.ask("none.example.", T::AAAA).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(data(&server.ask("web.cluster.local.", T::AAAA).await), ["web.cluster.local. 64:ff9b::a60:1"]);
    // Who checks signatures himself, and other types.
    let mut checking = query("v4.example.", T::AAAA);
    checking.metadata.checking_disabled = true;
    checking.edns.as_mut().unwrap().set_dnssec_ok(true);
    assert!(ask_udp(server.udp, &checking).await.answers.is_empty());
    assert!(server.ask("v4.example.", T::MX).await.answers.is_empty());
    // All, and nothing for who asks by IPv4.
    for (change, expected) in [
        (Dns64 { all: true, ..dns64 }, "six.example. 64:ff9b::c000:221"),
        (Dns64 { ipv4: false, ..dns64 }, "six.example. 2001:db8::1"),
    ] {
        let zone = Zone { dns64: Some(change), cache: None, ..cached.clone() };
        let server = start_with(settings(vec![zone]), Cluster).await;
        assert_eq!(data(&server.ask("six.example.", T::AAAA).await), [expected]);
        assert_eq!(server.ask("v4.example.", T::AAAA).await.answers.is_empty(), !change.ipv4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bits_of_headers_are_as_they_are_set() {
    let upstream = Fake::honest().await;
    let header = HeaderBits {
        desired: Some(true),
        authoritative: Some(false),
        available: Some(true),
        told_desired: None,
    };
    let zone = Zone { header, ..root(forward(&[upstream.address])) };
    let server = start_with(settings(vec![zone]), Cluster).await;
    let reply = server.ask("web.cluster.local.", T::A).await;
    assert!(reply.metadata.recursion_available && !reply.metadata.authoritative);
    // Without RD it would be refused.
    let mut iterative = query("www.example.", T::A);
    iterative.metadata.recursion_desired = false;
    let reply = ask_udp(server.udp, &iterative).await;
    assert_eq!(data(&reply), ["www.example. 192.0.2.1"]);
    assert!(reply.metadata.recursion_desired);
    let cleared = HeaderBits { available: Some(false), told_desired: Some(false), ..HeaderBits::default() };
    let zone = Zone { header: cleared, ..root(forward(&[upstream.address])) };
    let server = start_with(settings(vec![zone]), Cluster).await;
    let reply = server.ask("www.example.", T::A).await;
    assert!(!reply.metadata.recursion_available && !reply.metadata.recursion_desired);
}
