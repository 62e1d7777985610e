//! Saves what is published, a while after it has changed, beside everything else.

use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::desired::Desired;
use crate::state::{LoadError, Published, Saved, StateFile};

/// How long after a change the state is saved.
const LATER: Duration = Duration::from_secs(2);
/// A large state that changes all the time is written less often: flash wears out. Bytes a second.
const RATE: usize = 512 << 10;
/// How often a state that stays is said to be the source's still.
const CONFIRM: Duration = Duration::from_secs(60);

/// The file, and when it is written next.
#[derive(Debug)]
pub(super) struct Saver {
    file: StateFile,
    due: Option<Instant>,
    /// Until then not again, for the sake of the disk.
    rested: Instant,
    confirmed: Option<Instant>,
    under_way: Option<JoinHandle<Result<usize, String>>>,
    trouble: Option<String>,
}

impl Saver {
    /// A saver that has nothing to save yet.
    pub(super) fn new(file: StateFile) -> Self {
        Self { file, due: None, rested: Instant::now(), confirmed: None, under_way: None, trouble: None }
    }

    /// What was saved last, and when it was the source's; none of what was so longer ago than `most`.
    pub(super) fn load(&mut self, most: Option<Duration>) -> Option<(Saved, SystemTime)> {
        let saved = self.file.load().unwrap_or_else(|error: LoadError| {
            self.trouble = Some(error.to_string());
            None
        })?;
        let as_of = self.file.as_of().unwrap_or(SystemTime::UNIX_EPOCH);
        // A clock that was set back makes nothing old.
        let age = as_of.elapsed().unwrap_or_default();
        if most.is_some_and(|most| age > most) {
            let (file, seconds) = (self.file.path().display(), age.as_secs());
            self.trouble = Some(format!("{file}: {seconds} s old, which is too old to be served"));
            return None;
        }
        Some((saved, as_of))
    }

    /// What is published is the source's state, as of now.
    pub(super) fn confirm(&mut self, now: Instant) {
        let is_saved = self.due.is_none() && self.under_way.is_none() && self.trouble.is_none();
        if is_saved && self.confirmed.is_none_or(|confirmed| now >= confirmed + CONFIRM) {
            self.confirmed = Some(now);
            // Where that fails it passes for older than it is.
            let _ = self.file.confirm();
        }
    }

    /// What keeps the state from being saved, or from having been loaded.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Something was published.
    pub(super) fn changed(&mut self, now: Instant) {
        self.due.get_or_insert(now + LATER);
    }

    /// Sees to what has ended and starts what is due. True where there is news of trouble.
    pub(super) fn work(&mut self, now: Instant, desired: &Desired) -> bool {
        let news =
            self.under_way.take_if(|task| task.is_finished()).is_some_and(|task| self.ended(task, now));
        let is_due = self.due.is_some_and(|due| now >= due.max(self.rested));
        if is_due && self.under_way.is_none() {
            self.start(desired);
        }
        news
    }

    /// Waits for what is under way, and saves what has changed since.
    pub(super) fn finish(mut self, desired: &Desired) {
        for _ in 0..2 {
            if let Some(task) = self.under_way.take() {
                self.ended(task, Instant::now());
            }
            if self.due.is_some() {
                self.start(desired);
            }
        }
        if let Some(trouble) = &self.trouble {
            tracing::error!("the last state is not saved: {trouble}");
        }
    }

    fn start(&mut self, desired: &Desired) {
        self.due = None;
        // What is shared is not copied: encoding and waiting for the disk take tens of times as long as this.
        let (state, file) = (desired.shared(), self.file.clone());
        let work = move || save(&file, &state);
        match std::thread::Builder::new().name("save".into()).spawn(work) {
            Ok(task) => self.under_way = Some(task),
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.due = Some(Instant::now() + LATER);
            }
        }
    }

    fn ended(&mut self, task: JoinHandle<Result<usize, String>>, now: Instant) -> bool {
        let result = task.join().unwrap_or_else(|_| Err("saving has failed as a program".into()));
        let before = std::mem::take(&mut self.trouble);
        match result {
            Ok(bytes) => self.rested = now + Duration::from_secs((bytes / RATE) as u64),
            Err(error) => {
                self.trouble = Some(error);
                self.due.get_or_insert(now + LATER);
            }
        }
        self.trouble != before
    }
}

/// How many bytes it took.
fn save(file: &StateFile, state: &Published) -> Result<usize, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path().display());
    let bytes = StateFile::encode(state).map_err(|error| failed(&error))?;
    file.save(&bytes).map_err(|error| failed(&error))?;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use sluice_model::Settings;

    use super::*;

    #[test]
    fn a_state_is_confirmed_only_where_it_is_saved_and_not_served_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path());
        let desired = Desired::new(Settings::default());
        save(&file, &desired.shared()).unwrap();
        let hour = Duration::from_secs(3600);
        let old = SystemTime::now() - hour;
        let age = |time| std::fs::File::open(file.path()).unwrap().set_modified(time).unwrap();
        age(old);

        let mut saver = Saver::new(file.clone());
        assert_eq!(saver.load(None).unwrap().1, old);
        assert_eq!(saver.load(Some(2 * hour)).unwrap().1, old);
        assert!(saver.load(Some(hour / 2)).is_none());
        assert!(saver.trouble().unwrap().contains("3600 s old"), "{:?}", saver.trouble());
        // What is wrong is told until the state is replaced, and this file is not what is published.
        let now = Instant::now();
        saver.confirm(now);
        assert_eq!(file.as_of(), Some(old));

        let mut saver = Saver::new(file.clone());
        saver.changed(now);
        saver.confirm(now);
        assert_eq!(file.as_of(), Some(old), "another state is published");
        let mut saver = Saver::new(file.clone());
        saver.confirm(now);
        assert!(file.as_of().unwrap() > old);
        age(old);
        saver.confirm(now + CONFIRM / 2);
        assert_eq!(file.as_of(), Some(old));
        saver.confirm(now + CONFIRM);
        assert!(file.as_of().unwrap() > old);
    }
}
