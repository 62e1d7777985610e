//! Ingress while things change: routes, endpoints and certificates under load, and roles that die.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
mod http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{POD_A, POD_B};
use http::*;
use sluice_testbed::client::eventually;

/// Clients that ask as fast as they are answered.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Half of the clients keep their connections for 50 requests, half open one for each.
    fn start(lab: &HttpLab, clients: usize, host: &'static str, path: &'static str) -> Self {
        let to: SocketAddr = format!("{ADDRESS}:80").parse().unwrap();
        // A connection for each request, to one address and port: its own ports must not run out before the test ends.
        let mut sysctl = lab.lab.bed.client.command("sysctl");
        sysctl.args(["-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1"]);
        assert!(sysctl.status().unwrap().success());
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |number: usize| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            lab.lab.bed.client.spawn(move || {
                let (mut failed, mut connection, mut used) = (Vec::new(), None, 0);
                let most = if number.is_multiple_of(2) { 50 } else { 1 };
                while !stop.load(Ordering::Relaxed) {
                    let outcome = match connection.take().filter(|_| used < most).map_or_else(
                        || {
                            used = 0;
                            Connection::open(to)
                        },
                        Ok,
                    ) {
                        Ok(mut open) => open.get(host, path).inspect(|reply| {
                            used += 1;
                            // The gateway may end a connection, when it says so.
                            if reply.header("connection").is_none_or(|value| value != "close") {
                                connection = Some(open);
                            }
                        }),
                        Err(error) => Err(error),
                    };
                    asked.fetch_add(1, Ordering::Relaxed);
                    match outcome {
                        Ok(reply) if reply.status == 200 => {}
                        Ok(reply) => failed.push(format!("{} after {used}", reply.status)),
                        Err(error) => failed.push(format!("{error} after {used}")),
                    }
                }
                failed
            })
        };
        let threads = (0..clients).map(client).collect();
        Self { stop, asked, threads }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends it; what failed.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

/// How many requests a test under load makes: `SLUICE_REQUESTS`, or a number that takes seconds.
fn requests() -> u64 {
    std::env::var("SLUICE_REQUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

fn live(paths: &[(&str, &str, &str)]) -> String {
    ingress("live", "", &format!("  rules:\n{}", rule("live.example", paths)))
}

#[test]
fn changes_of_routes_and_endpoints_fail_no_request() {
    let turns = service("turns", "10.96.1.8", &[POD_A, POD_B]);
    let lab = HttpLab::start("", &[("live", live(&[("/", "Prefix", "turns")])), ("turns", turns)]);
    let load = Load::start(&lab, 6, "live.example", "/work");
    let (mut step, want) = (0, requests());
    let start = Instant::now();
    while load.asked() < want {
        // Twenty changes a second: routes come, move and go; an endpoint leaves and comes back.
        match step % 4 {
            0 => lab.write("live", &live(&[("/", "Prefix", "turns"), ("/work", "Exact", "one")])),
            1 => lab.write("turns", &service("turns", "10.96.1.8", &[POD_A])),
            2 => lab.write("live", &live(&[("/", "Prefix", "turns"), ("/other", "Prefix", "none")])),
            _ => lab.write("turns", &service("turns", "10.96.1.8", &[POD_A, POD_B])),
        }
        step += 1;
        std::thread::sleep(Duration::from_millis(50));
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "{} requests only\n{}",
            load.asked(),
            lab.report()
        );
    }
    let asked = load.asked();
    let failed = load.end();
    assert!(
        failed.is_empty(),
        "{} of {asked} failed: {:?}\n{}",
        failed.len(),
        &failed[..failed.len().min(5)],
        lab.report()
    );
    assert!(step >= 8, "only {step} changes");
    eprintln!("{asked} requests, {step} changes, {:.1} s", start.elapsed().as_secs_f64());
}

#[test]
fn an_endpoint_that_is_gone_takes_no_request_with_it() {
    let lab = HttpLab::start(
        "",
        &[
            ("live", live(&[("/", "Prefix", "turns")])),
            ("turns", service("turns", "10.96.1.8", &[POD_A, POD_B])),
        ],
    );
    let load = Load::start(&lab, 4, "live.example", "/");
    let want = requests() / 2;
    let mut step = 0;
    let start = Instant::now();
    while load.asked() < want && start.elapsed() < Duration::from_secs(120) {
        let left: &[&str] = match step % 3 {
            0 => &[POD_A],
            1 => &[POD_A, POD_B],
            _ => &[POD_B],
        };
        lab.write("turns", &service("turns", "10.96.1.8", left));
        step += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = load.asked();
    let failed = load.end();
    assert!(failed.is_empty(), "{} of {asked} failed: {:?}\n{}", failed.len(), failed.first(), lab.report());
    assert!(lab.pods.iter().all(|pod| pod.served() > 100), "both pods had their share");
}

#[test]
fn a_new_route_is_live_soon_and_a_removed_one_no_more() {
    let lab = HttpLab::start("", &[]);
    let mut times = Vec::new();
    for _ in 0..10 {
        assert_eq!(lab.route("live.example", "/"), "404");
        let mut connection = lab.connect(80);
        lab.write("live", &live(&[("/", "Prefix", "two")]));
        let start = Instant::now();
        let seen = eventually(Duration::from_secs(5), || {
            (connection.get("live.example", "/").unwrap().status == 200).then_some(())
        });
        times.push(start.elapsed());
        assert!(seen.is_some(), "{}", lab.report());
        std::fs::remove_file(lab.path("live")).unwrap();
        let gone = eventually(Duration::from_secs(5), || {
            (connection.get("live.example", "/").unwrap().status == 404).then_some(())
        });
        assert!(gone.is_some(), "{}", lab.report());
    }
    times.sort();
    eprintln!("a new route is live after {:?}, at most {:?}", times[times.len() / 2], times[times.len() - 1]);
    assert!(times[times.len() / 2] < Duration::from_millis(500), "{times:?}");
}

#[test]
fn a_new_certificate_is_shown_at_once_and_a_bad_one_never() {
    let lab = HttpLab::start("", &[]);
    let spec = format!(
        "  tls: [{{ hosts: [up.example], secretName: up }}]\n  rules:\n{}",
        rule("up.example", &[("/tls", "Prefix", "two")])
    );
    lab.write("tls", &ingress("tls", "", &spec));
    let serial = || {
        let script = format!(
            "openssl s_client -connect {ADDRESS}:443 -servername up.example < /dev/null 2> /dev/null | openssl x509 -noout -serial"
        );
        let output = lab.lab.bed.client.command("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let shows = |number: u32| {
        let wanted = format!("serial={number:02X}");
        eventually(Duration::from_secs(5), || (serial() == wanted).then_some(()))
    };
    let mut kept = None;
    for number in 21..24 {
        lab.write("secret", &lab.pair(&["up.example"], number).secret("up"));
        assert!(shows(number).is_some(), "{number}: {}\n{}", serial(), lab.report());
        // A connection that there is goes on: its requests are sent to https, now that there is TLS.
        kept.get_or_insert_with(|| lab.connect(80));
    }
    assert_eq!(kept.unwrap().get("up.example", "/").unwrap().status, 308);
    // One whose key is another's: the last good one stays, and the problem is told.
    let (mut bad, other) = (lab.pair(&["up.example"], 99), lab.pair(&["up.example"], 98));
    bad.key = other.key;
    lab.write("secret", &bad.secret("up"));
    let told = eventually(Duration::from_secs(5), || {
        let problems = lab.lab.cli(&["show", "problems"]);
        (problems.contains("up") && problems.to_lowercase().contains("key")).then_some(())
    });
    assert!(told.is_some(), "{}\n{}", lab.lab.cli(&["show", "problems"]), lab.report());
    assert!(shows(23).is_some(), "{}", serial());
}

#[test]
fn requests_go_on_while_control_is_dead() {
    let lab = HttpLab::start("", &[]);
    let load = Load::start(&lab, 2, "up.example", "/");
    lab.kill("control");
    let before = load.asked();
    let more = eventually(Duration::from_secs(30), || (load.asked() > before + 500).then_some(()));
    assert!(more.is_some(), "{}", lab.report());
    let back = eventually(Duration::from_secs(20), || lab.lab.gateway.child_of_role("control"));
    assert!(back.is_some(), "{}", lab.report());
    // It comes back to what it left, and goes on from there.
    lab.write("live", &live(&[("/", "Prefix", "two")]));
    let changed =
        eventually(Duration::from_secs(10), || (lab.route("live.example", "/") == "b").then_some(()));
    assert!(changed.is_some(), "{}", lab.report());
    let failed = load.end();
    assert!(failed.is_empty(), "{} failed: {:?}\n{}", failed.len(), failed.first(), lab.report());
}

#[test]
fn a_proxy_that_dies_is_back_and_services_do_not_notice() {
    let lab = HttpLab::start("", &[]);
    let old = lab.lab.gateway.child_of_role("proxy").unwrap();
    lab.kill("proxy");
    let start = Instant::now();
    lab.lab.must_get(common::VIP);
    let back = eventually(Duration::from_secs(20), || {
        let new = lab.lab.gateway.child_of_role("proxy")?;
        let reply = lab.curl(&lab.url("http", "up.example", "/")).ok()?;
        (new != old && reply.status == 200).then_some(())
    });
    assert!(back.is_some(), "{}", lab.report());
    eprintln!("HTTP is back after {:?}", start.elapsed());
}
