//! Corefiles that nobody means well with: no bytes end the program, and none keep it busy.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

#[path = "common/hostile.rs"]
mod bytes;
mod common;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use common::*;
use proptest::prelude::*;
use sluice_corefile::{MemoryFiles, Options, Problems, parse};

#[test]
fn the_fuzzers_corpus_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testbed/fuzz/corpus/corefile");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the project") {
        bytes::run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}

/// Files whose words mean something, in any order and number.
fn words() -> impl Strategy<Value = Vec<String>> {
    let all = include_str!("corefiles/all.Corefile");
    let mut words: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
    words.extend(
        ["\n", "{\n", "}\n", "\"", "\\", "#", "{$A}", "{%A%}", "{$", "import", "(a)", "a,"]
            .map(str::to_owned),
    );
    prop::collection::vec(prop::sample::select(words), 0..60)
}

/// The Corefile with all plugins, with lines taken out, doubled and swapped.
fn lines() -> impl Strategy<Value = String> {
    let all: Vec<&'static str> = include_str!("corefiles/all.Corefile").lines().collect();
    let count = all.len();
    let edits = prop::collection::vec((0..count, 0..count, 0..3u8), 0..6);
    edits.prop_map(move |edits| {
        let mut lines = all.clone();
        for (from, to, kind) in edits {
            let (from, to) = (from % lines.len(), to % lines.len());
            match kind {
                0 => lines.swap(from, to),
                1 => lines.insert(to, lines[from]),
                _ => drop(lines.remove(from)),
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..400)) {
        bytes::run(&data);
    }

    #[test]
    fn any_words(words in words(), at in any::<u8>()) {
        let mut data = vec![at];
        data.extend(words.join(" ").into_bytes());
        bytes::run(&data);
    }

    #[test]
    fn lines_of_all_plugins(text in lines()) {
        let mut data = vec![255];
        data.extend(text.into_bytes());
        bytes::run(&data);
    }
}

/// Reads in a time that no cycle would keep.
#[track_caller]
fn quickly(text: &str, files: &[(String, String)]) -> Result<sluice_corefile::Imported, Problems> {
    let files = files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let files = MemoryFiles(files.collect::<BTreeMap<_, _>>());
    let start = Instant::now();
    let result = parse("/c/Corefile", text.as_bytes(), &files, &Options::default());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    result
}

#[track_caller]
fn first_error(text: &str, files: &[(String, String)]) -> String {
    let problems = quickly(text, files).expect_err("is wrong");
    problems.errors().next().unwrap().to_string()
}

#[test]
fn snippets_and_files_that_import_themselves() {
    let direct = "(a) {\n import a\n}\n. {\n import a\n}\n";
    assert_eq!(first_error(direct, &[]), "/c/Corefile:2: `a` imports itself");
    let round = "(a) {\n import b\n}\n(b) {\n log\n import a\n}\n. {\n import b\n}\n";
    assert_eq!(first_error(round, &[]), "/c/Corefile:2: `b` imports itself");
    let files = [("/c/x".to_owned(), "log\nimport x\n".to_owned())];
    assert_eq!(first_error(". {\n import x\n}\n", &files), "/c/x:2: `x` imports itself");
    let pattern = [("/c/d/x".to_owned(), "import *\n".to_owned())];
    assert_eq!(first_error("import d/*\n", &pattern), "/c/d/x:1: `*` imports itself");
}

#[test]
fn snippets_that_double_end_at_a_limit() {
    let mut text = "(s0) {\n debug\n debug\n}\n".to_owned();
    for level in 1..60 {
        writeln!(text, "(s{level}) {{\n import s{0}\n import s{0}\n}}", level - 1).unwrap();
    }
    text.push_str(". {\n import s59\n}\n");
    let error = first_error(&text, &[]);
    assert!(error.contains("more than 10000 imports or 200000 words"), "{error}");
}

#[test]
fn imports_nest_64_deep_and_not_deeper() {
    let files = |depth: usize| -> Vec<(String, String)> {
        let text =
            |level| if level == depth { "log\n".to_owned() } else { format!("import f{}\n", level + 1) };
        (1..=depth).map(|level| (format!("/c/f{level}"), text(level))).collect()
    };
    let text = ". {\n import f1\n}\n";
    assert_eq!(names(server(&quickly(text, &files(64)).unwrap().corefile)), ["log"]);
    assert_eq!(first_error(text, &files(65)), "/c/f64:1: imports nest deeper than 64");
}

#[test]
fn size_is_bounded() {
    let large = "#".repeat((1 << 20) + 1);
    assert!(first_error(&large, &[]).contains("are no Corefile"));
    let many = "a ".repeat(200_001);
    assert!(first_error(&many, &[]).contains("more than 200000 words"));
    let file = ("/c/f".to_owned(), "#".repeat(1 << 20));
    let imports = format!(". {{\n{}}}\n", " import f\n".repeat(20));
    assert!(first_error(&imports, &[file]).contains("8388608 bytes"));
    let networks = format!(". {{\n transfer {} {{\n to *\n }}\n}}\n", "10.0.0.0/9 ".repeat(1000));
    assert!(first_error(&networks, &[]).contains("more than 20000 zones"));
    let keys = "10.0.0.0/9 ".repeat(1000);
    assert!(first_error(&format!("{keys} {{\n}}\n"), &[]).contains("more than 20000 zones"));
    // Plugins that have the block's many zones each.
    let keys: String = (0..150).map(|net| format!("10.{net}.0.0/17 ")).collect();
    let text = format!("{keys} {{\n{}}}\n", " transfer {\n to *\n }\n".repeat(500));
    assert!(first_error(&text, &[]).contains("more than 20000 zones"));
}

#[test]
fn hostile_shapes_end_quickly() {
    for text in [
        "{".repeat(100_000),
        "{ ".repeat(100_000),
        ". { a { ".repeat(30_000),
        "} ".repeat(100_000),
        ". {\n rewrite name regex ".to_owned() + &"(".repeat(9_000) + " a\n}\n",
        ". {\n rewrite name regex (a{1000}){1000} b\n}\n".to_owned(),
        "{$".repeat(300_000),
        format!(". {{\n forward . {}\n}}\n", "1.1.1.1 ".repeat(150_000)),
        format!(". {{\n{}}}\n", " unknown_name x\n".repeat(60_000)),
        format!(". {{\n hosts {{\n{} }}\n}}\n", " 10.0.0.1 a b c d\n".repeat(30_000)),
        "\"".repeat(200_000),
        "a#b ".repeat(190_000),
        (0..30_000).map(|host| format!(". {{ bind h{host}\n}}\n")).collect(),
        format!("{} {{\n bind {}\n}}\n", "10.0.0.0/9 ".repeat(150), "h ".repeat(100_000)),
        format!("{} {{\n bind {}\n}}\n", "10.0.0.0/9 ".repeat(150), "h ".repeat(64)),
        format!(
            "{} {{\n{}}}\n",
            "10.0.0.0/9 ".repeat(150),
            " bind a b c d e f g h i j k l m n o p q r s t\n".repeat(5000)
        ),
        format!(
            ". {{\n hosts /h {} {{\n{} }}\n}}\n",
            "10.0.0.0/9 ".repeat(150),
            " 10.0.0.1 a b c d\n".repeat(30_000)
        ),
        format!(". {{\n hosts /h {0} {{\n fallthrough {0}\n }}\n}}\n", "10.0.0.0/9 ".repeat(75)),
        format!(
            ". {{\n forward . {}\n}}\n",
            (0..60_000).map(|port| format!("1.1.1.1:{port} ")).collect::<String>()
        ),
    ] {
        let _ = quickly(&text, &[]);
    }
}
