//! The thread that writes lines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::counters::{Process, one};

/// Lines that wait at most.
const QUEUE: usize = 4096;
/// How often it is looked whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);

/// The end that lines are given to. When it goes, the thread writes what it has and ends.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Option<SyncSender<String>>,
    waiting: Arc<AtomicUsize>,
}

impl Writer {
    pub(super) fn start(file: Option<PathBuf>, process: &Arc<Process>) -> Self {
        let (sender, lines) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (counted, process) = (waiting.clone(), process.clone());
        let work = move || run(&lines, &counted, file, &process);
        let thread = std::thread::Builder::new().name("query-log".into()).spawn(work);
        if let Err(why) = &thread {
            tracing::error!(%why, "no thread for the query log");
        }
        Self { lines: thread.is_ok().then_some(sender), waiting }
    }

    /// Gives a line to the thread; false if it is lost.
    pub(super) fn write(&self, line: String) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let taken = self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        if !taken {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    /// Lines that have not been written.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

fn run(lines: &Receiver<String>, waiting: &AtomicUsize, file: Option<PathBuf>, process: &Process) {
    let mut target = Target::new(file);
    while let Ok(first) = lines.recv() {
        target.look();
        let mut written = 0;
        let mut lost = 0;
        for line in std::iter::once(first).chain(lines.try_iter()).take(QUEUE) {
            written += 1;
            lost += usize::from(!target.write(line.as_bytes()));
        }
        if !target.flush() {
            lost = written;
        }
        (0..lost).for_each(|_| one(&process.log_lost));
        waiting.fetch_sub(written, Ordering::Relaxed);
    }
}

/// Where lines go.
struct Target {
    path: Option<PathBuf>,
    open: Option<BufWriter<Sink>>,
    looked: Option<Instant>,
    complained: bool,
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Target {
    fn new(path: Option<PathBuf>) -> Self {
        let open = path.is_none().then(|| BufWriter::new(Sink::Stdout(io::stdout())));
        Self { path, open, looked: None, complained: false }
    }

    /// Opens the file where it is not open, or no longer has its name.
    fn look(&mut self) {
        let Some(path) = &self.path else { return };
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        if let Some(Sink::File(file)) = self.open.as_ref().map(BufWriter::get_ref)
            && is_at(file, path)
        {
            return;
        }
        let opened = OpenOptions::new().append(true).create(true).open(path);
        match &opened {
            Err(why) if !self.complained => {
                tracing::warn!(%why, file = %path.display(), "the query log cannot be written");
            }
            _ => {}
        }
        self.complained = opened.is_err();
        self.open = opened.ok().map(|file| BufWriter::new(Sink::File(file)));
    }

    fn write(&mut self, line: &[u8]) -> bool {
        self.open.as_mut().is_some_and(|open| open.write_all(line).is_ok())
    }

    fn flush(&mut self) -> bool {
        self.open.as_mut().is_some_and(|open| open.flush().is_ok())
    }
}

/// Whether a path still leads to an open file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}
