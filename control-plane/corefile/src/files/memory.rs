//! Files that are in memory: the keys of a ConfigMap, or none at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileError, Files};

/// Files by their full path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.0.get(path).cloned().ok_or(FileError::Missing)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let prefix = match folder {
            "" | "." => String::new(),
            _ => format!("{}/", folder.trim_end_matches('/')),
        };
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: BTreeSet<&str> = inside.filter_map(|path| path.split('/').next()).collect();
        Ok(names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}
