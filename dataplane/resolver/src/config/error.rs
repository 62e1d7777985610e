//! What can be wrong with settings.

use thiserror::Error;

/// A setting that cannot be used.
#[derive(Debug, Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, as a path: `zones[0].forward[1].upstreams`.
    pub key: String,
    /// Why.
    pub problem: Problem,
}

/// Why a value cannot be used.
#[derive(Debug, Error)]
pub enum Problem {
    /// A list that needs an element has none.
    #[error("must name at least one")]
    Empty,
    /// Not a domain name.
    #[error("{value:?} is not a domain name: {why}")]
    Name {
        /// The value.
        value: String,
        /// What the codec says.
        why: String,
    },
    /// A number or time out of its range.
    #[error("{value} is not in {range}")]
    Range {
        /// The value.
        value: String,
        /// What would do.
        range: &'static str,
    },
    /// A wildcard address.
    #[error("a listener must have an address of this host, for a reply leaves from where it was asked")]
    Wildcard,
    /// The same thing twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// Not a regular expression.
    #[error("{value:?} is not a regular expression: {why}")]
    Regex {
        /// The value.
        value: String,
        /// What the parser says.
        why: String,
    },
    /// Not a resource record, or a template of one.
    #[error("{value:?} is not a record: {why}")]
    Record {
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A line of a hosts table.
    #[error("{0:?} is not a line of a hosts file")]
    Hosts(String),
    /// A zone file.
    #[error("{path}:{why}")]
    File {
        /// Where it was read.
        path: String,
        /// The line, 0 for the whole, and what is wrong.
        why: String,
    },
    /// A certificate or key.
    #[error("TLS: {0}")]
    Tls(String),
    /// Where requests over HTTPS go.
    #[error("{0:?} is not a path")]
    Path(String),
    /// A type of record that is not known.
    #[error("{0:?} is not a type of record")]
    Type(String),
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, problem: Problem) -> Self {
        Self { key: key.into(), problem }
    }
}
