//! Regular expressions, checked when they are read.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{HirKind, Look};

/// Octets that an expression may have, as in CoreDNS.
const LONGEST: usize = 10_000;
/// How deep its groups may nest.
const DEEPEST: u32 = 100;

/// A regular expression in the syntax that RE2 and the `regex` crate share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    groups: usize,
}

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("the regular expression has more than {LONGEST} octets")]
    TooLong,
    /// It is not well formed.
    #[error("`{0}` is no regular expression: {1}")]
    Syntax(String, String),
}

impl Pattern {
    /// Checks an expression.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        let syntax = |error: regex_syntax::Error| {
            let reason = match &error {
                regex_syntax::Error::Parse(error) => error.kind().to_string(),
                regex_syntax::Error::Translate(error) => error.kind().to_string(),
                error => error.to_string(),
            };
            PatternError::Syntax(text.to_owned(), reason)
        };
        let parsed = ParserBuilder::new().nest_limit(DEEPEST).build().parse(text).map_err(syntax)?;
        Ok(Self { text: text.to_owned(), groups: parsed.properties().explicit_captures_len() })
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What all names end with that it matches, in lower case; none where that is nothing in particular.
    pub fn suffix(&self) -> Option<String> {
        let parsed = ParserBuilder::new().nest_limit(DEEPEST).build().parse(&self.text).ok()?;
        let HirKind::Concat(parts) = parsed.kind() else { return None };
        let (last, rest) = parts.split_last()?;
        let HirKind::Look(Look::End) = last.kind() else { return None };
        let HirKind::Literal(literal) = rest.last()?.kind() else { return None };
        std::str::from_utf8(&literal.0).ok().map(str::to_ascii_lowercase)
    }

    /// How many groups it has beside the whole match.
    pub fn groups(&self) -> usize {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_checked_and_their_groups_counted() {
        assert_eq!(Pattern::parse(r"^(.*)\.(?:a|b)(?P<c>\d+)$").unwrap().groups(), 2);
        assert!(matches!(Pattern::parse("(a"), Err(PatternError::Syntax(..))));
        assert!(matches!(Pattern::parse(&"a".repeat(LONGEST + 1)), Err(PatternError::TooLong)));
        assert!(Pattern::parse(&"(".repeat(5000)).is_err());
        assert!(Pattern::parse(&format!("{}a{}", "(".repeat(200), ")".repeat(200))).is_err());
    }
}
