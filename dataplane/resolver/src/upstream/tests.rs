use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NULL, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::manner::Manner;
use super::question::{Check, Question, check};
use super::sift::{Policy, Refused, sift};
use crate::cache::Key;
use crate::message::Answer;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn key(text: &str, rtype: RecordType) -> Key {
    Key { name: name(text), rtype, dnssec: false, checking_disabled: false }
}

fn a(owner: &str, last: u8) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(A::new(192, 0, 2, last)))
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

fn soa(zone: &str) -> Record {
    Record::from_rdata(name(zone), 60, RData::SOA(SOA::new(name(zone), name(zone), 1, 1, 1, 1, 60)))
}

/// A record of a type the codec does not know, and a signature of it.
fn unknown(owner: &str, code: RecordType) -> Record {
    Record::from_rdata(name(owner), 60, RData::Unknown { code, rdata: NULL::with(vec![0; 4]) })
}

fn signature(owner: &str, covered: RecordType) -> Record {
    let rdata = NULL::with(u16::from(covered).to_be_bytes().iter().copied().chain([0; 16]).collect());
    Record::from_rdata(name(owner), 60, RData::Unknown { code: RecordType::RRSIG, rdata })
}

fn reply(code: ResponseCode, answers: Vec<Record>, authority: Vec<Record>) -> Message {
    let mut reply = Message::new(1, MessageType::Response, OpCode::Query);
    reply.metadata.response_code = code;
    reply.answers = answers;
    reply.authorities = authority;
    reply
}

fn believed(key: &Key, answers: Vec<Record>, authority: Vec<Record>) -> Result<Answer, Refused> {
    sift(reply(ResponseCode::NoError, answers, authority), key, &key.name, &Policy::default())
}

fn shown(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.name, record.record_type())).collect()
}

#[test]
fn the_chain_counts_in_any_order_and_nothing_beside_it() {
    let key = key("www.example.", RecordType::A);
    let answers = vec![
        a("evil.example.", 66),
        a("c.example.", 1),
        cname("b.example.", "c.example."),
        a("c.example.", 2),
        cname("www.example.", "b.example."),
        cname("www.example.", "evil.example."),
        a("c.example.", 1),
    ];
    let answer = believed(&key, answers, vec![soa("example."), a("c.example.", 9)]).unwrap();
    assert_eq!(
        shown(&answer.answers),
        ["www.example. CNAME", "b.example. CNAME", "c.example. A", "c.example. A"]
    );
    assert!(answer.authority.is_empty());
}

#[test]
fn an_alias_may_end_in_nothing_with_the_soa_of_its_end() {
    let key = key("www.example.", RecordType::A);
    let chain = || vec![cname("www.example.", "x.other.")];
    let answer = believed(&key, chain(), vec![soa("example."), soa("other.")]).unwrap();
    assert_eq!((answer.answers.len(), shown(&answer.authority)), (1, vec!["other. SOA".into()]));
    let gone = sift(
        reply(ResponseCode::NXDomain, chain(), vec![soa("other.")]),
        &key,
        &key.name,
        &Policy::default(),
    );
    assert_eq!(gone.unwrap().code, ResponseCode::NXDomain);
    // The alias itself is what a query for it wants.
    let answer = believed(&self::key("www.example.", RecordType::CNAME), chain(), vec![]).unwrap();
    assert_eq!(shown(&answer.answers), ["www.example. CNAME"]);
}

#[test]
fn circles_referrals_and_strangers_are_refused() {
    let key = key("www.example.", RecordType::A);
    let circle = vec![cname("www.example.", "b.example."), cname("b.example.", "www.example.")];
    assert_eq!(believed(&key, circle, vec![]), Err(Refused::Invalid));
    let long = (0..40).map(|at| {
        let owner = if at == 0 { "www.example.".to_owned() } else { format!("n{at}.example.") };
        cname(&owner, &format!("n{}.example.", at + 1))
    });
    assert_eq!(believed(&key, long.collect(), vec![]), Err(Refused::Invalid));
    let ns = Record::from_rdata(
        name("example."),
        60,
        RData::NS(hickory_proto::rr::rdata::NS(name("ns.example."))),
    );
    assert_eq!(believed(&key, vec![], vec![ns]), Err(Refused::Invalid));
    assert_eq!(believed(&key, vec![a("other.example.", 1)], vec![]), Err(Refused::Invalid));
    let mut chaos = a("www.example.", 1);
    chaos.dns_class = hickory_proto::rr::DNSClass::CH;
    assert_eq!(believed(&key, vec![chaos], vec![]), Err(Refused::Invalid));
    // Nothing at all is an answer, too, though one that is not kept.
    assert_eq!(believed(&key, vec![], vec![]).unwrap(), Answer::default());
}

#[test]
fn signatures_and_proofs_come_to_who_wants_them() {
    let mut key = key("www.example.", RecordType::A);
    let answers = || {
        vec![
            cname("www.example.", "b.example."),
            signature("www.example.", RecordType::CNAME),
            signature("www.example.", RecordType::MX),
            a("b.example.", 1),
            signature("b.example.", RecordType::A),
        ]
    };
    let authority = || {
        vec![
            soa("example."),
            signature("example.", RecordType::SOA),
            unknown("a.example.", RecordType::NSEC),
            signature("a.example.", RecordType::NSEC),
            unknown("a.stranger.", RecordType::NSEC),
            signature("example.", RecordType::NS),
        ]
    };
    assert_eq!(believed(&key, answers(), authority()).unwrap().answers.len(), 2);
    assert_eq!(shown(&believed(&key, vec![], authority()).unwrap().authority), ["example. SOA"]);
    key.dnssec = true;
    let answer = believed(&key, answers(), authority()).unwrap();
    let chain = ["www.example. CNAME", "www.example. RRSIG", "b.example. A", "b.example. RRSIG"];
    assert_eq!(shown(&answer.answers), chain);
    let answer = believed(&key, vec![], authority()).unwrap();
    let proof = ["example. SOA", "example. RRSIG", "a.example. NSEC", "a.example. RRSIG"];
    assert_eq!(shown(&answer.authority), proof);
}

#[test]
fn what_the_upstream_copied_from_the_question_loses_its_mixed_case_and_its_own_keeps_it() {
    let key = key("www.example.com.", RecordType::A);
    let sent = name("wWw.eXamPle.cOm.");
    let answers = vec![
        cname("wWw.eXamPle.cOm.", "Edge.eXamPle.cOm."),
        cname("Edge.eXamPle.cOm.", "Own.Case.Com."),
        a("Own.Case.Com.", 1),
    ];
    let answer =
        sift(reply(ResponseCode::NoError, answers, vec![]), &key, &sent, &Policy::default()).unwrap();
    let shown: Vec<_> =
        answer.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect();
    let expected =
        ["www.example.com. Edge.example.com.", "Edge.example.com. Own.Case.Com.", "Own.Case.Com. 192.0.2.1"];
    assert_eq!(shown, expected);
}

#[test]
fn ttls_beyond_reason_are_none_or_a_week() {
    let key = key("www.example.", RecordType::A);
    for (said, believed_to_be) in
        [(0x8000_0000, 0), (u32::MAX, 0), (0x7fff_ffff, 604_800), (604_801, 604_800), (5, 5)]
    {
        let mut record = a("www.example.", 1);
        record.ttl = said;
        assert_eq!(believed(&key, vec![record], vec![]).unwrap().answers[0].ttl, believed_to_be);
    }
}

#[test]
fn a_reply_is_to_the_very_question() {
    let key = key("some.longer.name.example.", RecordType::A);
    let question = Question::new(&key, Manner { mixed: true, edns: true, cookie: None }, true).unwrap();
    let sent = Message::from_vec(&question.bytes).unwrap();
    let good = || {
        let mut good = reply(ResponseCode::NoError, vec![a("some.longer.name.example.", 1)], vec![]);
        (good.metadata.id, good.queries) = (question.id, sent.queries.clone());
        good
    };
    let verdict = |message: &Message| check(&question, &message.to_vec().unwrap());
    assert!(matches!(verdict(&good()), Check::Reply(_)));
    let changes: [fn(&mut Message); 7] = [
        |it| it.metadata.id = it.metadata.id.wrapping_add(1),
        |it| it.metadata.message_type = MessageType::Query,
        |it| it.metadata.op_code = OpCode::Notify,
        |it| it.queries.clear(),
        |it| it.queries.push(Query::query(Name::root(), RecordType::A)),
        |it| it.queries[0].query_type = RecordType::AAAA,
        |it| it.queries[0].query_class = hickory_proto::rr::DNSClass::CH,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut message = good();
        change(&mut message);
        assert!(matches!(verdict(&message), Check::Other), "{number}");
    }
    let mut other_case = good();
    let flipped: String = question
        .name
        .to_ascii()
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    other_case.queries[0].set_name(name(&flipped));
    assert!(matches!(verdict(&other_case), Check::OtherCase(_)));
    let mut truncated = good();
    truncated.metadata.truncation = true;
    let bytes = truncated.to_vec().unwrap();
    assert!(matches!(check(&question, &bytes[..bytes.len() - 3]), Check::Truncated));
    truncated.queries[0].set_name(name(&flipped));
    assert!(!matches!(verdict(&truncated), Check::Truncated));
}

#[test]
fn addresses_that_are_not_public_are_found_wherever_they_are() {
    let policy = Policy { refuse_private: true, ..Policy::default() };
    let believed = |rtype: &str, text: &str| {
        let rtype: RecordType = rtype.parse().unwrap();
        let record = Record::from_rdata(name("www.example."), 60, RData::try_from_str(rtype, text).unwrap());
        let key = key("www.example.", rtype);
        sift(reply(ResponseCode::NoError, vec![record], vec![]), &key, &key.name, &policy).map(|_| ())
    };
    for (rtype, text) in [
        ("A", "10.1.2.3"),
        ("A", "127.0.0.1"),
        ("A", "169.254.169.254"),
        ("A", "192.168.0.1"),
        ("A", "172.31.0.1"),
        ("A", "100.64.0.1"),
        ("A", "0.0.0.0"),
        ("AAAA", "::1"),
        ("AAAA", "::"),
        ("AAAA", "fd00::1"),
        ("AAAA", "fe80::1"),
        ("AAAA", "::ffff:10.0.0.1"),
        ("HTTPS", "1 . ipv4hint=192.0.2.1,10.0.0.1"),
        ("SVCB", "1 . ipv6hint=fd00::1"),
    ] {
        assert_eq!(believed(rtype, text), Err(Refused::Private), "{rtype} {text}");
    }
    for (rtype, text) in [
        ("A", "192.0.2.1"),
        ("A", "100.128.0.1"),
        ("AAAA", "2001:db8::1"),
        ("HTTPS", "1 . ipv4hint=192.0.2.1"),
    ] {
        assert_eq!(believed(rtype, text), Ok(()), "{rtype} {text}");
    }
}
