//! [`Storage`]: one large slice on mapped memory.
//!
//! What makes a `&mut [T]` over a shared mapping sound here:
//!
//! * **Any bit pattern is a `T`** ([`Pod`]), so a damaged file gives wrong values, never invalid ones.
//! * **One user.** The file is opened without following links, must be a regular file of this user, is made mode 0600,
//!   and is locked with `flock` for as long as the mapping lives: a second opener, in this process or another, is
//!   refused. The lock is advisory: the same user (or root) can still write to or truncate the file by hand, which is
//!   as able to corrupt this process as a debugger is; a page taken away ends the process by `SIGBUS`.
//! * **Length and alignment.** The file has been sized for `len` elements before it is mapped, and a mapping starts on a
//!   page, which is at least as aligned as any `T` accepted here.
//!
//! A full file system would also be a `SIGBUS`, at the first touch of a page it cannot provide. Hence the file system's
//! free space is checked when a file is sized; what others take from it afterwards is out of reach here.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::file::{self, LockedFile};
use crate::pod::Pod;

/// The smallest page of any supported system: what a mapping is surely aligned to.
const PAGE: usize = 4096;

/// An owned slice `[T]` on an anonymous mapping or on a shared file mapping.
#[derive(Debug)]
pub struct Storage<T> {
    /// Before `lock`: fields drop in this order, and the lock must outlive the mapping.
    map: MmapMut,
    len: usize,
    origin: Origin,
    lock: Option<LockedFile>,
    element: PhantomData<T>,
}

/// What a new [`Storage`] contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Zeroes: anonymous memory, or a file that did not exist or was empty.
    Fresh,
    /// Zeroes: the file had another length, in bytes as given, so its content was of another layout and was discarded.
    Replaced(u64),
    /// What the previous user of the file left in it.
    Reopened,
}

/// Why there is no [`Storage`].
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The length in bytes is zero or does not fit the address space.
    #[error("a table of {len} elements of {size} bytes cannot be mapped")]
    Length {
        /// Elements asked for.
        len: usize,
        /// Bytes of each.
        size: usize,
    },
    /// A table's name is not a plain file name.
    #[error("{name:?} is not a plain file name")]
    BadName {
        /// The name given.
        name: String,
    },
    /// The file could not be opened, created, examined or sized; a symbolic link is refused here too.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done, as a verb.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The path names something other than a regular file, or a file of another user.
    #[error("{}: not a regular file of this user", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another holder, in this process or another, has the file mapped.
    #[error("{}: in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system is too full for the file.
    #[error("{}: needs {needed} bytes, the file system has {free} free", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Bytes still to be allocated.
        needed: u64,
        /// Bytes free for this user.
        free: u64,
    },
    /// The kernel refused the mapping.
    #[error("cannot map {bytes} bytes: {source}")]
    Map {
        /// Length of the mapping.
        bytes: usize,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl<T: Pod> Storage<T> {
    /// `len` zeroed elements on anonymous memory. Pages that are never touched cost nothing; no swap is reserved, and
    /// transparent huge pages are asked for.
    ///
    /// # Errors
    /// [`StorageError::Length`] and [`StorageError::Map`].
    pub fn anonymous(len: usize) -> Result<Self, StorageError> {
        let bytes = byte_len::<T>(len)?;
        let map = MmapOptions::new()
            .len(bytes)
            .no_reserve_swap()
            .map_anon()
            .map_err(|source| StorageError::Map { bytes, source })?;
        Ok(Self::over(map, len, Origin::Fresh, None))
    }

    /// `len` elements on the file at `path`, which is created (mode 0600) where it does not exist. A file of exactly the
    /// right length keeps its content; any other length is replaced by zeroes. [`Storage::origin`] tells which.
    ///
    /// On hugetlbfs the file's length is rounded up to the huge page, and the pages are reserved by the mapping.
    ///
    /// # Errors
    /// Any [`StorageError`] but [`StorageError::BadName`]. [`StorageError::InUse`] may pass: a process that was killed
    /// holds its lock until the kernel has taken its memory apart.
    pub fn file(path: &Path, len: usize) -> Result<Self, StorageError> {
        let bytes = byte_len::<T>(len)?;
        let (lock, origin, mapped) = file::open_sized(path, bytes)?;
        // SAFETY: the file is ours alone by ownership, mode and lock (see the module's doc for the limits of that), it
        // has at least `mapped` bytes, and `lock` keeps it open and locked for longer than the mapping.
        let map = unsafe { MmapOptions::new().len(mapped).map_mut(lock.fd()) }
            .map_err(|source| StorageError::Map { bytes: mapped, source })?;
        Ok(Self::over(map, len, origin, Some(lock)))
    }

    /// What the storage contained when it was made.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The file below, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.lock.as_ref().map(LockedFile::path)
    }

    fn over(map: MmapMut, len: usize, origin: Origin, lock: Option<LockedFile>) -> Self {
        const { assert!(align_of::<T>() <= PAGE, "more aligned than a page") };
        // Advice only: without it the table works, with more TLB misses. File systems without huge pages refuse it.
        let _ = map.advise(Advice::HugePage);
        Self { map, len, origin, lock, element: PhantomData }
    }
}

impl<T: Pod> Deref for Storage<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the mapping is at least `len * size_of::<T>()` bytes (`byte_len`, `open_sized`), starts on a page and
        // so is aligned for `T`; its bytes are initialised and any of them make a `T` (`Pod`); it lives as long as
        // `self`, and `&self` excludes a mutable slice.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.len) }
    }
}

impl<T: Pod> DerefMut for Storage<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes this the only slice over the mapping.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.len) }
    }
}

fn byte_len<T: Pod>(len: usize) -> Result<usize, StorageError> {
    let size = size_of::<T>();
    // The headroom below `isize::MAX` leaves room to round up to any huge page.
    match len.checked_mul(size) {
        Some(bytes) if bytes > 0 && bytes <= isize::MAX as usize / 2 => Ok(bytes),
        _ => Err(StorageError::Length { len, size }),
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
