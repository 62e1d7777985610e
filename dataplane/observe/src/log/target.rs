//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// How often it is looked whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);
/// What the group of a file that roles share may do with it: read and write.
const GROUP: u32 = 0o060;

/// A file, which is opened again once it was moved away, or standard output.
#[derive(Debug)]
pub struct Target {
    /// Whose lines they are, for complaints.
    what: &'static str,
    path: Option<PathBuf>,
    shared: bool,
    open: Option<File>,
    /// The file may end with half a line.
    torn: bool,
    looked: Option<Instant>,
    complained: bool,
}

impl Target {
    /// For the lines of `what`; standard output without a file.
    pub fn new(what: &'static str, path: Option<PathBuf>) -> Self {
        Self { what, path, shared: false, open: None, torn: false, looked: None, complained: false }
    }

    /// Roles of other users write to the same file: its group may, where this one makes it. No link is followed, since none of
    /// them may say where another one writes.
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Opens the file where it is not open, or no longer has its name.
    pub fn look(&mut self) {
        let Some(path) = &self.path else { return };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        if self.open.as_ref().is_some_and(|file| is_at(file, path)) {
            return;
        }
        let opened = if self.shared { open_shared(path) } else { appending().create(true).open(path) };
        if let Err(why) = &opened
            && !self.complained
        {
            tracing::warn!(%why, file = %path.display(), "the {} cannot be written", self.what);
        }
        self.complained = opened.is_err();
        self.open = opened.ok();
    }

    /// Writes whole lines; false where that failed. They go in one piece, so that those of others that append to the same file
    /// come before or behind them.
    pub fn write(&mut self, lines: &[u8]) -> bool {
        let (Some(_), file) = (&self.path, &mut self.open) else {
            return io::stdout().lock().write_all(lines).is_ok();
        };
        let Some(file) = file else { return false };
        let whole = match self.torn {
            true => file.write_all(&[b"\n", lines].concat()).is_ok(),
            false => file.write_all(lines).is_ok(),
        };
        self.torn = !whole;
        whole
    }
}

fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    options
}

fn open_shared(path: &Path) -> io::Result<File> {
    let mut options = appending();
    // Nor does it wait for whoever would read a FIFO in its place.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    match options.clone().create_new(true).open(path) {
        Ok(made) => {
            let mut permissions = made.metadata()?.permissions();
            permissions.set_mode(permissions.mode() | GROUP);
            made.set_permissions(permissions)?;
            Ok(made)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match options.open(path)? {
            file if file.metadata()?.is_file() => Ok(file),
            _ => Err(io::Error::other("not a regular file")),
        },
        Err(error) => Err(error),
    }
}

/// Whether a path still leads to an open file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_is_made_for_its_group_and_appended_to_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queries.log");
        let [mut one, mut other] =
            ["one", "other"].map(|what| Target::new(what, Some(path.clone())).shared());
        assert!(!one.write(b"nowhere yet\n"));
        for target in [&mut one, &mut other] {
            target.look();
            assert!(target.write(b"a\n"));
        }
        assert!(one.write(b"b\n"));
        assert_eq!(std::fs::read(&path).unwrap(), b"a\na\nb\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & GROUP, GROUP);
        // Moved away, both find the new one.
        std::fs::rename(&path, folder.path().join("queries.log.1")).unwrap();
        for target in [&mut one, &mut other] {
            target.looked = None;
            target.look();
            assert!(target.write(b"c\n"));
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"c\nc\n");
    }

    #[test]
    fn half_a_line_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queries.log");
        let mut target = Target::new("query log", Some(path.clone()));
        target.look();
        // As a disk leaves it that has been full in between.
        assert!(target.write(b"on"));
        target.torn = true;
        assert!(target.write(b"two\n") && target.write(b"three\n"));
        assert_eq!(std::fs::read(&path).unwrap(), b"on\ntwo\nthree\n");
    }

    #[test]
    fn a_shared_file_is_not_looked_for_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [link, behind] = ["queries.log", "passwd"].map(|name| folder.path().join(name));
        std::fs::write(&behind, "root\n").unwrap();
        std::os::unix::fs::symlink(&behind, &link).unwrap();
        let mut target = Target::new("query log", Some(link.clone())).shared();
        target.look();
        assert!(!target.write(b"a\n"));
        assert_eq!(std::fs::read(&behind).unwrap(), b"root\n");
        // Nor is it a FIFO, whether or not somebody reads it.
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for reader in [false, true] {
            let _reader = reader.then(|| {
                OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(&fifo)
            });
            let mut target = Target::new("query log", Some(fifo.clone())).shared();
            target.look();
            assert!(!target.write(b"a\n"));
        }
        // What is one role's own may be a link.
        let mut target = Target::new("access log", Some(link));
        target.look();
        assert!(target.write(b"a\n"));
    }
}
