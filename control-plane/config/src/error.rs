//! Errors of the file: what, where, and what was probably meant.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no [`Config`](crate::Config).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{}: more than {limit} bytes are no configuration", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// What it says cannot be.
    #[error("{}", render(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything found, in the file's order; at least one.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 where it is about the file as a whole.
    pub line: u64,
    /// Column in the line, from 1.
    pub column: u64,
    /// Path of the key: `dataplane.ports[1].name`; empty where the file is not even YAML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// The line itself.
    pub excerpt: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; {suggestion}")?;
        }
        Ok(())
    }
}

/// Characters of a line that are shown on each side of the place.
const AROUND: usize = 60;

fn render(path: &std::path::Path, problems: &[Problem]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for problem in problems {
        if !text.is_empty() {
            text.push('\n');
        }
        let Problem { line, column, .. } = problem;
        // Writing to a String cannot fail.
        if *line == 0 {
            let _ = write!(text, "{}: {problem}", path.display());
            continue;
        }
        let _ = write!(text, "{}:{line}:{column}: {problem}", path.display());
        let at = usize::try_from(*column).unwrap_or(1).saturating_sub(1);
        let from = at.saturating_sub(AROUND);
        let shown: String = problem.excerpt.chars().skip(from).take(2 * AROUND).collect();
        let _ = write!(text, "\n {line:>5} | {shown}\n       | {:>1$}", '^', at - from + 1);
    }
    text
}

/// "did you mean …", where one of `known` is close to `given`.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = given.to_lowercase().replace('-', "_");
    let close = |candidate: &str| {
        let distance = strsim::osa_distance(&folded, candidate);
        // A third of it wrong is still the same word; a prefix of at least three letters is an abbreviation.
        let same = distance <= (candidate.len() / 3).max(1);
        let short = folded.len() >= 3 && (candidate.starts_with(&folded) || folded.starts_with(candidate));
        (same || short).then_some(distance)
    };
    known
        .into_iter()
        .filter_map(|candidate| Some((close(candidate)?, candidate)))
        .min()
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["device", "name", "node_port_addresses", "queues"];
        let hint = |given| did_you_mean(given, known);
        assert_eq!(hint("devcie").unwrap(), "did you mean `device`?");
        assert_eq!(hint("nam").unwrap(), "did you mean `name`?");
        assert_eq!(hint("dev").unwrap(), "did you mean `device`?");
        assert_eq!(hint("node-port-adresses").unwrap(), "did you mean `node_port_addresses`?");
        assert_eq!(hint("colour"), None);
        assert_eq!(hint(""), None);
    }
}
