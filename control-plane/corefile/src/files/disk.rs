//! Files on the disk.

use std::fs::{self, File};
use std::io::{self, Read};

use super::{FileError, Files, LARGEST_FILE};

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        // Asked before opening: opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(of_system)?.is_file() {
            return Err(FileError::NoFile);
        }
        let file = File::open(path).map_err(of_system)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(of_system)?;
        if bytes.len() > LARGEST_FILE { Err(FileError::TooLarge) } else { Ok(bytes) }
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, FileError> {
        let folder = if folder.is_empty() { "." } else { folder };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(of_system(error)),
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect::<io::Result<_>>().map_err(of_system)
    }
}

fn of_system(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        _ => FileError::System(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_folders_listed_and_anything_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("a"), "text").unwrap();
        fs::write(path("big"), vec![b' '; LARGEST_FILE + 1]).unwrap();
        assert_eq!(DiskFiles.read(&path("a")), Ok(b"text".to_vec()));
        assert_eq!(DiskFiles.read(&path("big")), Err(FileError::TooLarge));
        assert_eq!(DiskFiles.read(&path("none")), Err(FileError::Missing));
        assert_eq!(DiskFiles.read(&path(".")), Err(FileError::NoFile));
        assert_eq!(DiskFiles.read("/dev/zero"), Err(FileError::NoFile));
        let mut names = DiskFiles.names(&path("")).unwrap();
        names.sort();
        assert_eq!(names, ["a", "big"]);
        assert_eq!(DiskFiles.names(&path("none")), Ok(Vec::new()));
    }
}
