//! Local answers: asked first, aliases that lead out, and rules in between.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use common::*;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use sluice_resolver::config::{AnswerRewrite, Hosts, NameMatch, Rewrite, Template, Zone, ZoneFile};
use sluice_resolver::{Authority, Continuation, Messages, Transport, Verdict};
use tokio::io::AsyncWriteExt;

const A: RecordType = RecordType::A;

/// Answers names of cluster.local in some ways.
#[derive(Clone)]
struct Cluster {
    zone: Name,
    asked: Arc<Mutex<Vec<(String, Transport)>>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { zone: name("transfer.cluster.local."), asked: Arc::default() }
    }
}

fn wire(name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    name.emit(&mut BinEncoder::new(&mut bytes)).unwrap();
    bytes
}

impl Authority for Cluster {
    fn transfer(&self, query: &[u8], client: SocketAddr, server: IpAddr) -> Option<Messages> {
        assert!(client.ip().is_loopback() && server.is_loopback());
        let query = Message::from_vec(query).unwrap();
        let asked = query.queries[0].name.clone();
        assert!(!self.conceals(&asked, client, server), "nobody has that");
        let messages = (0..500).map(move |_| {
            let records = (0..100).map(|last| a(&asked, 5, [10, 0, 0, last])).collect();
            answer(&query, records).to_vec().unwrap()
        });
        let zone = self.zone.clone();
        let wanted = Message::from_vec(&messages.clone().next()?).unwrap().queries[0].name == zone;
        wanted.then(|| Box::new(messages) as Messages)
    }

    fn conceals(&self, asked: &Name, client: SocketAddr, server: IpAddr) -> bool {
        assert!(client.ip().is_loopback() && server.is_loopback());
        name("secret.cluster.local.").zone_of(asked)
    }

    fn answer(
        &self,
        query: &[u8],
        client: SocketAddr,
        server: IpAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Verdict {
        assert!(client.ip().is_loopback() && out.is_empty());
        let query = Message::from_vec(query).unwrap();
        let asked = query.queries[0].name.clone();
        self.asked.lock().unwrap().push((asked.to_ascii(), transport));
        if !name("cluster.local.").zone_of(&asked) {
            return Verdict::NotMine;
        }
        if self.conceals(&asked, client, server) {
            out.extend_from_slice(&failure(&query, ResponseCode::Refused).to_vec().unwrap());
            return Verdict::Answered;
        }
        if query.queries[0].query_type == RecordType::AXFR {
            out.extend_from_slice(&failure(&query, ResponseCode::Refused).to_vec().unwrap());
            return Verdict::Answered;
        }
        let first = String::from_utf8(asked.iter().next().unwrap().to_ascii_lowercase()).unwrap();
        let mut reply = answer(&query, vec![a(&asked, 5, [10, 0, 0, 1])]);
        reply.metadata.authoritative = true;
        match first.as_str() {
            "drop" => return Verdict::Drop,
            "found" | "lost" | "bare" => {
                let target = if first == "found" { "www.example." } else { "no.example." };
                let target = if first == "bare" { "nothing.example." } else { target };
                reply.answers = vec![cname(&asked, target)];
                out.extend_from_slice(&reply.to_vec().unwrap());
                let denied = nxdomain(&query, "cluster.local.", 30, 30);
                return Verdict::Continue(Continuation {
                    target: wire(&name(target)),
                    mask: false,
                    otherwise: Some(denied.to_vec().unwrap()),
                });
            }
            "ext" | "masked" | "gone" => {
                let target = if first == "ext" { "www.example." } else { "no.example." };
                reply.answers = vec![cname(&asked, target)];
                out.extend_from_slice(&reply.to_vec().unwrap());
                return Verdict::Continue(Continuation {
                    target: wire(&name(target)),
                    mask: first == "masked",
                    otherwise: None,
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
async fn a_transfer_is_as_many_messages_as_the_client_takes_and_not_for_udp() {
    let server = start_with(settings(vec![]), Cluster::default()).await;
    let asked = query("transfer.cluster.local.", RecordType::AXFR);
    let mut stream = tokio::net::TcpStream::connect(server.tcp).await.unwrap();
    let bytes = asked.to_vec().unwrap();
    // Another query of the same connection is answered meanwhile.
    let other = query("a.cluster.local.", A);
    for bytes in [bytes, other.to_vec().unwrap()] {
        stream.write_u16(bytes.len() as u16).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
    let (mut parts, mut others) = (0, 0);
    while parts + others < 501 {
        let reply = Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap();
        let part = reply.metadata.id == asked.metadata.id;
        assert_eq!(reply.answers.len(), if part { 100 } else { 1 });
        *if part { &mut parts } else { &mut others } += 1;
    }
    assert_eq!((parts, others), (500, 1));
    assert_eq!(server.metric("sluice_dns_transfers_total", ""), 1.0);
    // Refused by the authority itself, which is not asked for a transfer over UDP.
    assert_eq!(ask_udp(server.udp, &asked).await.metadata.response_code, ResponseCode::Refused);
    let none = query("other.cluster.local.", RecordType::AXFR);
    assert_eq!(ask_tcp(server.tcp, &none).await.metadata.response_code, ResponseCode::Refused);
    assert_eq!(server.metric("sluice_dns_transfers_total", ""), 1.0);
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
async fn a_completed_search_has_the_targets_records_or_is_as_if_it_had_not_been() {
    let upstream = Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        now(match asked.to_lowercase().to_ascii().as_str() {
            "no.example." => nxdomain(query, "example.", 60, 60),
            "nothing.example." => {
                let mut reply = answer(query, vec![]);
                reply.authorities = vec![soa("example.", 60, 60)];
                reply
            }
            _ => answer(query, vec![a(asked, 17, [192, 0, 2, 1])]),
        })
    })
    .await;
    let server = start_with(settings(vec![root(forward(&[upstream.address]))]), Cluster::default()).await;
    let reply = server.ask("Found.cluster.local.", A).await;
    assert_eq!(data(&reply), ["Found.cluster.local. www.example.", "www.example. 192.0.2.1"]);
    assert!(reply.answers.iter().all(|record| record.ttl == 17), "{reply}");
    let reply = server.ask("lost.cluster.local.", A).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0));
    assert_eq!(reply.authorities[0].name, name("cluster.local."));
    let reply = server.ask("bare.cluster.local.", A).await;
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(reply.authorities[0].name, name("example."));
    // Without anybody to ask, too.
    let server = start_with(settings(vec![]), Cluster::default()).await;
    let reply = server.ask("found.cluster.local.", A).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(server.metric("coredns_dns_responses_total", "NXDOMAIN"), 1.0);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_tables_and_files_say_nothing_of_what_the_authority_conceals() {
    let (cluster, upstream) = (Cluster::default(), upstream().await);
    let exact = |from: &str, to: &str| Rewrite::Name {
        matches: NameMatch::Exact(from.into(), to.into()),
        answer: vec![],
        go_on: false,
    };
    let text = "@ 60 IN SOA ns hm 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.2\nwww 60 IN CNAME a.secret.cluster.local.\n\
                tab 60 IN CNAME table.secret.cluster.local.\n\
                open 60 IN CNAME svc.cluster.local.\n";
    let file =
        ZoneFile { zone: "file.example".into(), path: "db".into(), text: text.into(), fallthrough: vec![] };
    let zone = Zone {
        hosts: Some(Hosts {
            inline: vec!["192.0.2.9 table.secret.cluster.local".into(), "192.0.2.9 table.example".into()],
            fallthrough: vec![".".into()],
            ..Hosts::default()
        }),
        template: vec![Template {
            rtype: "TXT".into(),
            answer: vec!["{{ .Name }} 60 IN TXT \"told\"".into()],
            ..Template::default()
        }],
        rewrite: vec![
            exact("front.example", "table.secret.cluster.local"),
            exact("back.secret.cluster.local", "table.example"),
        ],
        files: vec![file],
        ..root(forward(&[upstream.address]))
    };
    let foreign =
        Zone { name: "own.secret.cluster.local".into(), foreign: true, ..root(forward(&[upstream.address])) };
    let server = start_with(settings(vec![zone, foreign]), cluster.clone()).await;
    for (asked, kind) in [
        ("svc.secret.cluster.local.", A),
        ("Svc.SECRET.cluster.local.", A),
        ("secret.cluster.local.", RecordType::SOA),
        ("table.secret.cluster.local.", A),
        ("table.secret.cluster.local.", RecordType::TXT),
        ("front.example.", A),
        ("front.example.", RecordType::TXT),
        ("back.secret.cluster.local.", A),
        ("secret.cluster.local.", RecordType::AXFR),
        ("secret.cluster.local.", RecordType::ANY),
    ] {
        for reply in
            [ask_udp(server.udp, &query(asked, kind)).await, ask_tcp(server.tcp, &query(asked, kind)).await]
        {
            let said = (reply.metadata.response_code, reply.answers.len(), reply.queries[0].name.to_ascii());
            assert_eq!(said, (ResponseCode::Refused, 0, asked.to_owned()), "{kind}");
        }
    }
    // An alias that somebody made is told, and ends there.
    let reply = server.ask("www.file.example.", A).await;
    assert_eq!(
        (reply.metadata.response_code, data(&reply)),
        (ResponseCode::NoError, vec!["www.file.example. a.secret.cluster.local.".into()])
    );
    // Nor is what a table has where it leads.
    let reply = server.ask("tab.file.example.", A).await;
    assert_eq!(data(&reply), ["tab.file.example. table.secret.cluster.local."]);
    // Nobody was asked, and all else goes on.
    assert_eq!(upstream.count(), 0);
    let reply = server.ask("open.file.example.", A).await;
    assert_eq!(data(&reply), ["open.file.example. svc.cluster.local.", "svc.cluster.local. 10.0.0.1"]);
    assert_eq!(data(&server.ask("table.example.", A).await), ["table.example. 192.0.2.9"]);
    // A server of its own for a part of the zone is none of the authority's.
    let reply = server.ask("a.own.secret.cluster.local.", A).await;
    assert_eq!(data(&reply), ["a.own.secret.cluster.local. 192.0.2.1"]);
}
