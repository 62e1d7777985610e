//! Whether a file has changed, without reading it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells that a file's content may have changed: replaced (inode), rewritten (times, size), or swapped below a
/// symlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    device: u64,
    inode: u64,
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Signature {
    /// A file's, or a folder's, as it is now.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Signature {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_rewritten_in_its_place_with_its_old_time_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, [1; 48]).unwrap();
        let before = Signature::of(&path).unwrap();
        assert_eq!(Signature::of(&path).unwrap(), before);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        // Linux counts times of files in ticks.
        std::thread::sleep(std::time::Duration::from_millis(30));
        fs::write(&path, [2; 48]).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_ne!(Signature::of(&path).unwrap(), before);
    }
}
