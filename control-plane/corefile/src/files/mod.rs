//! Where imported files come from: a disk, a map, or nowhere.

mod disk;
mod glob;
mod memory;

pub use disk::DiskFiles;
pub(crate) use glob::{expand, resolve};
pub use memory::MemoryFiles;

/// Largest file that is read, in bytes: what a ConfigMap can hold.
pub const LARGEST_FILE: usize = 1 << 20;

/// Why a file or folder cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none of that name.
    #[error("there is no such file")]
    Missing,
    /// It is larger than [`LARGEST_FILE`].
    #[error("it is larger than {LARGEST_FILE} bytes")]
    TooLarge,
    /// It is a folder, a device or something else that is no file.
    #[error("it is no regular file")]
    NoFile,
    /// The system refused; with its words.
    #[error("{0}")]
    System(String),
}

/// Files by path; folders and names are separated by `/`.
pub trait Files {
    /// The contents of a file.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;

    /// The names in a folder, in any order; empty where there is no such folder.
    fn names(&self, folder: &str) -> Result<Vec<String>, FileError>;
}
