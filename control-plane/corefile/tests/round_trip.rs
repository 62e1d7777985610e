//! Corefiles that are right in any combination: what is written of them is read as the same.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use common::*;
use proptest::prelude::*;

/// A directive of the Corefile with all plugins: its head, and the lines of its body.
#[derive(Clone, Debug)]
struct Directive {
    head: &'static str,
    body: Vec<&'static str>,
}

/// Lines that stay whatever else goes: their plugin is wrong without them.
const NEEDED: [&str; 7] =
    ["to *", "transfer from", "directory", "response set", "read 3s", "name regex", "answer "];

fn directives() -> Vec<Directive> {
    let all = include_str!("corefiles/all.Corefile");
    let mut lines = all.lines().skip_while(|line| !line.starts_with(".:53")).skip(1).map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next().filter(|line| *line != "}") {
        let (head, body) = match line.strip_suffix(" {") {
            Some(head) => (head, lines.by_ref().take_while(|line| *line != "}").collect()),
            None => (line, Vec::new()),
        };
        if head != "import shared" {
            found.push(Directive { head, body });
        }
    }
    assert!(found.len() > 45, "{found:?}");
    found
}

/// Some directives in any order, each with some of its lines.
fn blocks() -> impl Strategy<Value = String> {
    let all = directives();
    let zones = prop::sample::subsequence(
        vec![".", "a.example:54", "tls://b.example", "10.1.0.0/22", "quic://c:1"],
        1..5,
    );
    let lines = prop::collection::vec(any::<u32>(), all.len());
    (zones, prop::sample::subsequence(all, 0..20).prop_shuffle(), lines).prop_map(|(zones, chosen, lines)| {
        let mut text = format!("{} {{\n", zones.join(" "));
        let has = |name: &str| chosen.iter().any(|directive| directive.head.split(' ').next() == Some(name));
        for (Directive { head, body }, bits) in chosen.iter().zip(lines) {
            if head.starts_with("k8s_external") && !has("kubernetes") {
                continue;
            }
            text.push_str(&format!("{head} {{\n"));
            let kept = |index: usize| bits >> (index % 32) & 1 == 1;
            for (index, line) in body.iter().enumerate() {
                let policy = line.starts_with("serve_stale");
                let needed = NEEDED.iter().any(|needed| line.starts_with(needed));
                if needed || kept(if policy { 31 } else { index }) {
                    text.push_str(&format!("  {line}\n"));
                }
            }
            text.push_str("}\n");
        }
        text.push_str("}\n");
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same(text in blocks()) {
        right(&text);
    }
}
