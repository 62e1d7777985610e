//! The thread that follows control.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_feed::{Kinds, Subscriber, Transaction};

use super::publisher::{Input, Inputs};
use super::view::{FeedState, View};
use crate::lcore::LcoreShared;
use crate::stop::Stop;

/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);
/// How long lcores may take to use new tables before that is reported as done regardless: one that hangs must not make
/// control wait.
const ADOPTION: Duration = Duration::from_millis(100);
/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_micros(50);

/// Follows the feed.
pub struct FeedThread {
    subscriber: Subscriber,
    inputs: Inputs,
    lcores: Vec<Arc<LcoreShared>>,
    view: Arc<Mutex<View>>,
}

impl FeedThread {
    /// A follower of the feed at `socket`.
    pub fn new(socket: &Path, inputs: Inputs, lcores: Vec<Arc<LcoreShared>>, view: Arc<Mutex<View>>) -> Self {
        let kinds = Kinds::SETTINGS.and(Kinds::SERVICES).and(Kinds::NAMES);
        Self { subscriber: Subscriber::new(socket, "dataplane", kinds), inputs, lcores, view }
    }

    /// Follows until told to stop.
    pub fn run(mut self, stop: &Stop) {
        let mut told = FeedState::default();
        while !stop.is_set() {
            if let Some(transaction) = self.subscriber.next(TICK) {
                let generation = transaction.generation;
                if !self.publish(transaction, stop) {
                    return;
                }
                self.subscriber.ack(generation);
            }
            let state = FeedState {
                connected: self.subscriber.is_connected(),
                error: self.subscriber.last_error().map(ToString::to_string),
            };
            if state != told {
                told = state.clone();
                self.view.lock().unwrap_or_else(PoisonError::into_inner).feed = state;
            }
        }
    }

    /// Has a transaction published and waits until every lcore works by it; false where the publisher has ended.
    fn publish(&self, transaction: Transaction, stop: &Stop) -> bool {
        let (sender, published) = sync_channel(1);
        if self.inputs.send(Input::Feed(transaction, sender)).is_err() {
            return false;
        }
        let version = loop {
            match published.recv_timeout(TICK) {
                Ok(version) => break version,
                Err(RecvTimeoutError::Timeout) if !stop.is_set() => {}
                Err(_) => return false,
            }
        };
        let deadline = Instant::now() + ADOPTION;
        while self.lcores.iter().any(|lcore| lcore.version() < version) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        true
    }
}
