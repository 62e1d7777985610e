//! Files that are read, and whether they have changed since, without reading them again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sluice_corefile::{DiskFiles, FileError, Files};

use crate::signature::Signature;

/// The machine's files, with how those looked that were asked for, before they were read; none for those that were not there.
#[derive(Debug, Default)]
pub(super) struct Stamped(Mutex<BTreeMap<String, Option<Signature>>>);

impl Stamped {
    /// Whether one is another than it was.
    pub(super) fn has_changed(&self) -> bool {
        let stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.iter().any(|(path, before)| look(path) != *before)
    }

    fn note(&self, path: &str) {
        let mut stamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.entry(path.to_owned()).or_insert_with(|| look(path));
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

fn look(path: &str) -> Option<Signature> {
    Signature::of(if path.is_empty() { "." } else { path }).ok()
}
