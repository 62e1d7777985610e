//! Reading values of annotations, and telling those that make no sense.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::FieldProblem;

/// The field of an annotation, of which the name is without the prefix.
pub(super) fn field(name: &str) -> String {
    format!("metadata.annotations[\"{}{name}\"]", super::PREFIX)
}

/// The annotations of an Ingress that nobody has read yet.
pub(super) struct Values<'a, 'p> {
    left: BTreeMap<&'a str, &'a str>,
    problems: &'p mut Vec<FieldProblem>,
}

impl<'a, 'p> Values<'a, 'p> {
    pub(super) fn new(left: BTreeMap<&'a str, &'a str>, problems: &'p mut Vec<FieldProblem>) -> Self {
        Self { left, problems }
    }

    /// The text of an annotation.
    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        self.left.remove(name).map(str::trim)
    }

    /// A value; one that cannot be read is told and left out.
    pub(super) fn read<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.wrong(name, text, &why);
                None
            }
        }
    }

    /// `true` or `false`, as Go's `ParseBool` reads them.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, |text| match text {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
            _ => Err("neither true nor false"),
        })
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        self.read(name, |text| {
            let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("no number from {} to {}", range.start(), range.end()))
        })
    }

    /// Entries between commas, each told that cannot be read; none where the annotation is not there.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        read: impl Fn(&'a str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let text = self.text(name)?;
        let mut values = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match read(entry) {
                Ok(value) => values.push(value),
                Err(why) => self.wrong(name, entry, &why),
            }
        }
        Some(values)
    }

    /// Tells that a value is wrong.
    pub(super) fn wrong(&mut self, name: &str, value: &str, why: &dyn std::fmt::Display) {
        self.problems.push(FieldProblem::new(field(name), format!("`{value}`: {why}; left out")));
    }

    /// Tells something else of an annotation.
    pub(super) fn tell(&mut self, problem: FieldProblem) {
        self.problems.push(problem);
    }

    /// Those that nobody has read.
    pub(super) fn take_rest(&mut self) -> BTreeMap<&'a str, &'a str> {
        std::mem::take(&mut self.left)
    }

    /// Where problems go.
    pub(super) fn problems(&mut self) -> &mut Vec<FieldProblem> {
        self.problems
    }
}

/// A token of HTTP (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Text that can stand in a header.
pub(super) fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4096 && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}
