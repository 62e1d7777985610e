//! Which queries are logged.

use std::path::PathBuf;

/// The query log: a line for a query and its reply, in the form of CoreDNS's `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLog {
    /// Names in these zones; all where there are none.
    pub zones: Vec<String>,
    /// Replies of these classes; all where there are none.
    pub classes: Vec<LogClass>,
    /// One query of so many; at least 1.
    pub sample: u32,
    /// Lines a second at most; at least 1. What is more is counted and lost.
    pub rate: u32,
    /// The file that lines are appended to, and that is opened anew where it has been moved away; standard output where there
    /// is none.
    pub file: Option<PathBuf>,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self { zones: Vec::new(), classes: Vec::new(), sample: 1, rate: 1000, file: None }
    }
}

/// Replies, as CoreDNS classes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// With records.
    Success,
    /// The name or type does not exist.
    Denial,
    /// Everything else.
    Error,
}
