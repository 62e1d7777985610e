//! Bad configuration ends before anything is touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::process::Command;

use sluice_testbed::gateway::binary;

fn run(config: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.yaml");
    std::fs::write(&path, config).unwrap();
    let output = Command::new(binary())
        .args(["run", "-c"])
        .arg(&path)
        .output()
        .expect("make test builds sluice first");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_unknown_key_exits_64_with_file_line_and_suggestion() {
    let (code, text) = run("node: edge-1\ndataplan:\n  lcores: [1]\n");
    assert_eq!(code, Some(64), "{text}");
    for part in ["bad.yaml", "2", "dataplan", "dataplane"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn a_missing_file_exits_with_its_name() {
    let output = Command::new(binary()).args(["run", "-c", "/nonexistent/sluice.yaml"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(64 | 66)), "{:?}", output.status);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/sluice.yaml"));
}
