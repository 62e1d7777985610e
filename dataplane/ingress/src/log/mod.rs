//! The access log: a JSON object for each request, one in a line.
//!
//! Workers never wait for it: lines go to a thread through a queue of bounded length, and what finds it full is lost and
//! counted.

mod entry;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use sluice_model::http::AccessLog;
use sluice_observe::log::Target;

pub(crate) use entry::Entry;

use crate::metrics::Metrics;

/// Lines that wait at most.
const QUEUE: usize = 4096;

/// The log as it is set now.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    current: Arc<ArcSwapOption<Writer>>,
    set: Arc<Mutex<Option<AccessLog>>>,
    metrics: Arc<Metrics>,
}

/// The end that lines are given to. When it goes, the thread writes what it has and ends.
#[derive(Debug)]
struct Writer(SyncSender<Box<Entry>>);

impl Log {
    /// None is written yet.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { current: Arc::default(), set: Arc::default(), metrics: Arc::clone(metrics) }
    }

    /// From now on it goes there, or nowhere.
    pub(crate) fn set(&self, wanted: Option<&AccessLog>) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if set.as_ref() == wanted {
            return;
        }
        *set = wanted.cloned();
        let writer = wanted.and_then(|log| start(log.file.clone(), &self.metrics));
        self.current.store(writer.map(|writer| Arc::new(Writer(writer))));
    }

    /// The log, if one is written.
    pub(crate) fn current(&self) -> Option<Self> {
        self.current.load().is_some().then(|| self.clone())
    }

    /// Has a line written, or counts it as lost.
    pub(crate) fn write(&self, entry: Box<Entry>) {
        let taken = self.current.load().as_ref().is_some_and(|writer| writer.0.try_send(entry).is_ok());
        if !taken {
            self.metrics.lost_line();
        }
    }
}

fn start(file: Option<PathBuf>, metrics: &Arc<Metrics>) -> Option<SyncSender<Box<Entry>>> {
    let (sender, lines) = sync_channel(QUEUE);
    let metrics = Arc::clone(metrics);
    let work = move || run(&lines, Target::new("access log", file), &metrics);
    match std::thread::Builder::new().name("access-log".into()).spawn(work) {
        Ok(_) => Some(sender),
        Err(why) => {
            tracing::error!(%why, "no thread for the access log");
            None
        }
    }
}

fn run(lines: &Receiver<Box<Entry>>, mut target: Target, metrics: &Metrics) {
    let mut text = Vec::new();
    while let Ok(first) = lines.recv() {
        target.look();
        let mut count = 0;
        for entry in std::iter::once(first).chain(lines.try_iter()).take(QUEUE) {
            entry.append_to(&mut text);
            count += 1;
        }
        if !target.write(&text) {
            (0..count).for_each(|_| metrics.lost_line());
        }
        text.clear();
        text.shrink_to(1 << 16);
    }
}

#[cfg(test)]
mod tests;
