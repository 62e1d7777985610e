//! Regular expressions over paths.

use std::ops::Range;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

/// The most memory that a compiled expression takes, and the most that a search keeps beside it, in bytes.
const MAX_SIZE: usize = 128 << 10;

/// How deep groups may stand in each other.
const NESTED: u32 = 64;

/// A regular expression that fits from a path's beginning, in any case; time is linear in the path's length whatever the
/// expression.
#[derive(Debug)]
pub struct Pattern {
    text: Box<str>,
    /// Compiled when a path first comes this far: compiled, thousands of patterns would take more memory than all else. None
    /// where it is too large.
    regex: OnceLock<Option<Regex>>,
    /// With what every path that fits begins, in any case: most patterns are passed over by a comparison.
    literal: Box<[u8]>,
}

/// Why an expression is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct PatternError(#[from] Box<regex_syntax::Error>);

/// What the groups of a pattern took: `$0` to `$9`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups([Option<Range<usize>>; 10]);

impl Pattern {
    /// Reads an expression. One that takes too much memory when it is compiled fits nothing, and is logged then.
    ///
    /// # Errors
    /// It is malformed.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        // Alone and in what is put around it, lest a parenthesis closes that.
        let literal = literal_of(&parse(text)?);
        parse(&anchored(text))?;
        Ok(Self { text: text.into(), regex: OnceLock::new(), literal })
    }

    /// Whether a path fits.
    pub fn fits(&self, path: &str) -> bool {
        self.compiled(path).is_some_and(|regex| regex.is_match(path.as_bytes()))
    }

    /// What its groups take of a path that fits.
    pub fn groups(&self, path: &str) -> Option<Groups> {
        let captures = self.compiled(path)?.captures(path.as_bytes())?;
        let mut groups = Groups::default();
        for (index, group) in groups.0.iter_mut().enumerate() {
            *group = captures.get(index).map(|found| found.range());
        }
        Some(groups)
    }

    /// The expression, where the path may fit it.
    fn compiled(&self, path: &str) -> Option<&Regex> {
        let compile = || match build(&anchored(&self.text)) {
            Ok(regex) => Some(regex),
            Err(error) => {
                tracing::error!(pattern = %self.text, %error, "a pattern fits nothing");
                None
            }
        };
        if self.may_fit(path) { self.regex.get_or_init(compile).as_ref() } else { None }
    }

    fn may_fit(&self, path: &str) -> bool {
        path.as_bytes().get(..self.literal.len()).is_some_and(|head| head.eq_ignore_ascii_case(&self.literal))
    }
}

impl Groups {
    /// What a group took of the path that was matched; nothing where it took nothing or there is no such group.
    pub fn get<'a>(&self, group: usize, path: &'a str) -> &'a str {
        self.0.get(group).cloned().flatten().and_then(|range| path.get(range)).unwrap_or_default()
    }
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    // Paths are ASCII.
    RegexBuilder::new(text)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(MAX_SIZE)
        .dfa_size_limit(MAX_SIZE)
        .nest_limit(NESTED)
        .build()
}

fn parse(text: &str) -> Result<Hir, PatternError> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).nest_limit(NESTED).build();
    parser.parse(text).map_err(|error| PatternError(Box::new(error)))
}

fn anchored(text: &str) -> String {
    format!("^(?:{text})")
}

fn literal_of(hir: &Hir) -> Box<[u8]> {
    let literals = Extractor::new().extract(hir);
    let literal = literals.longest_common_prefix().unwrap_or_default();
    if literal.is_ascii() { literal.into() } else { Box::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_at_the_start_only_and_take_any_case() {
        let pattern = Pattern::new("/foo(/|$)(.*)").unwrap();
        for path in ["/foo", "/FOO/bar", "/foo/"] {
            assert!(pattern.fits(path), "{path}");
        }
        assert!(!pattern.fits("/x/foo/") && !pattern.fits("/foobar") && !pattern.fits(""));
        let groups = pattern.groups("/foo/a/b").unwrap();
        assert_eq!(groups.get(2, "/foo/a/b"), "a/b");
        assert_eq!(groups.get(9, "/foo/a/b"), "");
        assert!(Pattern::new("/a").unwrap().fits("/abc"), "not at the end");
        assert!(!Pattern::new("/a$").unwrap().fits("/abc"));
    }

    #[test]
    fn alternatives_are_all_anchored() {
        let pattern = Pattern::new("/a|/b").unwrap();
        assert!(pattern.fits("/a") && pattern.fits("/B/x") && !pattern.fits("/c/a") && !pattern.fits("/c/b"));
        let pattern = Pattern::new("/a[(]|/b").unwrap();
        assert!(pattern.fits("/b"));
    }

    #[test]
    fn broken_patterns_are_refused_and_huge_ones_fit_nothing() {
        for text in ["(", "a)b(", "(?x) #", "[", "\\1", "(?=a)"] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
        let nested = "(".repeat(500) + &")".repeat(500);
        assert!(Pattern::new(&nested).is_err());
        let huge = Pattern::new("/(a{1000}){1000}?").unwrap();
        assert!(!huge.fits(&format!("/{}", "a".repeat(2_000_000))));
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_past_a_pattern_changes_nothing(
            text in "/?([a-cA-C]|\\.|\\[a-c\\]|\\[\\^a\\]|/|\\(a\\|/b\\)|a\\?|b\\*|c\\+|\\||\\^|\\$|\\(\\?-i:a\\)|a\\{0,2\\}){0,8}",
            path in "/[a-cA-C/]{0,8}",
        ) {
            if let Ok(pattern) = Pattern::new(&text) {
                let plain = build(&anchored(&text)).unwrap().is_match(path.as_bytes());
                proptest::prop_assert_eq!(pattern.fits(&path), plain, "{} {}", text, path);
            }
        }
    }
}
