//! Names and what they become, there and back.

use regex::{Captures, Regex};

use crate::config::CheckedMatch;

impl CheckedMatch {
    /// What a name in lower case becomes, if it is one of these.
    pub(super) fn forth(&self, name: &str) -> Option<String> {
        match self {
            Self::Exact(from, to) => exact(name, from, to),
            Self::Prefix(from, to) => prefix(name, from, to),
            Self::Suffix(from, to) => suffix(name, from, to),
            Self::Substring(from, to) => substring(name, from, to),
            Self::Regex(from, to) => replace(name, from, to),
        }
    }

    /// The other way round; an expression has none.
    pub(super) fn back(&self, name: &str) -> Option<String> {
        match self {
            Self::Exact(from, to) => exact(name, to, from),
            Self::Prefix(from, to) => prefix(name, to, from),
            Self::Suffix(from, to) => suffix(name, to, from),
            Self::Substring(from, to) => substring(name, to, from),
            Self::Regex(..) => None,
        }
    }
}

fn exact(name: &str, from: &str, to: &str) -> Option<String> {
    (name == from).then(|| to.to_owned())
}

fn prefix(name: &str, from: &str, to: &str) -> Option<String> {
    name.strip_prefix(from).map(|rest| format!("{to}{rest}"))
}

fn suffix(name: &str, from: &str, to: &str) -> Option<String> {
    name.strip_suffix(from).map(|rest| format!("{rest}{to}"))
}

fn substring(name: &str, from: &str, to: &str) -> Option<String> {
    (!from.is_empty() && name.contains(from)).then(|| name.replace(from, to))
}

/// `to` with the groups of the match in the places of `{0}`, `{1}`, … if the expression matches.
pub(super) fn replace(name: &str, expression: &Regex, to: &str) -> Option<String> {
    expression.captures(name).map(|groups| expand(to, &groups))
}

fn expand(to: &str, groups: &Captures<'_>) -> String {
    let mut text = String::new();
    let mut rest = to;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let group =
            after.split_once('}').and_then(|(number, after)| Some((number.parse::<usize>().ok()?, after)));
        match group {
            Some((number, after)) => {
                text.push_str(groups.get(number).map_or("", |group| group.as_str()));
                rest = after;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}
