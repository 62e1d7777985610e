//! Capture files for `net_pcap` ports.

use std::io;
use std::path::Path;

/// Writes frames as a file of the classic format: microseconds, Ethernet.
///
/// # Errors
/// Those of the file.
pub fn write(path: &Path, frames: &[Vec<u8>]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    std::fs::write(path, bytes)
}
