//! The thread that follows control.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_feed::{Kinds, Subscriber, Transaction};
use sluice_model::Change;

use super::publisher::{Input, Inputs};
use super::view::{FeedState, View};
use crate::lcore::LcoreShared;
use crate::netlink::local::LocalAddresses;
use crate::stop::Stop;

/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);
/// How long lcores may take to use new tables before that is reported as done regardless: one that hangs must not make
/// control wait.
const ADOPTION: Duration = Duration::from_millis(100);
/// Least time between two complaints in the log.
const COMPLAINTS: Duration = Duration::from_secs(30);
/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_micros(50);

/// Follows the feed.
pub struct FeedThread {
    subscriber: Subscriber,
    inputs: Inputs,
    lcores: Vec<Arc<LcoreShared>>,
    view: Arc<Mutex<View>>,
    /// Where DNS and HTTP are answered: the proxy's sockets are there.
    local: LocalAddresses,
    wanted: BTreeSet<IpAddr>,
    complained: Option<Instant>,
}

impl FeedThread {
    /// A follower of the feed at `socket`.
    pub fn new(socket: &Path, inputs: Inputs, lcores: Vec<Arc<LcoreShared>>, view: Arc<Mutex<View>>) -> Self {
        // The resolver's settings are not the data plane's, but its answers of former ones are forgotten.
        let kinds = Kinds::SETTINGS.and(Kinds::SERVICES).and(Kinds::NAMES).and(Kinds::RESOLVER);
        Self {
            subscriber: Subscriber::new(socket, "dataplane", kinds),
            inputs,
            lcores,
            view,
            local: LocalAddresses::default(),
            wanted: BTreeSet::new(),
            complained: None,
        }
    }

    /// Follows until told to stop.
    pub fn run(mut self, stop: &Stop) {
        let mut told = FeedState::default();
        while !stop.is_set() {
            if let Some(transaction) = self.subscriber.next(TICK) {
                let generation = transaction.generation;
                self.note_addresses(&transaction);
                if !self.publish(transaction, stop) {
                    return;
                }
                self.subscriber.ack(generation);
            }
            self.hold_addresses();
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

    fn note_addresses(&mut self, transaction: &Transaction) {
        for change in &transaction.changes {
            if let Change::Settings(settings) = change {
                let dns = settings.dns.iter().flat_map(|dns| &dns.listen);
                let http = settings.ingress.iter().flat_map(|ingress| &ingress.listen);
                self.wanted = dns.chain(http).map(SocketAddr::ip).collect();
            }
        }
    }

    /// The packet path answers DNS at these addresses whether or not Linux takes them; the proxy's sockets need it to.
    fn hold_addresses(&mut self) {
        if let Err(error) = self.local.hold(&self.wanted)
            && self.complained.is_none_or(|at| at.elapsed() > COMPLAINTS)
        {
            self.complained = Some(Instant::now());
            tracing::warn!(%error, "an address of DNS or HTTP is not on the loopback interface: no DNS over TCP and no HTTP there");
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
