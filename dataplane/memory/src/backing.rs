//! Where a set of tables lives: in memory of this process, or in a directory that outlives it.

use std::path::{Component, Path, PathBuf};

use crate::pod::Pod;
use crate::storage::{Storage, StorageError};

/// The place a set of tables is allocated from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backing {
    /// Anonymous memory: gone with the process.
    #[default]
    Anonymous,
    /// One file per table in this directory, which must exist; on tmpfs or hugetlbfs for speed.
    Directory(PathBuf),
}

impl Backing {
    /// A table of `len` elements called `name`; anonymous tables ignore the name.
    ///
    /// # Errors
    /// Those of [`Storage::anonymous`] and [`Storage::file`]; [`StorageError::BadName`] for a name that is not one
    /// plain path component.
    pub fn allocate<T: Pod>(&self, name: &str, len: usize) -> Result<Storage<T>, StorageError> {
        match self {
            Self::Anonymous => Storage::anonymous(len),
            Self::Directory(directory) => {
                let mut components = Path::new(name).components();
                match (components.next(), components.next()) {
                    (Some(Component::Normal(only)), None) => Storage::file(&directory.join(only), len),
                    _ => Err(StorageError::BadName { name: name.to_owned() }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_different_types_share_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let backing = Backing::Directory(directory.path().to_owned());
        let mut entries: Storage<[u32; 4]> = backing.allocate("flows-0", 10).unwrap();
        let mut addresses: Storage<u128> = backing.allocate("addresses-0", 5).unwrap();
        entries[9] = [1, 2, 3, 4];
        addresses[4] = 1 << 127;
        drop((entries, addresses));
        assert_eq!(backing.allocate::<[u32; 4]>("flows-0", 10).unwrap()[9], [1, 2, 3, 4]);
        assert_eq!(backing.allocate::<u128>("addresses-0", 5).unwrap()[4], 1 << 127);
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let backing = Backing::Directory(directory.path().to_owned());
        for name in ["", ".", "..", "../x", "/etc/x", "a/b"] {
            let refused = backing.allocate::<u8>(name, 1);
            assert!(matches!(refused, Err(StorageError::BadName { .. })), "{name:?}");
        }
    }

    #[test]
    fn anonymous_needs_no_name() {
        assert_eq!(Backing::default().allocate::<u16>("", 3).unwrap()[..], [0, 0, 0]);
    }
}
