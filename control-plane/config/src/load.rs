//! From bytes to the schema, with the path of the key that is wrong.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_saphyr::{Error, Location};

use crate::error::did_you_mean;
use crate::{Config, ConfigError, Problem, check, raw};

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

impl Config {
    /// Reads and checks the file `path`. Relative paths in it count from its folder.
    ///
    /// # Errors
    /// Whatever is wrong, with line, column and key; the program is to end with `EX_USAGE` before it opens anything.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(read)?;
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > MAX_FILE {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_FILE });
        }
        Self::parse(&text, path)
    }

    /// Checks `text` as if it stood in the file `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let checked =
            deserialize(text).map_err(|problem| vec![problem]).and_then(|file| check::file(&file, path));
        checked.map_err(|mut problems| {
            problems.sort_by_key(|p| (p.line, p.column));
            for problem in &mut problems {
                let index = usize::try_from(problem.line.saturating_sub(1)).unwrap_or(usize::MAX);
                problem.excerpt = text.lines().nth(index).unwrap_or_default().replace('\t', " ");
            }
            ConfigError::Invalid { path: path.to_owned(), problems }
        })
    }
}

fn deserialize(text: &str) -> Result<raw::File, Problem> {
    // A configuration needs no anchors in earnest; the limits keep a YAML bomb from being one.
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 100_000,
            max_aliases: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
        },
    };
    let mut key = String::new();
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            key = error.path().to_string();
            error.into_inner()
        })
    })
    .map_err(|error| problem(&key, &error))
}

fn problem(key: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let (message, suggestion) = words(error);
    let place = match error {
        // What is missing from the file as a whole has no place in it.
        Error::SerdeMissingField { .. } if key == "." => Location::UNKNOWN,
        _ => error.location().unwrap_or(Location::UNKNOWN),
    };
    Problem {
        line: place.line(),
        column: place.column(),
        // `value` is where a scalar is kept together with its place, and `?` and `.` stand for no key.
        key: key.replace(".value", "").trim_matches(['?', '.']).to_owned(),
        message,
        suggestion,
        excerpt: String::new(),
    }
}

fn words(error: &Error) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let hint = did_you_mean(field, expected.iter().copied())
                .unwrap_or_else(|| format!("the keys here are {}", expected.join(", ")));
            (format!("unknown key `{field}`"), Some(hint))
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            (format!("the key `{key}` stands here twice"), None)
        }
        Error::MultipleDocuments { .. } => {
            ("a second document begins; the configuration is a single one".to_owned(), None)
        }
        Error::Eof { .. } => ("the file is empty or ends too early".to_owned(), None),
        other => {
            // The place is given by us.
            let text = other.to_string();
            let text = match text.rfind(" at line ") {
                Some(at) => text.get(..at).unwrap_or(&text),
                None => &text,
            };
            (text.to_owned(), None)
        }
    }
}
