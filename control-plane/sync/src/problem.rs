//! What is wrong with an object, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something wrong with one field of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldProblem {
    /// Path of the field as Kubernetes writes it: `spec.ports[0].port`; empty where it is the object as a whole.
    pub field: String,
    /// What is wrong and what became of it.
    pub message: String,
}

impl FieldProblem {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
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
    /// Whether `other` says the same, wherever it stands: a problem that only moved is no news.
    pub fn is_same(&self, other: &Self) -> bool {
        self.file == other.file
            && self.object == other.object
            && self.field == other.field
            && self.message == other.message
    }
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
