#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod zones;

use std::collections::BTreeMap;

use sluice_model::PodNames;
use sluice_model::resolver::{AnswerRewrite, NameMatch, Policy, Rewrite, UpstreamTls};

use super::*;
use crate::{Level, MemoryFiles, Options, Pillars, parse};

fn files(extra: &[(&str, &str)]) -> MemoryFiles {
    let resolv = ("/etc/resolv.conf", "search x\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    let all =
        extra.iter().chain([&resolv]).map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    MemoryFiles(all.collect::<BTreeMap<_, _>>())
}

fn base() -> Base {
    let listen = vec!["192.0.2.10:53".parse().unwrap()];
    Base { dns: DnsSettings { listen, ..DnsSettings::default() }, name: "node-a".into(), ..Base::default() }
}

fn attempt(text: &str, extra: &[(&str, &str)]) -> Result<Running, Problems> {
    let files = files(extra);
    let options = Options {
        pillars: Pillars::of_cluster("cluster.local", "169.254.20.10", "10.96.0.10"),
        ..Options::default()
    };
    let imported =
        parse("/etc/coredns/Corefile", text.as_bytes(), &files, &options).unwrap_or_else(|it| panic!("{it}"));
    run(&imported.corefile, &files, &base())
}

fn running(text: &str) -> Running {
    attempt(text, &[]).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// One server `. { kubernetes … }` with these lines beside.
fn beside(lines: &str) -> Running {
    running(&format!(". {{\nkubernetes cluster.local in-addr.arpa\n{lines}\n}}\n"))
}

fn refused(lines: &str) -> Vec<String> {
    let problems = attempt(&format!(". {{\nkubernetes cluster.local\n{lines}\n}}\n"), &[]).unwrap_err();
    problems.errors().map(ToString::to_string).collect()
}

fn told(running: &Running, level: Level) -> Vec<String> {
    running.told.iter().filter(|it| it.level == level).map(ToString::to_string).collect()
}

fn elsewhere(running: &Running) -> Vec<(&str, Option<u16>)> {
    running.dns.elsewhere.iter().map(|it| (&*it.zone, it.kind)).collect()
}

macro_rules! corefile {
    ($name:literal) => {
        include_str!(concat!("../../tests/corefiles/", $name, ".Corefile"))
    };
}

#[test]
fn kubeadm() {
    let made = running(corefile!("kubeadm"));
    let dns = &made.dns;
    assert_eq!(dns.zones, ["cluster.local".into()]);
    assert_eq!(dns.reverse_zones, ["in-addr.arpa".into(), "ip6.arpa".into()]);
    assert_eq!((dns.ttl, dns.pods, dns.forward), (30, PodNames::Insecure, true));
    // Who has no recursion has nothing of the resolver's, but where it has answers of its own.
    assert!(!dns.tables && beside("hosts {\n192.0.2.1 a.example\n}\nforward . 192.0.2.7").dns.tables);
    assert_eq!(dns.fallthrough, ["in-addr.arpa".into(), "ip6.arpa".into()]);
    assert!(dns.elsewhere.is_empty());
    let [zone] = made.resolver.zones.as_slice() else { panic!() };
    assert_eq!(zone.name, ".");
    let [forward] = zone.forward.as_slice() else { panic!() };
    let upstreams: Vec<String> = forward.upstreams.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(upstreams, ["192.0.2.53:53", "[2001:db8::53]:53"]);
    assert_eq!(forward.max_concurrent, 1000);
    let cache = zone.cache.as_ref().unwrap();
    assert_eq!((cache.success.max_ttl, cache.denial.max_ttl), (30, 30));
    assert_eq!(cache.disable_success, ["cluster.local."]);
    assert_eq!(made.resolver.protected, ["cluster.local."]);
    assert_eq!(made.resolver.times.lameduck.unwrap().as_secs(), 5);
    assert_eq!(told(&made, Level::Warning), [""; 0]);
}

#[test]
fn k3s_with_its_hosts_in_the_settings() {
    let made = attempt(
        corefile!("k3s"),
        &[
            (
                "/etc/coredns/NodeHosts",
                "192.0.2.1 node-1\n# none\n192.0.2.2 node-2 x.default.svc.cluster.local\n",
            ),
            ("/etc/coredns/custom/a.server", "shop.example:53 {\n forward . 192.0.2.7\n}\n"),
        ],
    )
    .unwrap();
    let [root, shop] = made.resolver.zones.as_slice() else { panic!() };
    let hosts = root.hosts.as_ref().unwrap();
    assert_eq!(hosts.inline, ["192.0.2.1 node-1.", "192.0.2.2 node-2. x.default.svc.cluster.local."]);
    assert_eq!(
        (hosts.ttl, hosts.fallthrough.as_slice(), &hosts.file),
        (60, [".".to_owned()].as_slice(), &None)
    );
    assert_eq!(shop.name, "shop.example.");
    // What the table has of the cluster's names comes first there, and so it does here.
    assert_eq!(
        elsewhere(&made),
        [
            ("1.2.0.192.in-addr.arpa", Some(12)),
            ("2.2.0.192.in-addr.arpa", Some(12)),
            ("x.default.svc.cluster.local", None),
        ]
    );
    assert!(
        attempt(corefile!("k3s"), &[]).unwrap().told.warnings().any(|it| it.text.contains("no such file"))
    );
}

#[test]
fn aks_openshift_minikube_and_node_local() {
    let aks = attempt(corefile!("aks"), &[("/etc/coredns/custom/log.override", "log\n")]).unwrap();
    assert_eq!(aks.resolver.zones[0].template.len(), 2);
    assert!(elsewhere(&aks).is_empty());
    let openshift = running(corefile!("openshift"));
    assert!(openshift.resolver.zones.iter().any(|zone| zone.name == "example.com."));
    assert!(told(&openshift, Level::Note).iter().any(|it| it.contains("port 5353 is CoreDNS's own")));
    let minikube = running(corefile!("minikube"));
    assert_eq!(
        minikube.resolver.zones[0].hosts.as_ref().unwrap().inline,
        ["192.168.49.1 host.minikube.internal."]
    );
    assert_eq!(elsewhere(&minikube), [("1.49.168.192.in-addr.arpa", Some(12))]);
    let node = running(corefile!("nodelocal"));
    assert!(node.dns.zones.is_empty() && node.dns.forward);
    assert_eq!(node.resolver.zones.len(), 4);
    assert_eq!(node.dns.listen.len(), 3);
}

#[test]
fn the_plain_forwarding_example() {
    let made =
        running("example.org {\n forward . 8.8.8.8\n log\n}\n. {\n forward . /etc/resolv.conf\n log\n}\n");
    let names: Vec<&str> = made.resolver.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["example.org.", "."]);
    assert!(made.dns.zones.is_empty() && made.dns.forward && made.resolver.protected.is_empty());
}

#[test]
fn kubernetes_options() {
    let made = running(
        ". {\n kubernetes cluster.local 10.0.0.0/16 {\n pods verified\n endpoint_pod_names\n namespaces b a\n ttl 7\n noendpoints\n ignore empty_service\n fallthrough\n endpoint https://192.0.2.1\n apiserver_qps 3\n}\n forward . 192.0.2.1\n}\n",
    );
    let dns = &made.dns;
    assert_eq!(
        (dns.pods, dns.ttl, dns.endpoint_pod_names, dns.hide_empty, dns.endpoints),
        (PodNames::Verified, 7, true, true, false)
    );
    assert_eq!(dns.fallthrough, ["cluster.local".into(), "0.10.in-addr.arpa".into()]);
    assert_eq!(made.namespaces, ["a".into(), "b".into()]);
    // Names that upstreams are asked for cannot be the cluster's alone.
    assert!(made.resolver.protected.is_empty());
    assert!(
        told(&made, Level::Warning)[0]
            .starts_with("/etc/coredns/Corefile:10: warning: `endpoint` has no effect")
    );
    assert!(told(&made, Level::Note)[0].contains(":11: note: `apiserver_qps` has no effect"));
    assert!(!dns.zonal && running(". {\nkubernetes cluster.local {\nzonal\n}\n}\n").dns.zonal);
    let labelled = running(
        ". {\nkubernetes cluster.local clusterset.local in-addr.arpa {\nlabels a=b,!c\nnamespace_labels d\nmulticluster clusterset.local\nfallthrough\n}\n}\n",
    );
    assert_eq!(labelled.dns.zones, ["cluster.local".into()]);
    assert_eq!(labelled.dns.multicluster_zones, ["clusterset.local".into()]);
    assert_eq!(labelled.dns.fallthrough.len(), 3);
    assert_eq!(
        (labelled.labels.to_string(), labelled.namespace_labels.to_string()),
        ("a=b,!c".into(), "d".into())
    );
    let twice = attempt("a {\nkubernetes a\n}\nb {\nkubernetes b\n}\n", &[]).unwrap_err().to_string();
    assert!(twice.contains(":5: a second `kubernetes`"), "{twice}");
    let unreached = running("a {\nkubernetes a b\n}\nb {\nforward . 192.0.2.1\n}\n");
    assert_eq!(unreached.dns.zones, ["a".into()]);
    assert!(told(&unreached, Level::Warning)[0].contains("queries for `b` do not come to this server"));
}

#[test]
fn forward_options() {
    let ca = ("/etc/ca.pem", "PEM");
    let made = attempt(
        ". {\n forward example.org tls://9.9.9.9%dns.quad9.net 192.0.2.1:5353 {\n except a.example.org\n force_tcp\n prefer_udp\n policy sequential\n max_fails 3\n health_check 1s no_rec domain a.b\n expire 5s\n max_concurrent 9\n failover SERVFAIL REFUSED\n failfast_all_unhealthy_upstreams\n tls /etc/ca.pem\n read_timeout 1s\n max_age 20s\n}\n}\n",
        &[ca],
    )
    .unwrap();
    let forward = &made.resolver.zones[0].forward[0];
    assert_eq!(
        (forward.from.as_str(), forward.except.as_slice()),
        ("example.org.", ["a.example.org.".to_owned()].as_slice())
    );
    let tls = UpstreamTls { name: Some("dns.quad9.net".into()), roots: Some(b"PEM".to_vec()) };
    assert_eq!(forward.upstreams[0].address, "9.9.9.9:853".parse().unwrap());
    assert_eq!((forward.upstreams[0].tls.as_ref(), &forward.upstreams[1].tls), (Some(&tls), &None));
    assert_eq!((forward.policy, forward.max_fails, forward.max_concurrent), (Policy::Sequential, 3, 9));
    assert!(forward.force_tcp && forward.prefer_udp && forward.fail_fast);
    assert_eq!((forward.failover.as_slice(), forward.expire.as_secs()), ([2, 5].as_slice(), 5));
    assert_eq!(
        (forward.health.interval.as_secs(), forward.health.recursion, forward.health.domain.as_str()),
        (1, false, "a.b.")
    );
    assert_eq!(told(&made, Level::Warning).len(), 2);
    for (options, place, why) in [
        ("forward . dns.example.org", 3, "by their addresses"),
        ("forward . https://1.1.1.1", 3, "not over HTTPS"),
        ("forward . fe80::1%eth0", 3, "link-local"),
        ("forward . /none.conf", 3, "there is no such file"),
        ("forward . 1.1.1.1 {\nnext NXDOMAIN\n}", 4, "`next`"),
        ("forward . 1.1.1.1 {\nexpire 1s\nsource_address 10.0.0.1\n}", 5, "`source_address`"),
        ("forward . tls://1.1.1.1 {\ntls a b c\n}", 4, "certificate of its own"),
    ] {
        let problems = refused(options);
        assert!(
            problems[0].starts_with(&format!("/etc/coredns/Corefile:{place}: ")) && problems[0].contains(why),
            "{problems:?}"
        );
    }
    let twice = running(". {\nforward . 1.1.1.1\nforward . 8.8.8.8\n}\n");
    assert_eq!(twice.resolver.zones[0].forward.len(), 1);
    assert!(told(&twice, Level::Warning)[0].contains(":3: warning: a `forward` of `.` stands here before"));
}

#[test]
fn cache_options() {
    let made = running(
        ". {\n cache 300 example.org {\n success 5000 60 2\n denial 100\n prefetch 10 1m 20%\n serve_stale 2h verify\n servfail 1s\n disable success a.b\n keepttl\n}\n}\n",
    );
    let cache = made.resolver.zones[0].cache.as_ref().unwrap();
    assert_eq!(cache.zones, ["example.org."]);
    assert_eq!((cache.success.entries, cache.success.max_ttl, cache.success.min_ttl), (5000, 60, 2));
    assert_eq!((cache.denial.entries, cache.denial.max_ttl), (100, 300));
    let prefetch = cache.prefetch.as_ref().unwrap();
    assert_eq!((prefetch.amount, prefetch.window.as_secs(), prefetch.percentage), (10, 60, 20));
    let stale = cache.serve_stale.as_ref().unwrap();
    assert_eq!((stale.max_age.as_secs(), stale.verify), (7200, true));
    assert_eq!((cache.servfail.as_secs(), cache.keep_ttl), (1, true));
    assert_eq!(cache.disable_success, ["a.b."]);
    assert!(told(&made, Level::Warning).is_empty());
    let odd = running(
        ". {\ncache 1000000 {\nserve_stale 1h verify 1s 60s 10s\nserve_stale_policy prefer_positive\nsuccess 10 1 5\n}\n}\n",
    );
    assert_eq!(told(&odd, Level::Warning).len(), 6, "{}", odd.told);
}

#[test]
fn rules_for_names_of_others_leave_the_fast_path_alone() {
    let made = beside(
        "rewrite name exact a.example b.example\nrewrite continue name suffix .old.example .new.example answer auto\nrewrite name regex (.*)\\.x\\.example\\.$ {1}.default.svc.cluster.local answer name (.*)\\.default\\.svc\\.cluster\\.local\\.$ {1}.x.example\nrewrite stop ttl suffix .example 10-20\nhosts /none {\n 192.0.2.1 h.example\n fallthrough\n}\ntemplate ANY ANY t.example {\n rcode NXDOMAIN\n}\n",
    );
    let rules = &made.resolver.zones[0].rewrite;
    let [exact, suffix, regex, ttl] = rules.as_slice() else { panic!("{rules:?}") };
    let Rewrite::Name { matches, answer, go_on: false } = exact else { panic!() };
    assert_eq!(*matches, NameMatch::Exact("a.example.".into(), "b.example.".into()));
    assert_eq!(*answer, [AnswerRewrite::Auto]);
    assert!(matches!(suffix, Rewrite::Name { matches: NameMatch::Suffix(..), go_on: true, .. }));
    assert!(
        matches!(regex, Rewrite::Name { answer, .. } if matches!(answer.as_slice(), [AnswerRewrite::Name(..)]))
    );
    assert!(matches!(ttl, Rewrite::Ttl { min: 10, max: 20, .. }));
    assert_eq!(elsewhere(&made), [("1.2.0.192.in-addr.arpa", Some(12))]);
}

#[test]
fn what_comes_before_kubernetes_is_the_resolvers() {
    type Marked<'a> = &'a [(&'a str, Option<u16>)];
    let cases: [(&str, Marked<'_>); 9] = [
        (
            "rewrite name exact a.default.svc.cluster.local b.example",
            &[("a.default.svc.cluster.local", None)],
        ),
        ("rewrite name suffix .svc.cluster.local .svc.other", &[("svc.cluster.local", None)]),
        ("rewrite name prefix a b", &[("cluster.local", None), ("in-addr.arpa", None)]),
        ("rewrite name regex ^a b", &[("cluster.local", None), ("in-addr.arpa", None)]),
        ("rewrite type ANY HINFO", &[("cluster.local", None), ("in-addr.arpa", None)]),
        ("rewrite type AAAA A", &[("cluster.local", Some(28)), ("in-addr.arpa", Some(28))]),
        ("template IN AAAA", &[("cluster.local", Some(28)), ("in-addr.arpa", Some(28))]),
        (
            "template IN A cluster.local {\n match ^a\\.b\\.cluster\\.local\\.$\n answer \"{{ .Name }} 60 IN A 192.0.2.1\"\n fallthrough\n}",
            &[("b.cluster.local", Some(1))],
        ),
        (
            "hosts /none cluster.local {\n 192.0.2.1 a.cluster.local\n no_reverse\n}",
            &[("a.cluster.local", None), ("cluster.local", None)],
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(elsewhere(&beside(lines)), expected, "{lines}");
    }
    let inner = running(". {\nkubernetes cluster.local\n}\nfar.cluster.local {\nforward . 192.0.2.1\n}\n");
    assert_eq!(elsewhere(&inner), [("far.cluster.local", None)]);
    assert_eq!(inner.resolver.zones.iter().map(|zone| zone.foreign).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn each_plugin_without_a_counterpart_is_refused_by_line() {
    for lines in [
        "autopath @kubernetes",
        "autopath /etc/resolv.conf",
        "dnstap /tmp/x",
        "secondary s {\ntransfer from 192.0.2.1\ncatalog a\n}",
        "secondary s {\ntransfer from 192.0.2.1:0\n}",
        "k8s_external 2.0.192.in-addr.arpa",
        "k8s_external x.cluster.local",
        "k8s_external x.example {\n apex ..\n}",
        "k8s_gateway x.example {\n resources Ingress HTTPRoute\n}",
        "k8s_gateway x.example {\n resources DNSEndpoint\n}",
        "k8s_gateway x.example {\n apex ..\n}",
        "k8s_gateway x.example {\n secondary ..\n}",
        "k8s_gateway x.cluster.local",
        "k8s_gateway 2.0.192.in-addr.arpa",
        "k8s_gateway x.example\nk8s_external y.x.example",
        "transfer example.org {\nto 192.0.2.1\n}",
        "health x.example:8080",
        "ready :0",
        "prometheus :9153 {\ntls /etc/web.yml\n}",
        "view a {\nexpr true\n}",
        "whoami",
        "rewrite class CH IN",
        "rewrite edns0 nsid set",
        "rewrite cname a b",
        "rewrite rcode a NXDOMAIN NOERROR",
        "loadbalance weighted_round_robin w",
        "template IN A {\nanswer \"{{ .Meta \\\"a/b\\\" }} 60 IN A 192.0.2.1\"\n}",
        "hosts {\nfallthrough\nfallthrough_unsupported\n}",
        "bind eth0",
    ] {
        let problems = refused(lines);
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert!(problems[0].starts_with("/etc/coredns/Corefile:"), "{problems:?}");
    }
    for (lines, level) in [
        ("chaos v a", Level::Warning),
        ("log . \"{name}\"", Level::Warning),
        ("transfer {\nto 192.0.2.1\n}", Level::Note),
        ("template CH A x", Level::Warning),
        ("bind 127.0.0.1", Level::Warning),
        ("metadata", Level::Note),
        ("health", Level::Note),
        ("ready", Level::Note),
        ("errors {\nconsolidate 1m .*\n}", Level::Note),
        ("timeouts {\nmaxtcpqueries 3\n}", Level::Note),
    ] {
        let made = beside(lines);
        assert_eq!(told(&made, level).len(), 1, "{lines}: {}", made.told);
    }
    for lines in [
        "nsid",
        "log",
        "prometheus",
        "transfer {\nto *\n}",
        "any",
        "minimal",
        "loop",
        "errors",
        "loadbalance",
        "reload",
        "debug",
        "cancel 3s",
        "root /x",
    ] {
        assert!(beside(lines).told.is_empty(), "{lines}");
    }
}

#[test]
fn addresses_ports_and_transports() {
    let made = beside(
        "bind 192.0.2.11 10.0.0.1 {\n except 10.0.0.1\n}\nbufsize 1400\ntimeouts {\nread 3s\nidle 1m\n}\ncancel 2s",
    );
    let listen: Vec<String> = made.dns.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["192.0.2.10:53", "192.0.2.11:53"]);
    assert_eq!(made.dns.max_udp, 1400);
    let times = &made.resolver.times;
    assert_eq!([times.query, times.message, times.idle].map(|it| it.unwrap().as_secs()), [2, 3, 60]);
    for (text, why) in [
        ("quic://. {\ntls /a /b\n}\n", "over quic://"),
        ("tls://. {\nbind 192.0.2.1\n}\n", "needs `tls`"),
        (". {\n}\ntls://. {\ntls /a /b\n}\n", "name its addresses by `bind`"),
        (". {\n}\ntls://. {\ntls a b\nbind 192.0.2.1\n}\n", "the path of a certificate"),
        (". {\n}\ntls://. {\ntls /a /b {\nclient_auth require\n}\nbind 192.0.2.1\n}\n", "`client_auth`"),
        (".:53 {\n}\na:54 {\n}\n", ":3: `a:54`: all queries come to one port"),
    ] {
        let problems = attempt(text, &[]).unwrap_err().to_string();
        assert!(problems.contains(why), "{problems}");
    }
    let nowhere = run(
        &parse("c", b". {\n}\n", &MemoryFiles::default(), &Options::default()).unwrap().corefile,
        &MemoryFiles::default(),
        &Base::default(),
    );
    assert!(nowhere.unwrap_err().to_string().contains("no address to answer on"));
    let bound =
        parse("c", b".:5353 {\nbind 192.0.2.1\n}\n", &MemoryFiles::default(), &Options::default()).unwrap();
    let bound = run(&bound.corefile, &MemoryFiles::default(), &Base::default()).unwrap();
    assert_eq!(bound.dns.listen, ["192.0.2.1:5353".parse().unwrap()]);
}

#[test]
fn answers_are_kept_for_others_only_where_they_are_the_same_for_all() {
    let keeps = |lines: &str| running(&format!(". {{\n{lines}\nforward . 192.0.2.1\n}}\n")).dns.keep;
    assert!(keeps("cache"));
    assert!(!keeps(""));
    assert!(keeps("cache\ntemplate IN TXT example.org {\n answer \"{{ .Name }} 60 IN TXT x\"\n}"));
    assert!(!keeps(
        "cache\ntemplate IN TXT example.org {\n answer \"{{ .Name }} 60 IN TXT {{ .Remote }}\"\n}"
    ));
}

#[test]
fn pages_log_name_and_zones_for_others() {
    let made = running(
        ". {\nkubernetes cluster.local {\npods verified\n}\nautopath @kubernetes\nhealth {\nlameduck 5s\n}\nready 127.0.0.1:8282\nprometheus\nlog . {\nclass denial\n}\nnsid gw a\ntransfer cluster.local {\nto 192.0.2.1 2001:db8::1\n}\n}\nexample.org {\nlog\nnsid gw a\nready 127.0.0.1:8282\n}\n",
    );
    let serving = &made.resolver.serving;
    assert_eq!(serving.health, Some("[::]:8080".parse().unwrap()));
    assert_eq!(serving.ready, Some("127.0.0.1:8282".parse().unwrap()));
    assert_eq!(serving.metrics, Some("127.0.0.1:9153".parse().unwrap()));
    assert_eq!(made.resolver.times.lameduck.unwrap().as_secs(), 5);
    // Classes of both: all.
    let log = serving.log.as_ref().unwrap();
    assert!(log.zones.is_empty() && log.classes.is_empty() && log.file.is_none());
    assert_eq!(serving.nsid.as_deref(), Some("gw a"));
    assert_eq!(serving.transfer, ["192.0.2.1/32".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]);
    assert!(serving.autopath);
    let narrow = running("example.org {\nlog a.example.org b.example {\nclass error\n}\nnsid\n}\n");
    let log = narrow.resolver.serving.log.as_ref().unwrap();
    assert_eq!(log.zones, ["a.example.org."]);
    assert_eq!(log.classes, [sluice_model::serving::LogClass::Error]);
    assert_eq!(narrow.resolver.serving.nsid.as_deref(), Some("node-a"));
}

#[test]
fn what_stands_beside_the_corefile_holds() {
    let serving = Serving {
        health: Some("192.0.2.1:80".parse().unwrap()),
        nsid: Some("a".into()),
        ..Serving::default()
    };
    let base = Base { serving, lameduck: Some(Duration::from_secs(9)), ..base() };
    let text = b". {\nhealth {\nlameduck 5s\n}\nnsid b\n}\n";
    let files = MemoryFiles::default();
    let made = run(&parse("c", text, &files, &Options::default()).unwrap().corefile, &files, &base).unwrap();
    assert_eq!(made.resolver.serving, base.serving);
    assert_eq!(made.resolver.times.lameduck.unwrap().as_secs(), 9);
    assert_eq!(told(&made, Level::Warning).len(), 1);
}

#[test]
fn servers_over_tls_and_https() {
    let made = running(
        ". {\nkubernetes cluster.local\nforward . 192.0.2.7\n}\ntls://. https://.:8443 {\nroot /etc/dns\ntls tls.crt /etc/tls.key\nbind 192.0.2.1\nkubernetes cluster.local\nforward . 192.0.2.7\n}\n",
    );
    let [tls, https] = made.resolver.serving.secure.as_slice() else { panic!() };
    assert_eq!(tls.addresses, ["192.0.2.1:853".parse().unwrap()]);
    assert_eq!(
        (tls.certificate.to_str().unwrap(), tls.key.to_str().unwrap()),
        ("/etc/dns/tls.crt", "/etc/tls.key")
    );
    assert_eq!((https.addresses[0].port(), https.path.as_deref()), (8443, Some("/dns-query")));
    assert_eq!((made.resolver.zones.len(), &made.dns.listen), (1, &base().dns.listen));
    assert!(made.told.is_empty(), "{}", made.told);
    let other = running(
        ". {\nforward . 192.0.2.7\n}\ntls://. {\ntls /a /b\nbind 192.0.2.1\nforward . 192.0.2.8\n}\n",
    );
    assert!(told(&other, Level::Warning)[0].contains("as they are over UDP and TCP"), "{}", other.told);
}

#[test]
fn acl_goes_to_the_resolver_with_the_queries_that_it_may_forbid() {
    use sluice_model::resolver::AclAction;
    type Marked<'a> = &'a [(&'a str, Option<u16>, &'a str, &'a str)];
    let cases: [(&str, Marked<'_>); 6] = [
        ("acl {\n allow net 10.0.0.0/8 fd00::/8\n block\n}", &[(".", None, "", "10.0.0.0/8 fd00::/8")]),
        (
            "acl {\n block type ANY TXT net 192.0.2.0/24\n}",
            &[(".", Some(16), "192.0.2.0/24", ""), (".", Some(255), "192.0.2.0/24", "")],
        ),
        // What is allowed for some types is looked at by the resolver.
        ("acl {\n allow type A net 10.0.0.0/8\n drop\n}", &[(".", None, "", "")]),
        ("acl {\n allow\n block\n}", &[]),
        (
            "acl svc.cluster.local {\n allow net 10.1.0.0/16\n filter\n}\nacl {\n block net 10.0.0.0/8\n}",
            &[(".", None, "10.0.0.0/8", ""), ("svc.cluster.local", None, "", "10.1.0.0/16")],
        ),
        (
            "acl {\n allow net 10.1.0.0/16\n}\nacl svc.cluster.local {\n filter\n}",
            &[("svc.cluster.local", None, "", "10.1.0.0/16")],
        ),
    ];
    let text = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    for (lines, expected) in cases {
        let made = beside(lines);
        let found: Vec<_> = made
            .dns
            .elsewhere
            .iter()
            .map(|it| (it.zone.to_string(), it.kind, text(&it.clients), text(&it.except)))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(zone, kind, clients, except)| {
                ((*zone).to_owned(), *kind, (*clients).to_owned(), (*except).to_owned())
            })
            .collect();
        assert_eq!(found, expected, "{lines}");
        assert!(made.dns.forward, "{lines}");
    }
    let made = beside("acl example {\n filter type AAAA net 10.0.0.0/8\n}");
    let [acl] = made.resolver.zones[0].acl.as_slice() else { panic!() };
    assert_eq!(
        (acl.zones.as_slice(), acl.policies[0].action),
        (["example.".to_owned()].as_slice(), AclAction::Filter)
    );
    assert_eq!(acl.policies[0].types, [28]);
    // Of a server without the cluster's names, too, and where there are none.
    for text in [
        ". {\nkubernetes cluster.local\n}\ncorp {\nforward . 192.0.2.1\nacl {\nblock\n}\n}\n",
        "corp {\nforward . 192.0.2.1\nacl {\nblock\n}\n}\n",
    ] {
        assert_eq!(elsewhere(&running(text)), [("corp", None)], "{text}");
    }
}

#[test]
fn local_dns64_and_header() {
    let made = beside("local\ncache\nforward . 192.0.2.1");
    assert!(made.resolver.zones[0].local.unwrap().prefix && made.dns.localhost && made.dns.keep);
    assert_eq!(
        elsewhere(&made),
        [("0.in-addr.arpa", None), ("127.in-addr.arpa", None), ("255.in-addr.arpa", None)]
    );
    assert!(!beside("local {\n localhost_prefix off\n}").dns.localhost);
    let made = beside("dns64 2001:db8::/64\ncache\nforward . 192.0.2.1");
    let dns64 = made.resolver.zones[0].dns64.unwrap();
    assert_eq!((dns64.prefix.to_string().as_str(), dns64.all, dns64.ipv4), ("2001:db8::/64", false, false));
    let [aaaa] = made.dns.elsewhere.as_slice() else { panic!() };
    assert_eq!(
        (&*aaaa.zone, aaaa.kind, aaaa.clients[0].to_string().as_str()),
        ("cluster.local", Some(28), "::/0")
    );
    // What clients that ask by IPv6 get is not for others.
    assert!(!made.dns.keep);
    let made = beside("dns64 {\n allow_ipv4\n translate_all\n}\ncache\nforward . 192.0.2.1");
    assert!(made.dns.keep && made.dns.elsewhere[0].clients.is_empty());
    assert!(made.resolver.zones[0].dns64.unwrap().all);
    let made = beside(
        "header {\n query set rd\n response set ra aa\n response clear aa\n}\ncache\nforward . 192.0.2.1",
    );
    let header = made.resolver.zones[0].header;
    assert_eq!(
        (header.desired, header.authoritative, header.available),
        (Some(true), Some(false), Some(true))
    );
    assert_eq!(header.told_desired, None);
    assert_eq!(elsewhere(&made), [("cluster.local", None), ("in-addr.arpa", None)]);
    assert!(!made.dns.keep);
    assert!(told(&made, Level::Warning).iter().any(|it| it.contains("5: ") && it.contains("not the lcore")));
    assert!(elsewhere(&beside("header {\n query set rd\n}")).is_empty());
}
