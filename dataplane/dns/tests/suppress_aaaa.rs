//! Clients without IPv6: nobody is asked for IPv6 addresses for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType as T;
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::explain::{Question, Rule, explain};
use sluice_dns::{Asked, Catalog, Verdict, Zones};
use sluice_model::{Change, DnsSettings, NamedPod, ServiceName};

const FOUR: &str = "10.244.0.1";
const BOTH: &str = "10.244.0.2";
const LISTED: &str = "10.9.0.1";
const STRANGER: &str = "10.250.0.1";

fn given(pods: bool) -> DnsSettings {
    DnsSettings {
        forward: true,
        suppress_aaaa: vec!["10.9.0.0/16".parse().unwrap(), "fd09::/16".parse().unwrap()],
        suppress_aaaa_of_pods: pods,
        ..settings()
    }
}

fn pod(name: &str, addresses: &[&str]) -> Change {
    Change::Pod(NamedPod {
        name: ServiceName::new("default", name),
        addresses: addresses.iter().map(|address| ip(address)).collect(),
        named: false,
        client: true,
    })
}

fn catalog(settings: DnsSettings) -> Catalog {
    let mut catalog = catalog_of(settings, &cluster(), &["default", "shop"]);
    catalog.apply(&pod("four", &[FOUR]));
    catalog.apply(&pod("both", &[BOTH, "fd00::2"]));
    catalog
}

fn ask(zones: &Zones, client: &str, name: &str, kind: T) -> Result<Message, Verdict> {
    ask_as(zones, Asked { client: ip(client), ..ASKED }, &query(name, kind))
}

fn ask_as(zones: &Zones, asked: Asked, message: &Message) -> Result<Message, Verdict> {
    raw(zones, &message.to_vec().unwrap(), asked).map(|bytes| Message::from_bytes(&bytes).unwrap())
}

fn is_suppressed(zones: &Zones, client: &str) -> bool {
    match ask(zones, client, "www.example.com.", T::AAAA) {
        Ok(reply) => {
            assert_eq!(shown(&reply), "NOERROR");
            let bits = &reply.metadata;
            assert!(
                bits.recursion_available && bits.recursion_desired && !bits.authoritative && !bits.truncation
            );
            true
        }
        Err(verdict) => {
            assert_eq!(verdict, Verdict::Forward);
            false
        }
    }
}

#[test]
fn names_of_others_have_no_ipv6_addresses_for_who_has_none() {
    let zones = catalog(given(true)).zones();
    let suppressed = [FOUR, BOTH, "fd00::2", LISTED, "fd09::1", "::ffff:10.9.0.1", STRANGER];
    let suppressed = suppressed.map(|client| is_suppressed(&zones, client));
    assert_eq!(suppressed, [true, false, false, true, true, true, false]);
    let zones = catalog(given(false)).zones();
    assert_eq!([FOUR, LISTED].map(|client| is_suppressed(&zones, client)), [false, true]);
    // Other types are asked for, and the cluster's own names have what they have.
    for kind in [T::A, T::HTTPS, T::MX, T::ANY] {
        assert_eq!(ask(&zones, LISTED, "www.example.com.", kind).unwrap_err(), Verdict::Forward, "{kind}");
    }
    let own = ask(&zones, LISTED, "web.default.svc.cluster.local.", T::AAAA).unwrap();
    assert_eq!(own.answers.len(), 1);
    assert_eq!(ask(&zones, LISTED, "out.shop.svc.cluster.local.", T::AAAA).unwrap_err(), Verdict::Forward);
}

#[test]
fn why_is_told_and_the_resolver_decides_where_it_has_tables() {
    let zones = catalog(given(true)).zones();
    let asked = Asked { client: ip(LISTED), ..ASKED };
    let mut message = query("www.example.com.", T::AAAA);
    message.set_edns(Edns::new());
    let bytes = raw(&zones, &message.to_vec().unwrap(), asked).unwrap();
    assert!(bytes.ends_with(b"\0\0the client has no IPv6"), "{bytes:?}");
    // Without RD the resolver says what it does to such queries; and it does not ask itself.
    let mut undesired = query("www.example.com.", T::AAAA);
    undesired.metadata.recursion_desired = false;
    assert_eq!(ask_as(&zones, asked, &undesired).unwrap_err(), Verdict::Forward);
    let resolver = Asked { resolver: true, ..asked };
    assert_eq!(ask_as(&zones, resolver, &query("www.example.com.", T::AAAA)).unwrap_err(), Verdict::Forward);
    let rule = |zones: &Zones, name: &str, kind: u16, client: &str| {
        let question = Question { name: name.to_owned(), kind, client: Some(ip(client)), server: None };
        let said = explain(zones, &question).unwrap();
        (said.rule, said.forwarded.is_some())
    };
    assert_eq!(rule(&zones, "www.example.com", 28, LISTED), (Rule::NoIpv6, false));
    assert_eq!(rule(&zones, "www.example.com", 28, STRANGER), (Rule::Upstream, true));
    assert_eq!(rule(&zones, "www.example.com", 1, LISTED), (Rule::Upstream, true));
    let tables = catalog(DnsSettings { tables: true, ..given(true) }).zones();
    assert!(!is_suppressed(&tables, LISTED) && tables.without_ipv6(ip(LISTED)));
    assert_eq!(rule(&tables, "www.example.com", 28, LISTED), (Rule::NoIpv6, false));
    // Who has no recursion is refused, as ever; so is everybody without upstreams.
    for settings in [
        DnsSettings { recursion: Some(vec![]), ..given(true) },
        DnsSettings { forward: false, ..given(true) },
    ] {
        let reply = ask(&catalog(settings).zones(), LISTED, "www.example.com.", T::AAAA).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    }
}

#[test]
fn a_pod_may_get_ipv6_and_lose_it() {
    let mut catalog = catalog(given(true));
    catalog.apply(&pod("four", &[FOUR, "fd00::1"]));
    assert!(!is_suppressed(&catalog.zones(), FOUR));
    // A second pod of the address has none, while both are there.
    catalog.apply(&pod("new", &[FOUR]));
    assert!(!is_suppressed(&catalog.zones(), FOUR));
    catalog.apply(&Change::PodGone(ServiceName::new("default", "four")));
    assert!(is_suppressed(&catalog.zones(), FOUR));
    catalog.apply(&pod("new", &[FOUR, "fd00::1"]));
    catalog.apply(&pod("new", &[FOUR]));
    assert!(is_suppressed(&catalog.zones(), FOUR));
    catalog.apply(&Change::PodGone(ServiceName::new("default", "new")));
    assert!(!is_suppressed(&catalog.zones(), FOUR));
}
