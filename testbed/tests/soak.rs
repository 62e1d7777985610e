//! Hours in miniature: all kinds of clients, changes and dying pods, for `SLUICE_SOAK` seconds, while the memory of all roles is watched.
//!
//! Without it the same runs for a quarter of a minute, which shows that it runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
mod http;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{POD_A, POD_B};
use http::load::{Client, Load};
use http::*;
use sluice_testbed::client::eventually;

/// Between two changes.
const STEP: Duration = Duration::from_millis(200);
/// Changes from one death of a pod to the next, and for how many it is dead.
const LIFE: (u32, u32) = (60, 10);
/// What is watched.
const ROLES: [&str; 3] = ["proxy", "control", "dataplane"];
/// From here on a run is long enough to say whether memory is flat.
const LONG: Duration = Duration::from_secs(300);

/// What a role has at some time.
#[derive(Clone, Copy)]
struct Sample {
    resident_mib: f64,
    files: usize,
}

#[test]
fn memory_is_flat_under_everything_at_once() {
    let seconds = std::env::var("SLUICE_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let length = Duration::from_secs(seconds);
    let turns = |pods: &[&str]| service("turns", "10.96.1.8", pods);
    let all = ("/", "Prefix", "turns");
    let safe = |paths: &[(&str, &str, &str)]| {
        let tls = "  tls: [{ hosts: [safe.example], secretName: safe }]\n";
        ingress("safe", "", &format!("{tls}  rules:\n{}", rule("safe.example", paths)))
    };
    let live = |paths: &[(&str, &str, &str)]| {
        ingress("live", "", &format!("  rules:\n{}", rule("live.example", paths)))
    };
    let mut lab = HttpLab::start(
        "  limits: { head_timeout: 5, body_timeout: 5 }\n",
        &[("turns", turns(&[POD_A, POD_B])), ("live", live(&[all]))],
    );
    let secrets: Vec<String> =
        (41..47).map(|serial| lab.pair(&["safe.example"], serial).secret("safe")).collect();
    lab.write("secret", &secrets[0]);
    lab.write("safe", &safe(&[all]));
    for (scheme, host) in [("http", "live.example"), ("https", "safe.example")] {
        let served = eventually(Duration::from_secs(10), || {
            (lab.curl(&lab.url(scheme, host, "/")).ok()?.status == 200).then_some(())
        });
        assert!(served.is_some(), "{host}\n{}", lab.report());
    }
    let pids = ROLES.map(|role| lab.lab.gateway.child_of_role(role).unwrap());
    let files_before = pids.map(|pid| sample(pid).files);

    let [plain, secure] = [("live.example", "/work"), ("safe.example", "/work")];
    let load = Load::paced(
        &lab,
        &[
            (Client::Http1(50), 2, plain),
            (Client::Http1(1), 2, plain),
            (Client::Tls(50), 1, secure),
            (Client::Tls(1), 1, secure),
            (Client::Http2, 1, secure),
            (Client::WebSocket, 3, plain),
            (Client::Slow, 4, plain),
            (Client::Malformed, 1, plain),
        ],
        Duration::from_millis(2),
    );
    let (start, mut step, mut samples) = (Instant::now(), 0_u32, Vec::<(Duration, [Sample; 3])>::new());
    let mut next_sample = Duration::ZERO;
    while start.elapsed() < length {
        let turn = (step / 6) as usize;
        match step % 6 {
            0 => lab.write("live", &live(&[all, (&format!("/new-{}", step % 97), "Exact", "one")])),
            1 => lab.write("turns", &turns(&[POD_A])),
            2 => lab.write("secret", &secrets[turn % secrets.len()]),
            3 => lab.write("live", &live(&[all, ("/other", "Prefix", "none")])),
            4 => lab.write("turns", &turns(&[POD_A, POD_B])),
            _ => lab.write("safe", &safe(&[all, ("/more", "Prefix", ["one", "two"][turn % 2])])),
        }
        // Pod `b` dies with all its connections, and is an endpoint all the same.
        if step % LIFE.0 == LIFE.0 / 2 {
            lab.pods.truncate(1);
        } else if step % LIFE.0 == LIFE.0 / 2 + LIFE.1 {
            lab.pods.push(HttpPod::start(&lab.lab.bed.node, "b", &format!("{POD_B}:8081")));
        }
        step += 1;
        if start.elapsed() >= next_sample {
            let now = pids.map(sample);
            if samples.len().is_multiple_of(12) {
                eprintln!("{}", line(start.elapsed(), &now, load.asked()));
            }
            samples.push((start.elapsed(), now));
            next_sample += Duration::from_secs(5);
        }
        std::thread::sleep((start + STEP * step).saturating_duration_since(Instant::now()));
    }
    let (asked, each) = (load.asked(), load.each());
    let failed = load.end();
    eprintln!("{}", line(start.elapsed(), &pids.map(sample), asked));
    eprintln!("{asked} requests ({each:?}), {step} changes, {} failed", failed.len());

    assert!(each.iter().all(|(_, asked)| *asked > 0), "{each:?}");
    // What was on its way to a pod that died may be lost where it must not be sent twice.
    let upgrades = failed.iter().filter(|problem| problem.starts_with("WebSocket")).count();
    let others = failed.len() - upgrades;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    failed.iter().for_each(|problem| *kinds.entry(problem).or_default() += 1);
    eprintln!("of them {upgrades} of WebSockets: {kinds:?}");
    assert!(others as u64 * 1000 <= asked, "{others} of {asked} failed: {failed:?}\n{}", lab.report());
    let pids_after = ROLES.map(|role| lab.lab.gateway.child_of_role(role).unwrap_or_default());
    assert_eq!(pids, pids_after, "a role has ended\n{}", lab.report());
    // Connections are gone with their clients; some to pods are kept.
    let closed = eventually(Duration::from_secs(20), || {
        pids.iter().zip(files_before).all(|(pid, before)| sample(*pid).files <= before + 64).then_some(())
    });
    assert!(closed.is_some(), "{:?} files, {files_before:?} before", pids.map(|pid| sample(pid).files));
    if length >= LONG {
        flat(&samples, length);
    }
}

/// Fails where a role has on average more in the last third than in the one before it: by more than 5 % and 2 MiB. The first
/// third is for caches, pools and the allocator to fill.
fn flat(samples: &[(Duration, [Sample; 3])], length: Duration) {
    for (at, role) in ROLES.into_iter().enumerate() {
        let mean = |third: u32| {
            let within = |time: &Duration| *time >= length / 3 * third && *time < length / 3 * (third + 1);
            let figures: Vec<f64> = samples
                .iter()
                .filter(|(time, _)| within(time))
                .map(|(_, now)| now[at].resident_mib)
                .collect();
            figures.iter().sum::<f64>() / figures.len() as f64
        };
        let thirds = [mean(0), mean(1), mean(2)];
        let most = samples.iter().map(|(_, now)| now[at].resident_mib).fold(0.0, f64::max);
        eprintln!("{role}: {thirds:.1?} MiB on average in each third, at most {most:.1}");
        assert!(thirds[2] <= thirds[1] * 1.05 + 2.0, "{role} grows: {thirds:?}");
    }
}

fn line(time: Duration, now: &[Sample; 3], asked: u64) -> String {
    let of = |(role, sample): (&str, &Sample)| {
        format!("{role} {:.1} MiB, {} files", sample.resident_mib, sample.files)
    };
    let roles: Vec<String> = ROLES.into_iter().zip(now).map(of).collect();
    format!("{:4.0} s: {}; {asked} requests", time.as_secs_f64(), roles.join("; "))
}

fn sample(pid: u32) -> Sample {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kib: f64 = kib.and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{pid} is gone"));
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Sample { resident_mib: kib / 1024.0, files }
}
