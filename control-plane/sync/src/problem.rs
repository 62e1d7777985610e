//! What is wrong with an object, and where.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Something wrong with one field of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldProblem {
    /// Path of the field as Kubernetes writes it: `spec.ports[0].port`; empty where it is the object as a whole.
    pub field: String,
    /// What is wrong and what became of it.
    pub message: String,
    /// How bad it is.
    pub level: Level,
}

impl FieldProblem {
    /// `message` about `field`, an error.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), level: Level::Error }
    }

    /// The same, a warning.
    pub fn warning(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::new(field, message) }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be, most likely: an object of a kind that is of no use here.
    Note,
    /// Possibly not what was meant: a field that no version of the object has.
    Warning,
    /// Something is not served as written.
    Error,
}

/// A problem with all that is known about its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to the manifest folder; empty where it is no file's.
    pub file: String,
    /// The line in it, from 1; 0 where it is not known.
    pub line: u64,
    /// Kind, namespace and name: `Service shop/web`; empty where that is not known.
    pub object: String,
    /// The field: `spec.ports[0].port`; may be empty.
    pub field: String,
    /// How bad it is.
    pub level: Level,
    /// What is wrong and what became of it.
    pub message: String,
}

impl Problem {
    /// What it says, wherever it stands: a problem that only moved is no news.
    fn words(&self) -> [&str; 4] {
        [&self.file, &self.object, &self.field, &self.message]
    }
}

/// Those of `now` which `before` did not say. Of a folder of foreign objects there may be tens of thousands.
pub(crate) fn news<'a>(before: &[Problem], now: &'a [Problem]) -> Vec<&'a Problem> {
    let known: HashSet<[&str; 4]> = before.iter().map(Problem::words).collect();
    now.iter().filter(|problem| !known.contains(&problem.words())).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            f.write_str(" ")?;
        }
        for part in [&self.object, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, line: u64, message: &str) -> Problem {
        Problem {
            file: file.to_owned(),
            line,
            object: "Service shop/web".to_owned(),
            field: "spec.type".to_owned(),
            level: Level::Error,
            message: message.to_owned(),
        }
    }

    fn told(before: &[Problem], now: &[Problem]) -> Vec<String> {
        news(before, now).into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_moved_is_no_news_and_what_reads_otherwise_is() {
        let before = [problem("a.yaml", 3, "wrong")];
        assert_eq!(told(&before, &[problem("a.yaml", 9, "wrong")]), [""; 0]);
        assert_eq!(
            told(&before, &[problem("a.yaml", 3, "worse"), problem("b.yaml", 3, "wrong"), before[0].clone()]),
            ["a.yaml:3: Service shop/web: spec.type: worse", "b.yaml:3: Service shop/web: spec.type: wrong"]
        );
        assert_eq!(told(&[], &before).len(), 1);
        assert_eq!(told(&before, &[]), [""; 0]);
    }

    #[test]
    fn very_many_problems_are_compared_in_no_time() {
        let many: Vec<Problem> =
            (0..100_000).map(|n| problem(&format!("manifest-{n:06}.yaml"), 1, "skipped")).collect();
        let start = std::time::Instant::now();
        assert_eq!(news(&many, &many).len(), 0);
        // One with each would take a minute.
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
