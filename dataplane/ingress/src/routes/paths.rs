//! The paths of one host.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use sluice_model::http::PathMatch;

use super::decoded::{decoded, encoded};
use super::{Groups, Pattern};

/// Values by path; at most one is found for a path, whatever the order they were given in.
#[derive(Clone, Debug)]
pub struct Paths<V> {
    /// The longest text first.
    patterns: Box<[(Arc<Pattern>, V)]>,
    /// Sorted.
    exact: Box<[(Box<str>, V)]>,
    /// Sorted [by elements](compare).
    prefixes: Box<[Prefix<V>]>,
    /// Paths are matched decoded.
    decoded: bool,
}

/// What [`Paths`] are made from.
#[derive(Debug)]
pub struct PathsBuilder<V> {
    patterns: Vec<(usize, Arc<Pattern>, V)>,
    exact: Vec<(Box<str>, V)>,
    prefixes: Vec<Prefix<V>>,
    decoded: bool,
}

/// A value found for a path.
#[derive(Debug)]
pub struct Found<'a, V> {
    /// The value.
    pub value: &'a V,
    /// The pattern that it was found by, if it was; it tells the groups.
    pub pattern: Option<&'a Pattern>,
    /// The path as it was matched, where that is another than the one that was looked for.
    decoded: Option<Box<str>>,
}

impl<V> Found<'_, V> {
    /// What the pattern's groups take of the path that was looked for.
    pub fn groups(&self, path: &str) -> Option<Groups> {
        self.pattern?.groups(self.decoded.as_deref().unwrap_or(path))
    }

    /// What a group took of the path that was looked for, as it may stand in a path.
    pub fn group<'a>(&'a self, groups: &Groups, group: usize, path: &'a str) -> Cow<'a, str> {
        match &self.decoded {
            None => Cow::Borrowed(groups.get(group, path)),
            Some(decoded) => Cow::Owned(encoded(groups.get(group, decoded))),
        }
    }
}

#[derive(Clone, Debug)]
struct Prefix<V> {
    /// Without a slash at its end.
    elements: Box<str>,
    /// Whether the text had one: it is then the longer one.
    slash: bool,
    /// The longest other one whose elements are this one's first.
    parent: Option<u32>,
    value: V,
}

impl<V> Default for PathsBuilder<V> {
    fn default() -> Self {
        Self { patterns: Vec::new(), exact: Vec::new(), prefixes: Vec::new(), decoded: false }
    }
}

impl<V> Default for Paths<V> {
    fn default() -> Self {
        PathsBuilder::default().build()
    }
}

impl<V> PathsBuilder<V> {
    /// Adds a path. A pattern comes compiled, for it can be shared; without one it fits nothing.
    pub fn add(&mut self, path: &PathMatch, pattern: Option<&Arc<Pattern>>, value: V) {
        match path {
            PathMatch::Exact(text) => self.exact.push((text.clone(), value)),
            PathMatch::Prefix(text) => {
                let elements = text.strip_suffix('/');
                let slash = elements.is_some();
                let elements = elements.unwrap_or(text).into();
                self.prefixes.push(Prefix { elements, slash, parent: None, value });
            }
            PathMatch::Pattern(text) => {
                if let Some(pattern) = pattern {
                    self.patterns.push((text.len(), Arc::clone(pattern), value));
                }
            }
        }
    }

    /// Paths are matched decoded, or as they are.
    pub fn decoded(self, decoded: bool) -> Self {
        Self { decoded, ..self }
    }

    /// All that were added; of two for the same path the first counts.
    pub fn build(mut self) -> Paths<V> {
        self.patterns.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
        self.exact.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.exact.dedup_by(|(later, _), (first, _)| later == first);
        // `/foo/` fits what `/foo` fits and has the longer text.
        self.prefixes.sort_by(|a, b| compare(&a.elements, &b.elements).then(b.slash.cmp(&a.slash)));
        self.prefixes.dedup_by(|later, first| later.elements == first.elements);
        link(&mut self.prefixes);
        Paths {
            patterns: self.patterns.into_iter().map(|(_, pattern, value)| (pattern, value)).collect(),
            exact: self.exact.into(),
            prefixes: self.prefixes.into(),
            decoded: self.decoded,
        }
    }
}

impl<V> Paths<V> {
    /// The value for a [normalised](super::normalise) path.
    pub fn find(&self, path: &str) -> Option<Found<'_, V>> {
        let matched = self.matched(path);
        let (value, pattern) = self.find_matched(&matched)?;
        let decoded = match matched {
            Cow::Borrowed(_) => None,
            Cow::Owned(decoded) => Some(decoded.into()),
        };
        Some(Found { value, pattern, decoded })
    }

    /// A [normalised](super::normalise) path as it is matched.
    pub fn matched<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.decoded { decoded(path) } else { Cow::Borrowed(path) }
    }

    fn find_matched(&self, path: &str) -> Option<(&V, Option<&Pattern>)> {
        if let Some(exact) = self.find_exact(path) {
            return Some((exact, None));
        }
        if let Some((pattern, value)) = self.patterns.iter().find(|(pattern, _)| pattern.fits(path)) {
            return Some((value, Some(pattern)));
        }
        Some((&self.find_prefix(path)?.value, None))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let patterns = self.patterns.iter().map(|(_, value)| value);
        let exact = self.exact.iter().map(|(_, value)| value);
        patterns.chain(exact).chain(self.prefixes.iter().map(|prefix| &prefix.value))
    }

    fn find_exact(&self, path: &str) -> Option<&V> {
        let index = self.exact.binary_search_by(|(text, _)| (**text).cmp(path)).ok()?;
        self.exact.get(index).map(|(_, value)| value)
    }

    fn find_prefix(&self, path: &str) -> Option<&Prefix<V>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        // The last one that is not beyond the path: that one, or one of those it is in, is the longest that fits.
        let beyond =
            self.prefixes.partition_point(|prefix| compare(&prefix.elements, path) != Ordering::Greater);
        let mut prefix = self.prefixes.get(beyond.checked_sub(1)?)?;
        while !is_within(path, &prefix.elements) {
            prefix = self.prefixes.get(prefix.parent? as usize)?;
        }
        Some(prefix)
    }
}

/// Sets parents of sorted prefixes.
fn link<V>(prefixes: &mut [Prefix<V>]) {
    let mut open: Vec<u32> = Vec::new();
    for index in 0..prefixes.len() {
        let Some((before, [prefix, ..])) = prefixes.split_at_mut_checked(index) else { return };
        let is_open = |parent: u32| {
            before.get(parent as usize).is_some_and(|parent| is_within(&prefix.elements, &parent.elements))
        };
        while open.last().is_some_and(|&parent| !is_open(parent)) {
            open.pop();
        }
        prefix.parent = open.last().copied();
        open.push(u32::try_from(index).unwrap_or(u32::MAX));
    }
}

/// Whether the elements of `prefix` are the first of `path`'s.
fn is_within(path: &str, prefix: &str) -> bool {
    path.as_bytes()
        .strip_prefix(prefix.as_bytes())
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// Orders by elements, so that what is within a prefix comes right after it: `/` is the lowest character.
fn compare(a: &str, b: &str) -> Ordering {
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let rank = |text: &str| {
        text.as_bytes().get(common).map(|&byte| if byte == b'/' { 0 } else { u16::from(byte) + 1 })
    };
    rank(a).cmp(&rank(b))
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
