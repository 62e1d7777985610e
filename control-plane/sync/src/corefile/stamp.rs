//! Files that are read, and whether they have changed since, without reading them again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use sluice_corefile::{DiskFiles, FileError, Files};

/// What is seen of a file or folder: its number, its size, when it and its metadata changed, in nanoseconds.
type Stamp = (u64, u64, i128, i128);

/// The machine's files, with how those looked that were asked for, before they were read; none for those that were not there.
#[derive(Debug, Default)]
pub(super) struct Stamped(Mutex<BTreeMap<String, Option<Stamp>>>);

impl Stamped {
    /// Whether one is another than it was.
    pub(super) fn has_changed(&self) -> bool {
        let stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.iter().any(|(path, before)| stamp(path) != *before)
    }

    fn note(&self, path: &str) {
        let mut stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.entry(path.to_owned()).or_insert_with(|| stamp(path));
    }
}

impl Files for Stamped {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.note(path);
        DiskFiles.read(path)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, FileError> {
        self.note(folder);
        DiskFiles.names(folder)
    }
}

fn stamp(path: &str) -> Option<Stamp> {
    let path = if path.is_empty() { "." } else { path };
    let data = std::fs::metadata(path).ok()?;
    let time = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let (modified, changed) = (time(data.mtime(), data.mtime_nsec()), time(data.ctime(), data.ctime_nsec()));
    Some((data.ino(), data.len(), modified, changed))
}
