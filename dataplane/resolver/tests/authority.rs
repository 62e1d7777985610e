//! Local answers: asked first, aliases that lead out, and rules in between.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::*;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use sluice_resolver::config::{AnswerRewrite, Hosts, NameMatch, Rewrite, Template, Zone};
use sluice_resolver::{Authority, Continuation, Transport, Verdict};
use tokio::io::AsyncWriteExt;

const A: RecordType = RecordType::A;

/// Answers names of cluster.local in some ways.
#[derive(Clone, Default)]
struct Cluster {
    asked: Arc<Mutex<Vec<(String, Transport)>>>,
}

fn wire(name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    name.emit(&mut BinEncoder::new(&mut bytes)).unwrap();
    bytes
}

impl Authority for Cluster {
    fn answer(&self, query: &[u8], client: SocketAddr, transport: Transport, out: &mut Vec<u8>) -> Verdict {
        assert!(client.ip().is_loopback() && out.is_empty());
        let query = Message::from_vec(query).unwrap();
        let asked = query.queries[0].name.clone();
        self.asked.lock().unwrap().push((asked.to_ascii(), transport));
        if !name("cluster.local.").zone_of(&asked) {
            return Verdict::NotMine;
        }
        let first = String::from_utf8(asked.iter().next().unwrap().to_ascii_lowercase()).unwrap();
        let mut reply = answer(&query, vec![a(&asked, 5, [10, 0, 0, 1])]);
        reply.metadata.authoritative = true;
        match first.as_str() {
            "drop" => return Verdict::Drop,
            "transfer" => {
                for _ in 0..2 {
                    let bytes = reply.to_vec().unwrap();
                    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
                    out.extend_from_slice(&bytes);
                }
                return Verdict::Transfer;
            }
            "ext" | "masked" | "gone" => {
                let target = if first == "ext" { "www.example." } else { "no.example." };
                reply.answers = vec![cname(&asked, target)];
                out.extend_from_slice(&reply.to_vec().unwrap());
                return Verdict::Continue(Continuation {
                    target: wire(&name(target)),
                    mask: first == "masked",
                });
            }
            _ => {}
        }
        out.extend_from_slice(&reply.to_vec().unwrap());
        Verdict::Answered
    }
}

async fn upstream() -> Fake {
    Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        if asked.to_lowercase() == name("no.example.") {
            return now(nxdomain(query, "example.", 60, 60));
        }
        now(answer(query, vec![a(asked, 60, [192, 0, 2, 1])]))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_is_asked_before_upstreams_and_answers_as_it_likes() {
    let (cluster, upstream) = (Cluster::default(), upstream().await);
    let zone = root(forward(&[upstream.address]));
    let server = start_with(settings(vec![zone]), cluster.clone()).await;
    let reply = server.ask("Svc.cluster.local.", A).await;
    assert_eq!(
        (data(&reply), reply.metadata.authoritative),
        (vec!["Svc.cluster.local. 10.0.0.1".into()], true)
    );
    assert_eq!(ask_tcp(server.tcp, &query("svc.cluster.local.", A)).await.answers.len(), 1);
    assert_eq!(upstream.count(), 0);
    let asked = cluster.asked.lock().unwrap().clone();
    let expected = [("Svc.cluster.local.", Transport::Udp), ("svc.cluster.local.", Transport::Tcp)];
    assert_eq!(asked, expected.map(|(name, transport)| (name.to_owned(), transport)));
    assert_eq!(server.metric("sluice_dns_local_total", ""), 2.0);
    // What it drops is dropped.
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query("drop.cluster.local.", A).to_vec().unwrap(), server.udp).await.unwrap();
    let waited =
        tokio::time::timeout(std::time::Duration::from_millis(150), socket.recv(&mut [0; 512])).await;
    assert!(waited.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_rules_come_before_the_authority_and_foreign_zones_do_without_it() {
    let (cluster, upstream) = (Cluster::default(), upstream().await);
    let table = Hosts {
        inline: vec!["192.0.2.9 table.cluster.local".into()],
        fallthrough: vec![".".into()],
        ..Hosts::default()
    };
    let none = Template { rtype: "AAAA".into(), ..Template::default() };
    let zone = Zone { hosts: Some(table), template: vec![none], ..root(forward(&[upstream.address])) };
    let foreign =
        Zone { name: "far.cluster.local".into(), foreign: true, ..root(forward(&[upstream.address])) };
    let mut settings = settings(vec![zone, foreign]);
    settings.protected = vec!["cluster.local".into()];
    let server = start_with(settings, cluster.clone()).await;
    for (asked, kind, found) in [
        ("table.cluster.local.", A, vec!["table.cluster.local. 192.0.2.9"]),
        ("svc.cluster.local.", A, vec!["svc.cluster.local. 10.0.0.1"]),
        ("svc.cluster.local.", RecordType::AAAA, vec![]),
        ("svc.far.cluster.local.", A, vec!["svc.far.cluster.local. 192.0.2.1"]),
    ] {
        assert_eq!(data(&server.ask(asked, kind).await), found, "{asked}");
    }
    let asked: Vec<String> = cluster.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(asked, ["svc.cluster.local."]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_several_messages_of_a_connection_and_none_of_udp() {
    let server = start_with(settings(vec![]), Cluster::default()).await;
    let asked = query("transfer.cluster.local.", RecordType::AXFR);
    let mut stream = tokio::net::TcpStream::connect(server.tcp).await.unwrap();
    let bytes = asked.to_vec().unwrap();
    stream.write_u16(bytes.len() as u16).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    for _ in 0..2 {
        let reply = Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap();
        assert_eq!((reply.metadata.id, reply.answers.len()), (asked.metadata.id, 1));
    }
    assert_eq!(ask_udp(server.udp, &asked).await.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_leads_out_is_followed() {
    let upstream = upstream().await;
    let server = start_with(settings(vec![root(forward(&[upstream.address]))]), Cluster::default()).await;
    let reply = server.ask("EXT.cluster.local.", A).await;
    assert_eq!(data(&reply), ["EXT.cluster.local. www.example.", "www.example. 192.0.2.1"]);
    assert!(reply.metadata.authoritative);
    let reply = server.ask("gone.cluster.local.", A).await;
    assert_eq!((reply.metadata.response_code, data(&reply).len()), (ResponseCode::NXDomain, 1));
    assert_eq!(reply.authorities.len(), 1);
    let reply = server.ask("masked.cluster.local.", A).await;
    assert_eq!((reply.metadata.response_code, data(&reply).len()), (ResponseCode::NoError, 1));
    // Who does not want recursion gets the alias, and nobody is asked for the rest.
    let asked = upstream.count();
    let mut plain = query("ext.cluster.local.", A);
    plain.metadata.recursion_desired = false;
    let reply = ask_udp(server.udp, &plain).await;
    assert_eq!(
        (reply.metadata.response_code, data(&reply)),
        (ResponseCode::NoError, vec!["ext.cluster.local. www.example.".into()])
    );
    assert_eq!(upstream.count(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewritten_query_reaches_authority_tables_and_upstreams_and_comes_back_as_asked() {
    let (cluster, upstream) = (Cluster::default(), upstream().await);
    let exact = |from: &str, to: &str| Rewrite::Name {
        matches: NameMatch::Exact(from.into(), to.into()),
        answer: vec![],
        go_on: false,
    };
    let suffix = Rewrite::Name {
        matches: NameMatch::Suffix(".old.example".into(), ".example".into()),
        answer: vec![AnswerRewrite::Auto],
        go_on: false,
    };
    let zone = Zone {
        rewrite: vec![
            exact("api.example", "svc.cluster.local"),
            exact("out.example", "ext.cluster.local"),
            exact("table.example", "host.table"),
            suffix,
            Rewrite::Type { from: "TXT".into(), to: "A".into(), go_on: false },
        ],
        hosts: Some(Hosts {
            inline: vec!["192.0.2.9 host.table".into()],
            fallthrough: vec![".".into()],
            ..Hosts::default()
        }),
        ..root(forward(&[upstream.address]))
    };
    let server = start_with(settings(vec![zone]), cluster.clone()).await;
    let reply = server.ask("Api.Example.", A).await;
    assert_eq!(data(&reply), ["Api.Example. 10.0.0.1"]);
    assert_eq!(reply.queries[0].name.to_ascii(), "Api.Example.");
    assert!(reply.metadata.authoritative && reply.metadata.message_type == MessageType::Response);
    assert_eq!(data(&server.ask("table.example.", A).await), ["table.example. 192.0.2.9"]);
    let reply = server.ask("out.example.", A).await;
    assert_eq!(data(&reply), ["out.example. www.example.", "www.example. 192.0.2.1"]);
    assert_eq!(data(&server.ask("www.old.example.", A).await), ["www.old.example. 192.0.2.1"]);
    let reply = server.ask("t.example.", RecordType::TXT).await;
    assert_eq!(
        (data(&reply), reply.queries[0].query_type),
        (vec!["t.example. 192.0.2.1".into()], RecordType::TXT)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_come_before_tables_and_tables_before_upstreams() {
    let upstream = upstream().await;
    let zone = Zone {
        template: vec![Template { rtype: "AAAA".into(), ..Template::default() }],
        hosts: Some(Hosts {
            inline: vec!["192.0.2.9 a.example".into(), "2001:db8::9 a.example".into()],
            fallthrough: vec![".".into()],
            ..Hosts::default()
        }),
        ..root(forward(&[upstream.address]))
    };
    let server = start(settings(vec![zone])).await;
    let reply = server.ask("A.example.", RecordType::AAAA).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(data(&server.ask("A.example.", A).await), ["A.example. 192.0.2.9"]);
    assert_eq!(upstream.count(), 0);
    assert_eq!(data(&server.ask("b.example.", A).await), ["b.example. 192.0.2.1"]);
    assert_eq!(server.metric("coredns_template_matches_total", ""), 1.0);
    assert_eq!(server.metric("coredns_hosts_entries", ""), 2.0);
}
