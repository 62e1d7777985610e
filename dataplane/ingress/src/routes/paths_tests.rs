//! The rules of paths, and the matcher against a naive one.

use super::*;
use proptest::prelude::*;

fn compile(paths: &[PathMatch]) -> Paths<usize> {
    let mut builder = PathsBuilder::default();
    for (index, path) in paths.iter().enumerate() {
        let pattern = match path {
            PathMatch::Pattern(text) => Pattern::new(text).ok().map(Arc::new),
            _ => None,
        };
        builder.add(path, pattern.as_ref(), index);
    }
    builder.build()
}

fn found(paths: &[PathMatch], path: &str) -> Option<usize> {
    compile(paths).find(path).map(|found| *found.value)
}

fn exact(text: &str) -> PathMatch {
    PathMatch::Exact(text.into())
}

fn prefix(text: &str) -> PathMatch {
    PathMatch::Prefix(text.into())
}

fn pattern(text: &str) -> PathMatch {
    PathMatch::Pattern(text.into())
}

#[test]
fn exact_is_byte_equal_and_case_sensitive() {
    let paths = [exact("/foo")];
    assert_eq!(found(&paths, "/foo"), Some(0));
    for path in ["/foo/", "/Foo", "/foo/bar", "/bar", "/", "/fo", "/foo%20"] {
        assert_eq!(found(&paths, path), None, "{path}");
    }
    assert_eq!(found(&[exact("/foo/")], "/foo"), None);
}

#[test]
fn prefix_is_per_element_case_sensitive_and_ignores_trailing_slashes() {
    for text in ["/foo/bar", "/foo/bar/"] {
        for path in ["/foo/bar", "/foo/bar/", "/foo/bar/baz", "/foo/bar//"] {
            assert_eq!(found(&[prefix(text)], path), Some(0), "{text} {path}");
        }
        for path in ["/foo/barbaz", "/foo", "/foo/Bar", "/foo/bar%2f", "/x/foo/bar", "/"] {
            assert_eq!(found(&[prefix(text)], path), None, "{text} {path}");
        }
    }
}

#[test]
fn prefix_of_the_root_fits_all() {
    for text in ["/", ""] {
        for path in ["/", "/a", "//", "/a/b", "/%2f"] {
            assert_eq!(found(&[prefix(text)], path), Some(0), "{text} {path}");
        }
    }
}

#[test]
fn longest_path_first_then_exact_before_prefix() {
    let paths = [prefix("/"), prefix("/aaa"), prefix("/aaa/bbb"), exact("/aaa"), prefix("/aaa/bb")];
    for (path, wanted) in [
        ("/aaa/bbb/c", 2),
        ("/aaa/bbb", 2),
        ("/aaa/bbbb", 1),
        ("/aaa", 3),
        ("/aaa/", 1),
        ("/ccc", 0),
        ("/aaa/bb/x", 4),
    ] {
        assert_eq!(found(&paths, path), Some(wanted), "{path}");
    }
}

#[test]
fn the_longer_text_wins_of_two_prefixes_that_differ_in_a_slash() {
    for paths in [[prefix("/foo"), prefix("/foo/")], [prefix("/foo/"), prefix("/foo")]] {
        let longer = paths.iter().position(|path| *path == prefix("/foo/"));
        for path in ["/foo", "/foo/", "/foo/bar"] {
            assert_eq!(found(&paths, path), longer, "{path}");
        }
    }
    // The slash at a prefix's end does not count against a whole path.
    assert_eq!(found(&[exact("/foo"), prefix("/foo/")], "/foo"), Some(0));
    assert_eq!(found(&[exact("/foo/"), prefix("/foo/")], "/foo/"), Some(0));
}

#[test]
fn whole_paths_come_before_patterns_and_those_the_longest_first_before_prefixes() {
    let paths =
        [prefix("/foo/bar/baz"), exact("/foo/bar"), pattern("/foo"), pattern("/foo/.*"), pattern("/FOO/b.*")];
    for (path, wanted) in [("/foo/bar", 1), ("/foo/x", 3), ("/foobar", 2), ("/foo/bar/baz", 4)] {
        assert_eq!(found(&paths, path), Some(wanted), "{path}");
    }
    assert_eq!(found(&paths, "/x"), None);
    let compiled = compile(&[pattern("/a(/|$)(.*)")]);
    let found = compiled.find("/A/b/c").unwrap();
    let groups = found.pattern.unwrap().groups("/A/b/c").unwrap();
    assert_eq!(groups.get(2, "/A/b/c"), "b/c");
}

#[test]
fn five_thousand_prefixes_on_one_host() {
    let paths: Vec<_> = (0..5000).map(|index| prefix(&format!("/team-{}/app-{index}", index % 70))).collect();
    let compiled = compile(&paths);
    for index in 0..5000 {
        let path = format!("/team-{}/app-{index}/x", index % 70);
        assert_eq!(compiled.find(&path).map(|found| *found.value), Some(index));
    }
    assert!(compiled.find("/team-1/app-0").is_none());
    assert_eq!(compiled.values().count(), 5000);
}

/// What the model's words say, one after another.
fn naive(paths: &[PathMatch], path: &str) -> Option<usize> {
    let elements = |text: &str| -> Vec<String> {
        let text = text.strip_suffix('/').unwrap_or(text);
        text.split('/').skip(1).map(str::to_owned).collect()
    };
    let fits = |rule: &PathMatch| match rule {
        PathMatch::Exact(text) => **text == *path,
        PathMatch::Prefix(text) => elements(path).starts_with(&elements(text)),
        PathMatch::Pattern(text) => regex::Regex::new(&format!("(?i)^({text})")).unwrap().is_match(path),
    };
    let rank = |rule: &PathMatch| match rule {
        PathMatch::Exact(text) => (2, text.len()),
        PathMatch::Pattern(text) => (1, text.len()),
        PathMatch::Prefix(text) => (0, text.len()),
    };
    let fitting = paths.iter().enumerate().filter(|(_, rule)| fits(rule));
    // Of equal ones the first.
    fitting.rev().max_by_key(|(_, rule)| rank(rule)).map(|(index, _)| index)
}

/// The same in the model's words: escapes one after another, then slashes.
fn naive_decoded(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some(character) = rest.chars().next() {
        let escape = rest.strip_prefix('%').and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        text.push(escape.map_or(character, char::from));
        rest = &rest[if escape.is_some() { 3 } else { 1 }..];
    }
    while text.contains("//") {
        text = text.replace("//", "/");
    }
    text
}

fn any_path() -> impl Strategy<Value = String> {
    "(/[abAB.!-]{0,2}){1,5}"
}

fn any_rule() -> impl Strategy<Value = PathMatch> {
    prop_oneof![
        4 => any_path().prop_map(|text| exact(&text)),
        8 => any_path().prop_map(|text| prefix(&text)),
        1 => "(/([ab]|\\.\\*|\\[ab\\]|\\(a\\|b\\)){0,2}){1,3}\\$?".prop_map(|text| pattern(&text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn finds_what_the_naive_matcher_finds(
        rules in proptest::collection::vec(any_rule(), 0..24),
        paths in proptest::collection::vec(any_path(), 1..8),
    ) {
        let compiled = compile(&rules);
        for path in &paths {
            prop_assert_eq!(compiled.find(path).map(|found| *found.value), naive(&rules, path), "{:?} {}", rules, path);
        }
    }

    #[test]
    fn finds_without_patterns_what_the_naive_matcher_finds(
        rules in proptest::collection::vec(any_rule(), 0..24),
        path in any_path(),
    ) {
        let rules: Vec<_> = rules.into_iter().filter(|rule| !matches!(rule, PathMatch::Pattern(_))).collect();
        prop_assert_eq!(compile(&rules).find(&path).map(|found| *found.value), naive(&rules, &path), "{:?}", rules);
    }

    #[test]
    fn decoded_paths_find_what_the_naive_matcher_finds(
        rules in proptest::collection::vec(any_rule(), 0..24),
        path in "(/([abAB.!-]|%61|%42|%2[fF]|%25){0,3}){1,5}",
    ) {
        let mut builder = PathsBuilder::default().decoded(true);
        for (index, rule) in rules.iter().enumerate() {
            let pattern = match rule {
                PathMatch::Pattern(text) => Some(std::sync::Arc::new(Pattern::new(text).unwrap())),
                _ => None,
            };
            builder.add(rule, pattern.as_ref(), index);
        }
        let found = builder.build().find(&path).map(|found| *found.value);
        prop_assert_eq!(found, naive(&rules, &naive_decoded(&path)), "{:?}", rules);
    }
}
