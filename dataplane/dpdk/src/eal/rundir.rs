//! EAL's runtime directory: gone when nothing needs it, and swept when its owner was killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::huge;

/// The folder that EAL made for this process's file prefix.
pub(super) struct RuntimeDir {
    folder: PathBuf,
    /// Locked as long as this process lives.
    _lock: Option<File>,
}

/// Says by its lock whether the owner of a folder lives.
const LOCK: &str = "sluice.lock";

impl RuntimeDir {
    /// Takes over the folder of an EAL that has just been started.
    ///
    /// With private memory nothing is in it and it is removed at once, so that a killed process leaves nothing. With
    /// shareable memory it is locked, and folders of dead owners beside it are removed.
    pub(super) fn take(folder: PathBuf, shareable: bool) -> Self {
        if !shareable {
            // Fails, rightly, where something is in it.
            let _ = fs::remove_dir(&folder);
            return Self { folder, _lock: None };
        }
        let lock = try_lock(&folder.join(LOCK), true);
        if let Some(parent) = folder.parent() {
            sweep(parent, &folder, &huge::mounts());
        }
        Self { folder, _lock: lock }
    }

    /// Removes it with what DPDK leaves in it.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folders in `parent`, but for `mine`, that a process of ours made and no living one holds, and the huge pages
/// that such a process kept in files of its prefix.
fn sweep(parent: &Path, mine: &Path, huge_pages: &[PathBuf]) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for folder in entries.flatten().map(|entry| entry.path()).filter(|folder| folder != mine) {
        // Without a lock file it is not ours, or its owner has only just started.
        if let Some(_lock) = try_lock(&folder.join(LOCK), false) {
            if let Some(prefix) = folder.file_name().and_then(|name| name.to_str()) {
                huge_pages.iter().for_each(|mount| remove_pages(mount, prefix));
            }
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// DPDK calls its page files `<prefix>map_<number>`.
fn remove_pages(mount: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(mount) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_prefix("map_"));
        if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn try_lock(path: &Path, create: bool) -> Option<File> {
    let file = File::options().read(true).write(true).create(create).truncate(false).open(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_dead_are_given_back() {
        let (parent, mount) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dead = parent.path().join("sluice-1");
        fs::create_dir(&dead).unwrap();
        drop(try_lock(&dead.join(LOCK), true));
        let pages = ["sluice-1map_0", "sluice-1map_12", "sluice-12map_0", "sluice-1map_", "other"];
        pages.iter().for_each(|name| fs::write(mount.path().join(name), "").unwrap());
        sweep(parent.path(), &parent.path().join("mine"), &[mount.path().to_owned()]);
        let left = pages.map(|name| mount.path().join(name).exists());
        assert_eq!(left, [false, false, true, true, true]);
    }

    #[test]
    fn folders_of_the_dead_are_swept_and_others_stay() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("config"), "x").unwrap();
            folder
        };
        let (dead, alive, foreign, mine) =
            (folder("dead"), folder("alive"), folder("foreign"), folder("mine"));
        drop(try_lock(&dead.join(LOCK), true));
        let held = try_lock(&alive.join(LOCK), true).unwrap();
        let taken = RuntimeDir::take(mine.clone(), true);
        assert_eq!([&dead, &alive, &foreign, &mine].map(|folder| folder.exists()), [false, true, true, true]);
        taken.remove();
        assert!(!mine.exists());
        drop(held);
        // Private memory: an empty folder goes at once, a full one is not ours to judge.
        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        RuntimeDir::take(empty.clone(), false);
        RuntimeDir::take(foreign.clone(), false);
        assert!(!empty.exists() && foreign.exists());
    }
}
