//! Zones that are answered as who has them: from zone files, or from other servers.

mod content;
mod copy;
mod data;
mod lookup;
mod secondary;
mod text;
mod words;

use hickory_proto::rr::Name;
use thiserror::Error;

pub(crate) use content::Content;
pub(crate) use lookup::Found;
pub(crate) use secondary::Secondary;

/// Records of one zone at most, whose names may be ten times as many bytes as their text.
pub(crate) const MOST_RECORDS: usize = 100_000;

/// A zone file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{line}: {why}")]
pub(crate) struct TextError {
    /// The line; 0 where it is about the whole.
    pub(crate) line: u32,
    pub(crate) why: String,
}

impl TextError {
    pub(crate) fn new(line: u32, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

/// The zone that a text is of.
pub(crate) fn parse(text: &str, origin: &Name) -> Result<Content, TextError> {
    let records = text::records(text, origin, MOST_RECORDS)?;
    Content::new(origin, records).map_err(|why| TextError::new(0, why))
}

#[cfg(test)]
mod tests;
