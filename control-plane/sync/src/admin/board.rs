//! What control's own thread writes down for those that look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sluice_config::Source;
use sluice_feed::Server;
use sluice_feed::server::SubscriberStatus;

use super::protocol::{
    CorefileRow, HeldRow, KindRow, LatencyRow, ProblemCounts, ProblemRow, SourceRow, SubscriberRow,
    SyncStatus,
};
use crate::control::latency::{Histogram, Latencies};
use crate::desired::Shrink;
use crate::object::Kind;
use crate::{Level, Problem};

/// Written by control's thread, read by whoever looks; neither waits for the other for longer than it takes to copy.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    source: SourceRow,
    shown: Mutex<Shown>,
    latencies: Latencies,
    /// Whether somebody wants a loss that is held back to be let through.
    release: AtomicBool,
}

/// What changes.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Whether all objects of the source have been seen.
    pub complete: bool,
    /// Objects by kind.
    pub objects: BTreeMap<Kind, usize>,
    /// Kinds that cannot be followed, and why.
    pub failures: BTreeMap<Kind, String>,
    /// How following an API server goes, by kind.
    pub followed: BTreeMap<Kind, Followed>,
    /// Where the saved state is served, because the API server has not been heard: when it was the API server's last.
    pub stale: Option<SystemTime>,
    /// A loss of endpoints that is held back.
    pub held: Option<Held>,
    /// The Corefile that DNS goes by, where there is one.
    pub corefile: Option<CorefileShown>,
    /// Whether this gateway is the one that writes statuses; none where nobody has to.
    pub leader: Option<bool>,
    /// Manifest files that have been read.
    pub files: Option<usize>,
    /// Services that are published.
    pub services: usize,
    /// When the last generation was published.
    pub published: Option<Instant>,
    /// Frontends that two Services claim.
    pub conflicts: usize,
    /// What is wrong.
    pub problems: Arc<Vec<Problem>>,
}

/// How a Corefile is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorefileShown {
    /// Where it is.
    pub source: String,
    /// Whether it is in effect as it is now.
    pub good: bool,
    /// When it came into effect; none where what is in effect was saved by a former process, or nothing is.
    pub since: Option<Instant>,
    /// Zones of the resolver.
    pub zones: usize,
    /// Whether any is in effect, be it one before.
    pub is_in_effect: bool,
    /// Why it is not as it is now; empty where it is.
    pub why: String,
}

/// How following one kind goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Followed {
    /// Complete lists: one at the start, and one each time a watch could not be resumed.
    pub lists: u64,
    /// Times that it failed.
    pub errors: u64,
    /// When the last event came in.
    pub last_event: Option<Instant>,
}

/// A loss that is held back, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The loss.
    pub shrink: Shrink,
    /// When it was seen first.
    pub since: Instant,
}

impl Board {
    /// A board on which nothing is written yet.
    pub fn new(source: &Source) -> Self {
        let source = match source {
            Source::Manifests(folder) => SourceRow::Manifests { folder: folder.clone() },
            Source::Kubernetes(api) => SourceRow::Kubernetes { kubeconfig: api.kubeconfig.clone() },
        };
        Self {
            started: Instant::now(),
            source,
            shown: Mutex::default(),
            latencies: Latencies::default(),
            release: AtomicBool::new(false),
        }
    }

    /// Writes.
    pub fn update(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.lock());
    }

    /// Reads.
    pub fn shown(&self) -> Shown {
        self.lock().clone()
    }

    /// Times from events to the lcores.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// Asks for the loss that is held back to be let through; false where none is.
    pub fn release(&self) -> bool {
        let held = self.lock().held.is_some();
        if held {
            self.release.store(true, Ordering::Relaxed);
        }
        held
    }

    /// Whether that was asked for since the last call.
    pub fn take_release(&self) -> bool {
        self.release.swap(false, Ordering::Relaxed)
    }

    /// How control is, with the feed's own part of it.
    pub fn sync(&self, feed: &Server) -> SyncStatus {
        // The newer of the two first: nobody has acknowledged what was not published.
        let subscribers = feed.subscribers().iter().map(subscriber).collect();
        let generation = feed.generation();
        let shown = self.shown();
        let mut kinds = BTreeSet::from([Kind::Node, Kind::Service, Kind::EndpointSlice]);
        kinds.extend(shown.followed.keys());
        SyncStatus {
            sluice: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            source: self.source.clone(),
            complete: shown.complete,
            kinds: kinds
                .into_iter()
                .map(|kind| KindRow {
                    kind,
                    objects: shown.objects.get(&kind).copied().unwrap_or(0) as u64,
                    synced: shown.followed.get(&kind).map_or(shown.complete, |f| f.lists > 0),
                    last_event_seconds_ago: shown
                        .followed
                        .get(&kind)
                        .and_then(|f| Some(f.last_event?.elapsed().as_secs())),
                    lists: shown.followed.get(&kind).map(|f| f.lists),
                    errors: shown.followed.get(&kind).map(|f| f.errors),
                    error: shown.failures.get(&kind).cloned(),
                })
                .collect(),
            services: shown.services as u64,
            generation,
            published_seconds_ago: shown.published.map(|at| at.elapsed().as_secs()),
            problems: counts(&shown.problems),
            conflicts: shown.conflicts as u64,
            stale: shown.stale.is_some(),
            stale_seconds: shown.stale.map(|as_of| as_of.elapsed().unwrap_or_default().as_secs()),
            held: shown.held.map(|held| HeldRow {
                before: held.shrink.before as u64,
                after: held.shrink.after as u64,
                seconds: held.since.elapsed().as_secs(),
            }),
            corefile: shown.corefile.map(|corefile| CorefileRow {
                source: corefile.source,
                in_effect: corefile.good,
                since_seconds: corefile.since.map(|at| at.elapsed().as_secs()),
                zones: corefile.zones as u64,
            }),
            leader: shown.leader,
            manifest_files: shown.files.map(|files| files as u64),
            latency: latency(&self.latencies.event),
            subscribers,
        }
    }

    /// What is wrong, the worst first.
    pub fn problems(&self) -> Vec<ProblemRow> {
        let problems = Arc::clone(&self.lock().problems);
        let mut order: Vec<&Problem> = problems.iter().collect();
        order.sort_by_key(|problem| (std::cmp::Reverse(problem.level), *problem));
        order.into_iter().map(|problem| ProblemRow::new(problem, self.folder())).collect()
    }

    fn folder(&self) -> Option<&Path> {
        match &self.source {
            SourceRow::Manifests { folder } => Some(folder),
            SourceRow::Kubernetes { .. } => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // Nothing that runs under the lock leaves it half done.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When that was, in seconds since 1970.
pub(super) fn unix_seconds(at: Instant) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(at.elapsed()).as_secs_f64()
}

fn latency(histogram: &Histogram) -> Option<LatencyRow> {
    let (counts, sum_us) = histogram.read();
    let count: u64 = counts.iter().sum();
    let mean_us = sum_us.checked_div(count)?;
    let within = |hundredths: u64| histogram.bound_us(hundredths);
    Some(LatencyRow { count, mean_us, p50_within_us: within(50), p99_within_us: within(99) })
}

fn subscriber(status: &SubscriberStatus) -> SubscriberRow {
    SubscriberRow {
        name: status.name.to_string(),
        pid: status.peer.pid,
        uid: status.peer.uid,
        connected_seconds: status.since.elapsed().as_secs(),
        sent: status.sent,
        acknowledged: status.acked,
        full_states: status.full_states,
    }
}

fn counts(problems: &[Problem]) -> ProblemCounts {
    let mut counts = ProblemCounts::default();
    for problem in problems {
        match problem.level {
            Level::Error => counts.errors += 1,
            Level::Warning => counts.warnings += 1,
            Level::Note => counts.notes += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(level: Level, file: &str, line: u64) -> Problem {
        Problem {
            file: file.into(),
            line,
            object: String::new(),
            field: String::new(),
            level,
            message: "is wrong".into(),
        }
    }

    #[test]
    fn problems_are_told_the_worst_first_with_whole_paths() {
        let board = Board::new(&Source::Manifests("/m".into()));
        let problems = vec![
            problem(Level::Note, "a.yaml", 1),
            problem(Level::Error, "b.yaml", 7),
            problem(Level::Error, "", 0),
        ];
        board.update(|shown| shown.problems = Arc::new(problems));
        let rows = board.problems();
        let places: Vec<_> = rows.iter().map(|row| (row.level, row.file.as_deref(), row.line)).collect();
        assert_eq!(
            places,
            [
                (Level::Error, None, None),
                (Level::Error, Some(Path::new("/m/b.yaml")), Some(7)),
                (Level::Note, Some(Path::new("/m/a.yaml")), Some(1)),
            ]
        );
        assert_eq!(counts(&board.shown().problems), ProblemCounts { errors: 2, warnings: 0, notes: 1 });
    }
}
