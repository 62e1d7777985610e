//! Messages that are no good questions, and clients that may not ask.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::time::Duration;

use common::*;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use sluice_resolver::Config;
use sluice_resolver::config::{Cache, Hosts, Upstream, Zone};
use tokio::net::UdpSocket;

const A: RecordType = RecordType::A;

async fn server() -> (Fake, Server) {
    let upstream = Fake::honest().await;
    let server = start(settings(vec![root(forward(&[upstream.address]))])).await;
    (upstream, server)
}

async fn reply(server: &Server, bytes: &[u8]) -> Message {
    Message::from_vec(&send_udp(server.udp, bytes).await.unwrap()).unwrap()
}

/// Whether there is silence: the reply to what is sent next comes first.
async fn silent(server: &Server, bytes: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server.udp).await.unwrap();
    socket.send(bytes).await.unwrap();
    let mut good = query("good.example.", A);
    good.metadata.id = 4242;
    socket.send(&good.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).await.unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().metadata.id, 4242);
    let more = tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut buffer)).await;
    assert!(more.is_err(), "a second reply");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_and_scraps_get_no_reply() {
    let (_upstream, server) = server().await;
    let mut response = query("www.example.", A);
    response.metadata.message_type = MessageType::Response;
    silent(&server, &response.to_vec().unwrap()).await;
    silent(&server, &[]).await;
    silent(&server, &[0; 11]).await;
    assert_eq!(server.metric("sluice_dns_silent_total", ""), 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_get_formerr() {
    let (upstream, server) = server().await;
    let good = query("www.example.", A).to_vec().unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut message = good.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let mut two_opts = good.clone();
    two_opts[11] = 2;
    two_opts.extend_from_slice(&good[good.len() - 11..]);
    let mut opt_as_answer = good.clone();
    (opt_as_answer[7], opt_as_answer[11]) = (1, 0);
    let mut pointer = good[..12].to_vec();
    pointer.extend_from_slice(&[3, b'w', b'w', b'w', 0xc0, 12, 0, 1, 0, 1]);
    pointer[11] = 0;
    let mut long = good[..12].to_vec();
    for _ in 0..5 {
        long.push(63);
        long.extend_from_slice(&[b'a'; 63]);
    }
    long.extend_from_slice(&[0, 0, 1, 0, 1]);
    long[11] = 0;
    let mut oversized = good.clone();
    oversized.resize(1233, 0);
    let cases: [(&str, Vec<u8>); 12] = [
        ("no question", with(5, &[0])),
        ("two questions", with(5, &[2])),
        ("two answers", with(7, &[2])),
        ("two authorities", with(9, &[2])),
        ("three additionals", with(11, &[3])),
        ("two OPTs", two_opts),
        ("an OPT as answer", opt_as_answer),
        ("a compressed name", pointer),
        ("a name that is too long", long),
        ("a label that is too long", with(12, &[64])),
        ("an end too early", good[..20].to_vec()),
        ("more than 1232 octets", oversized),
    ];
    for (what, bytes) in cases {
        let reply = reply(&server, &bytes).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::FormErr, "{what}");
        assert_eq!(reply.metadata.id.to_be_bytes(), bytes[..2], "{what}");
        assert!(reply.answers.is_empty());
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(server.metric("sluice_dns_malformed_total", ""), 12.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_query_of_the_internet_is_refused_by_its_code() {
    let (upstream, server) = server().await;
    for op in [OpCode::Status, OpCode::Notify, OpCode::Update, OpCode::Unknown(7)] {
        let mut message = query("www.example.", A);
        message.metadata.op_code = op;
        let reply = reply(&server, &message.to_vec().unwrap()).await;
        assert_eq!((reply.metadata.response_code, reply.metadata.op_code), (ResponseCode::NotImp, op));
    }
    for class in [DNSClass::CH, DNSClass::ANY, DNSClass::NONE] {
        let mut message = query("version.bind.", RecordType::TXT);
        message.queries[0].set_query_class(class);
        let reply = ask_udp(server.udp, &message).await;
        assert_eq!((reply.metadata.response_code, reply.queries.len()), (ResponseCode::Refused, 1));
    }
    let mut version = query("www.example.", A);
    version.edns = Some(Edns::new());
    version.edns.as_mut().unwrap().set_version(1);
    let reply = ask_udp(server.udp, &version).await;
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    assert_eq!(reply.edns.unwrap().version(), 0);
    for rtype in [RecordType::AXFR, RecordType::IXFR, RecordType::from(253), RecordType::from(249)] {
        let reply = ask_tcp(server.tcp, &query("example.", rtype)).await;
        assert_eq!(
            (reply.metadata.response_code, extended(&reply)),
            (ResponseCode::Refused, Some(21)),
            "{rtype}"
        );
    }
    let reply = server.ask("www.example.", RecordType::ANY).await;
    assert_eq!(data(&reply), ["www.example. ANY obsoleted See RFC 8482"]);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_asks_others_for_some_clients_alone() {
    let upstream = Fake::honest().await;
    let inline = vec!["192.0.2.7 own.example".into()];
    let hosts = Hosts { inline, fallthrough: vec![".".into()], ..Hosts::default() };
    let zone =
        Zone { hosts: Some(hosts), cache: Some(Cache::default()), ..root(forward(&[upstream.address])) };
    let mut settings = settings(vec![zone]);
    for listener in &mut settings.listeners {
        listener.recursion = Some(vec!["127.0.0.9/32".parse().unwrap()]);
    }
    let server = start(settings.clone()).await;
    let friend = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    friend.send_to(&query("www.example.", A).to_vec().unwrap(), server.udp).await.unwrap();
    let mut buffer = [0; 512];
    let length = friend.recv(&mut buffer).await.unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);
    assert_eq!(upstream.count(), 1);
    // Not even what is in the cache is told, over TCP no more than over UDP; what is known here is.
    for name in ["www.example.", "other.example."] {
        let asked = query(name, A);
        for reply in [server.ask(name, A).await, ask_tcp(server.tcp, &asked).await] {
            assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::Refused, Some(20)));
            assert!(!reply.metadata.recursion_available && reply.metadata.recursion_desired);
        }
    }
    assert_eq!(data(&server.ask("own.example.", A).await), ["own.example. 192.0.2.7"]);
    let all = server.ask("www.example.", RecordType::ANY).await;
    assert_eq!(all.metadata.response_code, ResponseCode::Refused);
    assert_eq!(upstream.count(), 1);
    // Listeners go on as the settings change.
    settings.listeners.iter_mut().for_each(|listener| listener.recursion = None);
    server.handle.reload(Config::new(settings).unwrap()).await.unwrap();
    assert_eq!(server.ask("www.example.", A).await.answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_clients_of_the_list_are_answered() {
    let upstream = Fake::honest().await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    for listener in &mut settings.listeners {
        listener.clients = vec!["127.0.0.9/32".parse().unwrap()];
    }
    let server = start(settings).await;
    let reply = server.ask("www.example.", A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::Refused, Some(18)));
    assert_eq!(upstream.count(), 0);
    // What is malformed is not even refused, and a connection is closed.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&[0; 12], server.udp).await.unwrap();
    let mut buffer = [0; 512];
    assert!(tokio::time::timeout(Duration::from_millis(100), socket.recv(&mut buffer)).await.is_err());
    let mut stream = tokio::net::TcpStream::connect(server.tcp).await.unwrap();
    assert!(read_tcp(&mut stream).await.is_none());
    let friend = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    friend.send_to(&query("www.example.", A).to_vec().unwrap(), server.udp).await.unwrap();
    let length = friend.recv(&mut buffer).await.unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_go_to_their_zone_and_others_are_refused() {
    let (corp, deep) = (Fake::honest().await, Fake::honest().await);
    let zone = |name: &str, upstream: &Fake| {
        let mut forward = forward(&[upstream.address]);
        forward.except = vec!["not.corp".into()];
        sluice_resolver::config::Zone { name: name.into(), ..root(forward) }
    };
    let server = start(settings(vec![zone("corp", &corp), zone("deep.corp", &deep)])).await;
    for (asked, code, expected) in [
        ("x.corp.", ResponseCode::NoError, (1, 0)),
        ("x.DEEP.corp.", ResponseCode::NoError, (1, 1)),
        ("xdeep.corp.", ResponseCode::NoError, (2, 1)),
        ("x.not.corp.", ResponseCode::Refused, (2, 1)),
        ("x.example.", ResponseCode::Refused, (2, 1)),
    ] {
        let reply = server.ask(asked, A).await;
        assert_eq!((reply.metadata.response_code, (corp.count(), deep.count())), (code, expected), "{asked}");
    }
    assert_eq!(server.metric("coredns_dns_requests_total", "zone=\"dropped\""), 1.0);
    assert_eq!(server.metric("coredns_dns_responses_total", "rcode=\"NOERROR\""), 3.0);
    assert_eq!(server.metric("coredns_dns_request_duration_seconds_count", "zone=\"corp.\""), 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_may_not_answer_for_protected_names_nor_with_private_addresses() {
    let upstream = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        let records = match asked.to_lowercase().to_ascii().as_str() {
            "alias.example." => {
                let target = "kubernetes.default.svc.cluster.local.";
                vec![cname(asked, target), a(&name(target), 60, [192, 0, 2, 1])]
            }
            "mapped.example." => {
                let mapped = std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
                let data = hickory_proto::rr::RData::AAAA(hickory_proto::rr::rdata::AAAA(mapped));
                vec![hickory_proto::rr::Record::from_rdata(asked.clone(), 60, data)]
            }
            "private.example." => vec![a(asked, 60, [192, 0, 2, 1]), a(asked, 60, [10, 0, 0, 1])],
            _ => vec![a(asked, 60, [192, 0, 2, 1])],
        };
        now(answer(query, records))
    })
    .await;
    let mut careful = forward(&[upstream.address]);
    careful.refuse_private = true;
    let mut settings = settings(vec![root(careful)]);
    settings.protected = vec!["cluster.local".into()];
    let server = start(settings).await;
    for (asked, rtype) in
        [("alias.example.", A), ("private.example.", A), ("mapped.example.", RecordType::AAAA)]
    {
        let reply = server.ask(asked, rtype).await;
        let found = (reply.metadata.response_code, reply.answers.len(), extended(&reply));
        assert_eq!(found, (ResponseCode::ServFail, 0, Some(15)), "{asked}");
    }
    let before = upstream.count();
    let reply = server.ask("x.default.svc.cluster.local.", A).await;
    assert_eq!((reply.metadata.response_code, upstream.count() - before), (ResponseCode::Refused, 0));
    assert_eq!(server.ask("public.example.", A).await.answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_questions_are_refused_at_once() {
    let silent = Fake::start(|_, _| vec![]).await;
    let mut forward = forward(&[silent.address]);
    forward.max_concurrent = 5;
    forward.upstreams = vec![Upstream::plain(silent.address)];
    let mut settings = settings(vec![root(forward)]);
    settings.limits.query = Duration::from_secs(4);
    let server = start(settings.clone()).await;
    let flood = |to: std::net::SocketAddr, number: u32| {
        tokio::spawn(async move {
            let began = std::time::Instant::now();
            let reply = ask_udp(to, &query(&format!("{number}.example."), A)).await;
            (reply.metadata.response_code, extended(&reply), began.elapsed() < Duration::from_secs(3))
        })
    };
    let asks: Vec<_> = (0..30).map(|number| flood(server.udp, number)).collect();
    let mut quick = 0;
    for ask in asks {
        let (code, error, soon) = ask.await.unwrap();
        assert_eq!(code, ResponseCode::ServFail);
        quick += usize::from(soon && error == Some(0));
    }
    assert_eq!(quick, 25);
    assert_eq!(server.metric("coredns_forward_max_concurrent_rejects_total", ""), 25.0);
    settings.zones[0].forward[0].max_concurrent = 0;
    settings.limits.pending = 10;
    let server = start(settings).await;
    let asks: Vec<_> = (0..30).map(|number| flood(server.udp, number)).collect();
    let mut quick = 0;
    for ask in asks {
        quick += usize::from(ask.await.unwrap().2);
    }
    assert_eq!((quick, server.metric("sluice_dns_shed_total", "")), (20, 20.0));
}
