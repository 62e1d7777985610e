//! What is written into a Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// A Lease as last seen, and when its record was first seen as it is.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) lease: Lease,
    pub(super) since: Instant,
    /// When it was first found to be gone.
    pub(super) gone: Option<Instant>,
}

/// An unbroken time of leading by one elector. Its own if both are equal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Term {
    begin: Option<MicroTime>,
    number: i32,
}

impl Seen {
    pub(super) fn spec(&self) -> LeaseSpec {
        self.lease.spec.clone().unwrap_or_default()
    }

    /// Who holds it; none where it is free to be taken at once.
    pub(super) fn holder(&self) -> Option<&str> {
        let holder = self.lease.spec.as_ref()?.holder_identity.as_deref()?;
        (!holder.is_empty()).then_some(holder)
    }

    /// When it may be taken from its holder. `default` is for a record that does not say how long it is good for.
    pub(super) fn expires(&self, default: Duration) -> Instant {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let good_for = seconds.and_then(|s| u64::try_from(s).ok()).map_or(default, Duration::from_secs);
        self.since + good_for
    }

    pub(super) fn term(&self) -> Term {
        let spec = self.spec();
        Term { begin: spec.acquire_time, number: spec.lease_transitions.unwrap_or_default() }
    }
}

impl Term {
    /// One that follows what was last seen.
    pub(super) fn after(seen: Option<&Seen>) -> Self {
        let number = seen.map_or(0, |seen| seen.term().number.saturating_add(1));
        Self { begin: Some(after(seen.and_then(|seen| seen.spec().renew_time))), number }
    }
}

/// The Lease as `identity` renews or takes it in this term.
pub(super) fn held(seen: Option<&Seen>, identity: &str, term: &Term, good_for: Duration) -> Lease {
    let mut lease = seen.map(|seen| seen.lease.clone()).unwrap_or_default();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(identity.to_owned());
    spec.lease_duration_seconds = i32::try_from(good_for.as_secs()).ok();
    spec.acquire_time = term.begin.clone();
    spec.lease_transitions = Some(term.number);
    spec.renew_time = Some(after(spec.renew_time.take()));
    lease
}

/// The Lease as its holder gives it up.
pub(super) fn released(seen: &Seen) -> Lease {
    let mut lease = seen.lease.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(after(spec.renew_time.take()));
    lease
}

/// Now, but always later than `former`: a renewal that changes nothing would not be seen by anybody. In whole
/// microseconds, as the API server stores it.
fn after(former: Option<MicroTime>) -> MicroTime {
    let now = Timestamp::now().as_microsecond();
    let least = former.map_or(now, |time| time.0.as_microsecond().saturating_add(1));
    MicroTime(Timestamp::from_microsecond(now.max(least)).unwrap_or(Timestamp::MAX))
}
