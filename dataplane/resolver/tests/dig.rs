//! What `dig` makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers of tests")]

mod common;

use common::*;
use hickory_proto::rr::RecordType;
use sluice_resolver::config::{Cache, Zone};

async fn dig(server: &Server, arguments: &[&str]) -> String {
    let port = if arguments.contains(&"+tcp") { server.tcp.port() } else { server.udp.port() };
    let mut command = std::process::Command::new("dig");
    command.args(["@127.0.0.1", "-p", &port.to_string(), "+tries=1", "+time=3"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("dig is of the package bind9-dnsutils, which testbed/install.sh installs");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_reads_every_kind_of_reply() {
    let upstream = Fake::start(|query, stream| {
        let asked = &query.queries[0].name;
        let first = String::from_utf8(asked.iter().next().unwrap().to_ascii_lowercase()).unwrap();
        now(match first.as_str() {
            "no" => nxdomain(query, "example.", 60, 60),
            "alias" => answer(
                query,
                vec![cname(asked, "www.example."), a(&name("www.example."), 60, [192, 0, 2, 1])],
            ),
            "big" if stream => answer(query, (0..100).map(|last| a(asked, 60, [192, 0, 2, last])).collect()),
            "big" => {
                let mut reply = answer(query, vec![]);
                reply.metadata.truncation = true;
                reply
            }
            _ => answer(query, vec![a(asked, 60, [192, 0, 2, 1])]),
        })
    })
    .await;
    let silent = Fake::start(|_, _| vec![]).await;
    let zone = Zone { cache: Some(Cache::default()), ..root(forward(&[upstream.address])) };
    let dead = Zone { name: "dead.example".into(), ..root(forward(&[silent.address])) };
    let server = start(settings(vec![zone, dead])).await;

    let text = dig(&server, &["WWW.Example", "A"]).await;
    assert!(text.contains("status: NOERROR") && text.contains("flags: qr rd ra;"), "{text}");
    assert!(text.contains("WWW.Example.\t\t60\tIN\tA\t192.0.2.1"), "{text}");
    assert!(text.contains("EDNS: version: 0, flags:; udp: 1232"), "{text}");
    assert_eq!(dig(&server, &["+short", "alias.example"]).await, "www.example.\n192.0.2.1\n");
    assert_eq!(dig(&server, &["+short", "+tcp", "alias.example"]).await, "www.example.\n192.0.2.1\n");
    let text = dig(&server, &["no.example"]).await;
    assert!(text.contains("status: NXDOMAIN") && text.contains("\tSOA\t"), "{text}");
    let text = dig(&server, &["+ignore", "big.example"]).await;
    assert!(text.contains("flags: qr tc rd ra;"), "{text}");
    let text = dig(&server, &["+tcp", "big.example"]).await;
    assert!(text.contains("ANSWER: 100"), "{text}");
    let text = dig(&server, &["x.dead.example"]).await;
    assert!(text.contains("status: SERVFAIL") && text.contains("EDE: 22 (No Reachable Authority)"), "{text}");
    assert!(dig(&server, &["CH", "TXT", "version.bind"]).await.contains("status: REFUSED"));
    assert!(dig(&server, &["+opcode=notify", "www.example"]).await.contains("status: NOTIMP"));
    assert!(dig(&server, &["+edns=1", "+noednsneg", "www.example"]).await.contains("status: BADVERS"));
    assert!(dig(&server, &["+noedns", "www.example"]).await.contains("ADDITIONAL: 0"));
    assert_eq!(
        dig(&server, &["+short", "+tcp", "www.example", "ANY"]).await,
        "\"ANY obsoleted\" \"See RFC 8482\"\n"
    );
    assert_eq!(server.ask("www.example.", RecordType::A).await.answers.len(), 1);
}
