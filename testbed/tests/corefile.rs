//! A gateway that runs from a Corefile, on TAP ports, asked with dig while the file changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use sluice_testbed::client::eventually;
use sluice_testbed::manifests::replace;
use sluice_testbed::{Gateway, Testbed};

const DNS: &str = "10.96.0.2";
const UPSTREAM: &str = "198.51.100.1";
const SOON: Duration = Duration::from_secs(60);

const NAMESPACES: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: api, namespace: shop }
spec: { clusterIP: 10.107.37.190, ports: [{ name: http, port: 80 }] }
";

/// `HOSTS` stands for the path of the hosts file.
const COREFILE: &str = r#"
.:53 {
    errors
    health {
        lameduck 1s
    }
    ready
    rewrite name exact old.example.com www.example.com
    rewrite name suffix .alias.example .default.svc.cluster.local answer auto
    rewrite name exact renamed.default.svc.cluster.local web.default.svc.cluster.local
    template IN A tpl.example {
        match ^(?P<n>[0-9]+)[.]tpl[.]example[.]$
        answer "{{ .Name }} 60 IN A 192.0.2.{{ .Group.n }}"
    }
    template IN AAAA cluster.local
    hosts HOSTS {
        192.0.2.8 inline.example
        ttl 60
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . 198.51.100.1 {
        prefer_udp
    }
    cache 3600
    loop
    reload
    loadbalance
}
import IMPORTS/*.server
"#;

struct CorefileLab {
    lab: Lab,
    asked: Arc<AtomicUsize>,
}

impl CorefileLab {
    fn start() -> Self {
        let dns = format!("dns:\n  corefile: Corefile\n  addresses: [{DNS}]\n  clients: [0.0.0.0/0]\n");
        let lab = Lab::prepared(&dns, &[web_ab()], |bed| {
            std::fs::create_dir(bed.folder().join("imports")).unwrap();
            std::fs::write(bed.folder().join("Hosts"), "192.0.2.9 file.example\n").unwrap();
            std::fs::write(bed.folder().join("Corefile"), text_in(bed, COREFILE)).unwrap();
        });
        let asked = upstream(&lab.bed);
        replace(&lab.manifests.join("names.yaml"), NAMESPACES).unwrap();
        let this = Self { lab, asked };
        this.becomes(&["web.default.svc.cluster.local"], "10.96.0.20");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.bed.folder().join(name)
    }

    fn write(&self, text: &str) {
        replace(&self.path("Corefile"), &text_in(&self.lab.bed, text)).unwrap();
    }

    fn dig(&self, arguments: &[&str]) -> String {
        let mut command = self.lab.bed.client.command("dig");
        command.args(["+tries=1", "+time=2", "+short", &format!("@{DNS}")]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    fn becomes(&self, arguments: &[&str], expected: &str) {
        let seen = eventually(SOON, || (self.dig(arguments) == expected).then_some(()));
        assert!(seen.is_some(), "{arguments:?}: {}\n{}", self.dig(arguments), self.lab.gateway.log());
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let config = self.lab.config.to_string_lossy().into_owned();
        Gateway::cli(&self.lab.bed, &[arguments, &["-c", &config]].concat()).unwrap()
    }
}

fn text_in(bed: &Testbed, text: &str) -> String {
    let path = |name: &str| bed.folder().join(name).to_str().unwrap().to_owned();
    text.replace("HOSTS", &path("Hosts")).replace("IMPORTS", &path("imports"))
}

/// A server on the node that has one address for every name, and counts what it is asked.
fn upstream(bed: &Testbed) -> Arc<AtomicUsize> {
    let at = SocketAddr::new(UPSTREAM.parse().unwrap(), 53);
    let socket = bed.node.enter(move || std::net::UdpSocket::bind(at).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut reply = buffer[..length].to_vec();
            (reply[2], reply[3]) = (0x81, 0x80);
            let end = 12 + reply[12..].iter().position(|b| *b == 0).unwrap() + 5;
            // Only what tests ask for counts, not the resolver's own probes.
            if reply[12..end].to_ascii_lowercase().windows(7).any(|part| part == b"example") {
                count.fetch_add(1, Ordering::Relaxed);
            }
            reply.truncate(end);
            (reply[7], reply[11]) = (1, 0);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 77]);
            let _ = socket.send_to(&reply, from);
        }
    });
    asked
}

#[test]
fn every_plugin_answers_and_the_file_changes_live() {
    let lab = CorefileLab::start();
    for transport in ["+notcp", "+tcp"] {
        for (name, kind, expected) in [
            ("web.default.svc.cluster.local", "A", "10.96.0.20"),
            ("api.shop.svc.cluster.local", "A", "10.107.37.190"),
            ("10-244-2-5.default.pod.cluster.local", "A", "10.244.2.5"),
            // The template hides them, although the packet path knows them.
            ("web.default.svc.cluster.local", "AAAA", ""),
            ("www.example.com", "A", "192.0.2.77"),
            ("old.example.com", "A", "192.0.2.77"),
            ("web.alias.example", "A", "10.96.0.20"),
            ("renamed.default.svc.cluster.local", "A", "10.96.0.20"),
            ("5.tpl.example", "A", "192.0.2.5"),
            ("inline.example", "A", "192.0.2.8"),
            ("file.example", "A", "192.0.2.9"),
        ] {
            lab.becomes(&[transport, name, kind], expected);
        }
        lab.becomes(&[transport, "-x", "10.96.0.20"], "web.default.svc.cluster.local.");
        lab.becomes(&[transport, "-x", "192.0.2.9"], "file.example.");
    }
    let before = lab.asked.load(Ordering::Relaxed);
    for _ in 0..5 {
        assert_eq!(lab.dig(&["www.example.com"]), "192.0.2.77");
    }
    assert_eq!(lab.asked.load(Ordering::Relaxed), before, "the cache answers");
    let sync = lab.cli(&["show", "sync"]);
    assert!(sync.contains("in effect for"), "{sync}");

    // The hosts file, an import, and the file itself; `namespaces` is about what is read of objects, too.
    replace(&lab.path("Hosts"), "192.0.2.10 file.example\n").unwrap();
    lab.becomes(&["file.example"], "192.0.2.10");
    let shop = "shop.example {\n hosts /dev/null {\n 192.0.2.11 a.shop.example\n }\n}\n";
    std::fs::write(lab.path("imports").join("shop.server"), shop).unwrap();
    // A device is no file.
    let problems = eventually(SOON, || {
        let problems = lab.cli(&["show", "problems"]);
        problems.contains("shop.server:2").then_some(problems)
    });
    assert!(problems.is_some_and(|it| it.contains("no regular file")), "{}", lab.lab.gateway.log());
    assert_eq!(lab.dig(&["www.example.com"]), "192.0.2.77");
    std::fs::write(lab.path("imports").join("shop.server"), shop.replace("/dev/null", "\"\"")).unwrap();
    lab.becomes(&["a.shop.example"], "192.0.2.11");
    lab.write(
        &COREFILE
            .replace("pods insecure", "namespaces default")
            .replace("template IN AAAA cluster.local", ""),
    );
    lab.becomes(&["api.shop.svc.cluster.local"], "");
    lab.becomes(&["web.default.svc.cluster.local", "AAAA"], "fd00:10:96::20");
    assert_eq!(lab.dig(&["10-244-2-5.default.pod.cluster.local"]), "");
    assert_eq!(lab.dig(&["web.default.svc.cluster.local"]), "10.96.0.20");

    // A bad one changes nothing, and is named.
    lab.write(&COREFILE.replace("pods insecure", "pods sometimes"));
    let named = eventually(SOON, || {
        let problems = lab.cli(&["show", "problems"]);
        (problems.contains("Corefile:22") && problems.contains("sometimes")).then_some(())
    });
    assert!(named.is_some(), "{}\n{}", lab.cli(&["show", "problems"]), lab.lab.gateway.log());
    let sync = lab.cli(&["show", "sync"]);
    assert!(sync.contains("is not in effect as it is now"), "{sync}");
    assert!(lab.lab.gateway.log().contains("sometimes"));
    for (name, expected) in [
        ("web.default.svc.cluster.local", "10.96.0.20"),
        ("api.shop.svc.cluster.local", ""),
        ("www.example.com", "192.0.2.77"),
    ] {
        assert_eq!(lab.dig(&[name]), expected, "{name}");
    }
    // Nor does a restart of control with the bad one: what was saved is served.
    let control = lab.lab.gateway.child_of_role("control").unwrap();
    let pid = rustix::process::Pid::from_raw(control as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let again = eventually(SOON, || lab.lab.gateway.child_of_role("control").filter(|pid| *pid != control));
    assert!(again.is_some());
    let saved = eventually(SOON, || {
        let config = lab.lab.config.to_string_lossy().into_owned();
        let sync = Gateway::cli(&lab.lab.bed, &["show", "sync", "-c", &config]).ok()?;
        sync.contains("what was saved of one before is").then_some(())
    });
    assert!(saved.is_some(), "{}", lab.lab.gateway.log());
    for _ in 0..20 {
        assert_eq!(lab.dig(&["api.shop.svc.cluster.local"]), "");
        assert_eq!(lab.dig(&["web.default.svc.cluster.local"]), "10.96.0.20");
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.becomes(&["www.example.com"], "192.0.2.77");
    lab.write(COREFILE);
    lab.becomes(&["api.shop.svc.cluster.local"], "10.107.37.190");
}

#[test]
fn who_may_ask_for_what_is_kept_to_for_names_of_the_cluster_too() {
    let lab = CorefileLab::start();
    // The client is not in the pods' network, and the file says who it is for.
    let rule = "acl {\n filter type AAAA\n allow net 10.244.0.0/16\n block type MX\n}\n local\n kubernetes";
    lab.write(&COREFILE.replace("kubernetes", rule).replace("template IN AAAA cluster.local", ""));
    let status = |at: &sluice_testbed::Netns, arguments: &[&str]| {
        let mut command = at.command("dig");
        command.args(["+tries=1", "+time=2", &format!("@{DNS}")]).args(arguments);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let code = said.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none");
        (code.to_owned(), said)
    };
    let web = "web.default.svc.cluster.local";
    let blocked =
        eventually(SOON, || (status(&lab.lab.bed.client, &[web, "MX"]).0 == "REFUSED").then_some(()));
    assert!(blocked.is_some(), "{}\n{}", status(&lab.lab.bed.client, &[web, "MX"]).1, lab.lab.gateway.log());
    let (code, said) = status(&lab.lab.bed.client, &[web, "AAAA"]);
    assert!(code == "NOERROR" && said.contains("EDE: 17") && said.contains("ANSWER: 0"), "{said}");
    assert_eq!(status(&lab.lab.bed.node, &["-b", POD_A, web, "MX"]).0, "NOERROR");
    assert_eq!(lab.dig(&[web]), "10.96.0.20");
    assert_eq!(lab.dig(&["localhost.default.svc.cluster.local"]), "127.0.0.1");
    // Kept answers are for those who may have them.
    for _ in 0..3 {
        assert_eq!(lab.dig(&["www.example.com"]), "192.0.2.77");
        assert_eq!(status(&lab.lab.bed.client, &["www.example.com", "MX"]).0, "REFUSED");
    }
}

#[test]
fn labels_of_a_corefile_move_names_in_and_out() {
    let lab = CorefileLab::start();
    let labelled = "
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: red } }
---
apiVersion: v1
kind: Service
metadata: { name: front, namespace: shop, labels: { tier: front } }
spec: { clusterIP: 10.107.37.191, ports: [{ name: http, port: 80 }] }
";
    replace(&lab.lab.manifests.join("labelled.yaml"), labelled).unwrap();
    lab.becomes(&["front.shop.svc.cluster.local"], "10.107.37.191");
    let (api, front, web) =
        ("api.shop.svc.cluster.local", "front.shop.svc.cluster.local", "web.default.svc.cluster.local");
    let with = |options: &str| lab.write(&COREFILE.replace("pods insecure", options));
    with("labels tier");
    lab.becomes(&[front], "10.107.37.191");
    lab.becomes(&[api], "");
    lab.becomes(&[web], "");
    with("namespace_labels team=red");
    lab.becomes(&[front], "10.107.37.191");
    lab.becomes(&[api], "10.107.37.190");
    lab.becomes(&[web], "");
    // A label that goes takes its names along; the Corefile is as it was.
    replace(&lab.lab.manifests.join("labelled.yaml"), &labelled.replace("team: red", "team: blue")).unwrap();
    lab.becomes(&[front], "");
    lab.becomes(&[api], "");
    lab.write(COREFILE);
    for (name, expected) in [(api, "10.107.37.190"), (front, "10.107.37.191"), (web, "10.96.0.20")] {
        lab.becomes(&[name], expected);
    }
}

#[test]
fn control_may_die_while_the_file_changes() {
    let lab = CorefileLab::start();
    let file =
        |address: &str| COREFILE.replace("192.0.2.8 inline.example", &format!("{address} inline.example"));
    let addresses = ["192.0.2.101", "192.0.2.102"];
    lab.write(&file(addresses[0]));
    lab.becomes(&["inline.example"], addresses[0]);
    let (stop, asked) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking = {
        let (client, stop, asked) = (lab.lab.bed.client.clone(), stop.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut wrong = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let mut command = client.command("dig");
                command.args(["+tries=1", "+time=2", "+short", &format!("@{DNS}"), "inline.example"]);
                let said = String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned();
                asked.fetch_add(1, Ordering::Relaxed);
                if !addresses.contains(&said.as_str()) {
                    wrong.push(said);
                }
            }
            wrong
        })
    };
    // At another moment of the reload each time: files are looked at every second.
    for (round, pause) in [0_u64, 300, 600, 900, 1000, 1010, 1030, 1100].into_iter().enumerate() {
        lab.write(&file(addresses[(round + 1) % 2]));
        std::thread::sleep(Duration::from_millis(pause));
        let control = eventually(SOON, || lab.lab.gateway.child_of_role("control")).unwrap();
        let pid = rustix::process::Pid::from_raw(control as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        // It comes back by itself, with the file as it is now.
        let came = eventually(Duration::from_secs(90), || {
            (lab.dig(&["inline.example"]) == addresses[(round + 1) % 2]).then_some(())
        });
        assert!(came.is_some(), "round {round}: {}\n{}", lab.dig(&["inline.example"]), lab.lab.gateway.log());
        assert_eq!(lab.dig(&["web.default.svc.cluster.local"]), "10.96.0.20");
    }
    stop.store(true, Ordering::Relaxed);
    let wrong = asking.join().unwrap();
    assert!(wrong.is_empty(), "{wrong:?} of {}", asked.load(Ordering::Relaxed));
    assert!(asked.load(Ordering::Relaxed) > 20);
}
