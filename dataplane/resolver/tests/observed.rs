//! What is seen of queries: the log, the server's name, histograms.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::*;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use sluice_resolver::config::{LogClass, QueryLog};
use sluice_resolver::{Authority, Config, Transport, Verdict};

const A: RecordType = RecordType::A;

/// Answers names of cluster.local, with an OPT.
struct Cluster;

impl Authority for Cluster {
    fn answer(&self, query: &[u8], _: SocketAddr, _: IpAddr, _: Transport, out: &mut Vec<u8>) -> Verdict {
        let query = Message::from_vec(query).unwrap();
        let asked = query.queries[0].name.clone();
        if !name("cluster.local.").zone_of(&asked) {
            return Verdict::NotMine;
        }
        let mut reply = answer(&query, vec![a(&asked, 5, [10, 0, 0, 1])]);
        reply.edns.iter_mut().for_each(|edns| edns.options_mut().options.clear());
        out.extend_from_slice(&reply.to_vec().unwrap());
        Verdict::Answered
    }
}

async fn upstream() -> Fake {
    Fake::start(|query, _| {
        let asked = &query.queries[0].name;
        now(if asked.to_lowercase().to_ascii().starts_with("no") {
            nxdomain(query, "example.", 60, 60)
        } else {
            answer(query, vec![a(asked, 60, [192, 0, 2, 1])])
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_are_logged_with_their_replies_wherever_those_are_from() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("all.log"), folder.path().join("denied.log"));
    let upstream = upstream().await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    settings.log = Some(QueryLog { file: Some(file.clone()), ..QueryLog::default() });
    let server = start_with(settings.clone(), Cluster).await;
    server.ask("WWW.example.", A).await;
    ask_tcp(server.tcp, &query("a.cluster.local.", RecordType::AAAA)).await;
    server.ask("no.example.", A).await;
    // A configuration with another log takes its place; one with the same goes on.
    settings.log =
        Some(QueryLog { file: Some(other.clone()), classes: vec![LogClass::Denial], ..QueryLog::default() });
    server.handle.reload(Config::new(settings.clone()).unwrap()).await.unwrap();
    server.handle.reload(Config::new(settings).unwrap()).await.unwrap();
    server.ask("www.example.", A).await;
    server.ask("no.example.", A).await;
    server.handle.clone().stop().await;
    let lines: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(ToOwned::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, has) in lines.iter().zip([
        "\"A IN www.example. udp 40 false 1232\" NOERROR qr,rd,ra ",
        "\"AAAA IN a.cluster.local. tcp 44 false 1232\" NOERROR qr,rd,ra ",
        "\"A IN no.example. udp 39 false 1232\" NXDOMAIN qr,rd,ra ",
    ]) {
        assert!(line.starts_with("[INFO] 127.0.0.1:") && line.contains(has), "{line}");
        let time = line.rsplit(' ').next().unwrap().strip_suffix('s').unwrap().parse::<f64>().unwrap();
        assert!(time > 0.0 && time < 2.0, "{line}");
    }
    let denied = std::fs::read_to_string(&other).unwrap();
    assert!(denied.lines().count() == 1 && denied.contains("no.example."), "{denied}");
    assert_eq!(server.metric("sluice_dns_log_lost_total", ""), 0.0);
}

fn nsid(reply: &Message) -> Option<Vec<u8>> {
    match reply.edns.as_ref()?.option(EdnsCode::NSID)? {
        EdnsOption::NSID(name) => Some(name.as_ref().to_vec()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_is_told_the_servers_name() {
    let upstream = upstream().await;
    let mut settings = settings(vec![root(forward(&[upstream.address]))]);
    let without = start_with(settings.clone(), Cluster).await;
    settings.nsid = Some("gw-1".into());
    let server = start_with(settings, Cluster).await;
    for asked in ["www.example.", "no.example.", "a.cluster.local."] {
        let plain = query(asked, A);
        let mut asking = plain.clone();
        asking.edns.as_mut().unwrap().options_mut().insert(EdnsOption::Unknown(3, vec![]));
        assert_eq!(nsid(&ask_udp(server.udp, &plain).await), None, "{asked}");
        assert_eq!(nsid(&ask_udp(without.udp, &asking).await), None, "{asked}");
        let reply = ask_udp(server.udp, &asking).await;
        assert_eq!(nsid(&reply).unwrap(), b"gw-1", "{asked}");
        assert_eq!(nsid(&ask_tcp(server.tcp, &asking).await).unwrap(), b"gw-1", "{asked}");
        assert_eq!(reply.metadata.id, asking.metadata.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_have_the_names_and_labels_that_dashboards_of_coredns_use() {
    let upstream = upstream().await;
    let zone = sluice_resolver::config::Zone {
        cache: Some(sluice_resolver::config::Cache::default()),
        ..root(forward(&[upstream.address]))
    };
    let server = start(settings(vec![zone])).await;
    for asked in ["www.example.", "www.example.", "no.example."] {
        server.ask(asked, A).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let to = format!("proxy_name=\"forward\",to=\"{}\",rcode=\"NOERROR\"", upstream.address);
    for (family, labels, value) in [
        ("coredns_dns_requests_total", "zone=\".\",view=\"\",proto=\"udp\",family=\"1\",type=\"A\"", 3.0),
        ("coredns_dns_responses_total", "zone=\".\",view=\"\",rcode=\"NXDOMAIN\",plugin=\"\"", 1.0),
        ("coredns_dns_request_duration_seconds_count", "zone=\".\"", 3.0),
        ("coredns_dns_request_size_bytes_count", "proto=\"udp\"", 3.0),
        ("coredns_dns_response_size_bytes_count", "proto=\"udp\"", 3.0),
        ("coredns_cache_hits_total", "type=\"success\"", 1.0),
        ("coredns_cache_misses_total", "", 2.0),
        ("coredns_cache_entries", "type=\"denial\"", 1.0),
        ("coredns_proxy_request_duration_seconds_count", &to, 1.0),
        ("coredns_panics_total", "", 0.0),
    ] {
        assert_eq!(server.metric(family, labels), value, "{family}{{{labels}}}\n{}", server.handle.metrics());
    }
    assert!(server.handle.metrics().contains("\ncoredns_panics_total 0\n"));
}
