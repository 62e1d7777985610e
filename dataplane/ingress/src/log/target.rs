//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);

/// A file, which is opened again once it was moved away, or standard output.
#[derive(Debug)]
pub(super) struct Target {
    path: Option<PathBuf>,
    open: Option<File>,
    looked: Option<Instant>,
    complained: bool,
}

impl Target {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, open: None, looked: None, complained: false }
    }

    /// Opens the file where it is not open, or no longer has its name.
    pub(super) fn look(&mut self) {
        let Some(path) = &self.path else { return };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        if self.open.as_ref().is_some_and(|file| is_at(file, path)) {
            return;
        }
        let opened = OpenOptions::new().append(true).create(true).open(path);
        if let Err(why) = &opened
            && !self.complained
        {
            tracing::warn!(%why, file = %path.display(), "the access log cannot be written");
        }
        self.complained = opened.is_err();
        self.open = opened.ok();
    }

    /// Writes lines; false where that failed.
    pub(super) fn write(&mut self, lines: &[u8]) -> bool {
        match (&self.path, &mut self.open) {
            (None, _) => io::stdout().lock().write_all(lines).is_ok(),
            (Some(_), Some(file)) => file.write_all(lines).is_ok(),
            (Some(_), None) => false,
        }
    }
}

/// Whether a path still leads to an open file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}
