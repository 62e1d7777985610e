//! An upstream with what lives on from one state of its endpoints to the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_model::http::{Upstream, UpstreamName};

use super::{Budget, Endpoint, Millis};

/// How long a new endpoint gets less than its share, in milliseconds.
const SLOW_START: u64 = 10_000;
/// The share that it begins with, in hundredths.
const FIRST_SHARE: u64 = 20;

/// The endpoints of an upstream at one time.
#[derive(Debug)]
pub struct UpstreamState {
    name: UpstreamName,
    members: Box<[Member]>,
    lasting: Arc<Lasting>,
}

/// An endpoint of an upstream.
#[derive(Clone, Debug)]
pub struct Member {
    endpoint: Arc<Endpoint>,
    pod: Option<Box<str>>,
    /// When it joined others that were there already.
    joined: Option<Millis>,
}

/// On lines of their own: every request writes the first.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lasting {
    picks: AtomicUsize,
    retries: Budget,
}

impl UpstreamState {
    /// The state that follows `before`. Endpoints that stay keep their health and their count of requests; `endpoint` gives the
    /// others, which may be of another upstream already.
    pub fn new(
        upstream: &Upstream,
        before: Option<&Self>,
        now: Millis,
        mut endpoint: impl FnMut(SocketAddr) -> Arc<Endpoint>,
    ) -> Self {
        let was_empty = before.is_none_or(|before| before.members.is_empty());
        let members = upstream.endpoints.iter().map(|wanted| {
            let kept = before.and_then(|before| before.member(wanted.address));
            match kept {
                Some(member) if member.pod == wanted.pod => member.clone(),
                Some(member) => Member { pod: wanted.pod.clone(), ..member.clone() },
                None => Member {
                    endpoint: endpoint(wanted.address),
                    pod: wanted.pod.clone(),
                    joined: (!was_empty).then_some(now),
                },
            }
        });
        let lasting = before.map_or_else(Arc::default, |before| Arc::clone(&before.lasting));
        Self { name: upstream.name.clone(), members: members.collect(), lasting }
    }

    /// Its name.
    pub fn name(&self) -> &UpstreamName {
        &self.name
    }

    /// Its endpoints, sorted by address.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The endpoint of an address.
    pub fn member(&self, address: SocketAddr) -> Option<&Member> {
        let index = self.members.binary_search_by_key(&address, |member| member.endpoint.address()).ok()?;
        self.members.get(index)
    }

    /// Whether a retry is within the upstream's budget, and takes it.
    pub fn take_retry(&self, now: Millis) -> bool {
        self.lasting.retries.take(now, self.lasting.picks.load(Ordering::Relaxed))
    }

    /// An endpoint failed; it is put out where it failed too often and most others are in.
    pub fn failed(&self, endpoint: &Endpoint, now: Millis) {
        let most = self.members.len() / 2;
        let out = || self.members.iter().filter(|member| member.endpoint.is_ejected(now)).count();
        if endpoint.failed(now, || out() < most) {
            tracing::warn!(upstream = %self.name, endpoint = %endpoint.address(), "endpoint fails and gets no requests for a while");
        }
    }

    /// The number of a request, which is counted where it is a new one.
    pub(super) fn number(&self, new: bool) -> usize {
        if new {
            self.lasting.picks.fetch_add(1, Ordering::Relaxed)
        } else {
            self.lasting.picks.load(Ordering::Relaxed)
        }
    }
}

impl Member {
    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The Pod's name.
    pub fn pod(&self) -> Option<&str> {
        self.pod.as_deref()
    }

    /// Whether the round is one that a new endpoint takes part in: in more and more of them, evenly spread.
    pub(super) fn is_warm(&self, round: usize, now: Millis) -> bool {
        let Some(joined) = self.joined else { return true };
        let age = now.0.saturating_sub(joined.0);
        if age >= SLOW_START {
            return true;
        }
        let share = FIRST_SHARE + age * (100 - FIRST_SHARE) / SLOW_START;
        (round as u64 % 100) * share % 100 < share
    }
}
