//! The documentation names all these tests, and no others.

use std::path::Path;

const FILES: [(&str, &str); 5] = [
    ("I", include_str!("rules.rs")),
    ("A", include_str!("annotations.rs")),
    ("J", include_str!("join.rs")),
    ("F", include_str!("folder.rs")),
    ("N", include_str!("../ingress_scale.rs")),
];

#[test]
fn every_row_names_a_test_and_every_test_has_a_row() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ingress.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (letter, source) in FILES {
        let mark = format!("`{letter}::");
        let named = text.split(&mark).skip(1).map(|part| part.split('`').next().unwrap());
        for name in named.filter(|name| !name.is_empty()) {
            assert!(source.contains(&format!("fn {name}(")), "{letter}: no test {name}");
        }
        let tests = source.split("#[test]\n").skip(1);
        for test in tests.map(|part| part.trim_start().strip_prefix("fn ").unwrap()) {
            let name = test.split('(').next().unwrap();
            assert!(text.contains(&format!("`{letter}::{name}`")), "{letter}: no row names {name}");
        }
    }
}
