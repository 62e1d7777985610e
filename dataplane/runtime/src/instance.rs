//! One data plane per runtime directory: the lock, and what a killed predecessor left behind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// How long a predecessor that has just been killed may take to let go of the lock.
const PATIENCE: Duration = Duration::from_millis(500);
/// DPDK's directory for what its processes share, for root.
const DPDK_RUN: &str = "/var/run/dpdk";

/// Why this process may not start.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another process has the lock.
    #[error("another data plane runs in {}; give this one its own runtime_dir", directory.display())]
    Running {
        /// The runtime directory.
        directory: PathBuf,
    },
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
}

/// The lock on a runtime directory; held for the life of this value.
#[derive(Debug)]
pub struct Instance {
    _lock: File,
    prefix: String,
}

impl Instance {
    /// Makes the directory, takes its lock, and removes what a predecessor that was killed left behind.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn acquire(directory: &Path) -> Result<Self, InstanceError> {
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| InstanceError::File { path, action, source }
        };
        DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(fail("create", directory))?;
        let path = directory.join("dataplane.lock");
        let mut lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // Whoever can write to the folder could lay a link or a FIFO there.
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&path)
            .map_err(fail("open", &path))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5))
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(InstanceError::Running { directory: directory.to_owned() });
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(fail("lock", &path)(errno.into())),
            }
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(fail("write", &path))?;
        let prefix = file_prefix(directory);
        // Ours alone: the name of the directory whose lock we hold is in it.
        remove_shared(&prefix);
        Ok(Self { _lock: lock, prefix })
    }

    /// DPDK's `--file-prefix` for this runtime directory.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        remove_shared(&self.prefix);
    }
}

/// A prefix that two runtime directories do not share.
fn file_prefix(directory: &Path) -> String {
    // FNV-1a: stable across builds, and no secret is at stake.
    let canonical = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let hash =
        canonical.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    format!("sluice-{hash:016x}")
}

fn remove_shared(prefix: &str) {
    let gone = |result: io::Result<()>, path: &Path| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "removing what a former process left");
        }
        _ => {}
    };
    let run = Path::new(DPDK_RUN).join(prefix);
    gone(fs::remove_dir_all(&run), &run);
    for mount in huge_mounts(&fs::read_to_string("/proc/mounts").unwrap_or_default()) {
        for entry in fs::read_dir(&mount).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("{prefix}map_")) {
                gone(fs::remove_file(entry.path()), &entry.path());
            }
        }
    }
}

/// Mount points of type hugetlbfs.
fn huge_mounts(mounts: &str) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            (kind == "hugetlbfs").then(|| PathBuf::from(point))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = Instance::acquire(directory.path()).unwrap();
        assert!(matches!(Instance::acquire(directory.path()), Err(InstanceError::Running { .. })));
        let other = tempfile::tempdir().unwrap();
        let second = Instance::acquire(other.path()).unwrap();
        assert_ne!(first.prefix(), second.prefix());
        drop(first);
        Instance::acquire(directory.path()).unwrap();
    }

    #[test]
    fn huge_page_mounts_are_found() {
        let mounts = "tmpfs /run tmpfs rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\nnone /mnt/huge hugetlbfs rw 0 0\n";
        assert_eq!(huge_mounts(mounts), [PathBuf::from("/dev/hugepages"), PathBuf::from("/mnt/huge")]);
    }
}
