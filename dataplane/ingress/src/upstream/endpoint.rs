//! An endpoint, and how it fares: one value for all workers, and for all upstreams that it is of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};

use super::Millis;
use crate::limit::Held;

/// So many failures in a row eject an endpoint.
const FAILURES: u32 = 5;
/// How long an endpoint is out at first, in milliseconds; twice as long each further time.
const EJECTED: u64 = 10_000;
/// The longest that it is out.
const EJECTED_MOST: u64 = 300_000;
/// After so many milliseconds without a failure former ejections are forgotten.
const FORGOTTEN: u64 = 60_000;

/// An address that takes requests.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    id: u64,
    in_flight: AtomicU32,
    /// In a row.
    failures: AtomicU32,
    ejections: AtomicU32,
    /// When it comes back; 0: it is in.
    ejected_until: AtomicU64,
}

/// A request that an endpoint has; counted until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    /// Counted among its client's as long.
    of_client: Option<Held>,
}

impl Endpoint {
    /// One of which nothing is known.
    pub fn new(address: SocketAddr) -> Self {
        // The same on every gateway and in every release: cookies name it.
        let mut hasher = SipHasher13::new_with_keys(0x736c_7569_6365, 0x656e_6470_6f69_6e74);
        address.ip().to_canonical().to_string().hash(&mut hasher);
        address.port().hash(&mut hasher);
        Self {
            address,
            id: hasher.finish(),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands for it in cookies and hashes: the same on every gateway.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Requests that it has, of all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { endpoint: Arc::clone(self), of_client: None }
    }

    /// Whether it is out after failures.
    pub fn is_ejected(&self, now: Millis) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.0
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// It answered a request.
    pub fn succeeded(&self, now: Millis) {
        // Reads alone while all is well: the line stays in every core's cache.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.ejections.load(Ordering::Relaxed) != 0
            && now.0 > self.ejected_until.load(Ordering::Relaxed).saturating_add(FORGOTTEN)
        {
            self.ejections.store(0, Ordering::Relaxed);
        }
    }

    /// It could not be reached, broke off, or answered with a server's error. `may_eject` is asked when it would be put out.
    /// True where it was.
    pub fn failed(&self, now: Millis, may_eject: impl FnOnce() -> bool) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let until = self.ejected_until.load(Ordering::Relaxed);
        if failures < FAILURES || until > now.0 || !may_eject() {
            return false;
        }
        let ejections = self.ejections.load(Ordering::Relaxed);
        let time = EJECTED.saturating_mul(1 << ejections.min(16)).min(EJECTED_MOST);
        let next = now.after(time).0;
        let first =
            self.ejected_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if first {
            self.ejections.store(ejections.saturating_add(1), Ordering::Relaxed);
            // One more failure after it came back puts it out again.
            self.failures.store(FAILURES - 1, Ordering::Relaxed);
        }
        first
    }
}

impl InFlight {
    /// Which endpoint has it.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// It is also its client's.
    pub fn count(&mut self, of_client: Option<Held>) {
        self.of_client = of_client;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_eject_for_a_growing_time() {
        let endpoint = Endpoint::new("10.0.0.1:80".parse().unwrap());
        let mut now = Millis(1);
        for _ in 1..FAILURES {
            assert!(!endpoint.failed(now, || true));
        }
        endpoint.succeeded(now);
        for _ in 1..FAILURES {
            assert!(!endpoint.failed(now, || true), "a success in between");
        }
        assert!(endpoint.failed(now, || true) && endpoint.is_ejected(now));
        assert!(!endpoint.is_ejected(now.after(EJECTED)));
        now = now.after(EJECTED + 1);
        assert!(endpoint.failed(now, || true), "one failure is enough after the first time");
        assert!(
            endpoint.is_ejected(now.after(2 * EJECTED - 1)) && !endpoint.is_ejected(now.after(2 * EJECTED))
        );
        for _ in 0..20 {
            now = now.after(EJECTED_MOST + 1);
            assert!(endpoint.failed(now, || true));
        }
        assert!(!endpoint.is_ejected(now.after(EJECTED_MOST)));
        now = now.after(EJECTED_MOST + FORGOTTEN + 1);
        endpoint.succeeded(now);
        for _ in 0..FAILURES {
            endpoint.failed(now, || true);
        }
        assert!(!endpoint.is_ejected(now.after(EJECTED)), "forgotten after a good while");
    }

    #[test]
    fn who_may_not_be_ejected_is_not() {
        let endpoint = Endpoint::new("10.0.0.1:80".parse().unwrap());
        for _ in 0..100 {
            assert!(!endpoint.failed(Millis(1), || false));
        }
        assert!(!endpoint.is_ejected(Millis(1)));
    }

    #[test]
    fn requests_in_flight_are_counted() {
        let endpoint = Arc::new(Endpoint::new("10.0.0.1:80".parse().unwrap()));
        let (one, two) = (endpoint.begin(), endpoint.begin());
        assert_eq!((endpoint.in_flight(), one.endpoint().address()), (2, endpoint.address()));
        drop((one, two));
        assert_eq!(endpoint.in_flight(), 0);
    }
}
