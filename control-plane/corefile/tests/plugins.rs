//! Every plugin with its options and defaults, as CoreDNS's `setup.go` has them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use std::time::Duration;

use common::*;
use sluice_corefile::plugins::*;
use sluice_corefile::{Class, Rcode, RecordType, Zone};

fn zone(text: &str) -> Zone {
    Zone::parse(text).unwrap()
}

/// What a Corefile with this directive alone is written as.
fn written(directive: &str) -> String {
    let (corefile, _) = right(&format!(". {{\n{directive}\n}}\n"));
    let text = corefile.to_string();
    let body = text.strip_prefix(".:53 {\n").and_then(|text| text.strip_suffix("}\n")).unwrap();
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_corefile_with_every_plugin_is_read_in_order_and_written_as_it_was_read() {
    let (corefile, warnings) = right(include_str!("corefiles/all.Corefile"));
    let found = names(server(&corefile));
    let mut once = found.clone();
    once.dedup();
    let left: Vec<_> = NAMES.iter().filter(|name| !once.contains(name)).copied().collect();
    assert_eq!(left, ["grpc_server", "https3", "debug", "pprof", "shed"]);
    assert!(once.is_sorted_by_key(|name| NAMES.iter().position(|known| known == name)), "{found:?}");
    assert_eq!(server(&corefile).listeners.len(), 4);
    let told: Vec<&str> = warnings.iter().filter_map(|text| text.split("warning: ").nth(1)).collect();
    assert_eq!(
        told,
        [
            "`multisocket` has no effect: every core has its own queues anyway",
            "`to *` gives every name of the zone to everybody who asks",
        ]
    );
}

/// Options in one spelling each: what is default is not written, what is not is.
#[test]
fn options_and_defaults() {
    for (read, expected) in [
        ("errors", "errors"),
        ("errors stdout { }", "errors"),
        ("errors {\n consolidate 5m .* error\n}", "errors { consolidate 5m .* }"),
        (
            "errors {\n consolidate 90s a info show_first\n stacktrace\n}",
            "errors { stacktrace consolidate 1m30s a info show_first }",
        ),
        ("health :8080", "health"),
        ("health localhost:8091 {\n lameduck 1m\n}", "health localhost:8091 { lameduck 1m }"),
        ("ready :8181 {\n monitor until-ready\n}", "ready"),
        ("ready {\n monitor continuously\n}", "ready { monitor continuously }"),
        ("prometheus localhost:9153", "prometheus"),
        ("prometheus :9153 {\n tls /x\n}", "prometheus :9153 { tls /x }"),
        ("kubernetes cluster.local", "kubernetes cluster.local"),
        ("kubernetes a {\n ttl 5\n startup_timeout 5s\n pods disabled\n}", "kubernetes a"),
        ("kubernetes a {\n labels x in (b,a), !c\n}", "kubernetes a { labels \"x in (b,a),!c\" }"),
        ("forward . 1.1.1.1:53", "forward . 1.1.1.1"),
        (
            "forward . 1.1.1.1 {\n max_fails 2\n expire 10s\n policy random\n health_check 0.5s\n}",
            "forward . 1.1.1.1",
        ),
        (
            "forward . tls://1.1.1.1 {\n tls_servername a\n tls ca.pem\n}",
            "forward . tls://1.1.1.1 { tls ca.pem tls_servername a }",
        ),
        ("forward a b.c. d:54", "forward a b.c. d:54"),
        ("cache", "cache"),
        ("cache 3600", "cache 3600"),
        ("cache 60 {\n success 10000\n}", "cache 60"),
        ("cache {\n success 5 10\n denial 5 10\n}", "cache 10 { success 5 denial 5 }"),
        ("cache {\n serve_stale\n}", "cache { serve_stale 1h immediate 0s 0s }"),
        ("cache {\n prefetch 0\n}", "cache"),
        ("cache {\n disable denial\n}", "cache { disable denial . }"),
        ("loop", "loop"),
        ("reload 30s", "reload"),
        ("reload 4s", "reload 4s"),
        ("reload 10s 0s", "reload 10s 0s"),
        ("reload 4s 100s", "reload 4s"),
        ("loadbalance round_robin", "loadbalance"),
        ("hosts", "hosts"),
        ("hosts /etc/hosts .", "hosts"),
        ("hosts a {\n 10.0.0.1 x\n reload 5s\n ttl 3600\n}", "hosts a { 10.0.0.1 x }"),
        ("log", "log"),
        ("log . {common}", "log"),
        ("log a b", "log a b"),
        ("log . {\n class all denial\n}", "log"),
        ("bufsize 1232", "bufsize"),
        ("bufsize", "bufsize"),
        ("cancel 5001ms", "cancel"),
        ("local {\n localhost_prefix on\n}", "local"),
        ("dns64 64:ff9b::/96", "dns64"),
        ("nsid", "nsid"),
        ("acl {\n block type * net *\n}", "acl { block }"),
        ("acl {\n ALLOW net 10.1.2.3/8 type A\n}", "acl { allow type A net 10.0.0.0/8 }"),
        ("file db {\n reload 60s\n}", "file db"),
        ("autopath /etc/resolv.conf", "autopath /etc/resolv.conf"),
        ("transfer {\n to 10.0.0.1:53\n}", "transfer { to 10.0.0.1 }"),
        ("rewrite name a b", "rewrite name exact a. b."),
        ("rewrite stop name exact a b", "rewrite name exact a. b."),
        ("rewrite continue {\n ttl a 30\n}", "rewrite continue ttl exact a. 30"),
        ("rewrite ttl regex a -30", "rewrite ttl regex a 0-30"),
        ("rewrite name prefix A. b answer auto", "rewrite name prefix a. b. answer auto"),
        ("rewrite edns0 nsid set", "rewrite edns0 nsid set"),
        ("rewrite edns0 local unset 0xffee", "rewrite edns0 local unset 0xffee"),
        ("rewrite edns0 local set 1 ab revert", "rewrite edns0 local set 0x0001 0x6162 revert"),
        ("rewrite rcode a 3 0", "rewrite rcode exact a. NXDOMAIN NOERROR"),
        ("template ANY ANY", "template ANY ANY"),
        ("view x {\n expr a == \"b c\"\n}", "view x { expr a == \"b c\" }"),
        ("k8s_gateway a {\n resources Ingress Service\n}", "k8s_gateway a"),
        ("pprof", "pprof"),
        ("whoami", "whoami"),
        ("any\nminimal\ndebug", "debug any minimal"),
    ] {
        assert_eq!(written(read), expected, "{read}");
    }
}

#[test]
fn a_forward_with_all_its_options() {
    let text = "forward example.org 8.8.8.8 tls://9.9.9.9%dns.quad9.net {
        except a.example.org 10.0.0.0/23
        force_tcp
        prefer_udp
        policy round_robin
        max_fails 0
        max_connect_attempts 7
        health_check 2s no_rec domain example.com
        tls cert.pem key.pem ca.pem
        expire 20s
        max_age 1m
        max_idle_conns 9
        read_timeout 3s
        max_concurrent 10
        doh_method GET
        next nxdomain SERVFAIL
        next_on_nodata
        failover REFUSED
        failfast_all_unhealthy_upstreams
        resolver 1.1.1.1 [::1]:5353
        source_address 10.0.0.1
    }";
    let Plugin::Forward(forward) = only(text) else { panic!() };
    let mut expected = Forward::new(
        zone("example.org"),
        ["8.8.8.8", "tls://9.9.9.9%dns.quad9.net"].map(|text| Upstream::parse(text).unwrap()).to_vec(),
    );
    expected.except = ["a.example.org", "0.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"].map(zone).to_vec();
    (expected.force_tcp, expected.prefer_udp, expected.policy) = (true, true, Policy::RoundRobin);
    (expected.max_fails, expected.max_connect_attempts) = (0, Some(7));
    expected.health =
        HealthCheck { interval: Duration::from_secs(2), recursion: false, domain: zone("example.com") };
    expected.tls.identity = Some(("cert.pem".to_owned(), "key.pem".to_owned()));
    expected.tls.authority = Some("ca.pem".to_owned());
    (expected.expire, expected.max_age) = (Duration::from_secs(20), Duration::from_secs(60));
    (expected.max_idle_conns, expected.max_concurrent) = (9, 10);
    (expected.read_timeout, expected.doh_get) = (Duration::from_secs(3), true);
    (expected.next, expected.next_on_nodata) = (vec![Rcode(3), Rcode(2)], true);
    (expected.failover, expected.failfast) = (vec![Rcode(5)], true);
    expected.resolver = plugin_resolvers();
    expected.source_address = Some("10.0.0.1".parse().unwrap());
    assert_eq!(forward, expected);
}

fn plugin_resolvers() -> Vec<sluice_corefile::Listen> {
    let listen = |host: &str, port| sluice_corefile::Listen { host: host.to_owned(), port };
    vec![listen("1.1.1.1", 53), listen("::1", 5353)]
}

#[test]
fn rewrites_of_names_with_their_answers() {
    let text = r"rewrite stop {
        name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul
        answer name (.*)\.service\.(us-west-1)\.consul {1}-{2}.coredns.rocks
        value (.*)\.x {1}.y
    }";
    let Plugin::Rewrite(Rewrite { goes_on: false, rule: Rule::Name(rule) }) = only(text) else { panic!() };
    assert!(matches!(&rule.from, Match::Regex(pattern) if pattern.groups() == 2));
    assert_eq!((rule.to.as_str(), rule.auto), ("{1}.service.{2}.consul.", false));
    let answers: Vec<(bool, &str)> =
        rule.answers.iter().map(|answer| (answer.value, answer.to.as_str())).collect();
    assert_eq!(answers, [(false, "{1}-{2}.coredns.rocks."), (true, "{1}.y.")]);
    let Plugin::Rewrite(rewrite) = only("rewrite name a.b c.d") else { panic!() };
    assert!(
        matches!(rewrite.rule, Rule::Name(NameRule { auto: true, .. })),
        "an exact match is always changed back"
    );
}

#[test]
fn templates_that_make_records() {
    let text = r#"template IN A example {
        match ^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)[.]example[.]$
        answer "{{ .Name }} 60 IN A 10.{{ .Group.a }}.{{ index .Match 2 }}.1"
        ederror 21 "not here"
        fallthrough
    }"#;
    let Plugin::Template(template) = only(text) else { panic!() };
    assert_eq!((template.class, template.kind), (Class(1), RecordType(1)));
    assert_eq!(template.zones, [zone("example")]);
    assert_eq!(template.answer[0].parts()[2], Part::Group("a".to_owned()));
    assert_eq!(template.ederror, Some((21, Some("not here".to_owned()))));
}

#[test]
fn addresses_of_servers() {
    let corefile = clean("dns://a tls://b https://c:8443, quic://d grpc://10.0.0.0/15:1 {\n tls c k\n}\n");
    let listeners: Vec<String> = server(&corefile).listeners.iter().map(ToString::to_string).collect();
    assert_eq!(
        listeners,
        [
            "a:53",
            "tls://b:853",
            "https://c:8443",
            "quic://d:853",
            "grpc://0.10.in-addr.arpa:1",
            "grpc://1.10.in-addr.arpa:1"
        ]
    );
}

#[test]
fn relative_paths_are_in_the_root() {
    let corefile = clean(". {\n file db.x\n root /zones/\n}\n");
    let server = server(&corefile);
    assert_eq!((server.path("db.x"), server.path("/db.y")), ("/zones/db.x".to_owned(), "/db.y".to_owned()));
}

#[test]
fn every_plugin_is_honoured_or_has_a_reason() {
    for name in NAMES {
        assert!(matches!(support(name), Some(Support::Honoured | Support::NoEffect(_))), "{name}");
    }
    for name in [
        "dnssec", "sign", "etcd", "route53", "azure", "clouddns", "grpc", "erratic", "geoip", "trace",
        "nomad",
    ] {
        assert!(matches!(support(name), Some(Support::Refused(_))), "{name}");
    }
}

#[test]
fn the_documentation_has_a_row_for_every_plugin_and_says_what_becomes_of_it() {
    let text = include_str!("../../../docs/corefile.md");
    let (_, text) = text.split_once("\n## Plugins\n").unwrap();
    let row = |name: &str| {
        let first =
            |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{name}`")));
        let said = ["honoured", "no effect", "gone", "refused"];
        let says = |line: &&str| line.split('|').nth(2).is_some_and(|cell| said.contains(&cell.trim()));
        let line = text.lines().filter(|line| line.starts_with('|')).filter(says).find(first);
        let line = line.unwrap_or_else(|| panic!("no row for {name}"));
        line.split('|').nth(2).unwrap().trim().to_owned()
    };
    let refused = [
        "azure",
        "clouddns",
        "dnssec",
        "erratic",
        "etcd",
        "federation",
        "geoip",
        "grpc",
        "nomad",
        "on",
        "proxy",
        "proxyproto",
        "reverse",
        "route53",
        "shutdown",
        "sign",
        "startup",
        "trace",
        "tsig",
    ];
    for name in NAMES.iter().chain(&refused) {
        let expected = match support(name) {
            Some(Support::Honoured) => "honoured",
            Some(Support::NoEffect(_)) => "no effect",
            Some(Support::Gone(_)) => "gone",
            Some(Support::Refused(_)) => "refused",
            None => panic!("{name}"),
        };
        assert_eq!(row(name), expected, "{name}");
    }
}
