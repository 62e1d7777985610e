//! A folder of ordinary Kubernetes manifests as the source of objects.
//!
//! Files `*.yaml`, `*.yml` and `*.json`, also in subfolders; several documents in a file, `List` objects. Of an object that
//! stands in several files the one in the file whose path sorts first counts. A document that cannot be read costs no
//! other one, and the object in it keeps its last good version; a file that goes takes its objects with it.

mod documents;
mod parse;
mod places;
mod scan;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use watch::{Wake, Watch};

use crate::object::{Key, Object, Rules};
use crate::signature::Signature;
use crate::{Level, Problem};

/// A folder of manifests, as of the last [`refresh`](Self::refresh).
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    rules: Rules,
    files: BTreeMap<String, File>,
    /// Which files each object stands in.
    owners: HashMap<Key, BTreeSet<String>>,
    folders: Vec<PathBuf>,
    /// Problems of the folder rather than of a file's content.
    unreadable: Vec<Problem>,
    is_missing: bool,
}

#[derive(Debug)]
struct File {
    signature: Signature,
    objects: BTreeMap<Key, (u64, Object)>,
    problems: Vec<Problem>,
}

/// An object that has changed: its new value, or none where it is no more.
pub type ObjectChange = (Key, Option<Object>);

impl Folder {
    /// The folder `root`, not yet looked at.
    pub fn new(root: &Path, rules: Rules) -> Self {
        Self {
            root: root.to_owned(),
            rules,
            files: BTreeMap::new(),
            owners: HashMap::new(),
            folders: Vec::new(),
            unreadable: Vec::new(),
            is_missing: true,
        }
    }

    /// Looks again, reads the files that have changed, and returns what that changes. Files for which `in_flux` holds are
    /// just being written and stay as they are.
    ///
    /// # Errors
    /// Where the folder itself is not there or cannot be read; everything then stays as it is, for a folder is not taken
    /// away to delete every Service.
    pub fn refresh(&mut self, mut in_flux: impl FnMut(&Path) -> bool) -> io::Result<Vec<ObjectChange>> {
        let scan = match scan::scan(&self.root) {
            Ok(scan) => scan,
            Err(error) => {
                self.is_missing = true;
                let message = format!("the manifest folder cannot be read: {error}");
                self.unreadable = vec![self.problem("", Level::Error, message)];
                return Err(error);
            }
        };
        self.is_missing = false;
        self.folders = scan.folders;
        self.unreadable.clear();
        for (file, message) in scan.problems {
            self.unreadable.push(self.problem(&file, Level::Error, message));
        }
        let mut touched = BTreeSet::new();
        let gone: Vec<String> = self
            .files
            .keys()
            .filter(|file| !scan.files.contains_key(*file) && !self.is_hidden_by_error(file))
            .filter(|file| !scan.is_partial || scan::is_gone(&self.root.join(file)))
            .cloned()
            .collect();
        for file in gone {
            self.forget(&file, &mut touched);
        }
        for (file, (path, signature)) in scan.files {
            let known = self.files.get(&file);
            if known.is_some_and(|known| known.signature == signature) || in_flux(&path) {
                continue;
            }
            let text = read(&path, signature);
            // What is written to while it is read is half of something. It was written to since it was looked at: then it
            // is another file by now. Or it was truncated just before, and the kernel, which tells of that last, had not
            // told yet.
            if in_flux(&path) || !Signature::of(&path).is_ok_and(|now| now == signature) {
                continue;
            }
            match text {
                Ok(text) => self.read(&file, signature, &text, &mut touched),
                Err(error) => {
                    let message = format!("{error}; its objects keep their last good version");
                    self.unreadable.push(self.problem(&file, Level::Error, message));
                }
            }
        }
        Ok(touched
            .into_iter()
            .map(|key| {
                let object = self.effective(&key).cloned();
                (key, object)
            })
            .collect())
    }

    /// The folder and its subfolders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Whether the folder could not be read the last time.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// How many files are read.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Everything that is wrong, by file and line.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.unreadable.clone();
        for file in self.files.values() {
            problems.extend_from_slice(&file.problems);
        }
        for (key, owners) in &self.owners {
            let mut owners = owners.iter();
            let Some(winner) = owners.next() else {
                continue;
            };
            for loser in owners {
                let line = |file: &String| Some(self.files.get(file)?.objects.get(key)?.0);
                let at = line(winner).unwrap_or(0);
                let message = format!("the object stands in {winner}:{at} too, which counts");
                problems.push(Problem {
                    line: line(loser).unwrap_or(0),
                    object: key.to_string(),
                    ..self.problem(loser, Level::Error, message)
                });
            }
        }
        problems.sort();
        problems
    }

    /// Takes a file's text in place of what it held.
    fn read(&mut self, file: &str, signature: Signature, text: &str, touched: &mut BTreeSet<Key>) {
        let mut content = parse::content(file, text, &self.rules);
        let before = self.files.remove(file);
        let old = before.map(|before| before.objects).unwrap_or_default();
        for (key, (line, object)) in old {
            match content.objects.get(&key) {
                Some((_, new)) if *new == object => {}
                Some(_) => {
                    touched.insert(key);
                }
                None if content.broken || content.rejected.contains(&key) => {
                    content.objects.insert(key, (line, object));
                }
                None => {
                    self.disown(&key, file);
                    touched.insert(key);
                }
            }
        }
        for key in content.objects.keys() {
            let owners = self.owners.entry(key.clone()).or_default();
            if owners.insert(file.to_owned()) {
                touched.insert(key.clone());
            }
        }
        let read = File { signature, objects: content.objects, problems: content.problems };
        self.files.insert(file.to_owned(), read);
    }

    fn forget(&mut self, file: &str, touched: &mut BTreeSet<Key>) {
        let Some(gone) = self.files.remove(file) else {
            return;
        };
        for key in gone.objects.into_keys() {
            self.disown(&key, file);
            touched.insert(key);
        }
    }

    fn disown(&mut self, key: &Key, file: &str) {
        if let Some(owners) = self.owners.get_mut(key) {
            owners.remove(file);
            if owners.is_empty() {
                self.owners.remove(key);
            }
        }
    }

    fn effective(&self, key: &Key) -> Option<&Object> {
        let file = self.owners.get(key)?.first()?;
        let (_, object) = self.files.get(file)?.objects.get(key)?;
        Some(object)
    }

    /// Whether `file` was not seen only because it, or a folder on the way to it, could not be looked at.
    fn is_hidden_by_error(&self, file: &str) -> bool {
        self.unreadable.iter().any(|problem| {
            let rest = file.strip_prefix(problem.file.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn problem(&self, file: &str, level: Level, message: String) -> Problem {
        let file = if file.is_empty() { self.root.display().to_string() } else { file.to_owned() };
        Problem { file, line: 0, object: String::new(), field: String::new(), level, message }
    }
}

fn read(path: &Path, signature: Signature) -> io::Result<String> {
    if signature.size > scan::MAX_FILE {
        let message = format!("larger than {} MiB", scan::MAX_FILE >> 20);
        return Err(io::Error::other(message));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(scan::MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}
