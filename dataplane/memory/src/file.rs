//! Opening, locking and sizing the file under a mapping.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::storage::{Origin, StorageError};

/// `f_type` of hugetlbfs, `HUGETLBFS_MAGIC` in linux/magic.h.
const HUGETLBFS: i64 = 0x9584_58F6;

/// An open file with an exclusive lock that lasts as long as this value.
#[derive(Debug)]
pub(crate) struct LockedFile {
    fd: OwnedFd,
    path: PathBuf,
}

impl LockedFile {
    /// The descriptor, for mapping.
    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens or creates `path`, locks it and gives it at least `bytes` bytes. Also gives the length to map.
pub(crate) fn open_sized(path: &Path, bytes: usize) -> Result<(LockedFile, Origin, usize), StorageError> {
    let fail =
        |action, errno: Errno| StorageError::File { path: path.to_owned(), action, source: errno.into() };

    // NONBLOCK so that a FIFO or device put there does not hang the open; it means nothing for regular files.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let private = Mode::RUSR | Mode::WUSR;
    let fd = fs::open(path, flags, private).map_err(|errno| fail("open", errno))?;

    let status = fs::fstat(&fd).map_err(|errno| fail("examine", errno))?;
    let regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    if !regular || status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(StorageError::Foreign { path: path.to_owned() });
    }

    match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(StorageError::InUse { path: path.to_owned() });
        }
        Err(errno) => return Err(fail("lock", errno)),
    }
    fs::fchmod(&fd, private).map_err(|errno| fail("restrict", errno))?;

    // Looked at again: the previous holder may have sized the file between the first look and the lock.
    let status = fs::fstat(&fd).map_err(|errno| fail("examine", errno))?;
    let system = fs::fstatfs(&fd).map_err(|errno| fail("examine", errno))?;
    let page = if system.f_type as i64 == HUGETLBFS { system.f_bsize as usize } else { 1 };
    let mapped = bytes.next_multiple_of(page.max(1));

    let found = u64::try_from(status.st_size).unwrap_or(0);
    let wanted = mapped as u64;
    let origin = match found {
        0 => Origin::Fresh,
        same if same == wanted => Origin::Reopened,
        other => Origin::Replaced(other),
    };
    // A file of another layout is emptied first, so that what it held does not count as space it needs, and stays empty
    // where there is too little.
    if origin != Origin::Reopened {
        fs::ftruncate(&fd, 0).map_err(|errno| fail("empty", errno))?;
    }
    check_space(&fd, path, wanted)?;
    fs::ftruncate(&fd, wanted).map_err(|errno| fail("size", errno))?;
    // A hole that cannot be filled when a packet needs it would be the end of the process. Several files share the space,
    // so that having looked is not enough. Where a file system cannot reserve, having looked is all there is.
    match fs::fallocate(&fd, fs::FallocateFlags::empty(), 0, wanted) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {}
        Err(Errno::NOSPC) => {
            let _ = fs::ftruncate(&fd, 0);
            return Err(StorageError::NoSpace { path: path.to_owned(), needed: wanted, free: 0 });
        }
        Err(errno) => return Err(fail("reserve", errno)),
    }
    Ok((LockedFile { fd, path: path.to_owned() }, origin, mapped))
}

/// Refuses a file whose holes the file system could not fill now.
fn check_space(fd: &OwnedFd, path: &Path, wanted: u64) -> Result<(), StorageError> {
    let fail = |errno: Errno| StorageError::File {
        path: path.to_owned(),
        action: "examine the file system of",
        source: io::Error::from(errno),
    };
    let allocated = u64::try_from(fs::fstat(fd).map_err(fail)?.st_blocks).unwrap_or(0).saturating_mul(512);
    let system = fs::fstatvfs(fd).map_err(fail)?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let needed = wanted.saturating_sub(allocated);
    // A hugetlbfs or tmpfs without a size limit reports no blocks at all.
    if system.f_blocks != 0 && needed > free {
        return Err(StorageError::NoSpace { path: path.to_owned(), needed, free });
    }
    Ok(())
}
