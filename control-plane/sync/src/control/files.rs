//! Files that are looked at now and then.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::signature::Signature;

/// How often files are looked at.
pub(super) const OFTEN: Duration = Duration::from_secs(2);
/// No certificate and no key is larger.
const MOST: u64 = 1 << 20;

/// What says whether a file is another than before.
pub(super) fn signature(path: &Path) -> Result<Signature, String> {
    Signature::of(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The beginning of a file, all of it where it is as small as it should be.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map(|file| file.take(MOST));
    let outcome = file.and_then(|mut file| file.read_to_end(&mut bytes));
    outcome.map(|_| bytes).map_err(|error| format!("{}: {error}", path.display()))
}
