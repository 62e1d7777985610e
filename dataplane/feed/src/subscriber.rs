//! A subscription that outlives connections.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_model::Generation;

use crate::{Client, ClientError, Kinds, Mirror, Transaction};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(1);

/// Keeps a subscriber connected: after any failure it tries again, 50 ms later at first and 1 s later at last, and goes
/// on from the state it holds.
///
/// ```no_run
/// # use std::{path::Path, time::Duration};
/// # use sluice_feed::{Kinds, Subscriber};
/// let kinds = Kinds::SETTINGS.and(Kinds::SERVICES);
/// let mut feed = Subscriber::new(Path::new("/run/sluice/feed.sock"), "dataplane", kinds);
/// loop {
///     if let Some(transaction) = feed.next(Duration::from_millis(200)) {
///         // … apply transaction.changes …
///         feed.ack(transaction.generation);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Subscriber {
    path: PathBuf,
    name: Box<str>,
    kinds: Kinds,
    mirror: Mirror,
    client: Option<Client>,
    backoff: Duration,
    retry_at: Option<Instant>,
    connected: Instant,
    last_error: Option<ClientError>,
}

impl Subscriber {
    /// A subscription as `name` to `kinds` at the feed socket `path`; connects with the first [`next`](Self::next).
    pub fn new(path: &Path, name: &str, kinds: Kinds) -> Self {
        Self {
            path: path.to_owned(),
            name: name.into(),
            kinds,
            mirror: Mirror::default(),
            client: None,
            backoff: FIRST_BACKOFF,
            retry_at: None,
            connected: Instant::now(),
            last_error: None,
        }
    }

    /// The next transaction, `None` where none was complete within `timeout`. Connects and reconnects as needed.
    ///
    /// The caller applies what it is given: the subscription counts it as held from here on.
    pub fn next(&mut self, timeout: Duration) -> Option<Transaction> {
        let deadline = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let Some(client) = &mut self.client else {
                let pause = self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
                if pause > left {
                    std::thread::sleep(left);
                    return None;
                }
                std::thread::sleep(pause);
                self.connect();
                if self.client.is_none() && left.is_zero() {
                    return None;
                }
                continue;
            };
            match client.next(&mut self.mirror, left) {
                Ok(transaction) => {
                    // A connection that fails at once, time and again, must not be retried at full speed.
                    if transaction.is_some() || self.connected.elapsed() > LAST_BACKOFF {
                        self.backoff = FIRST_BACKOFF;
                        self.last_error = None;
                    }
                    return transaction;
                }
                Err(error) => self.lost(error),
            }
        }
    }

    /// Tells control that `generation`, of the last transaction, is in effect. A failure shows with the next call of
    /// [`next`](Self::next), which reconnects.
    pub fn ack(&mut self, generation: Generation) {
        if let Some(client) = &mut self.client
            && let Err(error) = client.ack(generation)
        {
            self.lost(error);
        }
    }

    /// Whether control is connected.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Why the last connection ended or could not be made; none once one has proved good.
    pub fn last_error(&self) -> Option<&ClientError> {
        self.last_error.as_ref()
    }

    /// What is held.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn connect(&mut self) {
        match Client::connect(&self.path, &self.name, self.kinds, &mut self.mirror) {
            Ok(client) => {
                tracing::info!(path = %self.path.display(), "connected to the feed");
                self.client = Some(client);
                self.connected = Instant::now();
                self.retry_at = None;
            }
            Err(error) => self.lost(error),
        }
    }

    fn lost(&mut self, error: ClientError) {
        // Once per outage, not with every try.
        if self.last_error.is_none() {
            tracing::warn!(path = %self.path.display(), %error, "no feed; going on with the last generation");
        }
        self.client = None;
        self.mirror.abandon();
        self.last_error = Some(error);
        self.retry_at = Some(Instant::now() + self.backoff);
        self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
    }
}
