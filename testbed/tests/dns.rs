//! Cluster DNS through a running gateway on TAP ports, asked by the programs that people ask with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::client::eventually;
use sluice_testbed::manifests::replace;

const DNS: &str = "10.96.0.2";
const DNS6: &str = "fd00:10:96::2";

const NAMES: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: web-service, namespace: default }
spec: { clusterIP: 10.107.37.188, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { clusterIP: None, ports: [{ name: sql, port: 5432 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: db-1, namespace: default, labels: { kubernetes.io/service-name: db, service.kubernetes.io/headless: "" } }
addressType: IPv4
ports: [{ name: sql, port: 5432 }]
endpoints:
- { addresses: [10.244.1.7], hostname: db-0, zone: us-a }
- { addresses: [10.244.2.7], hostname: db-1 }
"#;

/// A gateway that answers on [`DNS`] and [`DNS6`], in the client's resolv.conf too.
fn lab(more: &str) -> Lab {
    lab_of("insecure", more)
}

fn lab_of(pods: &str, more: &str) -> Lab {
    let dns = format!(
        "dns:\n  addresses: [{DNS}, \"{DNS6}\"]\n  clients: [0.0.0.0/0, \"::/0\"]\n  pods: {pods}\n{more}"
    );
    let lab = Lab::with(Ports::Tap, &dns, &[web_ab()]);
    replace(&lab.manifests.join("names.yaml"), NAMES).unwrap();
    let ready = eventually(Duration::from_secs(5), || {
        (dig(&lab, &["web-service.default.svc.cluster.local"]) == "10.107.37.188").then_some(())
    });
    assert!(ready.is_some(), "{}\n{}", lab.counters(), lab.gateway.log());
    lab
}

#[test]
fn tcp_and_names_of_others_are_the_resolvers() {
    let lab = lab("  upstreams: [198.51.100.1]\n");
    upstream(&lab, "198.51.100.1");
    let tcp = eventually(Duration::from_secs(5), || {
        (dig(&lab, &["+tcp", "web-service.default.svc.cluster.local"]) == "10.107.37.188").then_some(())
    });
    assert!(tcp.is_some(), "{}\n{}", lab.counters(), lab.gateway.log());
    assert_eq!(dig(&lab, &["+tcp", "-x", "10.107.37.188"]), "web-service.default.svc.cluster.local.");
    assert_eq!(dig_at(&lab, DNS6, &["+short", "+tcp", "web.default.svc.cluster.local"]), "10.96.0.20");
    for transport in ["+notcp", "+tcp"] {
        let found = dig(&lab, &[transport, "www.example.com"]);
        assert_eq!(found, "192.0.2.77", "{transport}\n{}\n{}", lab.counters(), lab.gateway.log());
    }
    // The first step of a search list: the resolver learns of its end.
    let step = dig_at(&lab, DNS, &["www.example.org.default.svc.cluster.local"]);
    assert!(step.contains("status: NXDOMAIN"), "{step}");
    assert!(counted(&lab, "dns_hinted"), "{}", lab.counters());
    // An alias that leads out of the cluster is followed for the client.
    let out = "apiVersion: v1\nkind: Service\nmetadata: { name: out, namespace: default }\nspec: { type: ExternalName, externalName: www.example.com }\n";
    replace(&lab.manifests.join("out.yaml"), out).unwrap();
    let followed = eventually(Duration::from_secs(5), || {
        (dig(&lab, &["out.default.svc.cluster.local"]) == "www.example.com.\n192.0.2.77").then_some(())
    });
    assert!(followed.is_some(), "{}\n{}", dig(&lab, &["out.default.svc.cluster.local"]), lab.gateway.log());
    // The resolver may die: cluster names are answered on, and it comes back.
    let proxy = lab.gateway.child_of_role("proxy").unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(proxy as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert_eq!(dig(&lab, &["web.default.svc.cluster.local"]), "10.96.0.20");
    // So are names of others that it has answered.
    assert_eq!(dig(&lab, &["+noadflag", "www.example.com"]), "192.0.2.77", "{}", lab.counters());
    assert!(counted(&lab, "dns_kept"), "{}", lab.counters());
    let back = eventually(Duration::from_secs(10), || {
        (dig(&lab, &["+tcp", "www.example.com"]) == "192.0.2.77").then_some(())
    });
    assert!(back.is_some(), "{}", lab.gateway.log());
}

/// Whether something is counted, which shows a moment later.
fn counted(lab: &Lab, what: &str) -> bool {
    eventually(Duration::from_secs(2), || lab.counters().contains(what).then_some(())).is_some()
}

/// What dig prints with `+short`.
fn dig(lab: &Lab, arguments: &[&str]) -> String {
    dig_at(lab, DNS, &[&["+short"], arguments].concat())
}

fn dig_at(lab: &Lab, server: &str, arguments: &[&str]) -> String {
    let mut command = lab.bed.client.command("dig");
    command.args(["+tries=1", "+time=2", &format!("@{server}")]).args(arguments);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn dig_gets_every_kind_of_record() {
    let lab = lab("");
    for server in [DNS, DNS6] {
        let web = dig_at(&lab, server, &["+short", "web.default.svc.cluster.local", "AAAA"]);
        assert_eq!(web, "fd00:10:96::20");
    }
    for (name, kind, expected) in [
        ("web.default.svc.cluster.local", "A", "10.96.0.20"),
        ("_http._tcp.web.default.svc.cluster.local", "SRV", "0 50 80 web.default.svc.cluster.local."),
        ("db-1.db.default.svc.cluster.local", "A", "10.244.2.7"),
        ("10-244-2-5.default.pod.cluster.local", "A", "10.244.2.5"),
        ("dns-version.cluster.local", "TXT", "\"1.1.0\""),
        ("cluster.local", "NS", "ns.dns.cluster.local."),
    ] {
        assert_eq!(dig(&lab, &[name, kind]), expected, "{name} {kind}");
    }
    assert_eq!(dig(&lab, &["-x", "10.107.37.188"]), "web-service.default.svc.cluster.local.");
    let mut both: Vec<String> =
        dig(&lab, &["db.default.svc.cluster.local"]).lines().map(str::to_owned).collect();
    both.sort();
    assert_eq!(both, ["10.244.1.7", "10.244.2.7"]);
    let nope = dig_at(&lab, DNS, &["nope.default.svc.cluster.local"]);
    assert!(nope.contains("status: NXDOMAIN") && nope.contains("flags: qr aa rd;"), "{nope}");
    let other = dig_at(&lab, DNS, &["example.com"]);
    assert!(other.contains("status: REFUSED"), "{other}");
    let counters = lab.counters();
    assert!(counters.contains("dns_noerror"), "{counters}");
}

#[test]
fn what_is_answered_is_explained() {
    let lab = lab(
        "  zonal: true\n  upstreams: [198.51.100.1]\n  stub_zones: [{ zone: corp.example, upstreams: [198.51.100.2] }]\n",
    );
    let said = |arguments: &[&str]| lab.cli(&[&["dns", "query"], arguments].concat());
    let web = said(&["_http._tcp.web.default.svc.cluster.local", "SRV", "--as", "10.244.1.5"]);
    for line in [
        "client         10.244.1.5, may ask",
        "zone           cluster.local.",
        "object         Service default/web, _http._tcp of it",
        "why            it has records of this type",
        "code           NOERROR",
        "answer         _http._tcp.web.default.svc.cluster.local. 5 SRV 0 50 80 web.default.svc.cluster.local.",
    ] {
        assert!(web.lines().any(|l| l == line), "{line}\n{web}");
    }
    for (name, line) in [
        ("us-a.pin", "why            it has records of this type"),
        ("us-a.pin", "answer         us-a.pin._zone.db.default.svc.cluster.local. 5 A 10.244.1.7"),
        ("us-b.pin", "object         Service default/db, us-b.pin._zone of it"),
        ("us-b.pin", "why            none of the Service's ready endpoints is in that zone"),
        ("us-b.pin", "code           NOERROR"),
        (
            "us-b.prefer",
            "why            none of the Service's ready endpoints is in that zone: all of them are told",
        ),
    ] {
        let said = said(&[&format!("{name}._zone.db.default.svc.cluster.local")]);
        assert!(said.lines().any(|l| l == line), "{line}\n{said}");
    }
    let nope = said(&["nope.default.svc.cluster.local"]);
    assert!(
        nope.contains("no object makes such a name") && nope.contains("code           NXDOMAIN"),
        "{nope}"
    );
    let corp = said(&["www.corp.example", "AAAA"]);
    assert!(corp.contains("sluice proxy asks 198.51.100.2:53 for www.corp.example."), "{corp}");
    assert!(said(&["www.example.com"]).contains("asks 198.51.100.1:53 for"));
    let json = said(&["10.244.1.7.in-addr.arpa", "PTR", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["subject"]["address"], &json["rule"]),
        (&"7.1.244.10".into(), &"missing".into()),
        "{json}"
    );
}

#[test]
fn an_address_for_the_outside_says_nothing_of_the_cluster() {
    const OUTER: &str = "203.0.113.53";
    let dns = format!(
        "dns:\n  addresses:\n  - {{ address: {DNS}, cluster_zones: true }}\n  \
         - {{ address: {OUTER}, clients: [0.0.0.0/0] }}\n  clients: [10.0.0.0/8, 192.0.2.0/24]\n  \
         pods: insecure\n  upstreams: [198.51.100.1]\n  external_zones: [{{ zone: example.org }}]\n  transfer: [0.0.0.0/0]\n  \
         rate_limit: {{ per_second: 10000 }}\n"
    );
    let lab = Lab::with(Ports::Tap, &dns, &[web_ab()]);
    upstream(&lab, "198.51.100.1");
    let inside = [
        ("web.default.svc.cluster.local", "A"),
        ("WEB.default.SVC.cluster.local", "AAAA"),
        ("_http._tcp.web.default.svc.cluster.local", "SRV"),
        ("nope.default.svc.cluster.local", "A"),
        ("10-244-1-5.default.pod.cluster.local", "A"),
        ("www.example.com.default.svc.cluster.local", "A"),
        ("20.0.96.10.in-addr.arpa", "PTR"),
        ("cluster.local", "SOA"),
        ("cluster.local", "NS"),
    ];
    for transport in ["+notcp", "+tcp"] {
        let outside = "web.default.example.org";
        let told = eventually(Duration::from_secs(10), || {
            let told = [DNS, OUTER].map(|server| dig_at(&lab, server, &["+short", transport, outside]));
            (told == ["203.0.113.10"; 2]).then_some(())
        });
        assert!(told.is_some(), "{transport}\n{}\n{}", lab.counters(), lab.gateway.log());
        let web = dig_at(&lab, DNS, &["+short", transport, "web.default.svc.cluster.local"]);
        assert_eq!(web, "10.96.0.20");
        for (name, kind) in inside {
            let said = dig_at(&lab, OUTER, &[transport, name, kind]);
            for words in ["status: REFUSED", "flags: qr rd;", "ANSWER: 0, AUTHORITY: 0", "EDE: 20"] {
                assert!(said.contains(words), "{transport}: {words}\n{said}");
            }
        }
        // The zone's name server is the address that its clients may ask.
        let server = dig_at(&lab, OUTER, &["+short", transport, "ns1.dns.example.org"]);
        assert_eq!(server, OUTER);
    }
    assert!(dig_at(&lab, OUTER, &["axfr", "cluster.local"]).contains("Transfer failed"));
    let whole = dig_at(&lab, OUTER, &["axfr", "example.org"]);
    assert!(whole.contains("203.0.113.10") && !whole.contains("10.96."), "{whole}");
    assert!(dig_at(&lab, DNS, &["axfr", "cluster.local"]).contains("10.96.0.20"));
    // It is said beforehand, and shown.
    let said = |at: &str| {
        lab.cli(&["dns", "query", "web.default.svc.cluster.local", "--as", "192.0.2.100", "--at", at])
    };
    let words = "why            names of the cluster are not answered to this client at this address";
    assert!(said(OUTER).contains(words) && said(OUTER).contains("code           REFUSED"), "{}", said(OUTER));
    assert!(said(DNS).contains("code           NOERROR"), "{}", said(DNS));
    let zones: serde_json::Value =
        serde_json::from_str(&lab.cli(&["show", "dns", "zones", "-o", "json"])).unwrap();
    let addresses = |zone: &str| {
        let row = zones.as_array().unwrap().iter().find(|row| row["zone"] == zone).unwrap();
        row["addresses"].clone()
    };
    assert_eq!(addresses("cluster.local"), serde_json::json!([format!("{DNS}:53")]));
    assert_eq!(addresses("example.org"), serde_json::json!([format!("{DNS}:53"), format!("{OUTER}:53")]));
}

#[test]
fn differences_from_another_server_are_told() {
    let lab = lab("");
    let config = lab.config.to_string_lossy().into_owned();
    let diff = |arguments: &[&str]| {
        let mut command = lab.bed.gateway.command(&sluice_testbed::gateway::binary().to_string_lossy());
        let output =
            command.args(["dns", "diff", "-c", &config, "--against"]).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    // The resolver's socket, which answers from the same tables.
    let same = eventually(Duration::from_secs(10), || {
        let (code, text) = diff(&[DNS]);
        (code == Some(0) && text.contains("no differences") && text.contains(" 0 not answered")).then_some(())
    });
    assert!(same.is_some(), "{:?}\n{}", diff(&[DNS]), lab.gateway.log());
    // A server that says 192.0.2.77 to everything.
    upstream(&lab, "198.51.100.1");
    let names = lab.bed.folder().join("names.txt");
    std::fs::write(
        &names,
        "web-service.default.svc.cluster.local A # both have it\ndb.default.svc.cluster.local\n",
    )
    .unwrap();
    let (code, text) = diff(&["198.51.100.1", "--names", &names.to_string_lossy()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("other records in answer") && text.contains("2 asked, 0 the same"), "{text}");
    std::fs::write(&names, "a..b\n").unwrap();
    let (code, text) = diff(&["198.51.100.1", "--names", &names.to_string_lossy()]);
    assert!(code == Some(64) && text.contains("names.txt:1: a label is empty"), "{text}");
}

#[test]
fn glibc_resolves_by_the_search_list_of_a_pod() {
    let lab = lab("");
    let _resolv_conf = ResolvConf::write(
        &lab.bed.client,
        &format!(
            "nameserver {DNS}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5 timeout:2 attempts:1\n"
        ),
    );
    let getent = |arguments: &[&str]| {
        let output = lab.bed.client.command("getent").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for name in ["web-service", "web-service.default", "web-service.default.svc.cluster.local."] {
        let found = getent(&["ahostsv4", name]);
        assert!(found.starts_with("10.107.37.188 "), "{name}: {found}\n{}", lab.counters());
    }
    assert!(getent(&["ahostsv6", "web"]).starts_with("fd00:10:96::20 "));
    assert!(getent(&["hosts", "10.107.37.188"]).contains("web-service.default.svc.cluster.local"));
    assert_eq!(getent(&["ahostsv4", "nope"]), "");
}

#[test]
fn a_new_service_is_answered_at_once_and_a_removed_one_no_more() {
    let lab = lab("");
    assert_eq!(dig(&lab, &["late.default.svc.cluster.local"]), "");
    let late = NAMES.replace("web-service", "late").replace("10.107.37.188", "10.107.37.189");
    replace(&lab.manifests.join("names.yaml"), &late).unwrap();
    let start = Instant::now();
    let seen = eventually(Duration::from_secs(1), || {
        (dig(&lab, &["late.default.svc.cluster.local"]) == "10.107.37.189").then_some(())
    });
    assert!(seen.is_some(), "not answered after {:?}", start.elapsed());
    assert_eq!(dig(&lab, &["web-service.default.svc.cluster.local"]), "", "and the former one went with it");
}

#[test]
fn answers_go_on_while_control_is_dead() {
    let lab = lab("");
    let control = lab.gateway.child_of_role("control").unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(control as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    for _ in 0..50 {
        assert_eq!(dig(&lab, &["web.default.svc.cluster.local"]), "10.96.0.20");
    }
}

#[test]
fn show_tells_of_zones_caches_and_upstreams() {
    let lab = lab(
        "  upstreams: [198.51.100.1, 198.51.100.9]\n  multicluster_zones: [clusterset.local]\n  ttl: 7\n",
    );
    upstream(&lab, "198.51.100.1");
    let json = |what: &str| -> serde_json::Value {
        serde_json::from_str(&lab.cli(&["show", "dns", what, "-o", "json"])).unwrap()
    };
    let zones = json("zones");
    let of = |zone: &str| zones.as_array().unwrap().iter().find(|row| row["zone"] == zone).unwrap().clone();
    let cluster = of("cluster.local");
    assert_eq!((&cluster["kind"], &cluster["ttl"]), (&"cluster".into(), &7.into()));
    assert!(cluster["names"].as_u64().unwrap() > 8, "{zones}");
    assert_eq!(cluster["addresses"], serde_json::json!([format!("{DNS}:53"), format!("[{DNS6}]:53")]));
    assert_eq!(cluster["generation"], json("zones")[0]["generation"]);
    let serial = dig(&lab, &["cluster.local", "SOA"]);
    assert_eq!(serial.split_whitespace().nth(2).unwrap(), cluster["serial"].to_string());
    assert_eq!(of("clusterset.local")["kind"], "multicluster");
    assert_eq!(of("in-addr.arpa")["kind"], "reverse");
    // A name that is asked for twice is asked upstream once.
    let known = eventually(Duration::from_secs(20), || {
        (dig(&lab, &["+tcp", "www.example.com"]) == "192.0.2.77").then_some(())
    });
    assert!(known.is_some(), "{}", lab.gateway.log());
    let hits = json("cache")[0]["hits"].as_u64().unwrap();
    assert_eq!(dig(&lab, &["+tcp", "www.example.com"]), "192.0.2.77");
    let cache = json("cache");
    assert_eq!(cache[0]["zone"], ".");
    assert_eq!(cache[0]["positive"], 1);
    assert_eq!(cache[0]["hits"].as_u64().unwrap(), hits + 1, "{cache}");
    assert!(cache[0]["bytes"].as_u64().unwrap() > 0 && cache[0]["misses"].as_u64().unwrap() > 0, "{cache}");
    let upstreams = json("upstreams");
    let row = |address: &str| {
        upstreams.as_array().unwrap().iter().find(|row| row["address"] == address).unwrap().clone()
    };
    let good = row("198.51.100.1:53");
    assert_eq!(good["health"], "up");
    assert!(good["queries"].as_u64().unwrap() > 0 && good["mean_us"].is_u64(), "{upstreams}");
    assert!(row("198.51.100.9:53")["mean_us"].is_null(), "{upstreams}");
    for (what, word) in
        [("zones", "clusterset.local"), ("cache", "POSITIVE"), ("upstreams", "198.51.100.9:53")]
    {
        let table = lab.cli(&["show", "dns", what]);
        assert!(table.contains(word), "{table}");
    }
}

/// A certificate of `dns.example` and its key, in the topology's folder.
fn certificate(folder: &std::path::Path) -> [std::path::PathBuf; 2] {
    let paths = [folder.join("dns.crt"), folder.join("dns.key")];
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=dns.example", "-addext", "subjectAltName=DNS:dns.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&paths[0])
        .arg("-keyout")
        .arg(&paths[1])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    paths
}

#[test]
fn tls_and_https_are_served_on_an_address_of_dns() {
    let dns = |bed: &sluice_testbed::Testbed| {
        let [certificate, key] = certificate(bed.folder()).map(|path| path.display().to_string());
        let secure = format!("{{ addresses: [{DNS}, \"{DNS6}\"], certificate: {certificate}, key: {key} }}");
        format!("  upstreams: [198.51.100.1]\n  tls: {secure}\n  https: {secure}\n")
    };
    let bed = sluice_testbed::Testbed::new().unwrap();
    let more = dns(&bed);
    let authority = bed.folder().join("dns.crt").display().to_string();
    std::fs::create_dir_all(bed.folder().join("manifests")).unwrap();
    web_ab().write(&bed.folder().join("manifests")).unwrap();
    let text = format!("dns:\n  addresses: [{DNS}, \"{DNS6}\"]\n  clients: [0.0.0.0/0, \"::/0\"]\n{more}");
    let mut lab = Lab::over(bed, Ports::Tap, "manifests: manifests/", &text);
    lab.wait_until_ready();
    upstream(&lab, "198.51.100.1");
    let ask = |server: &str, arguments: &[&str]| {
        let mut command = lab.bed.client.command("kdig");
        let trust = [format!("+tls-ca={authority}"), "+tls-hostname=dns.example".to_owned()];
        command.args(["+short", "+retry=0", "+time=3", &format!("@{server}")]).args(trust).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    };
    for server in [DNS, DNS6] {
        for transport in ["+tls", "+https"] {
            for (name, expected) in
                [("web.default.svc.cluster.local", "10.96.0.20"), ("www.example.com", "192.0.2.77")]
            {
                let seen = eventually(Duration::from_secs(10), || {
                    (ask(server, &[transport, name]) == expected).then_some(())
                });
                let log = lab.gateway.log();
                assert!(seen.is_some(), "{server} {transport} {name}\n{}\n{log}", lab.counters());
            }
        }
    }
    // Nobody else's certificate is taken for it, and no other port is open there.
    let mut wrong = lab.bed.client.command("kdig");
    wrong.args([
        "+short",
        "+retry=0",
        "+time=2",
        &format!("@{DNS}"),
        "+tls",
        "web.default.svc.cluster.local",
    ]);
    wrong.args([format!("+tls-ca={authority}"), "+tls-hostname=other.example".to_owned()]);
    assert_eq!(String::from_utf8(wrong.output().unwrap().stdout).unwrap().trim(), "");
    let closed = lab.bed.client.enter(|| {
        let to = std::net::SocketAddr::new(DNS.parse().unwrap(), 8053);
        std::net::TcpStream::connect_timeout(&to, Duration::from_secs(1)).is_err()
    });
    assert!(closed);
}

#[test]
fn search_lists_of_pods_are_completed() {
    let lab = lab_of("verified", "  upstreams: [198.51.100.1]\n  autopath: true\n");
    upstream(&lab, "198.51.100.1");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: a, namespace: default }}\nspec: {{ containers: [{{ name: a, image: a }}] }}\nstatus: {{ phase: Running, podIP: {POD_A}, podIPs: [{{ ip: {POD_A} }}] }}\n"
    );
    replace(&lab.manifests.join("pod.yaml"), &pod).unwrap();
    let asked = |from: Option<&str>, name: &str| {
        let mut command = if from.is_some() { &lab.bed.node } else { &lab.bed.client }.command("dig");
        command.args(["+tries=1", "+time=2", "+noall", "+answer", "+comments", &format!("@{DNS}"), name]);
        if let Some(from) = from {
            command.args(["-b", from]);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let (first, alias) = ("www.example.com.default.svc.cluster.local", "www.example.com.");
    let completed = eventually(Duration::from_secs(10), || {
        let said = asked(Some(POD_A), first);
        (said.contains("NOERROR") && said.contains(alias) && said.contains("192.0.2.77")).then_some(())
    });
    let (said, log) = (asked(Some(POD_A), first), lab.gateway.log());
    assert!(completed.is_some(), "{said}\n{}\n{log}", lab.counters());
    assert!(said.contains("CNAME"), "{said}");
    // A name of the cluster at the list's second step; another namespace's list; who is no pod.
    let second = asked(Some(POD_A), "web.default.default.svc.cluster.local");
    assert!(second.contains("10.96.0.20"), "{second}");
    for (from, name) in
        [(Some(POD_A), "www.example.com.other.svc.cluster.local"), (Some(POD_B), first), (None, first)]
    {
        let said = asked(from, name);
        assert!(said.contains("status: NXDOMAIN"), "{from:?} {name}: {said}");
    }
}

/// The one line of the query log about a question, once it is written.
fn logged(text: impl Fn() -> String, question: &str) -> String {
    let begin = format!("\"{question} ");
    let line = eventually(Duration::from_secs(5), || {
        text().lines().find(|line| line.contains(&begin)).map(str::to_owned)
    });
    // A second one would come at once.
    std::thread::sleep(Duration::from_millis(50));
    let all = text();
    assert_eq!(all.lines().filter(|line| line.contains(&begin)).count(), 1, "{question}:\n{all}");
    line.unwrap()
}

#[test]
fn names_of_the_cluster_and_of_others_are_in_one_log() {
    let mut lab = lab("  upstreams: [198.51.100.1]\n  log: { file: queries.log }\n");
    upstream(&lab, "198.51.100.1");
    let file = lab.bed.folder().join("queries.log");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let resolved = eventually(Duration::from_secs(10), || {
        (dig(&lab, &["+tcp", "web.default.svc.cluster.local", "TXT"]).is_empty()
            && dig(&lab, &["www.example.com"]) == "192.0.2.77")
            .then_some(())
    });
    assert!(resolved.is_some(), "{}", lab.gateway.log());
    let ask = |lab: &Lab, name: &str, arguments: &[&str]| {
        dig_at(lab, DNS, &[&["+noedns", name], arguments].concat());
    };
    ask(&lab, "Web.default.svc.cluster.local", &[]);
    dig_at(&lab, DNS6, &["+noedns", "web.default.svc.cluster.local", "AAAA"]);
    dig_at(&lab, DNS, &["+dnssec", "+nocookie", "+bufsize=4000", "nope.default.svc.cluster.local"]);
    ask(&lab, "web.default.svc.cluster.local", &["CH", "TYPE65400"]);
    ask(&lab, "db.default.svc.cluster.local", &["+tcp"]);
    ask(&lab, "www.example.net", &["+noadflag"]);
    let log = || format!("{}\n{}", read(), lab.gateway.log());
    for (question, rest) in [
        ("A IN web.default.svc.cluster.local.", "udp 47 false 512\" NOERROR qr,aa,rd 63 0s"),
        ("AAAA IN web.default.svc.cluster.local.", "udp 47 false 512\" NOERROR qr,aa,rd 75 0s"),
        ("A IN nope.default.svc.cluster.local.", "udp 59 true 4000\" NXDOMAIN qr,aa,rd "),
        ("TYPE65400 CH web.default.svc.cluster.local.", "udp 47 false 512\" REFUSED qr,rd 47 0s"),
        ("A IN db.default.svc.cluster.local.", "tcp 46 false 512\" NOERROR qr,aa,rd"),
        ("A IN www.example.net.", "udp 33 false 512\" NOERROR qr,rd,ra "),
    ] {
        let line = logged(read, question);
        let (client, said) = line.split_once(" - ").unwrap();
        assert!(client.starts_with("[INFO] ") && client.contains(':'), "{line}");
        assert!(said.contains(&format!("\"{question} {rest}")), "{rest}:\n{}", log());
    }
    let lost = || {
        let mut command = lab.bed.gateway.command("curl");
        let page = command.args(["-sS", "-m", "5", "http://127.0.0.1:9471/metrics"]).output().unwrap();
        let page = String::from_utf8(page.stdout).unwrap();
        page.lines().any(|line| line.starts_with("sluice_dns_log_lost_total "))
    };
    assert!(lost());
    // Who rotates the file moves it: both go on in a new one.
    std::fs::rename(&file, file.with_extension("1")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    ask(&lab, "dns-version.cluster.local", &["TXT"]);
    ask(&lab, "db.default.svc.cluster.local", &["+tcp"]);
    logged(read, "TXT IN dns-version.cluster.local.");
    logged(read, "A IN db.default.svc.cluster.local.");
    // What is there stays over a restart, after which it is standard output's turn.
    let config = std::fs::read_to_string(&lab.config).unwrap();
    std::fs::write(&lab.config, config.replace("log: { file: queries.log }", "log: { classes: [denial] }"))
        .unwrap();
    lab.restart();
    let gone = "gone.default.svc.cluster.local";
    let said = eventually(Duration::from_secs(5), || {
        dig(&lab, &["web.default.svc.cluster.local", "SOA"]);
        dig(&lab, &[gone]);
        lab.gateway.log().contains(&format!("A IN {gone}. udp ")).then_some(())
    });
    assert!(said.is_some(), "{}", lab.gateway.log());
    assert!(!lab.gateway.log().contains("NOERROR qr,aa,rd 63"), "{}", lab.gateway.log());
    assert!(read().contains("dns-version") && !read().contains(gone), "{}", read());
}

#[test]
fn who_answers_is_told_with_the_generation_that_answers() {
    let lab = lab("  upstreams: [198.51.100.1]\n  nsid: edge-1/{generation}\n");
    let generation = || {
        let zones: serde_json::Value =
            serde_json::from_str(&lab.cli(&["show", "dns", "zones", "-o", "json"])).unwrap();
        zones[0]["generation"].as_u64().unwrap()
    };
    let told = |arguments: &[&str]| {
        let name = ["+nsid", "web.default.svc.cluster.local"];
        let said = dig_at(&lab, DNS, &[&name, arguments].concat());
        said.lines().find(|line| line.contains("NSID")).map(ToOwned::to_owned).unwrap_or(said)
    };
    let is_told = |arguments: &[&str]| {
        let seen = eventually(Duration::from_secs(10), || {
            told(arguments).contains(&format!("(\"edge-1/{}\")", generation())).then_some(())
        });
        assert!(seen.is_some(), "{arguments:?}: {}\n{}", told(arguments), lab.gateway.log());
    };
    is_told(&[]);
    // The resolver's as well.
    is_told(&["+tcp"]);
    let before = generation();
    lab.write(&web());
    let next = eventually(Duration::from_secs(5), || (generation() > before).then_some(()));
    assert!(next.is_some());
    is_told(&[]);
    is_told(&["+tcp"]);
    assert!(!dig_at(&lab, DNS, &["web.default.svc.cluster.local"]).contains("NSID"));
}

#[test]
fn tenants_do_not_see_each_other() {
    let lab = lab_of(
        "insecure",
        "  visibility:\n    - { namespaces: [tenant], see: [shared] }\n    - { clients: [10.244.2.0/24], see: [] }\n",
    );
    let object = |kind: &str, name: &str, namespace: &str, rest: &str| {
        format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: {namespace} }}\n{rest}\n---\n"
        )
    };
    let spec = |n: u8| format!("spec: {{ clusterIP: 10.107.37.{n}, ports: [{{ name: http, port: 80 }}] }}");
    let pod = format!(
        "spec: {{ containers: [{{ name: a, image: a }}] }}\nstatus: {{ phase: Running, podIP: {POD_A} }}"
    );
    let objects = [
        object("Pod", "a", "tenant", &pod),
        object("Service", "own", "tenant", &spec(10)),
        object("Service", "all", "shared", &spec(11)),
    ];
    replace(&lab.manifests.join("tenant.yaml"), &objects.concat()).unwrap();
    let from = |client: &str, arguments: &[&str]| {
        let mut command = lab.bed.node.command("dig");
        command.args(["+tries=1", "+time=2", "-b", client, &format!("@{DNS}")]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let web = "web-service.default.svc.cluster.local";
    let known =
        eventually(Duration::from_secs(10), || from(POD_A, &[web]).contains("NXDOMAIN").then_some(()));
    assert!(known.is_some(), "{}\n{}", from(POD_A, &[web]), lab.gateway.log());
    for transport in ["+notcp", "+tcp"] {
        let hidden = from(POD_A, &[transport, web]);
        assert!(
            hidden.contains("NXDOMAIN") && hidden.contains("no such namespace has names here"),
            "{hidden}"
        );
        assert!(from(POD_A, &[transport, "-x", "10.107.37.188"]).contains("NXDOMAIN"));
        for (name, address) in [("own.tenant", "10.107.37.10"), ("all.shared", "10.107.37.11")] {
            let name = format!("{name}.svc.cluster.local");
            assert!(from(POD_A, &[transport, &name]).contains(address), "{transport} {name}");
            // Nobody knows this one as a pod.
            assert!(from(POD_B, &[transport, &name]).contains("NXDOMAIN"), "{transport} {name}");
        }
        let everybody = dig(&lab, &[transport, web]);
        assert_eq!(everybody, "10.107.37.188", "{transport}");
    }
    let said = |client: &str| lab.cli(&["dns", "query", web, "--as", client]);
    let tenant = said(POD_A);
    assert!(tenant.contains("may ask, a pod of tenant") && tenant.contains("`dns.visibility`"), "{tenant}");
    assert!(said(POD_B).contains("the address of no pod that is known"), "{}", said(POD_B));
}

#[test]
fn pods_without_ipv6_are_told_of_no_such_addresses_of_others() {
    let lab = lab_of("insecure", "  upstreams: [198.51.100.1]\n  suppress_aaaa: [pods]\n");
    upstream(&lab, "198.51.100.1");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: a, namespace: default }}\nspec: {{ containers: [{{ name: a, image: a }}] }}\nstatus: {{ phase: Running, podIP: {POD_A} }}\n"
    );
    replace(&lab.manifests.join("pod.yaml"), &pod).unwrap();
    let from = |arguments: &[&str]| {
        let mut command = lab.bed.node.command("dig");
        command.args(["+tries=1", "+time=2", "-b", POD_A, &format!("@{DNS}")]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for transport in ["+notcp", "+tcp"] {
        let seen = eventually(Duration::from_secs(10), || {
            let said = from(&[transport, "www.example.com", "AAAA"]);
            (said.contains("status: NOERROR") && said.contains("the client has no IPv6")).then_some(())
        });
        let log = lab.gateway.log();
        assert!(seen.is_some(), "{transport}\n{}\n{log}", from(&[transport, "www.example.com", "AAAA"]));
        // The upstream may have begun a moment ago.
        let asked = || from(&[transport, "www.example.com"]);
        let address = eventually(Duration::from_secs(10), || asked().contains("192.0.2.77").then_some(()));
        assert!(address.is_some(), "{transport}\n{}", asked());
        assert!(from(&[transport, "web.default.svc.cluster.local", "AAAA"]).contains("fd00:10:96::20"));
    }
    let said = lab.cli(&["dns", "query", "www.example.com", "AAAA", "--as", POD_A]);
    assert!(said.contains("`dns.suppress_aaaa`"), "{said}");
}

#[test]
fn a_namespace_has_upstreams_of_its_own_for_a_domain() {
    let lab = lab_of(
        "insecure",
        "  upstreams: [198.51.100.9]\n  stub_zones: [{ zone: corp.example, upstreams: [198.51.100.1], namespaces: [tenant] }]\n",
    );
    upstream(&lab, "198.51.100.1");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: a, namespace: tenant }}\nspec: {{ containers: [{{ name: a, image: a }}] }}\nstatus: {{ phase: Running, podIP: {POD_A} }}\n"
    );
    replace(&lab.manifests.join("pod.yaml"), &pod).unwrap();
    let from = |client: &str, arguments: &[&str]| {
        let mut command = lab.bed.node.command("dig");
        command.args(["+tries=1", "+time=2", "+short", "-b", client, &format!("@{DNS}")]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for transport in ["+notcp", "+tcp"] {
        let seen = eventually(Duration::from_secs(10), || {
            from(POD_A, &[transport, "www.corp.example"]).contains("192.0.2.77").then_some(())
        });
        assert!(seen.is_some(), "{transport}\n{}", lab.gateway.log());
        // Whoever else asks has neither the upstream nor what it has said before; there is nobody at the other.
        assert!(!from(POD_B, &[transport, "www.corp.example"]).contains("192.0.2.77"), "{transport}");
    }
    let said = |client: &str| lab.cli(&["dns", "query", "www.corp.example", "--as", client]);
    assert!(
        said(POD_A).contains("a pod of tenant") && said(POD_A).contains("asks 198.51.100.1:53"),
        "{}",
        said(POD_A)
    );
    assert!(said(POD_B).contains("asks 198.51.100.9:53"), "{}", said(POD_B));
}
