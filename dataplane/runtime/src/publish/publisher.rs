//! The thread that makes snapshots and puts them into effect.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sluice_engine::snapshot::{FibChange, Publisher};
use sluice_feed::Transaction;
use sluice_model::Generation;

use super::view::View;
use crate::lcore::{Tables, now};
use crate::stop::Stop;

/// Least time between two snapshots. The first change after a pause is published at once; what follows within this time
/// goes into one.
const PAUSE: Duration = Duration::from_millis(1);
/// How often former snapshots are freed where nothing is published, and how often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(100);
/// Inputs that may wait; the feed and the mirror then wait too.
const QUEUE: usize = 256;
/// Inputs that go into one snapshot at most, so that it is not put off for ever.
const MOST: usize = 1024;

/// Services that a warning of scarce source ports names.
const WORST: usize = 8;
/// Least time between two complaints in the log about one thing.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// What leads to a new snapshot.
#[derive(Debug)]
pub enum Input {
    /// A transaction of the feed, and who wants to know the version of the tables that has it.
    Feed(Transaction, SyncSender<u64>),
    /// News from Linux.
    Fib(Vec<FibChange>),
}

/// The way to the publisher.
pub type Inputs = SyncSender<Input>;

/// Makes snapshots.
pub struct PublisherThread {
    publisher: Publisher,
    generation: Generation,
    inputs: Receiver<Input>,
    tables: Arc<Tables>,
    view: Arc<Mutex<View>>,
    waiting: Vec<SyncSender<u64>>,
    published: Instant,
    complained: Option<Instant>,
    /// When it was last said whose source ports are scarce, and what the sums were then.
    warned: Option<(Instant, u64)>,
}

impl PublisherThread {
    /// With empty tables, which are in effect at once.
    pub fn new(view: Arc<Mutex<View>>) -> (Self, Inputs, Arc<Tables>) {
        let (sender, inputs) = sync_channel(QUEUE);
        let mut publisher = Publisher::new();
        let tables = Arc::new(Tables::new(publisher.publish(Generation(0))));
        let thread = Self {
            publisher,
            generation: Generation(0),
            inputs,
            tables: Arc::clone(&tables),
            view,
            waiting: Vec::new(),
            published: Instant::now(),
            complained: None,
            warned: None,
        };
        (thread, sender, tables)
    }

    /// Publishes until told to stop or nobody is left who has something to say.
    pub fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            match self.inputs.recv_timeout(TICK) {
                Ok(input) => {
                    self.take(input);
                    self.collect();
                    self.publish();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.publisher.retire();
            self.warn_of_scarcity();
        }
    }

    /// Takes in what has come by now and, after a recent snapshot, what comes until the next may be made.
    fn collect(&mut self) {
        for _ in 0..MOST {
            let left = PAUSE.saturating_sub(self.published.elapsed());
            let input = if left.is_zero() {
                self.inputs.try_recv().ok()
            } else {
                self.inputs.recv_timeout(left).ok()
            };
            match input {
                Some(input) => self.take(input),
                None if left.is_zero() => return,
                None => {}
            }
        }
    }

    fn take(&mut self, input: Input) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match input {
            Input::Feed(transaction, published) => {
                self.generation = transaction.generation;
                for change in transaction.changes {
                    self.publisher.apply(&change);
                    view.apply(change);
                }
                self.waiting.push(published);
            }
            Input::Fib(changes) => {
                let mut refused = None;
                for change in changes {
                    if let Err(error) = self.publisher.apply_fib(change.clone()) {
                        refused = Some(error);
                    }
                    view.apply_fib(change);
                }
                // Once for all of them, and seldom: a full table refuses each that comes.
                if let Some(error) = refused
                    && self.complained.is_none_or(|at| at.elapsed() > COMPLAINTS)
                {
                    self.complained = Some(Instant::now());
                    tracing::warn!(%error, "changes from Linux are not in effect");
                }
            }
        }
    }

    /// The alarm that comes before connections fail: an endpoint's source ports are running out.
    fn warn_of_scarcity(&mut self) {
        if self.warned.is_some_and(|(at, _)| at.elapsed() < COMPLAINTS) {
            return;
        }
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = view.scarcity.values().map(|s| s.hard + s.failed).sum();
        if sum == self.warned.map_or(0, |(_, before)| before) {
            return;
        }
        let mut worst: Vec<_> = view.scarcity.iter().collect();
        worst.sort_by_key(|(_, scarcity)| std::cmp::Reverse(scarcity.hard + scarcity.failed));
        for ((service, port), scarcity) in worst.into_iter().take(WORST) {
            tracing::warn!(
                %service,
                %port,
                hard = scarcity.hard,
                failed = scarcity.failed,
                "source ports towards its endpoints run out: more addresses in services.snat, or more endpoints"
            );
        }
        drop(view);
        self.warned = Some((Instant::now(), sum));
    }

    fn publish(&mut self) {
        if !self.waiting.is_empty() {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.publisher.set_clock(since.as_secs(), now());
        }
        let snapshot = self.publisher.publish(self.generation);
        let version = self.tables.store(snapshot);
        self.published = Instant::now();
        if self.waiting.is_empty() {
            return;
        }
        for waiting in self.waiting.drain(..) {
            let _ = waiting.try_send(version);
        }
        // Services are known now: packets may come.
        self.tables.open();
        let conflicts = self.publisher.conflicts();
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.generation = self.generation;
        view.conflicts = conflicts;
    }
}
