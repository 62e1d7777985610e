//! Where a head ends.

use super::Refusal;

/// A search that goes on when more has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// How much was looked at.
    searched: usize,
    /// Where the line begins that was looked at last.
    line: usize,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The head is so long, with the empty line.
    End(usize),
    /// An empty line of so many bytes comes first. The search begins anew behind it.
    Blank(usize),
    /// Neither yet.
    Nothing,
}

impl Search {
    /// Looks through `bytes`, which begin as they did the last time.
    ///
    /// # Errors
    /// A line feed without a carriage return before it, which servers disagree about (RFC 9112 section 2.2).
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Found, Refusal> {
        while let Some(found) = bytes.get(self.searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let feed = self.searched + found;
            if feed == 0 || bytes.get(feed - 1) != Some(&b'\r') {
                return Err(Refusal::Line);
            }
            self.searched = feed + 1;
            if feed - 1 != self.line {
                self.line = feed + 1;
                continue;
            }
            if self.line > 0 {
                return Ok(Found::End(feed + 1));
            }
            *self = Self::default();
            return Ok(Found::Blank(feed + 1));
        }
        self.searched = bytes.len();
        Ok(Found::Nothing)
    }
}
