//! The thread that writes lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sluice_observe::log::Target;

use crate::counters::{Process, one};

/// Lines that wait at most.
const QUEUE: usize = 4096;
/// Octets that are kept for the next lines.
const KEPT: usize = 1 << 16;

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
    // The data plane's lines go there too.
    let mut target = Target::new("query log", file).shared();
    let mut text = String::new();
    while let Ok(first) = lines.recv() {
        target.look();
        let mut count = 0;
        for line in std::iter::once(first).chain(lines.try_iter()).take(QUEUE) {
            text.push_str(&line);
            count += 1;
        }
        if !target.write(text.as_bytes()) {
            (0..count).for_each(|_| one(&process.log_lost));
        }
        text.clear();
        text.shrink_to(KEPT);
        waiting.fetch_sub(count, Ordering::Relaxed);
    }
}
