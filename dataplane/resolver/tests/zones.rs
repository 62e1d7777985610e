//! Zones from files and from other servers, through sockets.
#![allow(clippy::unwrap_used, reason = "in helpers of tests")]

mod common;

use common::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType as T;
use sluice_resolver::Config;
use sluice_resolver::config::{Secondary, Zone, ZoneFile};

const FILE: &str = "$TTL 60\n@ SOA ns1 h 7 3600 600 86400 30\n@ NS ns1\nns1 A 192.0.2.53\nout CNAME www.example.net.\nin CNAME \
                    www.other.example.\nsub NS ns.sub\nns.sub A 192.0.2.54\n";
const OTHER: &str =
    "$TTL 60\n@ SOA a h 1 3600 600 86400 30\n@ NS a\nwww A 203.0.113.9\nback CNAME in.example.org.\n";

fn file(zone: &str, text: &str, fallthrough: &[&str]) -> ZoneFile {
    ZoneFile {
        zone: zone.into(),
        path: "db".into(),
        text: text.into(),
        fallthrough: fallthrough.iter().map(|it| (*it).to_owned()).collect(),
    }
}

#[tokio::test]
async fn zones_of_files_are_answered_with_authority_and_their_aliases_followed() {
    let upstream = Fake::honest().await;
    let files = vec![file("example.org.", FILE, &[]), file("other.example.", OTHER, &["x.other.example."])];
    let zone = Zone { files, ..root(forward(&[upstream.address])) };
    let server = start(settings(vec![zone])).await;
    let own = server.ask("NS1.example.org.", T::A).await;
    assert!(own.metadata.authoritative && data(&own) == ["NS1.example.org. 192.0.2.53"], "{own:?}");
    let missing = server.ask("nope.example.org.", T::A).await;
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    assert!(missing.metadata.authoritative && missing.authorities.len() == 1);
    let cut = ask_tcp(server.tcp, &query("www.sub.example.org.", T::A)).await;
    assert!(
        !cut.metadata.authoritative && cut.authorities.len() == 1 && cut.additionals.len() == 1,
        "{cut:?}"
    );
    assert_eq!(upstream.count(), 0);
    // Through another zone, and out to an upstream.
    let through = server.ask("back.other.example.", T::A).await;
    assert_eq!(
        data(&through),
        [
            "back.other.example. in.example.org.",
            "in.example.org. www.other.example.",
            "www.other.example. 203.0.113.9"
        ]
    );
    let out = server.ask("out.example.org.", T::A).await;
    assert_eq!(data(&out), ["out.example.org. www.example.net.", "www.example.net. 192.0.2.1"]);
    assert_eq!(upstream.count(), 1);
    // Where the next may know what is missing.
    assert_eq!(data(&server.ask("x.other.example.", T::A).await), ["x.other.example. 192.0.2.1"]);
    let refused = ask_tcp(server.tcp, &query("example.org.", T::AXFR)).await;
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn who_wants_no_recursion_gets_what_zones_here_have() {
    let upstream = Fake::honest().await;
    let more = "lost CNAME nope.other.example.\nchain CNAME out.example.org.\n";
    let files = vec![
        file("example.org.", FILE, &[]),
        file("other.example.", &format!("{OTHER}{more}"), &["other.example."]),
    ];
    let zone = Zone { files, ..root(forward(&[upstream.address])) };
    let server = start(settings(vec![zone])).await;
    let ask = async |name: &str, desired: bool| {
        let mut query = query(name, T::A);
        query.metadata.recursion_desired = desired;
        ask_udp(server.udp, &query).await
    };
    let through = ask("back.other.example.", false).await;
    assert_eq!((data(&through).len(), through.metadata.recursion_available), (3, false), "{through}");
    let led = ask("chain.other.example.", false).await;
    assert_eq!((data(&led).len(), led.metadata.recursion_available), (2, false), "{led}");
    assert_eq!(upstream.count(), 0);
    let led = ask("chain.other.example.", true).await;
    assert_eq!((data(&led).len(), led.metadata.recursion_available), (3, true), "{led}");
    // Where the next may know what the zone of an alias's target is missing.
    let lost = ask("lost.other.example.", true).await;
    assert_eq!(data(&lost), ["lost.other.example. nope.other.example.", "nope.other.example. 192.0.2.1"]);
    for (asked, code, answers) in [
        ("in.example.org.", ResponseCode::NoError, 1),
        ("nope.example.org.", ResponseCode::NXDomain, 0),
        ("x.sub.example.org.", ResponseCode::NoError, 0),
    ] {
        let all = server.ask(asked, T::ANY).await;
        assert_eq!((all.metadata.response_code, all.answers.len()), (code, answers), "{all}");
        assert!(all.answers.iter().all(|record| record.record_type() == T::HINFO));
    }
}

#[tokio::test]
async fn an_alias_to_names_that_nobody_here_answers_is_told() {
    let zone = Zone { name: ".".into(), files: vec![file("example.org.", FILE, &[])], ..Zone::default() };
    let server = start(settings(vec![zone])).await;
    let out = server.ask("out.example.org.", T::A).await;
    assert_eq!(
        (out.metadata.response_code, data(&out)),
        (ResponseCode::NoError, vec!["out.example.org. www.example.net.".into()])
    );
    assert!(out.metadata.authoritative && !out.metadata.recursion_available);
}

#[tokio::test]
async fn a_zone_without_a_copy_fails_and_says_so() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secondary =
        vec![Secondary { zone: "example.org.".into(), from: vec![dead], fallthrough: Vec::new() }];
    let upstream = Fake::honest().await;
    let server = start(settings(vec![Zone { secondary, ..root(forward(&[upstream.address])) }])).await;
    let reply = server.ask("www.example.org.", T::A).await;
    assert_eq!((reply.metadata.response_code, extended(&reply)), (ResponseCode::ServFail, Some(14)));
    assert_eq!(data(&server.ask("www.example.net.", T::A).await), ["www.example.net. 192.0.2.1"]);
    assert_eq!(server.metric("sluice_dns_secondary_records", "example.org."), 0.0);
}

#[test]
fn a_wrong_zone_file_is_named_by_line() {
    let zone =
        Zone { files: vec![file("example.org.", &format!("{FILE}bad A x\n"), &[])], ..Zone::default() };
    let zone = Zone { name: ".".into(), ..zone };
    let error = Config::new(settings(vec![zone])).unwrap_err().to_string();
    assert!(error.starts_with("zones[0].files[0]: db:9: A: "), "{error}");
}
