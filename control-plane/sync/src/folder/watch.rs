//! Waits for changes of a folder by inotify(7).
//!
//! Events only say that it is time to look again: what has changed is found by looking. So it does not matter which of its
//! many ways an editor writes a file in, and lost events cost a delay only, since we look every few seconds anyway (for
//! symlinks into other folders, and for network file systems, which tell nothing).

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::scan::is_manifest;

/// Changes count once nothing has happened for so long …
const SETTLED: Duration = Duration::from_millis(8);
/// … or since the first of them this has passed.
const CAP: Duration = Duration::from_millis(100);
/// How often to look without being told.
const LOOK: Duration = Duration::from_secs(10);
/// The same while the folder is not there or a loss is held back, or where nothing tells.
const LOOK_OFTEN: Duration = Duration::from_millis(500);
/// A file that is being written counts as finished when its writer closes it, or so long after the last write.
const FLUX: Duration = Duration::from_secs(1);
/// How many buffers of events are read before a file is read all the same: more than the kernel queues.
const DRAIN: usize = 64;
/// How long a stop may go unnoticed.
const STOP: Duration = Duration::from_millis(200);

/// Why [`Watch::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It is time to look.
    Look,
    /// It is time to stop.
    Stop,
}

/// Watches a folder with its subfolders, and its place in the folder above.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    inotify: Option<Inotify>,
    watched: HashMap<WatchDescriptor, PathBuf>,
    flux: HashMap<PathBuf, Instant>,
    /// When something was heard while nobody waited.
    heard: Option<Instant>,
}

impl Watch {
    /// A watch of `root`; without inotify, for want of descriptors, it looks often instead.
    pub fn new(root: &Path) -> Self {
        let inotify = Inotify::init();
        if let Err(error) = &inotify {
            tracing::warn!(%error, "no inotify: looking at the manifests twice a second instead");
        }
        Self {
            root: root.to_owned(),
            inotify: inotify.ok(),
            watched: HashMap::new(),
            flux: HashMap::new(),
            heard: None,
        }
    }

    /// Watches `folders`, as they were found, and no others. True where some were not watched before: what has happened
    /// in them since they were looked at is not known.
    pub fn follow(&mut self, folders: &[PathBuf]) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let mut watches = inotify.watches();
        let mut current = HashMap::new();
        let mut fresh = false;
        let above = self.root.ancestors().skip(1).find(|folder| folder.is_dir());
        for folder in folders.iter().map(PathBuf::as_path).chain(above) {
            let mask = WatchMask::CREATE
                | WatchMask::DELETE
                | WatchMask::MOVED_FROM
                | WatchMask::MOVED_TO
                | WatchMask::MODIFY
                | WatchMask::CLOSE_WRITE
                | WatchMask::ATTRIB
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF;
            match watches.add(folder, mask) {
                Ok(descriptor) => {
                    fresh |= !self.watched.contains_key(&descriptor);
                    current.insert(descriptor, folder.to_owned());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => fresh = true,
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot be watched; looking at it every 10 s");
                }
            }
        }
        for (descriptor, _) in self.watched.drain() {
            if !current.contains_key(&descriptor) {
                // Fails where the kernel has removed it with its folder.
                let _ = watches.remove(descriptor);
            }
        }
        self.watched = current;
        fresh
    }

    /// Waits until something has changed and settled, or it is time to look anyway, which where `often` is soon.
    pub fn wait(&mut self, often: bool, stop: &AtomicBool) -> Wake {
        let start = Instant::now();
        let often = often || self.inotify.is_none();
        let mut look_at = start + if often { LOOK_OFTEN } else { LOOK };
        if let Some(oldest) = self.flux.values().min() {
            look_at = look_at.min(*oldest + FLUX);
        }
        let mut first = self.heard.take();
        if let Some(first) = first {
            look_at = look_at.min(first + CAP);
        }
        loop {
            if stop.load(Ordering::Relaxed) {
                return Wake::Stop;
            }
            let now = Instant::now();
            if now >= look_at {
                return Wake::Look;
            }
            let left = (look_at - now).min(STOP);
            let quiet = first.map_or(left, |_| left.min(SETTLED));
            match self.events(quiet) {
                Ok(Heard::News) => {
                    let first = *first.get_or_insert_with(Instant::now);
                    look_at = look_at.min(first + CAP);
                }
                // Nothing more for as long as it takes to settle.
                Ok(Heard::Nothing) if first.is_some() => return Wake::Look,
                Ok(Heard::Nothing | Heard::Noise) => {}
                Err(error) => {
                    tracing::warn!(%error, "inotify failed: looking at the manifests twice a second instead");
                    self.inotify = None;
                    return Wake::Look;
                }
            }
        }
    }

    /// Whether the file is just being written: written to, and neither closed nor left alone for a second. What such a
    /// file holds is half of something.
    ///
    /// What counts is what has happened up to now, whether or not anybody waited for it.
    pub fn is_in_flux(&mut self, path: &Path) -> bool {
        for _ in 0..DRAIN {
            match self.events(Duration::ZERO) {
                Ok(Heard::News) => {
                    self.heard.get_or_insert_with(Instant::now);
                }
                Ok(Heard::Noise) => {}
                // An error comes again where somebody waits.
                Ok(Heard::Nothing) | Err(_) => break,
            }
        }
        let since = self.flux.get(path);
        since.is_some_and(|since| since.elapsed() < FLUX)
    }

    /// Waits for events up to `timeout`.
    fn events(&mut self, timeout: Duration) -> io::Result<Heard> {
        self.flux.retain(|_, since| since.elapsed() < FLUX);
        let Some(inotify) = &mut self.inotify else {
            std::thread::sleep(timeout);
            return Ok(Heard::Nothing);
        };
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let fd = inotify.as_fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Heard::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut buffer = [0; 16 << 10];
        let events = match inotify.read_events(&mut buffer) {
            Ok(events) => events,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::Nothing),
            Err(error) => return Err(error),
        };
        let subfolders: HashSet<&PathBuf> = self.watched.values().collect();
        let mut matters = false;
        for event in events {
            let folder = self.watched.get(&event.wd);
            if let (Some(folder), Some(name)) = (folder, event.name) {
                note_flux(&mut self.flux, folder.join(name), event.mask);
            }
            matters |= is_relevant(&event, folder, &self.root, &subfolders);
        }
        Ok(if matters { Heard::News } else { Heard::Noise })
    }
}

/// What some events were about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// There were none.
    Nothing,
    /// Nothing that is read.
    Noise,
    /// Something that may be read.
    News,
}

fn note_flux(flux: &mut HashMap<PathBuf, Instant>, path: PathBuf, mask: EventMask) {
    let finished = EventMask::CLOSE_WRITE | EventMask::MOVED_TO | EventMask::MOVED_FROM | EventMask::DELETE;
    if mask.intersects(finished) {
        flux.remove(&path);
    } else if mask.contains(EventMask::MODIFY) {
        flux.insert(path, Instant::now());
    }
}

fn is_relevant(
    event: &Event<&OsStr>,
    folder: Option<&PathBuf>,
    root: &Path,
    watched: &HashSet<&PathBuf>,
) -> bool {
    let (Some(folder), Some(name)) = (folder, event.name) else {
        // A folder itself, or the queue has overflown.
        return true;
    };
    if !watched.contains(&root.to_owned()) || !folder.starts_with(root) {
        // In the folder above only what stands on the way to ours matters.
        return root.starts_with(folder.join(name));
    }
    let name = name.to_string_lossy();
    // Not an editor's swap file, or a log; a name without an ending may be a folder's or a symlink's.
    event.mask.contains(EventMask::ISDIR)
        || is_manifest(&name)
        || name.starts_with("..")
        || !name.contains('.')
}
