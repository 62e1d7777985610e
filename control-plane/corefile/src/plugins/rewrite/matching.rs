//! How a rule finds its names.

use crate::lexer::Token;
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::zone::absolute;

/// Which names a rule is for. Texts are in lower case; `kubernetes.` of a prefix has its dot because CoreDNS adds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This name.
    Exact(String),
    /// Names that begin so.
    Prefix(String),
    /// Names that end so.
    Suffix(String),
    /// Names that have this in them.
    Substring(String),
    /// Names of which a part matches.
    Regex(Pattern),
}

const KINDS: [&str; 5] = ["exact", "prefix", "regex", "substring", "suffix"];

/// The way to match that `kind` names, exact where it is not there.
pub(super) fn read(kind: Option<&Token>, text: &Token, reader: &mut Reader<'_>) -> Option<Match> {
    let Some(kind) = kind else { return Some(Match::Exact(absolute(&text.text))) };
    Some(match kind.text.to_ascii_lowercase().as_str() {
        "exact" => Match::Exact(absolute(&text.text)),
        "prefix" => Match::Prefix(absolute(&text.text)),
        "suffix" => Match::Suffix(absolute(&text.text)),
        "substring" => Match::Substring(absolute(&text.text)),
        "regex" => Match::Regex(reader.pattern(text)?),
        _ => {
            reader.none_of(kind, "way to match names", &KINDS);
            return None;
        }
    })
}

impl Match {
    /// The two words it is written in.
    pub(crate) fn words(&self) -> [&str; 2] {
        match self {
            Self::Exact(text) => ["exact", text],
            Self::Prefix(text) => ["prefix", text],
            Self::Suffix(text) => ["suffix", text],
            Self::Substring(text) => ["substring", text],
            Self::Regex(pattern) => ["regex", pattern.as_str()],
        }
    }

    /// How many `{N}` a replacement may use beside `{0}`.
    pub(super) fn groups(&self) -> usize {
        match self {
            Self::Regex(pattern) => pattern.groups(),
            _ => 0,
        }
    }
}

/// Says where a replacement uses groups that its expression does not have. CoreDNS compares only how many are used.
pub(super) fn check_groups(to: &Token, groups: usize, reader: &mut Reader<'_>) {
    let used = (0..=100).filter(|group| to.text.contains(&format!("{{{group}}}"))).count();
    if used > groups {
        reader.error(to, format!("`{}` uses {used} groups; the expression has {groups}", to.text));
        return;
    }
    if let Some(missing) =
        (groups.saturating_add(1)..=100).find(|group| to.text.contains(&format!("{{{group}}}")))
    {
        reader.warning(to, format!("the expression has no group {missing}; `{{{missing}}}` stays as it is"));
    }
}
