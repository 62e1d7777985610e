//! Where flows live across restarts: files of this boot, and the keys under which their lcore was chosen.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};
use sluice_engine::flow::{FlowStorage, HashKeys};
use sluice_memory::StorageError;

/// The file that holds the boot's identifier and the keys.
const KEYS: &str = "keys";
/// Length of `/proc/sys/kernel/random/boot_id` without its line feed.
const BOOT_ID: usize = 36;
/// Random bytes of the keys.
const SECRET: usize = 32;

/// Why flows have no place to live.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// A file or directory could not be used.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done, as a verb.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The directory belongs to somebody else, who could read or replace the keys.
    #[error("{}: belongs to user {owner}, not to this one", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
    },
    /// The system gave no random bytes.
    #[error("cannot draw hash keys: {0}")]
    Random(#[source] io::Error),
    /// The memory for a table could not be had.
    #[error("flow table of lcore {lcore}: {source}")]
    Storage {
        /// The lcore, counted from 0.
        lcore: u16,
        /// Why.
        source: StorageError,
    },
}

/// The directory of this boot's flow files.
#[derive(Debug)]
pub struct FlowFiles {
    directory: PathBuf,
    keys: HashKeys,
    lcores: u16,
}

impl FlowFiles {
    /// Opens or makes the directory. Files of an earlier boot, whose clock and neighbours are not ours, are removed, and
    /// so are those for another number of lcores.
    ///
    /// # Errors
    /// [`FlowsError`], all but [`FlowsError::Storage`].
    pub fn open(directory: &Path, lcores: u16) -> Result<Self, FlowsError> {
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| FlowsError::File { path, action, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail("create", directory))?;
        let owner = fs::metadata(directory).map_err(fail("examine", directory))?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return Err(FlowsError::Foreign { path: directory.to_owned(), owner });
        }
        fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(fail("restrict", directory))?;

        warn_unless_in_memory(directory);
        let boot_path = Path::new("/proc/sys/kernel/random/boot_id");
        let boot = fs::read_to_string(boot_path).map_err(fail("read", boot_path))?;
        let boot = boot.trim_end().as_bytes();
        let path = directory.join(KEYS);
        let known = read_keys(&path, boot).map_err(fail("read", &path))?;
        let same_boot = known.is_some();
        let keys = match known {
            Some(keys) => keys,
            None => {
                let keys = draw()?;
                write_keys(&path, boot, &keys).map_err(fail("write", &path))?;
                keys
            }
        };
        let ours = format!("-of-{lcores}");
        for entry in fs::read_dir(directory).map_err(fail("list", directory))?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("flows") && (!same_boot || !name.ends_with(&ours)) {
                fs::remove_file(entry.path()).map_err(fail("remove", &entry.path()))?;
            }
        }
        Ok(Self { directory: directory.to_owned(), keys: HashKeys::new(keys), lcores })
    }

    /// The boot's keys.
    pub fn keys(&self) -> HashKeys {
        self.keys
    }

    /// The memory of one lcore's flow table, with the former process's flows in it.
    ///
    /// Where the file system is too small for it, ordinary memory is used, with a warning: forwarding without surviving
    /// a restart is better than none.
    ///
    /// # Errors
    /// [`FlowsError::Storage`].
    pub fn storage(&self, lcore: u16, flows: u32) -> Result<FlowStorage, FlowsError> {
        let storage = match FlowStorage::file(&self.directory, lcore, self.lcores, flows) {
            Err(error @ StorageError::NoSpace { .. }) => {
                tracing::warn!(%error, lcore, "flows will not survive a restart; make the file system larger or the table smaller");
                FlowStorage::anonymous(flows)
            }
            other => other,
        };
        storage.map_err(|source| FlowsError::Storage { lcore, source })
    }
}

/// A table on a disk's file system costs a write fault for each page after each writeback.
fn warn_unless_in_memory(directory: &Path) {
    /// `f_type` of tmpfs, ramfs and hugetlbfs (linux/magic.h).
    const MEMORY: [u64; 3] = [0x0102_1994, 0x8584_58F6, 0x9584_58F6];
    if let Ok(system) = rustix::fs::statfs(directory)
        && !MEMORY.contains(&(system.f_type as u64 & 0xFFFF_FFFF))
    {
        tracing::warn!(directory = %directory.display(), "flows are slower on a disk; tmpfs also lasts across restarts");
    }
}

fn draw() -> Result<[u8; SECRET], FlowsError> {
    let mut keys = [0; SECRET];
    let mut filled = 0;
    while filled < SECRET {
        let Some(rest) = keys.get_mut(filled..) else {
            break;
        };
        filled += rustix::io::retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))
            .map_err(|errno| FlowsError::Random(errno.into()))?;
    }
    Ok(keys)
}

/// The keys of this boot, `None` where there are none or only another boot's.
fn read_keys(path: &Path, boot: &[u8]) -> io::Result<Option<[u8; SECRET]>> {
    let mut file = match OpenOptions::new().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    Read::by_ref(&mut file).take((BOOT_ID + SECRET + 1) as u64).read_to_end(&mut content)?;
    let Some((id, keys)) = content.split_at_checked(boot.len()) else {
        return Ok(None);
    };
    Ok(keys.try_into().ok().filter(|_| id == boot))
}

fn write_keys(path: &Path, boot: &[u8], keys: &[u8]) -> io::Result<()> {
    // Written beside and renamed, so that a kill leaves either no keys or whole ones.
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(boot)?;
    file.write_all(keys)?;
    drop(file);
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(files: &FlowFiles) -> u64 {
        files.keys().number(1)
    }

    #[test]
    fn keys_and_files_last_a_boot() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/flows");
        let files = FlowFiles::open(&path, 2).unwrap();
        let before = hash(&files);
        drop(files.storage(0, 64).unwrap());
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["flows-v1-0-of-2", "flows6-v1-0-of-2", "keys"]);
        assert_eq!(fs::metadata(path.join(KEYS)).unwrap().mode() & 0o777, 0o600);

        assert_eq!(hash(&FlowFiles::open(&path, 2).unwrap()), before);
        assert_eq!(names().len(), 3);

        // Another boot.
        let mut content = fs::read(path.join(KEYS)).unwrap();
        content[0] ^= 1;
        fs::write(path.join(KEYS), content).unwrap();
        assert_ne!(hash(&FlowFiles::open(&path, 2).unwrap()), before);
        assert_eq!(names(), ["keys"]);
    }

    #[test]
    fn another_number_of_lcores_starts_afresh_with_the_same_keys() {
        let directory = tempfile::tempdir().unwrap();
        let files = FlowFiles::open(directory.path(), 2).unwrap();
        drop(files.storage(1, 64).unwrap());
        let other = FlowFiles::open(directory.path(), 3).unwrap();
        assert_eq!(hash(&other), hash(&files));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_keys_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        for damage in [&b""[..], b"x", &[b'x'; 200]] {
            fs::write(directory.path().join(KEYS), damage).unwrap();
            let keys = hash(&FlowFiles::open(directory.path(), 1).unwrap());
            assert_eq!(hash(&FlowFiles::open(directory.path(), 1).unwrap()), keys);
        }
    }
}
