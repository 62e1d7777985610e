//! What is wrong with a Corefile: file, line and words, all of it and not just the first.

use std::fmt;
use std::sync::Arc;

use crate::suggest::did_you_mean;

/// Problems that are kept; more than a person reads, and a bound on what a hostile file makes us store.
const KEPT: usize = 500;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// The file is used; something in it does nothing or probably means something else.
    Warning,
    /// Nothing is wrong: what a line asks for is so anyway, or is said elsewhere.
    Note,
}

/// Where a word stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file's name as it was given or imported.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// Where it is.
    pub place: Place,
    /// What is wrong, and where one is near, what was probably meant.
    pub text: String,
}

/// Everything found, in the order of its finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    errors: usize,
    left_off: usize,
}

impl Problems {
    /// All that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The errors among them.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.iter().filter(|problem| problem.level == Level::Error)
    }

    /// The warnings among them.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.iter().filter(|problem| problem.level == Level::Warning)
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many were found beyond those that are kept.
    pub fn left_off(&self) -> usize {
        self.left_off
    }

    pub(crate) fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.errors += 1;
        self.add(Level::Error, place, text.into());
    }

    pub(crate) fn warning(&mut self, place: &Place, text: impl Into<String>) {
        self.add(Level::Warning, place, text.into());
    }

    pub(crate) fn note(&mut self, place: &Place, text: impl Into<String>) {
        self.add(Level::Note, place, text.into());
    }

    /// Takes in others, behind those that are there.
    pub fn append(&mut self, others: Self) {
        let Self { list, errors, left_off } = others;
        let kept: usize = list.iter().filter(|problem| problem.level == Level::Error).count();
        for problem in list {
            if problem.level == Level::Error {
                self.errors += 1;
            }
            self.add(problem.level, &problem.place, problem.text);
        }
        self.errors += errors - kept;
        self.left_off += left_off;
    }

    /// "did you mean …" for an error that is about to be told; nothing where it would not be kept anyway.
    pub(crate) fn hint<'a>(&self, given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
        if self.list.len() < KEPT { did_you_mean(given, known) } else { String::new() }
    }

    /// Errors so far; a caller that compares it knows whether a part went well.
    pub(crate) fn count(&self) -> usize {
        self.errors
    }

    fn add(&mut self, level: Level, place: &Place, text: String) {
        let problem = Problem { level, place: place.clone(), text };
        if self.list.len() < KEPT {
            self.list.push(problem);
        } else if level == Level::Error && self.errors == 1 {
            // The first error may not be lost behind warnings.
            self.list.pop();
            self.list.push(problem);
            self.left_off += 1;
        } else {
            self.left_off += 1;
        }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line } = &self.place;
        let level = match self.level {
            Level::Error => "",
            Level::Warning => "warning: ",
            Level::Note => "note: ",
        };
        write!(f, "{file}:{line}: {level}{}", self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.left_off > 0 {
            write!(f, "\n… and {} more", self.left_off)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_an_error_is_never_lost() {
        let place = Place { file: "Corefile".into(), line: 3 };
        let mut problems = Problems::default();
        for _ in 0..KEPT + 7 {
            problems.warning(&place, "odd");
        }
        assert!(!problems.has_errors());
        problems.error(&place, "wrong");
        assert!(problems.has_errors());
        assert_eq!((problems.iter().count(), problems.errors().count(), problems.left_off()), (KEPT, 1, 8));
        assert!(problems.to_string().ends_with("Corefile:3: wrong\n… and 8 more"));
    }
}
