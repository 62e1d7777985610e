//! Forwarding loops: an upstream that, by whatever way, asks this server what this server asks it.
//!
//! Each upstream is asked for a name that nobody can guess. If a query for it comes in, the upstream is not asked again until
//! the same shows that the loop is gone; the others go on. A server that ends instead, as CoreDNS does, takes all names with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::Forward;
use crate::cache::Key;
use crate::counters::{Process, one};
use crate::upstream::Upstream;

/// The time a probe may come back in.
const WAIT: Duration = Duration::from_secs(2);
/// The time between two probes of an upstream that loops.
const AGAIN: Duration = Duration::from_secs(5);
/// The time between two probes of an upstream that does not.
const CALM: Duration = Duration::from_secs(60);

/// Probes that are out, by their first label.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    out: Mutex<HashMap<Box<[u8]>, bool>>,
}

impl Loops {
    /// Whether a query is a probe of ours; if so, it is remembered.
    pub(crate) fn is_probe(&self, name: &Name, rtype: RecordType) -> bool {
        if rtype != RecordType::HINFO {
            return false;
        }
        let label = name.iter().next().unwrap_or_default().to_ascii_lowercase();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.get_mut(label.as_slice()) {
            Some(seen) => {
                *seen = true;
                true
            }
            None => false,
        }
    }

    /// Asks an upstream; says whether the question came back.
    async fn probe(&self, upstream: &Upstream, zone: &Name) -> bool {
        let label = format!("{:016x}", rand::random::<u64>());
        let second = format!("{:016x}", rand::random::<u64>());
        let name = zone.prepend_label(second.as_str()).and_then(|name| name.prepend_label(label.as_str()));
        // A zone whose name leaves no room for labels has hardly a loop.
        let Ok(name) = name else { return false };
        let key = Key { name, rtype: RecordType::HINFO, dnssec: false, checking_disabled: true };
        let label: Box<[u8]> = label.into_bytes().into();
        self.out.lock().unwrap_or_else(PoisonError::into_inner).insert(label.clone(), false);
        let _ = upstream.ask(&key, false, Instant::now() + WAIT).await;
        self.out.lock().unwrap_or_else(PoisonError::into_inner).remove(&label).unwrap_or(false)
    }
}

/// Probes the upstreams of a zone for as long as they are of use.
pub(crate) async fn watch(forward: std::sync::Weak<Forward>, loops: Arc<Loops>, process: Arc<Process>) {
    loop {
        let Some(strong) = forward.upgrade() else { return };
        let probes = strong.upstreams.iter().map(|upstream| async {
            let looping = loops.probe(upstream, &strong.settings.from).await;
            if looping {
                one(&process.loops);
            }
            upstream.set_looping(looping);
            looping
        });
        let looping = futures_util::future::join_all(probes).await.into_iter().any(|looping| looping);
        drop(strong);
        tokio::time::sleep(if looping { AGAIN } else { CALM }).await;
    }
}
