use std::net::SocketAddr;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::*;
use crate::authority::Transport;

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4000);
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);

fn query(size: Option<u16>) -> Vec<u8> {
    let mut message = Message::query();
    message
        .queries
        .push(hickory_proto::op::Query::query(Name::from_ascii("www.example.").unwrap(), RecordType::A));
    message.edns = size.map(|size| {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        edns
    });
    message.to_vec().unwrap()
}

fn request(size: Option<u16>) -> Request {
    parse(&query(size), CLIENT, LOCAL, Transport::Udp, 1232).unwrap()
}

#[test]
fn nobody_answers_ports_that_answer_everything_or_itself() {
    let silent = |client: SocketAddr, transport| {
        matches!(parse(&query(None), client, LOCAL, transport, 1232), Err(Rejected::Silent(_)))
    };
    for port in [0, 7, 9, 19] {
        assert!(silent(SocketAddr::new(CLIENT.ip(), port), Transport::Udp), "{port}");
    }
    assert!(silent(LOCAL, Transport::Udp));
    assert!(!silent(SocketAddr::new(CLIENT.ip(), 7), Transport::Tcp));
}

#[test]
fn the_limit_is_the_clients_within_bounds() {
    let limit = |size, transport| request(size).limit(transport, 1232);
    assert_eq!(limit(None, Transport::Udp), 512);
    assert_eq!(limit(Some(512), Transport::Udp), 512);
    assert_eq!(limit(Some(900), Transport::Udp), 900);
    assert_eq!(limit(Some(4096), Transport::Udp), 1232);
    assert_eq!(limit(None, Transport::Tcp), 65535);
}

#[test]
fn what_does_not_fit_is_left_out_from_the_least_needed_on() {
    let name = Name::from_ascii("www.example.").unwrap();
    let record = |last| Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, last)));
    let text = Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(vec!["x".repeat(200)])));
    let mut answer = Answer {
        answers: (0..20).map(record).collect(),
        additional: vec![text.clone(), text.clone()],
        error: Some(ExtendedError::STALE),
        ..Answer::default()
    };
    let told = |answer: &Answer| {
        let bytes = encode(&request(Some(512)), answer, Transport::Udp, 1232, |ttl| ttl);
        assert!(bytes.len() <= 512);
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(reply.edns.is_some());
        (reply.answers.len(), reply.additionals.len(), reply.metadata.truncation)
    };
    assert_eq!(told(&answer), (20, 0, false));
    answer.answers.extend((20..60).map(record));
    let (answers, _, truncated) = told(&answer);
    assert!(truncated && (25..31).contains(&answers), "{answers}");
    // All of it over a connection.
    let bytes = encode(&request(Some(512)), &answer, Transport::Tcp, 1232, |ttl| ttl);
    assert_eq!(Message::from_vec(&bytes).unwrap().answers.len(), 60);
}

#[test]
fn extended_errors_are_read_back_without_control_characters_and_not_too_long() {
    let error = ExtendedError { code: 22, text: format!("a\u{7}{}", "é".repeat(200)).into() };
    let back = ExtendedError::of(&error.option()).unwrap();
    assert_eq!(back.code, 22);
    assert!(back.text.starts_with("aé") && back.text.len() <= 128);
    let none = hickory_proto::rr::rdata::opt::EdnsOption::Unknown(15, vec![1]);
    assert!(ExtendedError::of(&none).is_none());
    assert_eq!(ResponseCode::NoError, Answer::default().code);
}
