//! `rewrite ttl`, `rewrite cname` and `rewrite rcode`.

use super::matching::{self, Match};
use crate::lexer::Token;
use crate::names::Rcode;
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::absolute;

/// TTLs are brought into a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlRule {
    /// For queries for these names.
    pub names: Match,
    /// Seconds at least.
    pub least: u32,
    /// Seconds at most.
    pub most: u32,
}

/// The target of an alias is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CnameRule {
    /// Which targets. Only an exact one has a final dot.
    pub from: Match,
    /// What stands for what matched.
    pub to: String,
}

/// A response code is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcodeRule {
    /// For queries for these names.
    pub names: Match,
    /// Which code.
    pub from: Rcode,
    /// Into what.
    pub to: Rcode,
}

pub(super) fn ttl(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<TtlRule> {
    let (matching, name, range) = match args {
        [name, range] => (None, *name, *range),
        [matching, name, range] => (Some(*matching), *name, *range),
        _ => {
            reader.error(kind, "`rewrite ttl` takes a way to match, a name and seconds or a range of them");
            return None;
        }
    };
    let names = matching::read(matching, name, reader);
    let Some((least, most)) = seconds(&range.text) else {
        reader.error(range, format!("`{}` is no TTL such as 30, 30-300, 30- or -300", range.text));
        return None;
    };
    Some(TtlRule { names: names?, least, most })
}

fn seconds(text: &str) -> Option<(u32, u32)> {
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (least, most) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some(("", "")) => return None,
        // 2^31 - 1: the highest TTL (RFC 2181, 8).
        Some((least, "")) => (number(least)?, 2_147_483_647),
        Some(("", most)) => (0, number(most)?),
        Some((least, most)) => (number(least)?, number(most)?),
    };
    (least <= most).then_some((least, most))
}

impl TtlRule {
    pub(super) fn write(&self, stanza: &mut Stanza) {
        stanza.arg("ttl").args(self.names.words());
        if self.least == self.most {
            stanza.arg(self.least);
        } else {
            stanza.arg(format_args!("{}-{}", self.least, self.most));
        }
    }
}

pub(super) fn cname(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<CnameRule> {
    let (matching, from, to) = match args {
        [from, to] => (None, *from, *to),
        [matching, from, to] => (Some(*matching), *from, *to),
        _ => {
            reader.error(kind, "`rewrite cname` takes a way to match, a target and what stands for it");
            return None;
        }
    };
    let (from_text, to_text) = (from.text.to_ascii_lowercase(), to.text.to_ascii_lowercase());
    let from = match matching::read(matching, from, reader)? {
        Match::Exact(text) => return Some(CnameRule { from: Match::Exact(text), to: absolute(&to_text) }),
        Match::Prefix(_) => Match::Prefix(from_text),
        Match::Suffix(_) => Match::Suffix(from_text),
        Match::Substring(_) => Match::Substring(from_text),
        Match::Regex(_) => match Pattern::parse(&from_text) {
            Ok(pattern) => Match::Regex(pattern),
            Err(error) => {
                reader.error(from, error.to_string());
                return None;
            }
        },
    };
    Some(CnameRule { from, to: to_text })
}

impl CnameRule {
    pub(super) fn write(&self, stanza: &mut Stanza) {
        stanza.arg("cname").args(self.from.words()).arg(&self.to);
    }
}

pub(super) fn rcode(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<RcodeRule> {
    let (matching, name, from, to) = match args {
        [name, from, to] => (None, *name, *from, *to),
        [matching, name, from, to] => (Some(*matching), *name, *from, *to),
        _ => {
            reader.error(kind, "`rewrite rcode` takes a way to match, a name, a code and what stands for it");
            return None;
        }
    };
    let names = matching::read(matching, name, reader);
    let (from, to) = (code(from, reader), code(to, reader));
    Some(RcodeRule { names: names?, from: from?, to: to? })
}

fn code(at: &Token, reader: &mut Reader<'_>) -> Option<Rcode> {
    let number = at.text.parse().ok().filter(|number| *number <= 23).map(Rcode);
    let code = number.or_else(|| Rcode::named(&at.text.to_ascii_uppercase()));
    if code.is_none() {
        reader.none_of(at, "response code", &Rcode::names().collect::<Vec<_>>());
    }
    code
}

impl RcodeRule {
    pub(super) fn write(&self, stanza: &mut Stanza) {
        stanza.arg("rcode").args(self.names.words()).arg(self.from).arg(self.to);
    }
}
