//! Any bytes as a path, a host and rules: what a path is made of, and which rule it comes to, by the matcher and by a naive one.
#![no_main]

use std::sync::Arc;

use sluice_ingress::routes::{Authority, Pattern, PathsBuilder, normalise};
use sluice_model::http::PathMatch;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (path, host) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if let Ok(authority) = Authority::parse(host) {
        let again = Authority::parse(&authority.host).expect("a host that was taken is one");
        assert_eq!(again.host, authority.host);
        assert!(!authority.host.bytes().any(|byte| byte.is_ascii_uppercase() || byte <= b' ' || byte == b'@'));
    }
    let Ok(path) = normalise(path) else { return };
    assert!(path.starts_with('/'));
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{path}");
    assert!(path.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && !b"\\?#".contains(&byte)), "{path}");
    assert_eq!(normalise(&path).as_deref(), Ok(&*path));

    let rules: Vec<PathMatch> = lines
        .filter_map(|line| {
            let (kind, text) = line.split_at_checked(1)?;
            match kind {
                "=" if text.starts_with('/') => Some(PathMatch::Exact(text.into())),
                "^" if text.starts_with('/') => Some(PathMatch::Prefix(text.into())),
                "~" => Some(PathMatch::Pattern(text.into())),
                _ => None,
            }
        })
        .take(16)
        .collect();
    let mut builder = PathsBuilder::default();
    let patterns: Vec<_> = rules
        .iter()
        .map(|rule| match rule {
            PathMatch::Pattern(text) => Pattern::new(text).ok().map(Arc::new),
            _ => None,
        })
        .collect();
    for (index, (rule, pattern)) in rules.iter().zip(&patterns).enumerate() {
        builder.add(rule, pattern.as_ref(), index);
    }
    let found = builder.build();
    let found = found.find(&path);
    assert_eq!(found.as_ref().map(|found| *found.value), naive(&rules, &patterns, &path), "{path} {rules:?}");
    if let Some(groups) = found.and_then(|found| found.groups(&path)) {
        (0..10).for_each(|group| assert!(path.contains(groups.get(group, &path))));
    }
});

fn naive(rules: &[PathMatch], patterns: &[Option<Arc<Pattern>>], path: &str) -> Option<usize> {
    let elements = |text: &str| -> Vec<String> {
        text.strip_suffix('/').unwrap_or(text).split('/').skip(1).map(str::to_owned).collect()
    };
    let rank = |(rule, pattern): (&PathMatch, &Option<Arc<Pattern>>)| match rule {
        PathMatch::Exact(text) => (**text == *path).then_some((2, text.len())),
        PathMatch::Prefix(text) => elements(path).starts_with(&elements(text)).then_some((0, text.len())),
        PathMatch::Pattern(text) => pattern.as_ref()?.fits(path).then_some((1, text.len())),
    };
    let ranked = rules.iter().zip(patterns).enumerate().filter_map(|(index, both)| Some((index, rank(both)?)));
    ranked.rev().max_by_key(|(_, rank)| *rank).map(|(index, _)| index)
}
