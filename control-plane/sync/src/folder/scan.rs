//! What files there are, and whether they have changed.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::signature::Signature;

/// Folders below the one given; deeper ones are no manifests but somebody's tree.
const MAX_DEPTH: usize = 8;
/// The most files.
const MAX_FILES: usize = 20_000;
/// The largest file.
pub(super) const MAX_FILE: u64 = 128 << 20;

/// A look at the folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Files by their path relative to the folder.
    pub files: BTreeMap<String, (PathBuf, Signature)>,
    /// The folder and its subfolders.
    pub folders: Vec<PathBuf>,
    /// What could not be looked at, with the reason.
    pub problems: Vec<(String, String)>,
    /// There are more files than are read: one that is not among `files` may be there all the same.
    pub is_partial: bool,
}

/// Looks at `root` and below. Hidden entries are passed over, as are `..data` and its like by which Kubernetes mounts
/// ConfigMaps; symlinks are followed.
///
/// # Errors
/// Where `root` itself cannot be read.
pub(super) fn scan(root: &Path) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut visited = HashSet::new();
    folder(root, "", 0, &mut visited, &mut scan)?;
    Ok(scan)
}

fn folder(
    path: &Path,
    relative: &str,
    depth: usize,
    visited: &mut HashSet<(u64, u64)>,
    scan: &mut Scan,
) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    // A symlink may lead back up, or to where another has led.
    if !visited.insert((metadata.dev(), metadata.ino())) {
        return Ok(());
    }
    let entries = fs::read_dir(path)?;
    scan.folders.push(path.to_owned());
    let mut names = Vec::new();
    for entry in entries {
        match entry?.file_name().into_string() {
            Ok(name) if name.starts_with('.') => {}
            Ok(name) => names.push(name),
            Err(name) => {
                let text = name.to_string_lossy();
                if is_manifest(&text) || path.join(&name).is_dir() {
                    scan.problems
                        .push((format!("{relative}{text}"), "a name that is no UTF-8; not read".into()));
                }
            }
        }
    }
    names.sort();
    for name in names {
        let (path, relative) = (path.join(&name), format!("{relative}{name}"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // It has gone since it was listed, or is a symlink to nowhere; if it was a manifest, that is as good as gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                scan.problems.push((relative, error.to_string()));
                continue;
            }
        };
        if metadata.is_dir() {
            if depth + 1 >= MAX_DEPTH {
                let message = format!("folders below {MAX_DEPTH} levels are not read");
                scan.problems.push((relative, message));
            } else if let Err(error) = folder(&path, &format!("{relative}/"), depth + 1, visited, scan) {
                scan.problems.push((relative, error.to_string()));
            }
        } else if is_manifest(&name) && metadata.is_file() {
            if scan.files.len() >= MAX_FILES {
                if !std::mem::replace(&mut scan.is_partial, true) {
                    let message = format!("more than {MAX_FILES} files are not read");
                    scan.problems.push((relative, message));
                }
                continue;
            }
            scan.files.insert(relative, (path, Signature::from(&metadata)));
        }
    }
    Ok(())
}

/// Whether a file of this name is read.
pub(super) fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// Whether there is no such file any more.
pub(super) fn is_gone(path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    fs::metadata(path).is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}
