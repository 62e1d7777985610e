//! Programs beside this one: the generator, dnsperf, the lcore's own benchmark.

use std::io::Write;
use std::process::Stdio;

use sluice_bench::program::command;

use crate::link::{CLIENT_CPU, Link, SERVER};
use crate::plan::{Outcome, Plan};
use crate::queries::{self, NAMES, Names};

/// Whether there are huge pages.
pub(crate) fn huge() -> bool {
    std::env::var("BENCH_HUGE").is_ok_and(|value| value == "1")
}

/// Runs the generator on its CPU in its namespace.
pub(crate) fn generate(link: &Link, plan: &Plan) -> Outcome {
    link.client_of_linux(false);
    let before = link.dropped();
    let program = std::env::current_exe().unwrap().display().to_string();
    let mut child =
        command(&link.bed.client, &["taskset", "-c", &CLIENT_CPU.to_string(), &program, "generate"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(plan).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let after = link.dropped();
    link.client_of_linux(true);
    let text = String::from_utf8_lossy(&output.stdout);
    let outcome = text.lines().last().and_then(|line| serde_json::from_str::<Outcome>(line).ok());
    let outcome = outcome.unwrap_or_else(|| {
        panic!("the generator gave no figures:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    });
    Outcome { wire: after.saturating_sub(before), ..outcome }
}

/// Thousands of queries that dnsperf gets answered in a second, with one thread on the generator's CPU.
pub(crate) fn dnsperf(link: &Link, names: Names) -> f64 {
    let file = link.bed.folder().join(format!("{}.txt", crate::configs::origin(names)));
    let lines: String = (0..NAMES).map(|n| format!("{} A\n", queries::name(names, n))).collect();
    std::fs::write(&file, lines).unwrap();
    let (file, server, cpu) = (file.display().to_string(), SERVER.to_string(), CLIENT_CPU.to_string());
    let line = [
        "taskset", "-c", &cpu, "dnsperf", "-s", &server, "-d", &file, "-l", "2", "-c", "4", "-q", "200",
        "-T", "1",
    ];
    let output = command(&link.bed.client, &line).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.trim().strip_prefix("Queries per second:")?.trim().parse::<f64>().ok())
        .unwrap_or_else(|| panic!("dnsperf:\n{text}{}", String::from_utf8_lossy(&output.stderr)))
        / 1e3
}
