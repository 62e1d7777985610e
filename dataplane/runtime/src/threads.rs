//! The data plane's threads.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::lcore::Tables;
use crate::run::RuntimeError;
use crate::stop::Stop;

/// How often the main thread looks around.
const LOOK: Duration = Duration::from_millis(20);

/// The threads, in the order in which they were started.
pub(crate) struct Threads {
    /// Ends them all.
    pub(crate) stop: Stop,
    all: Vec<(String, JoinHandle<Result<(), RuntimeError>>)>,
}

impl Threads {
    /// None yet.
    pub(crate) fn new(stop: Stop) -> Self {
        Self { stop, all: Vec::new() }
    }

    /// Starts one.
    pub(crate) fn start(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), RuntimeError> {
        self.start_fallible(name, move || {
            work();
            Ok(())
        })
    }

    /// Starts one that may fail; its error becomes the data plane's.
    pub(crate) fn start_fallible(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), RuntimeError> + Send + 'static,
    ) -> Result<(), RuntimeError> {
        let thread =
            std::thread::Builder::new().name(name.into()).spawn(work).map_err(RuntimeError::Thread)?;
        self.all.push((name.to_owned(), thread));
        Ok(())
    }

    /// Waits until told to stop, or until a thread ends by itself, which none should.
    pub(crate) fn watch(
        &self,
        tables: &Tables,
        patience: Duration,
        ready: impl FnOnce(),
    ) -> Result<(), RuntimeError> {
        let deadline = Instant::now() + patience;
        let mut ready = Some(ready);
        while !self.stop.is_set() {
            if self.all.iter().any(|(_, thread)| thread.is_finished()) {
                return Ok(());
            }
            if ready.is_some() && !tables.is_open() && Instant::now() >= deadline {
                tracing::warn!("no Services from control yet: what comes for them now goes to Linux");
                tables.open();
            }
            if tables.is_open()
                && let Some(ready) = ready.take()
            {
                ready();
            }
            self.stop.wait(LOOK);
        }
        Ok(())
    }

    /// Ends all threads and gives the first error among theirs; one that ended before it was told to has failed.
    pub(crate) fn end(self) -> Result<(), RuntimeError> {
        let early: Vec<bool> =
            self.all.iter().map(|(_, thread)| thread.is_finished() && !self.stop.is_set()).collect();
        self.stop.set();
        let mut result = Ok(());
        for ((name, thread), early) in self.all.into_iter().zip(early) {
            let ended = match thread.join() {
                Ok(Ok(())) if early => Err(RuntimeError::Failed(name)),
                Ok(ended) => ended,
                Err(_) => Err(RuntimeError::Failed(name)),
            };
            result = result.and(ended);
        }
        result
    }
}
