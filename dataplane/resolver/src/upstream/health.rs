//! Probes of an upstream that has failed, until it answers.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::Upstream;
use crate::cache::Key;

/// Probes again and again; ends with an answer, whatever it says, or when the upstream is of no interest any more.
pub(super) async fn probe(upstream: Weak<Upstream>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(upstream) = upstream.upgrade() else { return };
        let key = Key {
            name: upstream.probe.clone(),
            rtype: RecordType::NS,
            dnssec: false,
            checking_disabled: false,
        };
        let asked = upstream.exchange(&key, false, upstream.recursion);
        if let Ok(Ok(_)) = tokio::time::timeout(interval * 2, asked).await {
            if upstream.is_down() {
                tracing::info!(upstream = %upstream.address, "upstream is back");
            }
            upstream.succeeded();
            upstream.probing.store(false, Ordering::Release);
            return;
        }
        upstream.counters.probe_failed();
    }
}
