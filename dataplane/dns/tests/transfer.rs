//! Whole zones, read by hickory-proto and compared with what is answered to single questions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::*;
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable;
use sluice_dns::{Zones, parse, transfer};
use sluice_model::{DnsSettings, EndpointGroup, NameKind, NamedPod, PodNames, Protocol, ServiceName};

/// The messages of a transfer.
fn messages(zones: &Zones, query: &Message, have: Option<u32>) -> Option<Vec<Message>> {
    let bytes = query.to_vec().unwrap();
    let all: Vec<Vec<u8>> = transfer(zones, &parse(&bytes).unwrap(), &bytes, have, ASKED.client)?.collect();
    let read = all.iter().map(|bytes| {
        assert!(bytes.len() <= 0x3fff, "{}", bytes.len());
        Message::from_bytes(bytes).unwrap()
    });
    Some(read.collect())
}

fn records(messages: &[Message]) -> Vec<Record> {
    messages.iter().flat_map(|message| message.answers.clone()).collect()
}

fn told(record: &Record) -> String {
    format!("{} {} {:?}", record.name, record.ttl, record.data).to_lowercase()
}

#[test]
fn every_record_is_what_the_same_question_is_answered_with() {
    let settings = DnsSettings { pods: PodNames::Verified, ..settings() };
    let mut catalog = catalog_of(settings, &cluster(), &["default", "shop", "bare"]);
    let pod = NamedPod {
        name: ServiceName::new("default", "p"),
        addresses: vec![ip("10.244.1.5")],
        named: true,
        client: false,
    };
    catalog.apply(&sluice_model::Change::Pod(pod));
    let zones = catalog.zones();
    for zone in ["Cluster.Local.", "in-addr.arpa.", "ip6.arpa."] {
        let query = query(zone, RecordType::AXFR);
        let messages = messages(&zones, &query, None).unwrap();
        for message in &messages {
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            assert!(message.metadata.authoritative && !message.metadata.truncation);
            assert_eq!((message.metadata.id, &message.queries), (77, &query.queries));
        }
        let records = records(&messages);
        let (first, last) = (records.first().unwrap(), records.last().unwrap());
        assert_eq!((told(first), first.record_type()), (told(last), RecordType::SOA));
        let inner: BTreeSet<String> = records[1..records.len() - 1].iter().map(told).collect();
        assert_eq!(inner.len(), records.len() - 2, "twice the same");
        let mut expected = BTreeSet::new();
        for node in zones.nodes() {
            let owner = Name::from_bytes(node.name()).unwrap();
            if !Name::from_ascii(zone).unwrap().zone_of(&owner) {
                continue;
            }
            for kind in node.kinds() {
                let reply = ask_message(&zones, &common::query(&owner.to_ascii(), kind.into()));
                let own = reply.answers.iter().filter(|record| u16::from(record.record_type()) == kind);
                expected.extend(own.map(told));
            }
        }
        assert!(inner.is_subset(&expected), "{:?}", inner.difference(&expected));
        for left in expected.difference(&inner) {
            // A pod, and an endpoint of a Service with a cluster IP.
            let omitted = ["10-244-1-5.default.pod.", "10-244-1-5.web.default.svc."];
            assert!(omitted.iter().any(|name| left.starts_with(name)), "not told: {left}");
        }
        let begins = |name: &str| inner.iter().any(|record| record.starts_with(name));
        if zone == "Cluster.Local." {
            for name in ["cluster.local. 30 ns", "db-0.db.default.svc.", "_sql._tcp.db.", "web.default.svc."]
            {
                assert!(begins(name), "{name}");
            }
            assert!(!begins("10-244-1-5."));
            assert!(begins("dns-version.cluster.local. 28800 txt"));
        }
    }
}

#[test]
fn a_large_zone_is_many_messages_and_one_large_name_too() {
    let mut services: Vec<_> = (0..3000)
        .map(|i| {
            let address = ip(&format!("10.96.{}.{}", i / 250, i % 250 + 1));
            let mut it = service("default", &format!("service-{i}"), NameKind::Cluster(vec![address]));
            it.ports = vec![port("http", Protocol::Tcp, 80)];
            it
        })
        .collect();
    let mut big = service("default", "big", NameKind::Headless);
    big.ports = vec![port("sql", Protocol::Tcp, 5432)];
    let endpoints = (0..1000).map(|i| endpoint(&format!("10.1.{}.{}", i / 250, i % 250 + 1), None, None));
    big.endpoints = vec![EndpointGroup { ports: big.ports.clone(), endpoints: endpoints.collect() }];
    services.push(big);
    let zones = zones_of(settings(), &services, &[]);
    let messages = messages(&zones, &query("cluster.local.", RecordType::AXFR), None).unwrap();
    assert!(messages.len() > 20, "{}", messages.len());
    let records = records(&messages);
    let count = |kind, name: &str| {
        let own = records.iter().filter(|it| it.record_type() == kind);
        own.filter(|it| it.name.to_ascii().starts_with(name)).count()
    };
    assert_eq!(count(RecordType::A, "service-"), 3000);
    assert_eq!(count(RecordType::SRV, "_http._tcp.service-"), 3000);
    assert_eq!((count(RecordType::A, "big."), count(RecordType::SRV, "_sql._tcp.big.")), (1000, 1000));
    assert_eq!(count(RecordType::A, "10-1-"), 1000);
    assert_eq!(count(RecordType::SOA, ""), 2);
    let names: BTreeSet<String> = records.iter().map(told).collect();
    assert_eq!(names.len(), records.len() - 1, "every record once, the SOA twice");
}

#[test]
fn an_incremental_transfer_is_the_whole_or_nothing() {
    let zones = zones_of(settings(), &cluster(), &[]);
    let query = query("cluster.local.", RecordType::IXFR);
    // The clock of these tables shows 7.
    for (have, alone) in
        [(Some(7), true), (Some(8), true), (Some(6), false), (Some(u32::MAX), false), (None, false)]
    {
        let records = records(&messages(&zones, &query, have).unwrap());
        assert_eq!(records.len() == 1, alone, "{have:?}");
        let RData::SOA(soa) = &records[0].data else { panic!("{:?}", records[0]) };
        assert_eq!((soa.serial, soa.mname.to_ascii().as_str()), (7, "ns.dns.cluster.local."));
    }
}

#[test]
fn only_zones_are_transferred_and_edns_is_answered_once() {
    let zones = zones_of(settings(), &cluster(), &[]);
    for (name, kind) in [
        ("svc.cluster.local.", RecordType::AXFR),
        ("local.", RecordType::AXFR),
        (".", RecordType::AXFR),
        ("cluster.local.", RecordType::A),
    ] {
        assert!(messages(&zones, &query(name, kind), None).is_none(), "{name} {kind}");
    }
    let mut chaos = query("cluster.local.", RecordType::AXFR);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert!(messages(&zones, &chaos, None).is_none());
    let mut edns = query("cluster.local.", RecordType::AXFR);
    edns.edns = Some(Edns::new());
    let messages = messages(&zones, &edns, None).unwrap();
    assert_eq!(messages.iter().filter(|message| message.edns.is_some()).count(), 1);
}
