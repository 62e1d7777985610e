//! Files that are looked at now and then.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often files are looked at.
pub(super) const OFTEN: Duration = Duration::from_secs(2);
/// No certificate and no key is larger.
const MOST: u64 = 1 << 20;

/// Device, inode, size and time of the last change.
pub(super) type Signature = (u64, u64, u64, i64, i64);

/// What says whether a file is another than before.
pub(super) fn signature(path: &Path) -> Result<Signature, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// The beginning of a file, all of it where it is as small as it should be.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(MOST));
    let outcome = file.and_then(|mut file| file.read_to_end(&mut bytes));
    outcome.map(|_| bytes).map_err(|error| format!("{}: {error}", path.display()))
}
