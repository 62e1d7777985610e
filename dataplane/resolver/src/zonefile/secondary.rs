//! A zone that is copied from other servers (RFC 1034, section 4.3.5; RFC 5936): asked for as often as its SOA record says, kept
//! while they do not answer, and given up when that says so; at once when a server says that it has changed (RFC 1996).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::Content;
use super::copy::{CopyError, copy};
use crate::counters::one;

/// The time a whole copy may take, from one server.
const COPY: Duration = Duration::from_secs(60);
/// The least time between two questions, and the most, whatever the SOA record says.
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(86_400);
/// The least time until a server is asked again because one has said that the zone has changed: anybody may seem to be one.
const PAUSE: Duration = Duration::from_secs(1);
/// The first and the longest time until the next try, as long as there is no copy that would say.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// A zone that is copied.
#[derive(Debug)]
pub(crate) struct Secondary {
    zone: Name,
    from: Vec<SocketAddr>,
    content: ArcSwapOption<Content>,
    begun: AtomicBool,
    changed: Arc<Notify>,
    /// Copies that were taken.
    pub(crate) copies: AtomicU64,
    /// Rounds in which no server gave what was asked for.
    pub(crate) failures: AtomicU64,
}

impl Secondary {
    pub(crate) fn new(zone: Name, from: Vec<SocketAddr>) -> Self {
        let (content, begun, changed, copies, failures) = Default::default();
        Self { zone, from, content, begun, changed, copies, failures }
    }

    /// The zone's name.
    pub(crate) fn zone(&self) -> &Name {
        &self.zone
    }

    /// Whether it is this zone, copied from these servers.
    pub(crate) fn is(&self, zone: &Name, from: &[SocketAddr]) -> bool {
        self.zone == *zone && self.from == from
    }

    /// The copy; none as long as there is none, and after it has expired.
    pub(crate) fn content(&self) -> Option<Arc<Content>> {
        self.content.load_full()
    }

    /// Whether this is the address of one of its servers.
    pub(crate) fn is_copied_from(&self, address: IpAddr) -> bool {
        self.from.iter().any(|server| server.ip() == address)
    }

    /// Takes note that the zone has changed, if it is said of this zone by one of its servers.
    pub(crate) fn notified(&self, zone: &Name, by: IpAddr) -> bool {
        let known = self.zone == *zone && self.is_copied_from(by);
        if known {
            self.changed.notify_one();
        }
        known
    }

    /// Begins to copy it, once, until nobody has it any more.
    pub(crate) fn begin(self: &Arc<Self>) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            tokio::spawn(keep(Arc::downgrade(self)));
        }
    }

    /// Looks for another copy at each server in turn. Whether one answered.
    async fn look(&self) -> bool {
        let known = self.content().map(|content| content.serial());
        for server in &self.from {
            let copied = timeout(COPY, copy(*server, &self.zone, known)).await;
            match copied.unwrap_or(Err(CopyError::Slow)) {
                Ok(None) => return true,
                Ok(Some(content)) => {
                    one(&self.copies);
                    let (zone, records) = (&self.zone, content.len());
                    tracing::info!(%zone, %server, serial = content.serial(), records, "zone copied");
                    self.content.store(Some(Arc::new(content)));
                    return true;
                }
                Err(why) => tracing::warn!(zone = %self.zone, %server, %why, "zone not copied"),
            }
        }
        one(&self.failures);
        false
    }

    /// The times that the copy's SOA record says: to the next look, to one more after a failure, to the end.
    fn times(&self) -> Option<[Duration; 3]> {
        let content = self.content()?;
        let RData::SOA(SOA { refresh, retry, expire, .. }) = &content.soa().data else { return None };
        let seconds = |value: i32| Duration::from_secs(u64::try_from(value).unwrap_or(0));
        let [refresh, retry] = [refresh, retry].map(|value| seconds(*value).clamp(LEAST, MOST));
        Some([refresh, retry, seconds(*expire).max(refresh)])
    }
}

/// Keeps a zone's copy as new as its SOA record says, until nobody has the zone any more.
async fn keep(secondary: std::sync::Weak<Secondary>) {
    let mut answered = Instant::now();
    let mut next = FIRST_RETRY;
    loop {
        let Some(strong) = secondary.upgrade() else { return };
        let good = strong.look().await;
        if good {
            (answered, next) = (Instant::now(), FIRST_RETRY);
        }
        let wait = match strong.times() {
            Some([refresh, ..]) if good => refresh,
            Some([_, retry, expire]) => {
                let left = (answered + expire).saturating_duration_since(Instant::now());
                if left.is_zero() {
                    tracing::error!(zone = %strong.zone, "no server has answered in time: the zone has expired");
                    strong.content.store(None);
                }
                retry.min(left.max(LEAST))
            }
            None => {
                let wait = next;
                next = (next * 2).min(LAST_RETRY);
                wait
            }
        };
        let (changed, zone) = (Arc::clone(&strong.changed), strong.zone.clone());
        drop(strong);
        // After a failure nobody is asked sooner for what anyone may say.
        let pause = if good { PAUSE } else { LEAST };
        sleep(wait.min(pause)).await;
        if timeout(wait.saturating_sub(pause), changed.notified()).await.is_ok() {
            tracing::info!(%zone, "told that the zone has changed");
        }
    }
}
