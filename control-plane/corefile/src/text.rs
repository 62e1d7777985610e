//! From bytes to text.

use std::borrow::Cow;
use std::sync::Arc;

use crate::problem::{Place, Problems};

/// The text of a file; bytes that are not UTF-8 become U+FFFD, as in CoreDNS, and are told.
pub(crate) fn decode<'a>(file: &Arc<str>, bytes: &'a [u8], problems: &mut Problems) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1);
        problems.warning(&Place { file: file.clone(), line }, "this line is not UTF-8");
    }
    text
}
