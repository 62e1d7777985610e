//! The 16 plugins that kubeadm's Corefile migration knows, with every option that any version of CoreDNS since 1.1.3 had:
//! each is honoured, or accepted with a warning that names it.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use common::*;

/// A plugin's head, an option's line, and whether the option is gone.
const OPTIONS: [(&str, &str, bool); 64] = [
    ("errors", "consolidate 5m .*", false),
    ("errors", "stacktrace", false),
    ("log", "class denial error", false),
    ("health :8080", "lameduck 5s", false),
    ("ready", "monitor continuously", false),
    ("kubernetes a {\npods verified\n}\nautopath @kubernetes", "", false),
    ("kubernetes a", "resyncperiod 5m", true),
    ("kubernetes a", "endpoint http://192.0.2.1", false),
    ("kubernetes a", "tls a b c", false),
    ("kubernetes a", "namespaces a b", false),
    ("kubernetes a", "labels a in (b)", false),
    ("kubernetes a", "pods verified", false),
    ("kubernetes a", "endpoint_pod_names", false),
    ("kubernetes a", "upstream 192.0.2.1", true),
    ("kubernetes a", "ttl 30", false),
    ("kubernetes a", "noendpoints", false),
    ("kubernetes a", "transfer to *", true),
    ("kubernetes a", "fallthrough a", false),
    ("kubernetes a", "ignore empty_service", false),
    ("kubernetes a", "kubeconfig a b", false),
    ("prometheus :9153", "", false),
    ("forward . 192.0.2.1", "except a", false),
    ("forward . 192.0.2.1", "force_tcp", false),
    ("forward . 192.0.2.1", "prefer_udp", false),
    ("forward . 192.0.2.1", "expire 5s", false),
    ("forward . 192.0.2.1", "max_fails 2", false),
    ("forward . 192.0.2.1", "tls a b c", false),
    ("forward . 192.0.2.1", "tls_servername a", false),
    ("forward . 192.0.2.1", "policy round_robin", false),
    ("forward . 192.0.2.1", "health_check 1s", false),
    ("forward . 192.0.2.1", "max_concurrent 5", false),
    ("forward . 192.0.2.1", "next NXDOMAIN", false),
    ("forward . 192.0.2.1", "failfast_all_unhealthy_upstreams", false),
    ("forward . 192.0.2.1", "fail_fast", true),
    ("cache 30", "success 5 10", false),
    ("cache 30", "denial 5 10 1", false),
    ("cache 30", "prefetch 5 10m 20%", false),
    ("cache 30", "serve_stale 1h", false),
    ("cache 30", "servfail 5s", false),
    ("cache 30", "disable success a", false),
    ("cache 30", "keepttl", false),
    ("loop", "", false),
    ("reload 5s", "", false),
    ("loadbalance round_robin", "", false),
    ("hosts", "192.0.2.1 a", false),
    ("hosts", "2001:db8::1 a", false),
    ("hosts", "ttl 5", false),
    ("hosts", "no_reverse", false),
    ("hosts", "reload 5s", false),
    ("hosts", "fallthrough a", false),
    ("rewrite stop", "type A AAAA", false),
    ("rewrite stop", "class IN CH", false),
    ("rewrite stop", "name a b", false),
    ("rewrite stop", "edns0 nsid set", false),
    ("rewrite stop", "ttl a 30", false),
    ("rewrite stop", "cname_target a b", false),
    ("rewrite stop", "cname exact a b", false),
    ("rewrite stop", "rcode a NXDOMAIN NOERROR", false),
    ("transfer a", "to 192.0.2.1", false),
    ("kubernetes a\nk8s_external b", "ttl 5", false),
    ("kubernetes a\nk8s_external b", "apex x", false),
    ("kubernetes a\nk8s_external b", "fallthrough b", false),
    ("kubernetes a\nk8s_external b", "upstream", true),
    ("kubernetes a\nk8s_external b", "headless", false),
];

/// Options of `proxy`, before `forward` replaced it.
const PROXY: [(&str, bool); 9] = [
    ("policy random", false),
    ("policy first", false),
    ("policy least_conn", true),
    ("fail_timeout 5s", true),
    ("max_fails 3", false),
    ("health_check /x:8080", true),
    ("except a b", false),
    ("spray", true),
    ("protocol dns force_tcp", false),
];

#[test]
fn every_option_is_honoured_or_told() {
    for (head, option, gone) in OPTIONS {
        let body = if option.is_empty() { String::new() } else { format!(" {{\n{option}\n}}") };
        let (_, warnings) = right(&format!(". {{\n{head}{body}\n}}\n"));
        assert_eq!(warnings.len(), usize::from(gone), "{head} {option}: {warnings:?}");
        let name = option.split(' ').next().unwrap();
        assert!(warnings.iter().all(|warning| warning.contains(&format!("`{name}`"))), "{warnings:?}");
    }
}

#[test]
fn every_option_of_proxy_becomes_forwards_or_is_told() {
    for (option, gone) in PROXY {
        let (corefile, warnings) = right(&format!(". {{\nproxy . 192.0.2.1 {{\n{option}\n}}\n}}\n"));
        assert_eq!(names(server(&corefile)), ["forward"]);
        assert_eq!(warnings.len(), 1 + usize::from(gone), "{option}: {warnings:?}");
    }
}

#[test]
fn all_sixteen_are_there() {
    let known = [
        "errors",
        "log",
        "health",
        "ready",
        "autopath",
        "kubernetes",
        "k8s_external",
        "prometheus",
        "forward",
        "cache",
        "loop",
        "reload",
        "loadbalance",
        "hosts",
        "rewrite",
        "transfer",
    ];
    for name in known {
        assert!(
            OPTIONS.iter().any(|(head, _, _)| head.split(['\n', ' ']).any(|word| word == name)),
            "{name}"
        );
    }
}
