//! Label selectors: `app=web,tier in (a, b),!legacy` (Kubernetes, "Labels and Selectors").

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which objects are meant: those that meet every requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector(pub Vec<Requirement>);

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key, `[prefix/]name`.
    pub key: String,
    /// The condition.
    pub condition: Condition,
}

/// What is asked of a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It has one of these values.
    In(Vec<String>),
    /// It has none of these values, or is not there.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    Absent,
}

impl Selector {
    /// Reads a selector; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut requirements = Vec::new();
        while !rest.is_empty() {
            let (requirement, after) = requirement(rest)?;
            requirements.push(requirement);
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(',')?.trim_start();
            if rest.is_empty() {
                return None;
            }
        }
        Some(Self(requirements))
    }

    /// Whether objects with these labels are meant; all are where nothing is required.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|Requirement { key, condition }| {
            let value = labels.get(key);
            match condition {
                Condition::In(values) => value.is_some_and(|value| values.contains(value)),
                Condition::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Condition::Exists => value.is_some(),
                Condition::Absent => value.is_none(),
            }
        })
    }

    /// Whether nothing is required, so that every object is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn requirement(text: &str) -> Option<(Requirement, &str)> {
    let (absent, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let (key, rest) = word(text);
    if !is_key(key) {
        return None;
    }
    let rest = rest.trim_start();
    let key = key.to_owned();
    if absent || rest.is_empty() || rest.starts_with(',') {
        let condition = if absent { Condition::Absent } else { Condition::Exists };
        return Some((Requirement { key, condition }, rest));
    }
    let one = |rest| {
        let (value, rest) = word(str::trim_start(rest));
        is_value(value).then(|| (vec![value.to_owned()], rest))
    };
    let (condition, rest) = if let Some(rest) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        let (values, rest) = one(rest)?;
        (Condition::In(values), rest)
    } else if let Some(rest) = rest.strip_prefix("!=") {
        let (values, rest) = one(rest)?;
        (Condition::NotIn(values), rest)
    } else {
        let (operator, rest) = word(rest);
        let (values, rest) = set(rest.trim_start())?;
        match operator {
            "in" => (Condition::In(values), rest),
            "notin" => (Condition::NotIn(values), rest),
            _ => return None,
        }
    };
    Some((Requirement { key, condition }, rest))
}

fn set(text: &str) -> Option<(Vec<String>, &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(')')?;
    let values: Vec<String> = inside.split(',').map(|value| value.trim().to_owned()).collect();
    values.iter().all(|value| is_value(value)).then_some((values, rest))
}

fn word(text: &str) -> (&str, &str) {
    let ends = |char: char| char.is_whitespace() || matches!(char, ',' | '=' | '!' | '(' | ')');
    text.split_at_checked(text.find(ends).unwrap_or(text.len())).unwrap_or((text, ""))
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("a", text));
    let host = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '.');
    !prefix.is_empty()
        && prefix.len() <= 253
        && prefix.chars().all(host)
        && !name.is_empty()
        && is_value(name)
}

fn is_value(text: &str) -> bool {
    let end = |char: char| char.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text.starts_with(end)
            && text.ends_with(end)
            && text.chars().all(|char| end(char) || matches!(char, '-' | '_' | '.'))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, condition }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match condition {
                Condition::In(values) => match values.as_slice() {
                    [value] => write!(f, "{key}={value}")?,
                    values => write!(f, "{key} in ({})", values.join(","))?,
                },
                Condition::NotIn(values) => match values.as_slice() {
                    [value] => write!(f, "{key}!={value}")?,
                    values => write!(f, "{key} notin ({})", values.join(","))?,
                },
                Condition::Exists => f.write_str(key)?,
                Condition::Absent => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_and_written() {
        for (text, written) in [
            ("app=web", "app=web"),
            ("app == web , tier in (a, b)", "app=web,tier in (a,b)"),
            (
                "environment notin (x),!legacy, kubernetes.io/name",
                "environment!=x,!legacy,kubernetes.io/name",
            ),
            ("a!=b,c=", "a!=b,c="),
            ("", ""),
        ] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.to_string(), written);
            assert_eq!(Selector::parse(written), Some(selector));
        }
        for bad in ["=a", "a b", "a in b", "a in (b", "a,", ",a", "a=-b", "A/b/c", "a>1", "a=b c", "-a"] {
            assert_eq!(Selector::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn objects_are_meant_that_meet_every_requirement() {
        let labels = |text: &str| -> BTreeMap<String, String> {
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        for (selector, object, meant) in [
            ("", "", true),
            ("app=web", "app=web,tier=a", true),
            ("app=web", "app=db", false),
            ("app=web", "", false),
            ("app!=web", "", true),
            ("app!=web", "app=web", false),
            ("tier in (a,b),app", "tier=b,app=", true),
            ("tier in (a,b),app", "tier=b", false),
            ("tier notin (a,b)", "tier=c", true),
            ("tier notin (a,b)", "", true),
            ("tier notin (a,b)", "tier=a", false),
            ("!legacy", "app=web", true),
            ("!legacy", "legacy=", false),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(parsed.matches(&labels(object)), meant, "{selector} of {object}");
            assert_eq!(parsed.is_empty(), selector.is_empty());
        }
    }
}
