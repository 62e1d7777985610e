//! The documentation names all these tests, and no others.
#![allow(clippy::unwrap_used)]

use std::path::Path;

const FILES: [(&str, &str); 9] = [
    ("M", include_str!("../src/routes/paths_tests.rs")),
    ("Q", include_str!("requests.rs")),
    ("B", include_str!("faults.rs")),
    ("U", include_str!("upgrades.rs")),
    ("W", include_str!("websocket.rs")),
    ("G", include_str!("http2.rs")),
    ("P", include_str!("proxy_protocol.rs")),
    ("R", include_str!("limits.rs")),
    ("C", include_str!("changes.rs")),
];

#[test]
fn every_row_of_requests_names_a_test_and_every_test_has_a_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ingress.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (letter, source) in FILES {
        for part in text.split(&format!("`{letter}::")).skip(1) {
            let name = part.split('`').next().unwrap();
            assert!(name.is_empty() || source.contains(&format!("fn {name}(")), "{letter}: no test {name}");
        }
        for test in source.split("#[test]\n").skip(1) {
            let name = test.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next()).unwrap();
            assert!(text.contains(&format!("`{letter}::{name}`")), "{letter}: no row names {name}");
        }
    }
}
