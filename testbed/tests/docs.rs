//! The documentation names only tests that exist.
#![allow(clippy::unwrap_used)]

use std::path::Path;

const FILES: [(&str, &str); 12] = [
    ("S", "dataplane/engine/tests/services.rs"),
    ("L", "dataplane/engine/tests/lcores.rs"),
    ("M", "dataplane/model/tests/select.rs"),
    ("F", "testbed/tests/forwarding.rs"),
    ("R", "testbed/tests/restarts.rs"),
    ("T", "testbed/tests/throughput.rs"),
    ("O", "control-plane/sync/tests/objects.rs"),
    ("E", "control-plane/sync/tests/slices.rs"),
    ("D", "control-plane/sync/tests/desired.rs"),
    ("P", "control-plane/sync/tests/folder.rs"),
    ("W", "control-plane/sync/tests/watch.rs"),
    ("C", "control-plane/sync/tests/changes.rs"),
];

#[test]
fn every_test_that_docs_services_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/services.md")).unwrap();
    let mut named = 0;
    for (letter, file) in FILES {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        for part in text.split(&format!("`{letter}::")).skip(1) {
            let name = part.split('`').next().unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
            named += 1;
        }
    }
    assert!(named > 80, "only {named} tests are named");
}

/// Files that hold nothing but rows.
const WHOLE: [&str; 6] = ["O", "E", "D", "P", "W", "C"];

#[test]
fn every_test_of_the_control_plane_has_a_row_in_docs_services() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/services.md")).unwrap();
    for (letter, file) in FILES.iter().filter(|(letter, _)| WHOLE.contains(letter)) {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let mut tests = 0;
        for part in source.split("#[test]\n").skip(1) {
            let name = part.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next()).unwrap();
            assert!(text.contains(&format!("`{letter}::{name}`")), "{file}: no row names {name}");
            tests += 1;
        }
        assert!(tests > 0, "{file} has no tests");
    }
}

/// Where the tests are that docs/ingress.md names of the server's side, and of the gateway as a whole.
const SERVER: [(&str, &str); 7] = [
    ("V", "dataplane/ingress/tests/server.rs"),
    ("S", "dataplane/ingress/tests/tls.rs"),
    ("L", "dataplane/ingress/tests/floods.rs"),
    ("H", "dataplane/ingress/src/head/tests.rs"),
    ("Y", "dataplane/ingress/src/head/filter_tests.rs"),
    ("T", "testbed/tests/ingress_features.rs"),
    ("K", "testbed/tests/ingresses.rs"),
];

#[test]
fn every_test_of_the_server_that_docs_ingress_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/ingress.md")).unwrap();
    for (letter, file) in SERVER {
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let mut named = 0;
        for part in text.split(&format!("`{letter}::")).skip(1).filter(|part| !part.starts_with('`')) {
            let name = part.split('`').next().unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
            named += 1;
        }
        assert!(named > 0, "no test of {file} is named");
    }
}

#[test]
fn every_test_of_what_ingress_does_more_has_a_row_in_docs_ingress() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/ingress.md")).unwrap();
    let source = std::fs::read_to_string(root.join("testbed/tests/ingress_features.rs")).unwrap();
    let tests: Vec<&str> = source.split("#[test]\nfn ").skip(1).collect();
    assert!(!tests.is_empty());
    for test in tests {
        let name = test.split('(').next().unwrap();
        assert!(text.contains(&format!("`T::{name}`")), "no row names {name}");
    }
}
