//! Answers of the resolver's that are kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::net::Ipv4Addr;

use common::*;
use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType as T};
use hickory_proto::serialize::binary::BinDecodable;
use proptest::prelude::*;
use sluice_dns::{Kept, Zones, parse};
use sluice_model::DnsSettings;

fn zones() -> Zones {
    zones_of(DnsSettings { forward: true, ..settings() }, &cluster(), &["default", "shop"])
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// What a resolver replies: an alias and an address.
fn reply(question: &str, ttl: u32) -> Message {
    let mut message = query(question, T::A);
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    message.add_answer(Record::from_rdata(
        name(question),
        ttl + 60,
        RData::CNAME(CNAME(name("x.example.net."))),
    ));
    let address = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
    message.add_answer(Record::from_rdata(name("x.example.net."), ttl, address));
    message
}

fn ask(kept: &mut Kept, zones: &Zones, message: &Message, now: u64) -> Option<Message> {
    let mut bytes = message.to_vec().unwrap();
    let query = parse(&bytes).unwrap();
    bytes.resize(1232, 0xa5);
    let (length, rcode) = kept.answer(zones, &query, &mut bytes, &ASKED, now)?;
    let answered = Message::from_bytes(&bytes[..length]).unwrap();
    assert_eq!(u16::from(answered.metadata.response_code), rcode.into());
    assert_eq!(answered.metadata.id, message.metadata.id);
    Some(answered)
}

/// An alias of a table or a zone file may lead through names that not everybody is told.
#[test]
fn nothing_is_kept_where_tables_may_say_different_things_to_different_clients() {
    let tenants = sluice_model::Visibility {
        namespaces: vec!["shop".into()],
        see: vec!["default".into()],
        ..Default::default()
    };
    let network = || vec!["10.244.0.0/16".parse().unwrap()];
    for (tables, visibility, suppress_aaaa, keeps) in [
        (true, vec![], vec![], true),
        (false, vec![tenants.clone()], network(), true),
        (true, vec![tenants], vec![], false),
        (true, vec![], network(), false),
    ] {
        let dns = DnsSettings { forward: true, tables, visibility, suppress_aaaa, ..settings() };
        let (zones, mut kept) = (zones_of(dns, &cluster(), &["default", "shop"]), Kept::default());
        let asked = query("www.example.com.", T::A);
        kept.keep(&zones, &reply("www.example.com.", 30).to_vec().unwrap(), 10_000);
        kept.keep(&zones, &reply("www.example.com.", 30).to_vec().unwrap(), 20_000);
        assert_eq!((zones.keeps(), ask(&mut kept, &zones, &asked, 21_000).is_some()), (keeps, keeps));
    }
}

#[test]
fn an_answer_is_given_again_until_its_time_is_over() {
    let (zones, mut kept) = (zones(), Kept::default());
    let mut asked = query("WWW.example.com.", T::A);
    assert!(ask(&mut kept, &zones, &asked, 0).is_none());
    kept.keep(&zones, &reply("www.Example.com.", 30).to_vec().unwrap(), 1_000);
    let answered = ask(&mut kept, &zones, &asked, 6_500).unwrap();
    assert_eq!(answered.queries, asked.queries, "the client's case");
    assert_eq!(answered.answers.iter().map(|r| r.ttl).collect::<Vec<_>>(), [85, 25]);
    assert_eq!(answered.answers[0].name.to_ascii(), "WWW.example.com.");
    let flags = &answered.metadata;
    assert!(
        flags.recursion_available && flags.recursion_desired && !flags.authoritative && !flags.truncation
    );
    assert!(answered.edns.is_none());
    asked.set_edns(Edns::new());
    let answered = ask(&mut kept, &zones, &asked, 6_500).unwrap();
    assert_eq!(answered.edns.unwrap().max_payload(), 1232);
    // Another type, DNSSEC records, and who checks himself: other questions.
    assert!(ask(&mut kept, &zones, &query("www.example.com.", T::AAAA), 6_500).is_none());
    asked.edns.as_mut().unwrap().set_dnssec_ok(true);
    assert!(ask(&mut kept, &zones, &asked, 6_500).is_none());
    let mut checking = query("www.example.com.", T::A);
    checking.metadata.checking_disabled = true;
    assert!(ask(&mut kept, &zones, &checking, 6_500).is_none());
    // Near its end one query renews it, the others do not wait.
    let plain = query("www.example.com.", T::A);
    assert!(ask(&mut kept, &zones, &plain, 28_000).is_none());
    assert_eq!(ask(&mut kept, &zones, &plain, 28_001).unwrap().answers[1].ttl, 3);
    kept.keep(&zones, &reply("www.example.com.", 30).to_vec().unwrap(), 29_000);
    assert_eq!(ask(&mut kept, &zones, &plain, 29_000).unwrap().answers[1].ttl, 30);
    assert!(ask(&mut kept, &zones, &plain, 59_000).is_none());
    assert!(!kept.has(&zones, b"\x03www\x07example\x03com\x00", 1, 59_000));
    assert!(kept.has(&zones, b"\x03www\x07example\x03com\x00", 1, 58_999));
}

#[test]
fn absence_is_kept_as_well() {
    let (zones, mut kept) = (zones(), Kept::default());
    let mut absent = query("no.example.com.", T::A);
    absent.metadata.message_type = MessageType::Response;
    absent.metadata.recursion_available = true;
    absent.metadata.response_code = ResponseCode::NXDomain;
    let soa = SOA::new(name("ns.example.com."), name("h.example.com."), 1, 2, 3, 4, 5);
    absent.add_authority(Record::from_rdata(name("example.com."), 9, RData::SOA(soa)));
    kept.keep(&zones, &absent.to_vec().unwrap(), 0);
    let answered = ask(&mut kept, &zones, &query("no.example.com.", T::A), 4_000).unwrap();
    assert_eq!(answered.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(answered.authorities[0].ttl, 5);
}

#[test]
fn what_is_not_to_be_kept() {
    let zones = zones();
    let never = |change: &dyn Fn(&mut Message)| {
        let mut kept = Kept::default();
        let mut message = reply("www.example.com.", 30);
        change(&mut message);
        kept.keep(&zones, &message.to_vec().unwrap(), 0);
        let mut asked = query("www.example.com.", T::A);
        asked.queries = message.queries.clone();
        assert!(ask(&mut kept, &zones, &asked, 0).is_none(), "{message}");
    };
    never(&|m| m.metadata.message_type = MessageType::Query);
    never(&|m| m.metadata.truncation = true);
    // What nobody else was asked for: all that is told without recursion, and zones of the resolver's own.
    never(&|m| m.metadata.recursion_desired = false);
    never(&|m| m.metadata.recursion_available = false);
    never(&|m| m.metadata.response_code = ResponseCode::ServFail);
    never(&|m| m.answers[0].ttl = 0);
    never(&|m| m.answers.clear());
    never(&|m| m.answers = vec![m.answers[1].clone(); 25]);
    // A name of ours, which is answered from tables.
    never(&|m| {
        m.queries[0].set_name(name("web.default.svc.cluster.local."));
    });
    // Nothing where the settings say so, and nothing of former settings.
    let off = zones_of(DnsSettings { forward: true, keep: false, ..settings() }, &cluster(), &[]);
    let mut kept = Kept::default();
    kept.keep(&off, &reply("www.example.com.", 30).to_vec().unwrap(), 0);
    assert!(ask(&mut kept, &off, &query("www.example.com.", T::A), 0).is_none());
}

#[test]
fn other_settings_other_answers() {
    use sluice_dns::Catalog;
    use sluice_model::{Change, Settings};
    let mut catalog = Catalog::default();
    let dns = DnsSettings { forward: true, ..settings() };
    catalog.apply(&Change::Settings(Settings { dns: Some(dns), ..Settings::default() }));
    let (zones, mut kept) = (catalog.zones(), Kept::default());
    kept.keep(&zones, &reply("www.example.com.", 30).to_vec().unwrap(), 0);
    let asked = query("www.example.com.", T::A);
    assert!(ask(&mut kept, &zones, &asked, 0).is_some());
    catalog.apply(&Change::Resolver(Box::default()));
    let zones = catalog.zones();
    assert!(ask(&mut kept, &zones, &asked, 10_000).is_none());
    // The resolver may not know of them yet.
    let late = reply("www.example.com.", 30).to_vec().unwrap();
    kept.keep(&zones, &late, 12_999);
    assert!(ask(&mut kept, &zones, &asked, 12_999).is_none());
    kept.keep(&zones, &late, 13_000);
    assert!(ask(&mut kept, &zones, &asked, 13_000).is_some());
}

#[test]
fn whose_answer_it_is_stays() {
    let (zones, mut kept) = (zones(), Kept::default());
    let mut message = reply("www.example.com.", 30);
    message.metadata.authoritative = true;
    kept.keep(&zones, &message.to_vec().unwrap(), 0);
    let answered = ask(&mut kept, &zones, &query("www.example.com.", T::A), 0).unwrap();
    assert!(answered.metadata.authoritative);
}

#[test]
fn no_more_than_so_many_are_kept() {
    let (zones, mut kept) = (zones(), Kept::default());
    let names = 60_000;
    for n in 0..names {
        kept.keep(&zones, &reply(&format!("n{n}.example.com."), 30 + n).to_vec().unwrap(), 0);
    }
    let found = |n: u32| ask(&mut kept, &zones, &query(&format!("n{n}.example.com."), T::A), 0).is_some();
    let there = (0..names).filter({
        let mut found = found;
        move |n| found(*n)
    });
    let count = there.count();
    assert!((25_000..=32_768).contains(&count), "{count}");
}

#[test]
fn what_a_resolver_knows_finds_room() {
    let (zones, mut kept) = (zones(), Kept::default());
    let found =
        |kept: &mut Kept, n: u32| ask(kept, &zones, &query(&format!("n{n}.example.com."), T::A), 0).is_some();
    // Asked for again and again, in an order that comes round: hardly one of them drives out another.
    let mut missed = 0;
    for round in 0..3 {
        for n in 0..10_000_u32 {
            if !found(&mut kept, n) {
                missed += u32::from(round > 0);
                kept.keep(&zones, &reply(&format!("n{n}.example.com."), 30).to_vec().unwrap(), 0);
            }
        }
    }
    assert!(missed < 600, "{missed} of 20,000");
}

proptest! {
    #[test]
    fn no_reply_makes_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..700), damage in proptest::collection::vec((0_usize..200, any::<u8>()), 1..6)
    ) {
        let (zones, mut kept) = (zones(), Kept::default());
        kept.keep(&zones, &bytes, 0);
        let mut good = reply("www.example.com.", 30).to_vec().unwrap();
        let length = good.len();
        for (at, value) in damage {
            good[at % length] = value;
        }
        kept.keep(&zones, &good, 0);
        let mut asked = query("www.example.com.", T::A).to_vec().unwrap();
        let parsed = parse(&asked).unwrap();
        asked.resize(1232, 0);
        let _ = kept.answer(&zones, &parsed, &mut asked, &ASKED, 0);
    }
}

#[test]
fn what_clients_are_told_by_their_namespace_is_not_kept() {
    let settings = DnsSettings { forward: true, tenant_zones: vec!["Corp.example".into()], ..settings() };
    let (zones, mut kept) = (zones_of(settings, &cluster(), &["default"]), Kept::default());
    for name in ["corp.example.", "www.CORP.example.", "xcorp.example.", "www.example."] {
        kept.keep(&zones, &reply(name, 30).to_vec().unwrap(), 0);
        let found = ask(&mut kept, &zones, &query(name, T::A), 1);
        assert_eq!(found.is_some(), name.starts_with("xcorp") || name == "www.example.", "{name}");
    }
}
