//! Entries for fuzzing: what a stranger's bytes reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::authority::Transport;
use crate::cache::{Cache, Key, Lookup};
use crate::config::{Cache as Settings, Config, Settings as All, Zone};
use crate::message::{Answer, encode, parse};
use crate::upstream::{Check, Manner, Policy, Question, check, sift};
use crate::zonefile::{self, Content, Found};

/// The length of a header.
const HEADER: usize = 12;

/// Any bytes as an upstream's reply to one of a few questions: read, judged, kept, told. The first octet chooses; the rest
/// are taken as they are, and as what follows a right identifier and question.
///
/// # Panics
/// If what is believed, kept or told is not what may be.
#[expect(clippy::panic, reason = "a fuzz target says by a panic what it has found")]
pub fn upstream_reply(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let rtype = match choice & 7 {
        0 => RecordType::AAAA,
        1 => RecordType::CNAME,
        2 => RecordType::MX,
        3 => RecordType::ANY,
        4 => RecordType::TXT,
        _ => RecordType::A,
    };
    let Ok(name) = Name::from_ascii("www.example.com.") else { return };
    let key = Key { name, rtype, dnssec: choice & 8 != 0, checking_disabled: false };
    let Some(question) = Question::new(&key, manner(choice & 16 != 0), true) else { return };
    let _ = check(&question, data);
    let mut bytes = question.bytes.get(..question.bytes.len() - 11).unwrap_or_default().to_vec();
    for (to, from) in bytes.iter_mut().zip(data).take(HEADER).skip(2) {
        *to = *from;
    }
    if let Some([flags, _, high, low]) = bytes.get_mut(2..6) {
        *flags = *flags & 0x07 | 0x80;
        (*high, *low) = (0, 1);
    }
    bytes.extend(data.iter().skip(HEADER));
    let message = match check(&question, &bytes) {
        Check::Reply(message) | Check::OtherCase(message) | Check::NoCookie(message) => message,
        Check::Truncated | Check::Other => return,
    };
    let protected = [Name::from_ascii("cluster.local.").unwrap_or_default()];
    let policy = Policy { protected: &protected, refuse_private: choice & 32 != 0 };
    let Ok(answer) = sift(*message, &key, &question.name, &policy) else { return };
    if let Err(why) = believable(&answer, &key, &protected) {
        panic!("{why}: {answer:?}");
    }
    told(&key, answer, bytes.len());
}

fn manner(mixed: bool) -> Manner {
    Manner { mixed, edns: true, cookie: None }
}

/// Every record is of the chain from the question, or proves that there is none.
fn believable(answer: &Answer, key: &Key, protected: &[Name]) -> Result<(), &'static str> {
    let mut chain = vec![key.name.clone()];
    for record in &answer.answers {
        if record.ttl > 604_800 {
            return Err("a TTL is out of bounds");
        }
        let dnssec = matches!(record.record_type(), RecordType::RRSIG | RecordType::DNAME);
        if dnssec && key.dnssec {
            continue;
        }
        if !chain.contains(&record.name) {
            return Err("a record is of another name");
        }
        if record.name != key.name && protected.iter().any(|zone| zone.zone_of(&record.name)) {
            return Err("a record is of a protected name");
        }
        if let RData::CNAME(target) = &record.data {
            chain.push(target.0.clone());
        }
    }
    let authority =
        answer.authority.iter().all(|record| key.dnssec || record.record_type() == RecordType::SOA);
    if authority { Ok(()) } else { Err("something else than an SOA is in the authority section") }
}

/// Keeps the answer and tells it to a client over UDP, who must be able to read it.
#[expect(clippy::panic, reason = "a fuzz target says by a panic what it has found")]
fn told(key: &Key, answer: Answer, size: usize) {
    let zone = Zone { name: ".".into(), cache: Some(Settings::default()), ..Zone::default() };
    let Ok(config) = Config::new(All { zones: vec![zone], ..All::default() }) else { return };
    let Some(cache) = config.zones().first().and_then(Cache::of) else { return };
    let now = Instant::now();
    let answer = Arc::new(answer);
    let kept = cache.insert(key, &answer, size, now);
    let found = matches!(cache.lookup(key, now), Lookup::Fresh { .. });
    assert_eq!(kept.is_some(), found, "what is kept is found, and nothing else");
    let Some(question) = Question::new(key, manner(false), true) else { return };
    let (client, local) = (SocketAddr::from(([127, 0, 0, 1], 5353)), SocketAddr::from(([127, 0, 0, 1], 53)));
    let Ok(request) = parse(&question.bytes, client, local, Transport::Udp, 1232) else {
        panic!("a question of ours is none to us");
    };
    let bytes = encode(&request, &answer, Transport::Udp, 1232, |ttl| ttl);
    assert!(!bytes.is_empty() && bytes.len() <= 1232, "{} octets", bytes.len());
    match Message::from_vec(&bytes) {
        Ok(reply) => assert!(
            reply.metadata.truncation
                || reply.metadata.response_code != ResponseCode::NoError
                || reply.answers.len() == answer.answers.len()
        ),
        Err(why) => panic!("a reply of ours cannot be read: {why}"),
    }
}

/// Any bytes as a client's message over UDP.
pub fn request(data: &[u8]) {
    let (client, local) = (SocketAddr::from(([127, 0, 0, 1], 5353)), SocketAddr::from(([127, 0, 0, 1], 53)));
    for transport in [Transport::Udp, Transport::Tcp] {
        let _ = parse(data, client, local, transport, 1232);
    }
}

/// Any text as a zone file, as it is and behind what every zone has. What is taken is asked for by each of its names, above and
/// below them.
///
/// # Panics
/// If a record is not found, or a reply cannot be read.
pub fn zone_file(text: &str) {
    let Ok(origin) = Name::from_ascii("example.org.") else { return };
    let apex = format!("@ 60 SOA ns h 1 2 3 4 5\n@ NS ns\n{text}");
    for text in [text, &apex] {
        if let Ok(content) = zonefile::parse(text, &origin) {
            asked(&content);
        }
    }
}

#[expect(clippy::panic, reason = "a fuzz target says by a panic what it has found")]
fn asked(content: &Content) {
    for record in content.all() {
        assert!(content.origin().zone_of(&record.name), "{record} is outside");
        assert!(record.ttl <= i32::MAX as u32, "{record} has too long a TTL");
        let mut names = vec![record.name.clone(), record.name.base_name()];
        names.extend(record.name.prepend_label("x").ok());
        for name in names {
            for rtype in [record.record_type(), RecordType::A, RecordType::DS, RecordType::CNAME] {
                read_back(&name, rtype, &content.find(&name, rtype));
            }
        }
        let (Found::Whole(answer) | Found::Missing(answer, _) | Found::Leads(answer, _)) =
            content.find(&record.name, record.record_type());
        // Unless it is cut off, or a DNAME record above hides it.
        let hidden = !answer.authoritative
            || answer
                .answers
                .iter()
                .any(|it| it.record_type() == RecordType::DNAME && it.name != record.name);
        let found = answer.answers.iter().any(|it| it.name == record.name && it.data == record.data);
        if !hidden && !found {
            panic!("{record} is not found: {answer:?}");
        }
    }
}

/// The reply over TCP, which a client must be able to read.
#[expect(clippy::panic, reason = "a fuzz target says by a panic what it has found")]
fn read_back(name: &Name, rtype: RecordType, found: &Found) {
    let key = Key { name: name.clone(), rtype, dnssec: true, checking_disabled: false };
    let Some(question) = Question::new(&key, manner(false), true) else { return };
    let (client, local) = (SocketAddr::from(([127, 0, 0, 1], 5353)), SocketAddr::from(([127, 0, 0, 1], 53)));
    let Ok(request) = parse(&question.bytes, client, local, Transport::Tcp, 1232) else { return };
    let (Found::Whole(answer) | Found::Missing(answer, _) | Found::Leads(answer, _)) = found;
    let bytes = encode(&request, answer, Transport::Tcp, 1232, |ttl| ttl);
    match Message::from_vec(&bytes) {
        Ok(reply) if reply.metadata.truncation => {}
        Ok(reply) => assert_eq!(reply.answers.len(), answer.answers.len(), "{name} {rtype}"),
        Err(why) => panic!("{name} {rtype}: {why}: {answer:?}"),
    }
}
