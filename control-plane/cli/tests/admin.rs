//! The commands that ask a gateway, against one that runs.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by them"
)]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use rustix::process::Signal;
use serde_json::Value;

const LONG: Duration = Duration::from_secs(20);

/// A gateway that has the manifests, with a port on which packets of zeros come in without end where `flood` is set.
fn start(flood: bool) -> (Site, Gateway) {
    let site = Site::new();
    if flood {
        site.write(&Site::text().replace("net_null0,no-rx=1", "net_null0"));
    }
    let gateway = Gateway::start(&site, &[]);
    eventually("Services", LONG, || {
        let output = site.ask(&["show", "services", "-o", "json"]);
        let rows: Value = serde_json::from_slice(&output.stdout).ok()?;
        (!rows.as_array()?.is_empty()).then_some(())
    });
    (site, gateway)
}

/// The fields of the first row, which programs rely on: see docs/cli.md.
#[track_caller]
fn fields(rows: &Value, names: &[&str]) {
    let row = rows.as_array().map_or(Some(rows), |rows| rows.first()).unwrap();
    let mut found: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = names.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn every_table_is_there_in_every_format_with_the_documented_fields() {
    let (site, gateway) = start(false);
    let documented = include_str!("../../../docs/cli.md");
    for (table, names) in [
        (
            "status",
            &[
                "ready",
                "generation",
                "feed_connected",
                "feed_error",
                "services",
                "routes",
                "neighbors",
                "flows",
                "flow_capacity",
                "huge_pages",
                "buffers",
                "conflicts",
            ][..],
        ),
        (
            "sync",
            &[
                "sluice",
                "pid",
                "uptime_seconds",
                "source",
                "complete",
                "kinds",
                "services",
                "generation",
                "published_seconds_ago",
                "problems",
                "conflicts",
                "stale",
                "stale_seconds",
                "held",
                "leader",
                "corefile",
                "manifest_files",
                "latency",
                "subscribers",
            ],
        ),
        ("services", &["name", "address", "protocol", "kind", "port", "ready", "endpoints"]),
        (
            "backends",
            &["service", "port", "protocol", "address", "ready", "serving", "terminating", "node", "zone"],
        ),
        (
            "ports",
            &[
                "id",
                "name",
                "device",
                "driver",
                "interface",
                "mac",
                "mtu",
                "link_up",
                "speed_mbps",
                "queues",
                "addresses",
                "device_counters",
                "punt_counters",
                "tx_full",
                "punt_full",
            ],
        ),
        ("routes", &["to", "via", "port", "metric"]),
        ("counters", &["name", "kind", "help", "total", "lcores"]),
        (
            "lcores",
            &["lcore", "cpu", "turns", "busy_turns", "received", "flows", "flow_capacity", "generation"],
        ),
    ] {
        let all: &[&str] = if table == "counters" { &["show", table, "--all"] } else { &["show", table] };
        fields(&site.json(all), names);
        for name in names {
            assert!(documented.contains(&format!("`{name}`")), "{table}: {name} is not documented");
        }
        let text = out(&site.ask(all));
        assert!(
            text.lines().count() >= 2
                && text.lines().next().unwrap().to_uppercase() == text.lines().next().unwrap(),
            "{text}"
        );
        let yaml = out(&site.ask(&[all, &["-o", "yaml"]].concat()));
        assert!(yaml.contains(&format!("{}:", names[0])), "{yaml}");
    }
    for table in ["flows", "neighbours", "problems"] {
        assert_eq!(site.json(&["show", table]), serde_json::json!([]));
        assert!(out(&site.ask(&["show", table])).starts_with("no "));
    }
    let version = site.json(&["version"]);
    assert_eq!(version["running"]["pid"], gateway.role("dataplane"));
}

#[test]
fn services_and_backends_are_found_by_name() {
    let (site, _gateway) = start(false);
    let kinds = |arguments: &[&str]| {
        let rows = site.json(arguments);
        let rows = rows.as_array().unwrap();
        rows.iter().map(|row| row["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["10.96.0.20:80", "203.0.113.10:80", "192.0.2.1:30080"];
    assert_eq!(kinds(&["show", "services"]), all);
    assert_eq!(kinds(&["show", "services", "shop/web"]), all);
    assert_eq!(kinds(&["show", "services", "web", "--namespace", "shop"]), all);
    assert!(kinds(&["show", "services", "-n", "other"]).is_empty());
    assert_eq!(kinds(&["show", "backends", "shop/web"]), ["10.244.1.5:8080", "10.244.2.5:8080"]);
    let table = out(&site.ask(&["show", "backends"]));
    assert!(table.contains("not ready") && table.contains("n1"), "{table}");
}

#[test]
fn explain_answers_in_kubernetes_names() {
    let (site, _gateway) = start(false);
    let ask = |arguments: &[&str]| out(&site.ask(&[&["explain"], arguments].concat()));
    let text = ask(&["192.0.2.100", "203.0.113.10", "tcp", "80", "--sport", "40000"]);
    for phrase in [
        "TCP 192.0.2.100:40000 > 203.0.113.10:80",
        "LoadBalancer of Service shop/web, port 80 (http)",
        "externalTrafficPolicy: Cluster; all ready endpoints",
        "10.244.1.5:8080, pod web-a, node n1  <- this one",
        "10.244.2.5:8080",
        "(not used: not ready)",
        "translated to 198.51.100.10, a port from 1024 to 65535",
        "10.244.0.0/16 on port cluster, next hop 198.51.100.1",
        "forwarded to 10.244.1.5:8080",
    ] {
        assert!(text.contains(phrase), "{phrase}\n{text}");
    }
    let json = site.json(&["explain", "192.0.2.100", "203.0.113.10", "tcp", "80"]);
    assert_eq!(json["verdict"]["action"], "forward");
    assert_eq!(json["verdict"]["endpoint"], "10.244.1.5:8080");
    assert_eq!(json["frontend"]["service"], "shop/web");
    assert_eq!(json["frontend"]["kind"], "LoadBalancer");
    assert_eq!(json["query"]["protocol"], "TCP");
    for (destination, phrase) in [
        ("203.0.113.10 tcp 81", "refused with a TCP reset: a service address"),
        ("203.0.113.10 udp 81", "refused with ICMP port unreachable"),
        ("10.96.0.99 tcp 80", "dropped, counted as unallocated_service_address"),
        ("192.0.2.1 tcp 22", "given to Linux: an address of the gateway itself, on port uplink"),
        ("198.51.100.77 tcp 22", "given to Linux: no Service has this address"),
    ] {
        let mut words = vec!["192.0.2.100"];
        words.extend(destination.split(' '));
        let text = ask(&words);
        assert!(text.contains(phrase), "{phrase}\n{text}");
    }
}

#[test]
fn counters_hide_zeros_and_know_their_lcores() {
    let (site, _gateway) = start(true);
    let some = eventually("packets", LONG, || {
        let rows = site.json(&["show", "counters"]);
        rows.as_array().unwrap().iter().any(|row| row["name"] == "received_bytes").then_some(rows)
    });
    let some = some.as_array().unwrap();
    let all = site.json(&["show", "counters", "--all"]);
    assert!(!some.is_empty() && some.len() < all.as_array().unwrap().len());
    assert!(some.iter().all(|row| row["total"].as_u64().unwrap() > 0));
    let one = site.json(&["show", "counters", "received_bytes"]);
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["total"], one[0]["lcores"][0]);
    let table = out(&site.ask(&["show", "counters", "--per-lcore"]));
    assert!(table.contains("LCORE 0") && table.contains("received"), "{table}");
}

fn trace(site: &Site, arguments: &[&str]) -> Command {
    let mut command = Command::new(SLUICE);
    command
        .args(["trace", "-c"])
        .arg(site.config())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn trace_prints_packets_and_ends_by_count_time_and_order() {
    let (site, _gateway) = start(true);
    let counted = trace(&site, &["--count", "5"]).output().unwrap();
    assert_eq!(code(&counted), 0, "{}", err(&counted));
    assert_eq!(out(&counted).lines().count(), 5, "{}", out(&counted));
    assert!(out(&counted).contains("lcore 0 uplink"), "{}", out(&counted));

    let json = trace(&site, &["--count", "3", "-o", "json"]).output().unwrap();
    for line in out(&json).lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        fields(&row, &["at_ms", "lcore", "port", "packet", "stages", "drop", "lost"]);
    }

    // Nothing matches: time ends it.
    let began = Instant::now();
    let timed = trace(&site, &["--src", "203.0.113.99", "--seconds", "1"]).output().unwrap();
    assert_eq!((code(&timed), out(&timed).as_str()), (0, ""), "{}", err(&timed));
    assert!(began.elapsed() < Duration::from_secs(5));

    let mut ordered = trace(&site, &["--src", "203.0.113.99"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(ordered.id(), Signal::INT);
    let ended = eventually("the end of the trace", LONG, || ordered.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_trace_whose_client_vanishes_is_switched_off() {
    let (site, _gateway) = start(true);
    for _ in 0..20 {
        let mut child = trace(&site, &["--src", "203.0.113.99", "--seconds", "600"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // More than the connections that the data plane takes at a time: those of the dead have been given back.
    eventually("an answer", LONG, || site.ask(&["show", "status"]).status.success().then_some(()));
    let again = trace(&site, &["--count", "2"]).output().unwrap();
    assert_eq!(out(&again).lines().count(), 2, "{}", err(&again));
}

#[test]
fn watch_shows_again_and_again() {
    let (site, mut gateway) = start(false);
    let mut child = Command::new(SLUICE)
        .args(["show", "lcores", "--watch", "1", "-o", "json", "-c"])
        .arg(site.config())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    signal(gateway.child.id(), Signal::TERM);
    gateway.wait(LONG);
    eventually("the end of the watch", LONG, || child.try_wait().unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 69, "the gateway has gone");
    let shown = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>().count();
    assert!(shown >= 2, "{shown}");
}

#[test]
fn hosts_of_ingresses_and_services_are_answered_for_the_outside() {
    let site = Site::new();
    let dns = "dns:\n  addresses: [192.0.2.53]\n  external_zones: [{ zone: example.org, ttl: 60, apex: ns1, hosts: [ingress, service] }]\n";
    site.write(&(Site::text() + dns));
    let objects = |address: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: store, namespace: default }}\nspec:\n  rules: [{{ host: \
             store.example.org }}, {{ host: \"*.apps.example.org\" }}]\nstatus: {{ loadBalancer: {{ ingress: [{{ ip: {address} }}] }} }}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{ name: lb, namespace: default }}\nspec: {{ type: LoadBalancer, clusterIP: \
             10.96.7.7, ports: [{{ port: 80 }}] }}\nstatus: {{ loadBalancer: {{ ingress: [{{ ip: 203.0.113.6 }}] }} }}\n"
        )
    };
    let manifest = site.config().with_file_name("manifests").join("hosts.yaml");
    std::fs::write(&manifest, objects("203.0.113.5")).unwrap();
    let gateway = Gateway::start(&site, &[]);
    let said = |name: &str, line: &str| {
        eventually(line, LONG, || {
            let said = out(&site.ask(&["dns", "query", name]));
            said.lines().any(|l| l == line).then_some(())
        });
    };
    said("Store.example.org", "answer         Store.example.org. 60 A 203.0.113.5");
    said("any.apps.example.org", "answer         any.apps.example.org. 60 A 203.0.113.5");
    said("any.apps.example.org", "object         Ingresses and Services with the host any.apps.example.org");
    said("any.apps.example.org", "why            a host with a star for the first label stands for it");
    said("lb.default.example.org", "answer         lb.default.example.org. 60 A 203.0.113.6");
    said("ns1.example.org", "answer         ns1.example.org. 60 A 192.0.2.53");
    said("nope.example.org", "code           NXDOMAIN");
    // Nobody serves Ingresses here, and what becomes of them is seen all the same.
    std::fs::write(&manifest, objects("203.0.113.9")).unwrap();
    said("store.example.org", "answer         store.example.org. 60 A 203.0.113.9");
    std::fs::remove_file(&manifest).unwrap();
    said("store.example.org", "code           NXDOMAIN");
    drop(gateway);
}
