//! Messages: headers, EDNS, cookies, sizes and order, whatever is asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::op::{Edns, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType as T};
use sluice_dns::Verdict;
use sluice_model::{DnsSettings, NameKind};

#[test]
fn headers_classes_and_what_is_no_query() {
    let zones = zones_of(settings(), &cluster(), &["default"]);
    let name = "web.default.svc.cluster.local.";
    let mut plain = query(name, T::A);
    plain.metadata.checking_disabled = true;
    let reply = ask_message(&zones, &plain);
    let m = &reply.metadata;
    assert!(
        m.authoritative
            && m.recursion_desired
            && m.checking_disabled
            && !m.recursion_available
            && !m.truncation
    );
    assert!(reply.edns.is_none());

    for (change, code) in [
        (0, ResponseCode::Refused),
        (1, ResponseCode::NotImp),
        (2, ResponseCode::NotImp),
        (3, ResponseCode::FormErr),
        (4, ResponseCode::FormErr),
        (5, ResponseCode::Refused),
    ] {
        let mut message = query(name, T::A);
        match change {
            0 => drop(message.queries[0].set_query_class(DNSClass::CH)),
            1 => message.metadata.op_code = OpCode::Notify,
            2 => message.metadata.op_code = OpCode::Update,
            3 => drop(message.add_query(message.queries[0].clone())),
            4 => message.queries.clear(),
            _ => drop(message.queries[0].set_query_type(T::AXFR)),
        }
        let reply = ask_message(&zones, &message);
        assert_eq!(reply.metadata.response_code, code, "{change}");
        assert!(!reply.metadata.authoritative);
    }
    // That a zone has changed is told to a resolver, which may copy it.
    let mut notify = query(name, T::SOA);
    notify.metadata.op_code = OpCode::Notify;
    let copying = DnsSettings { forward: true, primaries: vec![ASKED.client], ..settings() };
    let copying = zones_of(copying, &cluster(), &["default"]);
    let notify = notify.to_vec().unwrap();
    assert_eq!(raw(&copying, &notify, ASKED), Err(Verdict::Elsewhere));
    let stranger = sluice_dns::Asked { client: [10, 244, 0, 10].into(), ..ASKED };
    assert!(raw(&copying, &notify, stranger).is_ok());
    let mut response = query(name, T::A).to_vec().unwrap();
    response[2] |= 0x80;
    assert_eq!(raw(&zones, &response, ASKED), Err(Verdict::Silence));
    assert_eq!(raw(&zones, &response[..11], ASKED), Err(Verdict::Silence));
    let clients = DnsSettings { clients: vec!["10.244.0.0/16".parse().unwrap()], ..settings() };
    let zones = zones_of(clients, &cluster(), &[]);
    let bytes = query(name, T::A).to_vec().unwrap();
    let code = |client: &str| {
        raw(&zones, &bytes, sluice_dns::Asked { client: ip(client), ..ASKED }).unwrap()[3] & 15
    };
    assert_eq!((code("10.244.7.7"), code("192.0.2.1")), (0, 5));
}

#[test]
fn edns() {
    let key = Some([9; 16]);
    let zones = zones_of(DnsSettings { cookie_key: key, ..settings() }, &cluster(), &["default"]);
    let name = "web.default.svc.cluster.local.";
    let with = |version: u8, dnssec: bool, size: u16| {
        let mut message = query(name, T::A);
        let mut edns = Edns::new();
        edns.set_version(version).set_dnssec_ok(dnssec).set_max_payload(size);
        message.set_edns(edns);
        message
    };
    let reply = ask_message(&zones, &with(0, true, 4096));
    let edns = reply.edns.as_ref().unwrap();
    assert_eq!((edns.version(), edns.flags().dnssec_ok, edns.max_payload()), (0, true, 1232));
    assert_eq!(reply.answers.len(), 1);
    let reply = ask_message(&zones, &with(1, false, 4096));
    // 16 is BADVERS here; hickory calls it by its other name, of TSIG.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.edns.as_ref().unwrap().version(), 0);
    assert!(reply.answers.is_empty());

    // Two OPT records, one in the wrong place, one with another owner, options that end too early, a cookie of a wrong
    // length.
    let good = with(0, false, 1232).to_vec().unwrap();
    let opt = good.len() - 11;
    let code = |bytes: &[u8]| raw(&zones, bytes, ASKED).unwrap()[3] & 15;
    assert_eq!(code(&good), 0);
    let mut two = good.clone();
    two.extend_from_slice(&good[opt..]);
    two[11] = 2;
    assert_eq!(code(&two), 1);
    let mut misplaced = good.clone();
    (misplaced[11], misplaced[9]) = (0, 1);
    assert_eq!(code(&misplaced), 1);
    let mut owned = good[..opt].to_vec();
    owned.extend([1, b'x']);
    owned.extend(&good[opt..]);
    assert_eq!(code(&owned), 1);
    let option = |data: &[u8]| {
        let mut bytes = good.clone();
        bytes.extend(data);
        let end = bytes.len();
        bytes[opt + 10] = (end - opt - 11) as u8;
        bytes
    };
    assert_eq!(code(&option(&[0, 10, 0, 8, 1, 2])), 1);
    assert_eq!(code(&option(&[0, 10, 0, 7, 1, 2, 3, 4, 5, 6, 7])), 1);
    // The given cookie comes back, with ours behind it; a padding option does not.
    let asked = option(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let reply = raw(&zones, &asked, ASKED).unwrap();
    assert_eq!(reply[reply.len() - 28..reply.len() - 15], [0, 10, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 1]);
    let reply = raw(&zones, &option(&[0, 12, 0, 2, 0, 0]), ASKED).unwrap();
    assert_eq!(reply[reply.len() - 2..], [0, 0]);
}

#[test]
fn replies_fit_what_the_client_takes() {
    let mut many = service("default", "many", NameKind::Headless);
    many.ports = vec![port("x", sluice_model::Protocol::Tcp, 1)];
    many.endpoints = vec![sluice_model::EndpointGroup {
        ports: many.ports.clone(),
        endpoints: (0..100).map(|n| endpoint(&format!("10.1.0.{n}"), None, None)).collect(),
    }];
    let zones = zones_of(settings(), &[many], &[]);
    let name = "many.default.svc.cluster.local.";
    let mut message = query(name, T::A);
    let bytes = raw(&zones, &message.to_vec().unwrap(), ASKED).unwrap();
    assert!(bytes.len() <= 512 && bytes.len() > 512 - 16);
    let reply = ask_message(&zones, &message);
    assert!(reply.metadata.truncation);
    assert_eq!(reply.answers.len(), (512 - 12 - name.len() - 5) / 16);
    message.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(65_000);
    let bytes = raw(&zones, &message.to_vec().unwrap(), ASKED).unwrap();
    assert!(bytes.len() <= 1232 && bytes.len() > 1232 - 16, "{}", bytes.len());
    let stream = sluice_dns::Asked { stream: true, ..ASKED };
    let bytes = raw(&zones, &message.to_vec().unwrap(), stream).unwrap();
    assert_eq!((bytes[7], bytes[2] & 2), (100, 0));
    // Glue that does not fit is no truncation, answers that do not are.
    message.queries[0].set_query_type(T::SRV);
    assert!(ask_message(&zones, &message).metadata.truncation);
    // Those that are left have the case of the zone that was asked for, too.
    let capitals = ask_message(&zones, &query("many.default.svc.CLUSTER.local.", T::SRV));
    assert!(capitals.metadata.truncation && !capitals.answers.is_empty());
    for record in &capitals.answers {
        assert!(record.data.to_string().ends_with("many.default.svc.CLUSTER.local."), "{}", record.data);
    }
    let one = query("10-1-0-7.many.default.svc.cluster.local.", T::SRV);
    assert!(!ask_message(&zones, &one).metadata.truncation);

    let mut few = service("default", "few", NameKind::Headless);
    few.endpoints = vec![sluice_model::EndpointGroup {
        ports: vec![port("x", sluice_model::Protocol::Tcp, 1)],
        endpoints: (0..7).map(|n| endpoint(&format!("10.1.0.{n}"), None, None)).collect(),
    }];
    let zones = zones_of(settings(), &[few], &[]);
    let reply = ask_message(&zones, &query("few.default.svc.cluster.local.", T::SRV));
    assert!(!reply.metadata.truncation);
    assert_eq!((reply.answers.len(), reply.additionals.len() < 7), (7, true));
}

#[test]
fn a_service_of_more_than_a_message_carries_is_cut_and_no_family_is_lost() {
    let mut huge = service("default", "huge", NameKind::Headless);
    huge.ports = (0..60).map(|n| port(&format!("p{n}"), sluice_model::Protocol::Tcp, n + 1)).collect();
    let v4 = (0..10_000).map(|n| endpoint(&format!("10.1.{}.{}", n / 250, n % 250), None, None));
    let v6 = (0..10).map(|n| endpoint(&format!("fd00::{n}"), None, None));
    huge.endpoints =
        vec![sluice_model::EndpointGroup { ports: huge.ports.clone(), endpoints: v4.chain(v6).collect() }];
    let zones = zones_of(settings(), &[huge], &[]);
    let count = |kind: T| {
        let bytes = query("huge.default.svc.cluster.local.", kind).to_vec().unwrap();
        let reply = raw(&zones, &bytes, sluice_dns::Asked { stream: true, ..ASKED }).unwrap();
        u16::from_be_bytes([reply[6], reply[7]])
    };
    assert!(count(T::A) > 4000);
    assert_eq!(count(T::AAAA), 10);
    assert!(count(T::SRV) > 500);
    let one = ask(&zones, "10-1-39-249.huge.default.svc.cluster.local.", T::A);
    assert!(one.ends_with("A 10.1.39.249"), "{one}");
}

#[test]
fn addresses_take_turns() {
    let zones = zones_of(settings(), &cluster(), &[]);
    let bytes = query("db.default.svc.cluster.local.", T::A).to_vec().unwrap();
    let first = |turn: u32| {
        let reply = raw(&zones, &bytes, sluice_dns::Asked { turn, ..ASKED }).unwrap();
        let reply = hickory_proto::op::Message::from_vec(&reply).unwrap();
        assert_eq!(reply.answers.len(), 3);
        reply.answers[0].data.to_string()
    };
    assert_eq!([0, 1, 2, 3].map(first), ["10.244.1.7", "10.244.2.7", "10.244.3.7", "10.244.1.7"]);
}
