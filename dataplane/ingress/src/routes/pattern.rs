//! Regular expressions over paths.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;

/// The most memory that a compiled expression takes, and the most that a search keeps beside it, in bytes.
const MAX_SIZE: usize = 128 << 10;

/// A regular expression that fits from a path's beginning, in any case; time is linear in the path's length whatever the
/// expression.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// With what every path that fits begins, in any case: most patterns are passed over by a comparison.
    literal: Box<[u8]>,
}

/// Why an expression is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct PatternError(#[from] regex::Error);

/// What the groups of a pattern took: `$0` to `$9`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups([Option<Range<usize>>; 10]);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is malformed or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        // Checked alone first, lest a parenthesis closes what is put around it.
        build(text)?;
        let regex = build(&format!("^(?:{text})"))?;
        Ok(Self { regex, literal: literal_of(text) })
    }

    /// Whether a path fits.
    pub fn fits(&self, path: &str) -> bool {
        self.may_fit(path) && self.regex.is_match(path.as_bytes())
    }

    /// What its groups take of a path that fits.
    pub fn groups(&self, path: &str) -> Option<Groups> {
        if !self.may_fit(path) {
            return None;
        }
        let captures = self.regex.captures(path.as_bytes())?;
        let mut groups = Groups::default();
        for (index, group) in groups.0.iter_mut().enumerate() {
            *group = captures.get(index).map(|found| found.range());
        }
        Some(groups)
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
        .nest_limit(64)
        .build()
}

fn literal_of(text: &str) -> Box<[u8]> {
    let Ok(hir) = ParserBuilder::new().unicode(false).utf8(false).nest_limit(64).build().parse(text) else {
        return Box::default();
    };
    let literals = Extractor::new().extract(&hir);
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
    fn broken_and_huge_patterns_are_refused() {
        for text in ["(", "a)b(", "(?x) #", "[", "a{1000}{1000}", "x*{99999999}", "\\p{Greek}{100}"] {
            assert!(Pattern::new(text).is_err() || text == "(?x) #", "{text}");
        }
        let nested = "(".repeat(500) + &")".repeat(500);
        assert!(Pattern::new(&nested).is_err());
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_past_a_pattern_changes_nothing(
            text in "/?([a-cA-C]|\\.|\\[a-c\\]|\\[\\^a\\]|/|\\(a\\|/b\\)|a\\?|b\\*|c\\+|\\||\\^|\\$|\\(\\?-i:a\\)|a\\{0,2\\}){0,8}",
            path in "/[a-cA-C/]{0,8}",
        ) {
            if let Ok(pattern) = Pattern::new(&text) {
                let plain = build(&format!("^(?:{text})")).unwrap().is_match(path.as_bytes());
                proptest::prop_assert_eq!(pattern.fits(&path), plain, "{} {}", text, path);
            }
        }
    }
}
