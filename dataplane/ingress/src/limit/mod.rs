//! What a client may ask of a route: requests in a time, and requests at once.
//!
//! Both are the gateway's, over all workers, and take bounded memory. A client is an address; of IPv6 a /64, which is what one
//! subscriber has.

mod concurrent;
mod rate;

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher13;
use sluice_model::http::ClientLimits;

use concurrent::Concurrent;
pub use concurrent::Held;
use rate::Rates;

/// Counts clients' requests.
#[derive(Debug)]
pub struct Limits {
    begun: Instant,
    /// Nobody outside knows who shares a place in the tables.
    keys: (u64, u64),
    rates: Rates,
    concurrent: Concurrent,
}

/// The limit that a client has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Second,
    Minute,
    AtOnce,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            keys: rand::random(),
            rates: Rates::default(),
            concurrent: Concurrent::default(),
        }
    }
}

impl Limits {
    /// Counts a request of a client to what `origin` names, at `now`.
    ///
    /// # Errors
    /// [`Exceeded`]: it is one too many; where the minute has no room, it has been taken from the second.
    pub fn request(
        &self,
        limits: &ClientLimits,
        origin: &str,
        client: IpAddr,
        now: Instant,
    ) -> Result<(), Exceeded> {
        if is_exempt(limits, client) {
            return Ok(());
        }
        let now = now.saturating_duration_since(self.begun);
        let second = (limits.per_second, Duration::from_secs(1), Counted::Second);
        let minute = (limits.per_minute, Duration::from_secs(60), Counted::Minute);
        for (most, time, counted) in [second, minute] {
            if most > 0 {
                let interval = time / most;
                let burst = interval * most.saturating_mul(limits.burst);
                self.rates.take(self.key(origin, client, counted), interval, burst, now)?;
            }
        }
        Ok(())
    }

    /// Counts a request of a client until what is returned is dropped; none where there is no limit for it.
    ///
    /// # Errors
    /// [`Exceeded`]: it has as many already.
    pub fn begin(
        &self,
        limits: &ClientLimits,
        origin: &str,
        client: IpAddr,
    ) -> Result<Option<Held>, Exceeded> {
        if limits.connections == 0 || is_exempt(limits, client) {
            return Ok(None);
        }
        self.concurrent.begin(self.key(origin, client, Counted::AtOnce), limits.connections).map(Some)
    }

    fn key(&self, origin: &str, client: IpAddr, counted: Counted) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1);
        let client = match client.to_canonical() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
        };
        (origin, client, counted).hash(&mut hasher);
        hasher.finish()
    }
}

fn is_exempt(limits: &ClientLimits, client: IpAddr) -> bool {
    limits.exempt.iter().any(|network| network.contains(&client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(per_second: u32, burst: u32) -> ClientLimits {
        ClientLimits { per_second, burst, ..ClientLimits::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many requests at once are taken.
    fn taken(limits: &Limits, rules: &ClientLimits, origin: &str, client: &str, now: Instant) -> usize {
        (0..1000).filter(|_| limits.request(rules, origin, ip(client), now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_taken_and_then_as_many_as_the_rate_says() {
        let (limits, rules) = (Limits::default(), per_second(10, 5));
        let now = Instant::now();
        assert_eq!(taken(&limits, &rules, "a", "192.0.2.1", now), 51);
        assert_eq!(taken(&limits, &rules, "a", "192.0.2.1", now + Duration::from_millis(1050)), 10);
        assert_eq!(taken(&limits, &rules, "a", "192.0.2.1", now + Duration::from_secs(3600)), 51);
    }

    #[test]
    fn the_narrower_of_two_rates_counts() {
        let (limits, now) = (Limits::default(), Instant::now());
        let rules = ClientLimits { per_minute: 6, ..per_second(10, 5) };
        assert_eq!(taken(&limits, &rules, "a", "192.0.2.1", now), 31);
        assert_eq!(taken(&limits, &rules, "a", "192.0.2.1", now + Duration::from_millis(10_500)), 1);
    }

    #[test]
    fn each_client_of_each_route_has_its_own() {
        let (limits, rules, now) = (Limits::default(), per_second(1, 1), Instant::now());
        for (origin, client, is_new) in [
            ("a", "192.0.2.1", true),
            ("a", "192.0.2.2", true),
            ("b", "192.0.2.1", true),
            ("a", "::ffff:192.0.2.1", false),
            ("a", "2001:db8::1", true),
            ("a", "2001:db8::2", false),
            ("a", "2001:db8:0:1::1", true),
        ] {
            let taken = taken(&limits, &rules, origin, client, now);
            assert_eq!(taken, if is_new { 2 } else { 0 }, "{origin} {client}");
        }
        let rules = ClientLimits { exempt: vec!["192.0.2.0/24".parse().unwrap()], connections: 1, ..rules };
        assert!(limits.request(&rules, "a", ip("192.0.2.1"), now).is_ok());
        assert!(limits.begin(&rules, "a", ip("192.0.2.1")).is_ok_and(|held| held.is_none()));
    }

    #[test]
    fn requests_at_once_are_counted_until_they_end() {
        let limits = Limits::default();
        let rules = ClientLimits { connections: 2, ..ClientLimits::default() };
        let begin = |client| limits.begin(&rules, "a", ip(client));
        let (one, two) = (begin("192.0.2.1").unwrap(), begin("192.0.2.1").unwrap());
        assert!(one.is_some() && two.is_some());
        assert_eq!(begin("192.0.2.1").unwrap_err(), Exceeded);
        let _other = begin("192.0.2.2").unwrap();
        drop(one);
        let three = begin("192.0.2.1").unwrap();
        assert_eq!(begin("192.0.2.1").unwrap_err(), Exceeded);
        drop((two, three));
        assert_eq!(limits.concurrent.len(), 1, "what has ended takes no memory");
    }
}
