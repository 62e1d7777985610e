//! What is wrong, by table: the line, the words, the nearest known name. And that all of it is told, not just the first.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use common::*;

#[test]
fn options_that_are_wrong() {
    for (directive, expected) in [
        ("fowrard . 1.1.1.1", "2: there is no plugin `fowrard`; did you mean `forward`?"),
        ("blocklist x", "2: there is no plugin `blocklist`"),
        ("errors file.log", "2: `errors` logs to `stdout` and nowhere else"),
        (
            "errors {\n consolidate 5m\n}",
            "3: `consolidate` takes a duration, a regular expression, a level and `show_first`",
        ),
        ("errors {\n consolidate 5m (\n}", "3: `(` is no regular expression: unclosed group"),
        (
            "errors {\n consolidate 5m a loud\n}",
            "3: `loud` is no level: debug, info, warning, error, show_first",
        ),
        ("errors\nerrors", "3: `errors` stands twice in this server block"),
        ("health 8080", "2: `8080` is no address such as :8080 or 127.0.0.1:8080"),
        ("health {\n lameduk 5s\n}", "3: `health` has no option `lameduk`; did you mean `lameduck`?"),
        ("health {\n lameduck 5\n}", "3: `5` is no duration such as 5s, 1m30s or 500ms"),
        ("ready {\n monitor always\n}", "3: `always` is no way to monitor: until-ready, continuously"),
        ("kubernetes in-addr.arpa", "2: `kubernetes` needs a zone that is no reverse zone"),
        ("kubernetes a {\n pod insecure\n}", "3: `kubernetes` has no option `pod`; did you mean `pods`?"),
        (
            "kubernetes a {\n pods insecur\n}",
            "3: `insecur` is no way to name Pods: disabled, insecure, verified; did you mean `insecure`?",
        ),
        ("kubernetes a {\n ttl 3601\n}", "3: `3601` is no number from 0 to 3600"),
        (
            "kubernetes a {\n namespaces x\n namespace_labels a\n}",
            "2: `namespaces` and `namespace_labels` exclude each other",
        ),
        ("kubernetes a {\n labels ==\n}", "3: `==` is no label selector"),
        ("kubernetes a {\n multicluster b\n}", "2: the multicluster zone `b` is none of the plugin's zones"),
        ("kubernetes a {\n zonal\n noendpoints\n}", "2: `zonal` needs endpoints: `noendpoints` must go"),
        ("kubernetes a {\n noendpoints x\n}", "3: `noendpoints` takes no argument"),
        ("kubernetes a {\n tls x\n}", "3: `tls` takes a certificate, its key and the authority"),
        (
            "kubernetes a {\n apiserver_qps -1\n}",
            "3: `-1` is no number from 0 to 340282350000000000000000000000000000000",
        ),
        ("forward .", "2: `forward` does not say whom to ask"),
        ("forward", "2: `forward` takes a zone and whom to ask"),
        (
            "forward . 8.9.1043",
            "2: `8.9.1043` is no upstream: it is neither an address, nor a name, nor a path such as /etc/resolv.conf",
        ),
        (
            "forward . grpc://1.1.1.1",
            "2: `grpc://1.1.1.1`: upstreams are asked by dns://, tls:// or https://, not by `grpc`",
        ),
        (
            "forward . 1.1.1.1 {\n policy least_conn\n}",
            "3: `least_conn` is no policy: random, round_robin, sequential",
        ),
        ("forward . 1.1.1.1 {\n max_fails x\n}", "3: `x` is no number from 0 to 4294967295"),
        (
            "forward . 1.1.1.1 {\n force_tpc\n}",
            "3: `forward` has no option `force_tpc`; did you mean `force_tcp`?",
        ),
        ("forward . 1.1.1.1 {\n expire -1s\n}", "3: `-1s` is less than nothing"),
        ("forward . 1.1.1.1 {\n max_age 1s\n}", "2: `max_age` must not be less than `expire`"),
        (
            "forward . 1.1.1.1 {\n next NXDOMIAN\n}",
            "3: `NXDOMIAN` is no response code: NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, NOTIMPL, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE, DSOTYPENI, BADSIG, BADVERS, BADKEY, BADTIME, BADMODE, BADNAME, BADALG, BADTRUNC, BADCOOKIE; did you mean `NXDOMAIN`?",
        ),
        ("forward . 1.1.1.1 {\n failover NOERROR\n}", "3: NOERROR is no reason for `failover`"),
        (
            "forward . tls://1.1.1.1%a {\n tls_servername b\n}",
            "2: `tls_servername` and an upstream's own `%name` exclude each other",
        ),
        (
            "proxy . 1.1.1.1 {\n protocol grpc\n}",
            "3: upstreams are not asked by `grpc`; use `forward` with tls:// or https://",
        ),
        ("cache 0", "2: `0` is no number from 1 to 4294967295"),
        ("cache {\n sucess 1\n}", "3: `cache` has no option `sucess`; did you mean `success`?"),
        ("cache {\n success 1 0\n}", "3: `0` is no number from 1 to 4294967295"),
        ("cache {\n servfail 6m\n}", "3: `6m` is more than 5m (RFC 2308, 7.1)"),
        ("cache {\n prefetch 1 1m 5%\n}", "3: `5%` is no percentage from 10% to 90%"),
        ("cache {\n serve_stale 1h soon\n}", "3: `soon` is no way to refresh: immediate, verify"),
        ("cache {\n serve_stale_policy prefer_positive\n}", "3: `serve_stale_policy` needs `serve_stale`"),
        ("cache {\n disable all\n}", "3: `all` is no kind of answers: success, denial"),
        ("loop x", "2: `loop` takes no argument"),
        ("loop {\n x\n}", "2: `loop` has no options"),
        ("reload 1s", "2: the interval must be 2s or more"),
        ("reload 10s 1ms", "2: the jitter must be 0s, or 1s or more"),
        ("loadbalance random", "2: `random` is no policy: round_robin, weighted_round_robin"),
        ("loadbalance {\n prefer x\n}", "3: `x` is no network such as 10.0.0.0/8"),
        ("hosts {\n 10.0.0.1\n}", "3: `10.0.0.1` needs an argument"),
        ("hosts {\n 10.0.0 a\n}", "3: `hosts` has no option `10.0.0`"),
        ("hosts {\n fallthrough\n 10.0.0.1 a\n}", "4: hosts stand before `fallthrough`"),
        ("hosts {\n ttl 0\n}", "3: `0` is no number from 1 to 65535"),
        ("rewrite name a", "2: `rewrite name` takes a way to match, a name and what stands for it"),
        (
            "rewrite nmae a b",
            "2: `nmae` is no kind of rewrite: class, cname, edns0, name, rcode, ttl, type; did you mean `name`?",
        ),
        ("rewrite name regex (a) {1}{2}", "2: `{1}{2}` uses 2 groups; the expression has 1"),
        ("rewrite name prefix a b auto", "2: `auto`: behind a name rule there is only `answer`"),
        (
            "rewrite name prefix a b answer auto answer name x y",
            "2: `answer auto` and `answer name` exclude each other",
        ),
        (
            "rewrite name prefixx a b",
            "2: `prefixx` is no way to match names: exact, prefix, regex, substring, suffix; did you mean `prefix`?",
        ),
        ("rewrite ttl a 9-3", "2: `9-3` is no TTL such as 30, 30-300, 30- or -300"),
        ("rewrite type A FOO", "2: `FOO` is no record type"),
        (
            "rewrite edns0 local set 0xffee {cilent_ip}",
            "2: `{cilent_ip}` is no variable: {qname}, {qtype}, {client_ip}, {client_port}, {protocol}, {server_ip}, {server_port}; did you mean `{client_ip}`?",
        ),
        ("rewrite edns0 local set 0x10000 a", "2: `0x10000` is no number from 0 to 65535"),
        ("rewrite edns0 local set 1 0xabc", "2: `0xabc` has no pairs of hexadecimal digits behind 0x"),
        ("rewrite answer name a b", "2: `answer` belongs behind a `name` rule, in the same braces"),
        (
            "log {\n class errors\n}",
            "3: `errors` is no class: success, denial, error, all; did you mean `error`?",
        ),
        ("bind", "2: `bind` needs an address or an interface"),
        ("bufsize 500", "2: `500` is no number from 512 to 4096"),
        ("template IN", "2: `template` takes a class, a record type and zones"),
        ("template IN a", "2: `a` is no record type (in capitals)"),
        (
            "template IN A {\n answer \"{{ if }}\"\n}",
            "3: `{{ if }}` is not supported: templates have .Name, .Zone, .Class, .Type, .Remote, .Question.Name, .Group.NAME, index .Match N and .Meta \"LABEL\"",
        ),
        (
            "template IN A {\n expr true\n}",
            "3: `expr`: expressions in templates are not supported; use `match`",
        ),
        ("autopath", "2: `autopath` takes zones, then @kubernetes or a file as /etc/resolv.conf"),
        (
            "autopath @kubernets",
            "2: `@kubernets` is no plugin that knows search paths: @kubernetes; did you mean `@kubernetes`?",
        ),
        ("k8s_external x", "2: `k8s_external` needs `kubernetes` in the same server block"),
        ("transfer", "2: `transfer` needs `to`"),
        ("transfer {\n to a\n}", "3: `a` is no address, nor `*`"),
        ("acl {\n permit net *\n}", "3: `permit` is no action: allow, block, drop, filter"),
        ("acl {\n block net\n}", "3: `net` names nothing"),
        ("acl {\n block net 10.0.0.0/33\n}", "3: `10.0.0.0/33` is no address and no network"),
        ("header {\n response set ad\n}", "3: `ad` is no bit: aa, ra, rd; did you mean `aa`?"),
        ("dns64 64:ff9b::/95", "2: `64:ff9b::/95` is no IPv6 prefix of 32 to 96 bits in steps of 8"),
        ("secondary a", "2: `secondary` needs `transfer from`"),
        ("auto a", "2: `auto` needs `directory`"),
        ("tls", "2: `tls` without files asks an ACME server, which is not supported"),
        ("timeouts {\n read 1ms\n}", "3: `1ms` is not between 1s and 24h"),
        ("quic {\n max_connections 3\n}", "3: `quic` has no option `max_connections`"),
        ("multisocket 1025", "2: `1025` is no number from 1 to 1024"),
    ] {
        assert_eq!(refused(directive), [format!("Corefile:{expected}")], "{directive}");
    }
}

#[test]
fn plugins_that_are_refused_with_their_reason() {
    for (name, reason) in [
        ("dnssec", "answers are not signed on the fly"),
        ("sign", "zone files are not signed here; serve signed ones with `file`"),
        ("etcd", "records in etcd are not read; only etcd behind a Kubernetes API is"),
        ("route53", "zones of a cloud are not read; forward to its name servers"),
        ("azure", "zones of a cloud are not read; forward to its name servers"),
        ("clouddns", "zones of a cloud are not read; forward to its name servers"),
        ("grpc", "upstreams are asked by DNS, TLS or HTTPS; use `forward`"),
        ("erratic", "it answers wrongly on purpose"),
        ("geoip", "there is no database of places"),
        ("trace", "spans are not sent; `sluice trace` follows packets"),
        ("nomad", "Nomad's services are not read"),
    ] {
        assert_eq!(
            refused(&format!("log\n{name} a {{\n b\n}}")),
            [format!("Corefile:3: `{name}` is not supported: {reason}")]
        );
    }
}

#[test]
fn addresses_that_are_wrong() {
    for (text, expected) in [
        ("htps://a {\n}\n", "1: `htps` is no transport; did you mean `https`?"),
        ("a..b {\n}\n", "1: `a..b` is no domain name: its labels have 1 to 63 octets, all together 255"),
        ("a:http {\n}\n", "1: `a:http` is no zone: behind the colon there must be a port from 0 to 65535"),
        ("10.0.0.0/33 {\n}\n", "1: `10.0.0.0/33` is no network that a reverse zone can be made of"),
        (". {\n}\n\n.:53 {\n}\n", "4: `.:53` is served by the block at Corefile:1 already"),
        ("a b A {\n}\n", "1: `a:53` is served by the block at Corefile:1 already"),
        (". {\n bind 127.0.0.1\n}\n. {\n}\n", "4: `.:53` is served by the block at Corefile:1 already"),
        ("tls://. {\n shed\n}\n", "2: `shed` is for servers of plain DNS alone"),
    ] {
        assert_eq!(wrong(text), [format!("Corefile:{expected}")], "{text}");
    }
    clean(". {\n bind 127.0.0.1\n}\n. {\n bind 127.0.0.2\n}\n.:54 {\n}\n");
    clean(". {\n view a {\n  expr true\n }\n}\n. {\n}\n");
}

#[test]
fn all_errors_are_told_in_the_order_of_the_plugins_block_by_block() {
    let text = "a {\n forward . nobody!\n cache 0\n foo\n}\nb:x {\n kubernetes c {\n  pods no\n  ttl x\n }\n}\n{$NONE}\n";
    let lines: Vec<u32> = read(text).unwrap_err().errors().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [4, 3, 2, 6, 8, 9]);
}

#[test]
fn oddities_are_warnings() {
    for (directive, expected) in [
        (
            "kubernetes a {\n resyncperiod 5m\n}",
            "3: warning: `resyncperiod` is gone from CoreDNS and ignored: objects are watched, not listed anew",
        ),
        ("kubernetes a {\n endpoint http://a http://b\n}", "3: warning: only the first `endpoint` is used"),
        ("kubernetes a {\n ttl 5 6\n}", "3: warning: `ttl` takes one argument; the others are ignored"),
        (
            "federation a {\n b c\n}",
            "2: warning: `federation` is gone from CoreDNS: federation is gone from Kubernetes; the directive is ignored",
        ),
        ("proxy . 1.1.1.1", "2: warning: `proxy` is gone from CoreDNS; it is read as `forward`"),
        (
            "forward 10.0.0.0/23 1.1.1.1",
            "2: warning: `10.0.0.0/23` is more than one reverse zone; only `0.0.10.in-addr.arpa` is forwarded",
        ),
        ("forward . 1.1.1.1 1.1.1.1:53", "2: warning: `1.1.1.1:53` stands here twice"),
        ("health {\n lameduck -5s\n}", "3: warning: `-5s` is less than nothing; it means 0s"),
        ("reload\nreload 5s", "3: warning: `reload` stands here before; this one is ignored"),
        ("health\nhealth :1", "2: warning: `health` stands here again, in line 3; this one is ignored"),
        ("log . {nmae}", "2: warning: `{nmae}` is no placeholder; it is logged as it stands"),
        (
            "hosts /h a {\n 10.0.0.1 b\n}",
            "3: warning: `b` is outside of the zones of `hosts`; it is not served",
        ),
        ("rewrite name regex (a)(b) {3}", "2: warning: the expression has no group 3; `{3}` stays as it is"),
        (
            "template IN A {\n answer \"{{ index .Match 1 }}\"\n}",
            "2: warning: no expression of this template has a group 1",
        ),
        (
            "autopath @kubernetes\nkubernetes a",
            "2: warning: `autopath @kubernetes` does nothing without `kubernetes` and `pods verified` beside it",
        ),
        ("pprof", "2: warning: `pprof` has no effect: there is no Go runtime to profile"),
        ("file x {\n upstream\n}", "3: warning: `upstream` is gone from CoreDNS and ignored"),
        (
            "log a#b c",
            "2: warning: `#` inside a word hides only the rest of the word, not of the line; put a space before it",
        ),
    ] {
        let (_, warnings) = right(&format!(". {{\n{directive}\n}}\n"));
        assert_eq!(warnings, [format!("Corefile:{expected}")], "{directive}");
    }
    let (_, warnings) = right("");
    assert_eq!(warnings, ["Corefile:1: warning: there is no server block; nothing is served"]);
    let (_, warnings) = right("tls://. {\n}\n");
    assert_eq!(warnings, ["Corefile:1: warning: tls:// has no certificate without the plugin `tls`"]);
}
