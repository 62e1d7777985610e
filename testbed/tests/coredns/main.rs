//! The gateway beside CoreDNS as it is released, on the same objects of a real API server: whole messages are compared.
//!
//! Everything is asked through the gateway's ports, over UDP from the packet path and over TCP from the resolver. What may
//! differ is listed in `differences`, by name; each of those has to occur.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod ask;
mod beside;
#[path = "../common/mod.rs"]
mod common;
mod differences;
mod files;
mod message;
mod names;
mod objects;
mod outside;
mod upstream;
mod zonal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use ask::ask;
use beside::BESIDE;
use common::*;
use differences::{COMPAT, Difference, STRICT, explain};
use message::{A, IN, Query, Reply};
use objects::{DNS, objects};
use sluice_testbed::client::eventually;
use sluice_testbed::cluster::{Cluster, Options, User};
use sluice_testbed::{CoreDns, Testbed};

/// Where CoreDNS answers, in the gateway's namespace.
const COREDNS: &str = "127.0.0.1:1053";
/// Where names of others are known.
const UPSTREAM: &str = "127.0.0.1:5399";

/// CoreDNS's cache under kubeadm, which leaves out the cluster's zone but not the reverse ones.
const CACHE: &str = "cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }";

/// What kubeadm writes, but for the port and where things are, and with names by zone.
fn corefile(kubeconfig: &str, cache: &str) -> String {
    format!(
        ".:1053 {{
    errors
    health 127.0.0.1:18080 {{
       lameduck 5s
    }}
    ready 127.0.0.1:18181
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
       kubeconfig {kubeconfig} test
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
       zonal
    }}
    prometheus 127.0.0.1:19153
    forward . {UPSTREAM} {{
       max_concurrent 1000
    }}
    {cache}
    loop
    reload
    loadbalance
}}
"
    )
}

#[test]
fn documentation_lists_what_may_differ() {
    let text = include_str!("../../../docs/dns.md");
    let rows: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    for difference in STRICT.iter().chain(BESIDE) {
        assert!(rows.contains(&difference.name), "docs/dns.md has no row `{}`", difference.name);
    }
}

#[test]
fn answers_are_those_of_coredns_but_for_its_listed_defects() {
    compare("", CACHE, &STRICT);
}

/// The gateway keeps no answers of its own zones, and has nothing to compare with a cache of them.
#[test]
fn in_compat_mode_names_and_records_are_those_of_coredns() {
    compare("  mode: compat\n", "", &COMPAT);
}

fn compare(mode: &str, cache: &str, allowed: &[Difference]) {
    let objects = objects();
    let dns = format!(
        "dns:\n  service: kube-system/kube-dns\n  clients: [0.0.0.0/0, \"::/0\"]\n  pods: insecure\n  zonal: true\n  ttl: 30\n  upstreams: \
         [{UPSTREAM}]\n  fallthrough: [in-addr.arpa, ip6.arpa]\n{mode}"
    );
    let pair = Pair::start(&objects.yaml, &dns, |_, kubeconfig| corefile(kubeconfig, cache));
    let queries = names::queries(&objects);
    assert!(queries.len() >= 20_000, "only {} questions", queries.len());
    let met = pair.judge(&queries, allowed);
    // The command says the same of them, by its own questions.
    let mut command = pair.lab.bed.gateway.command(&sluice_testbed::gateway::binary().to_string_lossy());
    let config = pair.lab.config.to_string_lossy().into_owned();
    let output = command.args(["dns", "diff", "-c", &config, "--against", COREDNS]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    pair.step(told.lines().last().unwrap_or_default());
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    occurs(&met);
}

/// Zones of files and names of Services for the outside, from one and the same Corefile.
#[test]
fn zones_beside_the_clusters_are_answered_as_coredns_answers_them() {
    let mut objects = objects();
    outside::add(&mut objects);
    // Where names are for the outside, the public has a limit and no recursion, unless that is said.
    let dns = "dns:\n  service: kube-system/kube-dns\n  clients: [0.0.0.0/0, \"::/0\"]\n  corefile: Corefile\n  recursion: true\n  cluster_zones: true\n  \
               rate_limit: { exempt: [0.0.0.0/0, \"::/0\"] }\n";
    let pair = Pair::start(&objects.yaml, dns, |folder, kubeconfig| {
        for (zone, text) in files::ZONES.into_iter().zip(files::texts()) {
            std::fs::write(folder.join(format!("db.{zone}")), text).unwrap();
        }
        let text = files::corefile(kubeconfig, folder);
        std::fs::write(folder.join("Corefile"), &text).unwrap();
        text
    });
    outside::give_addresses(&pair.cluster);
    let known = plain("last.default.outside.test.");
    for (from, server) in [(&pair.lab.bed.client, pair.gateway), (&pair.lab.bed.gateway, at(COREDNS))] {
        let seen = eventually(Duration::from_secs(20), || {
            let replies = ask(from, server, std::slice::from_ref(&known));
            replies.iter().flatten().any(|reply| reply.get(7) == Some(&1)).then_some(())
        });
        assert!(seen.is_some(), "{server}\n{}\n{}", pair.lab.gateway.log(), pair.coredns.log());
    }
    let queries = [files::queries(), outside::queries(&objects), zonal::few()].concat();
    assert!(queries.len() >= 10_000, "only {} questions", queries.len());
    occurs(&pair.judge(&queries, BESIDE));
}

fn plain(name: &str) -> Query {
    Query { name: name.to_owned(), kind: A, class: IN, flags: [true, false, false], edns: None, tcp: false }
}

/// Each difference that is listed has to be met.
fn occurs(met: &BTreeMap<&str, usize>) {
    let idle: Vec<_> = met.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name).collect();
    assert!(idle.is_empty(), "listed as differences, and never seen: {idle:?}");
}

/// A gateway and a CoreDNS that both answer, on the same objects.
struct Pair {
    // Dropped first: neither watches its API server go.
    lab: Lab,
    coredns: CoreDns,
    cluster: Cluster,
    gateway: SocketAddr,
    start: Instant,
}

impl Pair {
    fn step(&self, what: &str) {
        eprintln!("{what}: {:?}", self.start.elapsed());
    }

    /// `corefile` is told where the gateway's files are, and how CoreDNS reaches the API server.
    fn start(yaml: &str, dns: &str, corefile: impl FnOnce(&Path, &str) -> String) -> Self {
        let start = Instant::now();
        let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
        let cluster = Options::default().in_namespace(&bed.gateway).controllers(&[]).start().unwrap();
        cluster.apply(yaml).unwrap();
        upstream::serve(&bed.gateway, at(UPSTREAM));
        let admin = cluster.kubeconfig(User::Admin);
        let text = corefile(bed.folder(), &admin.display().to_string());
        let kubeconfig = cluster.kubeconfig(User::Sluice);
        let source = format!("{{ shrink_hold: 5, kubernetes: {{ kubeconfig: {} }} }}", kubeconfig.display());
        let lab = Lab::over(bed, Ports::Tap, &source, dns);
        let gateway = SocketAddr::new(DNS[0].parse().unwrap(), 53);
        let last = plain(&format!("{0}.{0}.svc.cluster.local.", objects::LONG));
        let probe = [last.clone(), Query { tcp: true, ..last }];
        let answered = |replies: Vec<Option<Vec<u8>>>| {
            replies.iter().flatten().filter(|r| r.get(7) == Some(&1)).count() == 2
        };
        let ready = eventually(Duration::from_secs(20), || {
            answered(ask(&lab.bed.client, gateway, &probe)).then_some(())
        });
        assert!(ready.is_some(), "the gateway does not answer\n{}\n{}", lab.counters(), lab.gateway.log());
        // Its own addresses are the gateway's, which are there by now.
        let coredns = CoreDns::start(&cluster, &text).unwrap();
        let ready = eventually(Duration::from_secs(20), || {
            answered(ask(&lab.bed.gateway, at(COREDNS), &probe)).then_some(())
        });
        assert!(ready.is_some(), "CoreDNS does not answer\n{}", coredns.log());
        let this = Self { lab, coredns, cluster, gateway, start };
        this.step("both answer");
        this
    }

    /// Asks both, and says how often each difference was met; anything else is a failure.
    fn judge<'d>(&self, queries: &[Query], allowed: &'d [Difference]) -> BTreeMap<&'d str, usize> {
        let bed = &self.lab.bed;
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| ask(&bed.gateway, at(COREDNS), queries));
            (ask(&bed.client, self.gateway, queries), theirs.join().unwrap())
        });
        self.step(&format!("{} questions", queries.len()));
        let mut met: BTreeMap<&str, usize> = allowed.iter().map(|difference| (difference.name, 0)).collect();
        let mut unexplained: Vec<String> = Vec::new();
        for ((query, ours), theirs) in queries.iter().zip(&ours).zip(&theirs) {
            let parsed = [ours, theirs].map(|reply| reply.as_deref().and_then(Reply::parse));
            let [Some(ours), Some(theirs)] = parsed else {
                unexplained.push(format!(
                    "{query:?}: no reply, or none that can be read: {ours:02x?} {theirs:02x?}"
                ));
                continue;
            };
            match explain(query, &ours, &theirs, allowed) {
                Ok(names) => names.into_iter().for_each(|name| *met.entry(name).or_default() += 1),
                Err(rest) => unexplained.push(rest),
            }
        }
        self.step("compared");
        for (name, count) in &met {
            eprintln!("{count:6} {name}");
        }
        if let Ok(path) = std::env::var("SLUICE_DIFFERENCES") {
            std::fs::write(path, unexplained.join("\n\n")).unwrap();
        }
        assert!(
            unexplained.is_empty(),
            "{} of {} answers differ and nothing explains it; the first:\n{}",
            unexplained.len(),
            queries.len(),
            unexplained.iter().take(20).cloned().collect::<Vec<_>>().join("\n\n")
        );
        met
    }
}
