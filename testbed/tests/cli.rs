//! The command line against a gateway that forwards: what it says is what packets meet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use common::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sluice_testbed::client::{ask, eventually};
use sluice_testbed::gateway::binary;
use sluice_testbed::manifests::{ServiceManifest, replace};
use sluice_testbed::{Gateway, Testbed};

const LONG: Duration = Duration::from_secs(20);

/// `sluice` with these arguments in the gateway's namespace.
fn command(bed: &Testbed, config: &Path, arguments: &[&str]) -> Command {
    let mut command = bed.gateway.command(&binary().to_string_lossy());
    command.args(arguments).arg("-c").arg(config);
    command
}

fn sluice(lab: &Lab, arguments: &[&str]) -> Output {
    command(&lab.bed, &lab.config, arguments).output().unwrap()
}

#[track_caller]
fn json_of(lab: &Lab, arguments: &[&str]) -> Value {
    let output = sluice(lab, &[arguments, &["-o", "json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", err(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// A Service on these load-balancer addresses alone.
fn at_addresses(name: &str, cluster_ip: &str, addresses: &[&str]) -> ServiceManifest {
    ServiceManifest::new(name)
        .cluster_ips(&[cluster_ip])
        .load_balancer(addresses)
        .port("http", "TCP", 80, None, 8080)
        .port("udp", "UDP", 80, None, 8080)
}

/// A trace that runs beside a test.
struct Trace {
    child: Child,
    file: PathBuf,
}

impl Trace {
    /// Traces everything, once it is known to see packets.
    fn start(lab: &Lab, format: &str) -> Self {
        let file = lab.bed.folder().join(format!("trace.{format}"));
        let child = command(&lab.bed, &lab.config, &["trace", "-n", "100000", "-s", "120", "-o", format])
            .stdin(Stdio::null())
            .stdout(File::create(&file).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let trace = Self { child, file };
        let seen = eventually(LONG, || {
            let _ = ask(
                &lab.bed.client,
                at("192.0.2.100:0"),
                at("203.0.113.77:9"),
                "x",
                Duration::from_millis(50),
            );
            trace.text().contains("203.0.113.77:9").then_some(())
        });
        assert!(seen.is_some(), "the trace sees nothing");
        trace
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// The stages of the first packet of that description.
    #[track_caller]
    fn stages(&self, packet: &str) -> Vec<String> {
        let row = eventually(LONG, || {
            let text = self.text();
            // The last line may be half written.
            let mut rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            rows.find(|row| row["packet"] == packet)
        });
        let row = row.unwrap_or_else(|| panic!("{packet} is not in the trace:\n{}", self.text()));
        row["stages"].as_array().unwrap().iter().map(|stage| stage.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::INT);
        let status = self.child.wait().unwrap();
        if !std::thread::panicking() {
            assert_eq!(status.code(), Some(0), "Ctrl-C ends a trace in order");
        }
    }
}

/// What a client met.
#[derive(Debug, PartialEq)]
enum Met {
    Answer { pod: String, seen: SocketAddr },
    Refusal,
    Silence,
}

/// A request from that source port.
fn request(lab: &Lab, protocol: &str, source: SocketAddr, to: SocketAddr) -> Met {
    let answer = |text: &str| {
        let mut words = text.split_whitespace();
        let (pod, seen) = (words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap());
        Met::Answer { pod, seen }
    };
    if protocol == "udp" {
        return match ask(&lab.bed.client, source, to, "hello", Duration::from_millis(700)) {
            Ok(text) => answer(&text),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Met::Refusal,
            Err(_) => Met::Silence,
        };
    }
    let (port, url) = (source.port().to_string(), format!("http://{to}/"));
    let mut curl = lab.bed.client.command("curl");
    let output = curl.args(["-gsS", "--max-time", "0.7", "--local-port", &port, &url]).output().unwrap();
    // curl(1): 7 failed to connect, 28 timed out.
    match output.status.code() {
        Some(0) => answer(&out(&output)),
        Some(7) => Met::Refusal,
        Some(28) => Met::Silence,
        other => panic!("curl ended with {other:?}: {}", err(&output)),
    }
}

#[test]
fn explain_says_what_the_packet_path_then_does() {
    let walled = at_addresses("walled", "10.96.0.22", &["203.0.113.12", "2001:db8:ff::12"])
        .spec("loadBalancerSourceRanges: [198.18.0.0/15, \"2001:db8:99::/64\"]")
        .endpoint(POD_A)
        .endpoint(POD_A6);
    let empty = at_addresses("empty", "10.96.0.21", &["203.0.113.11", "2001:db8:ff::11"]);
    let lab = Lab::start(&[web_ab(), walled, empty]);
    // Next hops are known after the first exchange, in both families.
    lab.must_get(VIP);
    lab.must_get(VIP6);
    let trace = Trace::start(&lab, "json");
    let forward = json!("forward");
    let cases: [(&str, &str, Value); 16] = [
        (VIP, "tcp", forward.clone()),
        (VIP, "udp", forward.clone()),
        (VIP6, "tcp", forward.clone()),
        (VIP6, "udp", forward.clone()),
        // From outside the cluster: the gateway translates cluster addresses for everybody who is routed to it.
        (CLUSTER_IP, "tcp", forward.clone()),
        (CLUSTER_IP6, "tcp", forward.clone()),
        (NODE_PORT, "tcp", forward.clone()),
        (NODE_PORT6, "udp", forward.clone()),
        ("203.0.113.11:80", "tcp", json!("refuse")),
        ("[2001:db8:ff::11]:80", "udp", json!("refuse")),
        ("203.0.113.10:81", "tcp", json!("refuse")),
        ("203.0.113.12:80", "tcp", json!("source_range")),
        ("[2001:db8:ff::12]:80", "udp", json!("source_range")),
        ("10.96.0.99:80", "tcp", json!("unallocated_service_address")),
        ("203.0.113.99:80", "tcp", json!("linux")),
        ("[2001:db8:ff::99]:80", "udp", json!("linux")),
    ];
    let mut pods = std::collections::BTreeSet::new();
    for (number, (to, protocol, expected)) in cases.iter().enumerate() {
        // Several source ports, so that more than one endpoint is chosen.
        for round in 0..if *expected == forward { 4 } else { 1 } {
            let to = at(to);
            let client = if to.is_ipv6() { "[2001:db8:1::100]" } else { "192.0.2.100" };
            let source = at(&format!("{client}:{}", 41_000 + number as u16 * 10 + round));
            let explanation = explain(&lab, protocol, source, to);
            let verdict = &explanation["verdict"];
            let said = if verdict["action"] == "drop" { &verdict["reason"] } else { &verdict["action"] };
            assert_eq!(said, expected, "{protocol} {to}: {explanation:#}");
            let met = request(&lab, protocol, source, to);
            let packet = format!("{source} > {to} {}", protocol.to_uppercase());
            let stages = trace.stages(&packet).join(", ");
            let about = format!("{packet}: {met:?}: {stages}: {explanation:#}");
            let frontend = explanation["frontend"]["service"].as_str();
            if let Some(service) = frontend {
                assert!(stages.contains(&format!("of {service}:")), "{about}");
            }
            match (said.as_str().unwrap(), &met) {
                ("forward", Met::Answer { pod, seen }) => {
                    let endpoint = at(verdict["endpoint"].as_str().unwrap());
                    let chosen =
                        if [POD_A, POD_A6].contains(&endpoint.ip().to_string().as_str()) { "a" } else { "b" };
                    assert_eq!(pod, chosen, "{about}");
                    assert!(
                        stages.contains(&format!(
                            "backend {endpoint}, new flow, rewritten, sent out of cluster"
                        )),
                        "{about}"
                    );
                    let addresses = explanation["source"]["addresses"].as_array().unwrap();
                    assert!(addresses.contains(&json!(seen.ip())), "{about}");
                    pods.insert(pod.clone());
                }
                ("refuse", Met::Refusal) => {
                    let why = if frontend.is_some() { "has no endpoint" } else { "no Service has this port" };
                    assert_eq!(verdict["served"], frontend.is_some(), "{about}");
                    assert!(stages.contains("refused: ") && stages.contains(why), "{about}");
                    assert!(stages.ends_with("sent out of uplink"), "{about}");
                }
                ("linux", Met::Silence) => assert!(stages.contains("to Linux ("), "{about}"),
                (reason, Met::Silence) if verdict["action"] == "drop" => {
                    assert!(stages.contains(&format!("dropped: {reason} (")), "{about}");
                    let rows = json_of(&lab, &["show", "counters", reason]);
                    assert!(rows[0]["total"].as_u64() > Some(0), "{about}: {rows}");
                }
                _ => panic!("{about}"),
            }
        }
    }
    assert_eq!(pods.len(), 2, "both endpoints were explained and met");
}

fn explain(lab: &Lab, protocol: &str, source: SocketAddr, to: SocketAddr) -> Value {
    let words =
        [source.ip().to_string(), to.ip().to_string(), to.port().to_string(), source.port().to_string()];
    let [source, to, port, sport] = &words;
    json_of(lab, &["explain", source, to, protocol, port, "--sport", sport])
}

#[test]
fn trace_tells_the_way_of_each_packet_and_why_one_was_dropped() {
    let walled = at_addresses("walled", "10.96.0.22", &["203.0.113.12"])
        .spec("loadBalancerSourceRanges: [198.18.0.0/15]")
        .endpoint(POD_A);
    let lab = Lab::start(&[web().endpoint(POD_A), walled]);
    lab.must_get(VIP);
    let trace = Trace::start(&lab, "table");
    let met = request(&lab, "tcp", at("192.0.2.100:42000"), at(VIP));
    let Met::Answer { seen, .. } = met else { panic!("{met:?}") };
    assert_eq!(request(&lab, "tcp", at("192.0.2.100:42001"), at("203.0.113.12:80")), Met::Silence);
    let line = |parts: &[&str]| {
        let found = eventually(LONG, || {
            let text = trace.text();
            let line = text.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            line.map(ToOwned::to_owned)
        });
        found.unwrap_or_else(|| panic!("{parts:?} is not in\n{}", trace.text()))
    };
    let there = format!("192.0.2.100:42000 > {VIP} TCP");
    let back = format!("{POD_A}:8080 > {seen} TCP");
    let first = line(&[&there, "new flow"]);
    assert!(
        first.ends_with(&format!(
            "lcore 0 uplink {there}: LoadBalancer of default/web:http, backend {POD_A}:8080, new flow, rewritten, \
             sent out of cluster"
        )),
        "{first}"
    );
    // The time of day, as log lines have it: 09:30:12.345
    let time: Vec<&str> = first.split(' ').next().unwrap().split([':', '.']).collect();
    assert_eq!(time.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 2, 2, 3], "{first}");
    line(&[&back, "lcore 0 cluster", "known flow, reply, rewritten, sent out of uplink"]);
    line(&[&there, "known flow, rewritten, sent out of cluster"]);
    line(&[
        "192.0.2.100:42001 > 203.0.113.12:80 TCP",
        "LoadBalancer of default/walled:http",
        "dropped: source_range (The source is outside",
    ]);
}

#[test]
fn every_table_parses_in_every_format_and_knows_the_services() {
    let lab = Lab::start(&[web_ab()]);
    lab.must_get(VIP);
    lab.must_get(VIP6);
    for table in ["services", "backends", "flows", "ports", "routes", "neighbours", "counters", "lcores"] {
        let rows = json_of(&lab, &["show", table]);
        assert!(!rows.as_array().unwrap().is_empty(), "{table}");
        let text = out(&sluice(&lab, &["show", table]));
        assert!(text.lines().count() > rows.as_array().unwrap().len(), "{table}: {text}");
        let yaml = out(&sluice(&lab, &["show", table, "-o", "yaml"]));
        for key in rows[0].as_object().unwrap().keys() {
            assert!(yaml.contains(&format!("{key}:")), "{table}: {key}: {yaml}");
        }
    }
    let addresses = |table: &str, field: &str| -> Vec<String> {
        let rows = json_of(&lab, &["show", table]);
        rows.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    let services = addresses("services", "address");
    for frontend in [VIP, VIP6, CLUSTER_IP, CLUSTER_IP6, NODE_PORT, NODE_PORT6] {
        assert!(services.iter().any(|address| address == frontend), "{frontend}: {services:?}");
    }
    assert!(addresses("services", "name").iter().all(|name| name == "default/web"));
    let backends = addresses("backends", "address");
    assert!([POD_A, POD_B].iter().all(|pod| backends.contains(&format!("{pod}:8080"))), "{backends:?}");
    assert!(addresses("flows", "frontend").contains(&VIP.to_owned()));
    let ports = json_of(&lab, &["show", "ports"]);
    assert_eq!((&ports[0]["name"], &ports[0]["driver"]), (&json!("uplink"), &json!("net_tap")));
    let status = json_of(&lab, &["show", "status"]);
    assert_eq!((&status["ready"], &status["services"]), (&json!(true), &json!(1)));
    let sync = json_of(&lab, &["show", "sync"]);
    assert_eq!(sync["complete"], true);
    assert_eq!(Path::new(sync["source"]["folder"].as_str().unwrap()), lab.manifests);
    for (row, kind, objects) in [(1, "Service", 1), (2, "EndpointSlice", 2)] {
        let row = &sync["kinds"][row];
        assert_eq!(
            (&row["kind"], &row["objects"], &row["error"]),
            (&json!(kind), &json!(objects), &Value::Null)
        );
    }
    assert_eq!(sync["subscribers"][0]["acknowledged"], status["generation"]);
    assert_eq!(json_of(&lab, &["show", "problems"]), json!([]));
    let version = json_of(&lab, &["version"]);
    assert_eq!(version["running"]["pid"], lab.gateway.child_of_role("dataplane").unwrap());
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let lab = Lab::start(&[web_ab()]);
    let many: String = (0..1500)
        .map(|n| {
            let ip = format!("10.97.{}.{}", n / 250, n % 250 + 1);
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: s{n}, namespace: many }}\nspec:\n  \
                 clusterIP: {ip}\n  clusterIPs: [{ip}]\n  ports: [{{ port: 80, protocol: TCP }}]\n"
            )
        })
        .collect();
    replace(&lab.manifests.join("many.yaml"), &many).unwrap();
    let rows = eventually(LONG, || {
        let rows = json_of(&lab, &["show", "services", "-n", "many"]);
        (rows.as_array().unwrap().len() == 1500).then_some(())
    });
    assert!(rows.is_some(), "{}", lab.gateway.log());
    for arguments in
        ["show services", "show services -o json", "show counters --all", "explain --help", "man"]
    {
        let script = format!(
            "{} {arguments} {} | head -n 1; exit ${{PIPESTATUS[0]}}",
            binary().display(),
            if arguments == "man" || arguments.ends_with("help") {
                String::new()
            } else {
                format!("-c {}", lab.config.display())
            }
        );
        let output = lab.bed.gateway.command("bash").args(["-c", &script]).output().unwrap();
        assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""), "{arguments}");
        assert_eq!(out(&output).lines().count(), 1, "{arguments}");
        let script = script.replace("| head -n 1; exit ${PIPESTATUS[0]}", "> /dev/full");
        let output = lab.bed.gateway.command("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments}");
        assert!(
            err(&output).contains("standard output: No space left on device"),
            "{arguments}: {}",
            err(&output)
        );
    }
}

#[test]
fn problems_name_the_broken_file_and_line_and_the_frontend_claimed_twice() {
    let lab = Lab::start(&[web_ab()]);
    // Names sort, and nothing else tells their ages apart: `web` has it.
    let rival = at_addresses("weber", "10.96.0.30", &["203.0.113.10"]).endpoint(POD_B);
    rival.write(&lab.manifests).unwrap();
    let broken = lab.manifests.join("broken.yaml");
    replace(&broken, "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n spec: [\n").unwrap();
    let problems = eventually(LONG, || {
        let problems = json_of(&lab, &["show", "problems"]);
        (problems.as_array().unwrap().len() >= 3).then_some(problems)
    });
    let problems = problems.unwrap_or_else(|| panic!("{}", lab.gateway.log()));
    let problems = problems.as_array().unwrap();
    let parse = problems.iter().find(|problem| problem["file"] == json!(broken)).unwrap();
    assert_eq!(parse["level"], "error");
    assert!(parse["line"].as_u64().is_some_and(|line| (4..=6).contains(&line)), "{parse}");
    let claims: Vec<_> =
        problems.iter().filter(|problem| problem["object"] == "Service default/weber").collect();
    assert_eq!(claims.len(), 2, "one for each transport: {problems:?}");
    assert!(claims[0]["message"].as_str().unwrap().contains("203.0.113.10:80"), "{claims:?}");
    assert!(claims[0]["message"].as_str().unwrap().contains("default/web has it"), "{claims:?}");
    // For people: a place that an editor can jump to.
    let text = out(&sluice(&lab, &["show", "problems"]));
    assert!(
        text.lines().any(|line| line.starts_with(&format!("{}:{}: ", broken.display(), parse["line"]))),
        "{text}"
    );
    let sync = json_of(&lab, &["show", "sync"]);
    assert_eq!((&sync["problems"]["errors"], &sync["conflicts"]), (&json!(3), &json!(2)), "{sync}");
    let words = out(&sluice(&lab, &["show", "sync"]));
    assert!(words.contains("3 errors, 2 frontends claimed twice: `sluice show problems`"), "{words}");
    // Everything else goes on.
    lab.must_get(VIP);
    let web = |rows: Value| rows.as_array().unwrap().len();
    assert!(web(json_of(&lab, &["show", "services", "default/weber"])) > 0);
    // Mended, they go.
    std::fs::remove_file(&broken).unwrap();
    std::fs::remove_file(lab.manifests.join("weber.yaml")).unwrap();
    let none = eventually(LONG, || (json_of(&lab, &["show", "problems"]) == json!([])).then_some(()));
    assert!(none.is_some(), "{}", out(&sluice(&lab, &["show", "problems"])));
    assert_eq!(out(&sluice(&lab, &["show", "problems"])), "no problems\n");
}

#[test]
fn each_role_that_is_away_or_stuck_is_said_to_be_so() {
    let lab = Lab::start(&[web_ab()]);
    let before = json_of(&lab, &["show", "sync"])["pid"].as_u64().unwrap() as u32;
    assert_eq!(Some(before), lab.gateway.child_of_role("control"));
    // Control does not answer: the packet path does, and forwards.
    signal(before, Signal::STOP);
    let silent = sluice(&lab, &["show", "sync"]);
    assert_eq!(silent.status.code(), Some(69), "{}", err(&silent));
    assert!(err(&silent).contains("control takes the question, but does not answer"), "{}", err(&silent));
    assert_eq!(json_of(&lab, &["show", "status"])["services"], 1);
    lab.must_get(VIP);
    signal(before, Signal::KILL);
    let after = eventually(LONG, || {
        let output = sluice(&lab, &["show", "sync", "-o", "json"]);
        let sync: Value = serde_json::from_slice(&output.stdout).ok()?;
        // A control of another run: the data plane is told everything once, and works by it.
        let told = sync["subscribers"][0]["acknowledged"] == sync["generation"]
            && sync["subscribers"][0]["full_states"] == 1;
        (sync["pid"] != before && told).then_some(())
    });
    assert!(after.is_some(), "{}", lab.gateway.log());
    // The packet path does not answer, and then is away for good.
    let dataplane = lab.gateway.child_of_role("dataplane").unwrap();
    signal(dataplane, Signal::STOP);
    let silent = sluice(&lab, &["show", "services"]);
    signal(dataplane, Signal::CONT);
    assert_eq!(silent.status.code(), Some(69), "{}", err(&silent));
    assert!(
        err(&silent).contains("the data plane takes the question, but does not answer"),
        "{}",
        err(&silent)
    );
    let (config, bed) = (lab.config.clone(), lab.bed);
    drop(lab.gateway);
    for arguments in [
        &["show", "services"][..],
        &["show", "sync"],
        &["show", "problems"],
        &["explain", "192.0.2.100", "203.0.113.10", "tcp", "80"],
        &["trace"],
    ] {
        let output = command(&bed, &config, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{arguments:?}");
        let text = err(&output);
        assert!(text.contains("does not run") && text.contains("hint: start it with `sluice run"), "{text}");
    }
    let version = command(&bed, &config, &["version"]).output().unwrap();
    assert!(version.status.success() && !out(&version).contains("running"), "{}", out(&version));
}

/// A configuration of one port.
fn one_port(bed: &Testbed, device: &str, more: &str) -> PathBuf {
    let path = bed.folder().join("one.yaml");
    let text = format!(
        "node: edge-1\nruntime_dir: {}\ndataplane:\n  lcores: [0]\n  memory: 64MiB\n  flows: 4096\n  idle: sleep\n  \
         huge_pages: never\n  ports:\n    - {{ name: uplink, device: \"{device}\", addresses: [192.0.2.1/24] }}\n\
         source: {{ manifests: {} }}\n{more}",
        bed.folder().join("run").display(),
        bed.folder().display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_port_that_does_not_start_names_device_reason_and_likely_cause() {
    let bed = Testbed::new().unwrap();
    for (device, parts) in [
        ("net_nosuch0", &["Bad address (errno 14)", "likely cause: no driver of that name is installed"][..]),
        ("0000:ff:1f.7", &["No such device (errno 19)", "likely cause: there is no such device"]),
        (
            "net_pcap0,rx_pcap=/nonexistent.pcap",
            &["No such file or directory (errno 2)", "likely cause: the capture file"],
        ),
        (
            "net_tap0,mac=zz",
            &["Invalid argument (errno 22)", "likely cause: an argument behind the device's name"],
        ),
        ("net_af_packet0,iface=nosuch", &["there is no interface nosuch in this network namespace"]),
    ] {
        let config = one_port(&bed, device, "");
        let output = command(&bed, &config, &["dataplane"]).output().unwrap();
        let text = err(&output);
        assert_eq!(output.status.code(), Some(71), "{device}: {text}");
        let words =
            text.lines().find(|line| line.starts_with("sluice: ")).unwrap_or_else(|| panic!("{text}"));
        assert!(words.contains("port \"uplink\""), "{words}");
        for part in parts {
            assert!(words.contains(part), "{device}: {part}: {words}");
        }
        assert!(words.contains(device) || device.contains("nosuch"), "{words}");
        assert!(text.contains("hint: `sluice doctor -c "), "{text}");
    }
}

#[test]
fn a_wrong_configuration_exits_64_before_any_port_opens() {
    let bed = Testbed::new().unwrap();
    for (more, place) in [
        ("dataplan: {}\n", "one.yaml:12:1"),
        ("services:\n  node_port_addresses: [192.0.2.300]\n", "one.yaml:13:"),
        ("services: [\n", "one.yaml:"),
    ] {
        let config = one_port(&bed, "net_tap0", more);
        for role in ["run", "dataplane", "control"] {
            let output = command(&bed, &config, &[role]).output().unwrap();
            let text = err(&output);
            assert_eq!(output.status.code(), Some(64), "{role}: {text}");
            assert!(text.contains(place), "{role}: {place}: {text}");
        }
        let mut check = bed.gateway.command(&binary().to_string_lossy());
        let output = check.arg("check").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        assert!(out(&output).contains(place), "{}", out(&output));
        assert!(!bed.folder().join("run").exists(), "nothing was made");
        assert!(!bed.gateway.ip("link").unwrap().contains("tap"), "no port was opened");
    }
}

#[test]
fn the_configurations_group_may_ask_whichever_of_a_users_groups_it_is() {
    let bed = Testbed::new().unwrap();
    let config = one_port(&bed, "net_null0", "group: 54321\n");
    let _control = Gateway::start(&bed, "control", &config).unwrap();
    // Where another user may run it.
    let program = bed.folder().join("sluice");
    std::fs::copy(binary(), &program).unwrap();
    let ask = |groups: &str| {
        let mut command = bed.gateway.command("setpriv");
        command.args(["--reuid", "65534"]).args(groups.split(' ')).arg(&program);
        command.args(["show", "sync", "--runtime-dir"]).arg(bed.folder().join("run")).output().unwrap()
    };
    let asked = eventually(LONG, || (ask("--regid 54321 --clear-groups").status.success()).then_some(()));
    assert!(asked.is_some(), "{}", err(&ask("--regid 54321 --clear-groups")));
    let supplementary = ask("--regid 65534 --groups 54321");
    assert!(supplementary.status.success(), "{}", err(&supplementary));
    let stranger = ask("--regid 65534 --clear-groups");
    assert_eq!(stranger.status.code(), Some(77), "{}", err(&stranger));
    assert!(err(&stranger).contains("permission denied") && err(&stranger).contains("hint: ask as root"));
}

#[test]
fn doctor_ends_with_69_where_something_is_missing_and_says_how_to_mend_each() {
    let bed = Testbed::new().unwrap();
    let ask = |config: &Path| {
        let output = command(&bed, config, &["doctor", "-o", "json"]).output().unwrap();
        let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), findings.as_array().unwrap().clone())
    };
    let sound = |findings: &[Value]| {
        for finding in findings {
            let mend = finding["mend"].as_str().unwrap_or_default();
            assert_eq!(finding["status"] == "ok", mend.is_empty(), "{finding}");
        }
    };
    let (code, findings) = ask(&one_port(&bed, "net_tap0", ""));
    sound(&findings);
    assert_eq!(code, Some(0), "{findings:#?}");
    for check in ["DPDK drivers", "huge pages", "IOMMU", "VFIO", "CPU isolation", "open files", "port uplink"]
    {
        assert!(findings.iter().any(|finding| finding["check"] == check), "{check} is not looked at");
    }
    let config = one_port(&bed, "0000:ff:1f.7", "");
    let text = std::fs::read_to_string(&config).unwrap().replace("lcores: [0]", "lcores: [0, 127]");
    std::fs::write(&config, text).unwrap();
    let (code, findings) = ask(&config);
    sound(&findings);
    assert_eq!(code, Some(69));
    let missing: Vec<_> = findings.iter().filter(|finding| finding["status"] == "missing").collect();
    for (check, mend) in
        [("port uplink", "lspci"), ("lcores", "choose dataplane.lcores from"), ("VFIO", "modprobe vfio-pci")]
    {
        let finding = missing.iter().find(|finding| finding["check"] == check);
        assert!(finding.is_some_and(|f| f["mend"].as_str().unwrap().contains(mend)), "{check}: {missing:#?}");
    }
    let words = out(&command(&bed, &config, &["doctor"]).output().unwrap());
    assert!(
        words.contains("MISSING") && words.contains("How to mend it:") && words.contains("modprobe vfio-pci"),
        "{words}"
    );
}

#[test]
fn the_demonstrations_configuration_is_right() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let output = Command::new(binary())
        .arg("check")
        .arg(configs.join("demo.yaml"))
        .args(["-o", "json"])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["services"]), (&json!(true), &json!(2)), "{report}");
}
