//! Ingress while things change: routes, endpoints and certificates under load, and roles that die.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
mod http;

use std::time::{Duration, Instant};

use common::{POD_A, POD_B};
use http::load::{Client, Load};
use http::*;
use sluice_testbed::client::eventually;

/// Whether tests run as long as they take to show the whole, with nothing beside them.
fn long() -> bool {
    std::env::var_os("SLUICE_LONG").is_some()
}

/// How many requests a test under load makes.
fn requests() -> u64 {
    if long() { 120_000 } else { 6_000 }
}

/// Half of the clients keep their connections for 50 requests, half open one for each.
fn both(
    clients: usize,
    to: (&'static str, &'static str),
) -> [(Client, usize, (&'static str, &'static str)); 2] {
    [(Client::Http1(50), clients / 2, to), (Client::Http1(1), clients / 2, to)]
}

fn live(paths: &[(&str, &str, &str)]) -> String {
    ingress("live", "", &format!("  rules:\n{}", rule("live.example", paths)))
}

/// Between two changes: more than 20 in a second.
const STEP: Duration = Duration::from_millis(45);

#[test]
fn changes_of_routes_endpoints_and_certificates_fail_no_request() {
    let turns = |pods: &[&str]| service("turns", "10.96.1.8", pods);
    let safe = |paths: &[(&str, &str, &str)]| {
        let tls = "  tls: [{ hosts: [safe.example], secretName: safe }]\n";
        ingress("safe", "", &format!("{tls}  rules:\n{}", rule("safe.example", paths)))
    };
    let all = ("/", "Prefix", "turns");
    let lab = HttpLab::start("", &[("turns", turns(&[POD_A, POD_B]))]);
    let secrets: Vec<String> =
        (31..37).map(|serial| lab.pair(&["safe.example"], serial).secret("safe")).collect();
    lab.write("secret", &secrets[0]);
    lab.write("safe", &safe(&[all]));
    lab.write("live", &live(&[all]));
    for (scheme, host) in [("http", "live.example"), ("https", "safe.example")] {
        let served = eventually(Duration::from_secs(10), || {
            (lab.curl(&lab.url(scheme, host, "/")).ok()?.status == 200).then_some(())
        });
        assert!(served.is_some(), "{host}\n{}", lab.report());
    }
    let before = published(&lab);
    let [plain, secure] = [("live.example", "/work"), ("safe.example", "/work")];
    let load = Load::start(
        &lab,
        &[
            (Client::Http1(50), 2, plain),
            (Client::Http1(1), 2, plain),
            (Client::Tls(50), 1, secure),
            (Client::Tls(1), 1, secure),
            (Client::Http2, 1, secure),
        ],
    );
    let (mut step, want) = (0_u32, requests());
    let start = Instant::now();
    while load.asked() < want || step < 40 {
        // Routes come, move and go; an endpoint leaves and comes back; the certificate is another one.
        match step % 6 {
            0 => lab.write("live", &live(&[all, ("/work", "Exact", "one")])),
            1 => lab.write("turns", &turns(&[POD_A])),
            2 => lab.write("secret", &secrets[(step / 6) as usize % secrets.len()]),
            3 => lab.write("live", &live(&[all, ("/other", "Prefix", "none")])),
            4 => lab.write("turns", &turns(&[POD_A, POD_B])),
            _ => {
                lab.write("safe", &safe(&[all, ("/work", "Prefix", ["one", "two"][(step / 6) as usize % 2])]))
            }
        }
        step += 1;
        // By the clock: a thread that sleeps beside a load wakes late.
        std::thread::sleep((start + STEP * step).saturating_duration_since(Instant::now()));
        assert!(
            start.elapsed() < Duration::from_secs(600),
            "{} requests only\n{}",
            load.asked(),
            lab.report()
        );
    }
    let took = start.elapsed().as_secs_f64();
    let (asked, each, certificates) = (load.asked(), load.each(), load.tls.certificates());
    let failed = load.end();
    let published = published(&lab) - before;
    eprintln!(
        "{asked} requests ({each:?}), {step} changes in {published} generations, {:.1} a second, \
         {certificates} certificates seen, {} failed, {took:.1} s",
        f64::from(step) / took,
        failed.len()
    );
    assert!(
        failed.is_empty(),
        "{} of {asked}: {:?}\n{}",
        failed.len(),
        &failed[..failed.len().min(5)],
        lab.report()
    );
    assert!(each.iter().all(|(_, asked)| *asked > want / 100), "{each:?}");
    assert!(certificates > 1, "{certificates} certificates only");
    // Beside other tests, changes are made late, and those that come at once are one generation.
    let (rate, generations) = if long() { (20.0, 0.9) } else { (2.0, 0.3) };
    assert!(f64::from(step) / took >= rate, "{step} changes in {took:.1} s");
    assert!(published as f64 > f64::from(step) * generations, "{step} changes, {published} published");
}

/// The generation that control published last.
fn published(lab: &HttpLab) -> u64 {
    let sync: serde_json::Value =
        serde_json::from_str(&lab.lab.cli(&["show", "sync", "-o", "json"])).unwrap();
    sync["generation"].as_u64().unwrap()
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
    let load = Load::start(&lab, &both(4, ("live.example", "/")));
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
    assert!(times[times.len() / 2] < Duration::from_secs(3), "{times:?}");
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
    let load = Load::start(&lab, &both(2, ("up.example", "/")));
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
