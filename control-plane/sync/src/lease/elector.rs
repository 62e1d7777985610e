//! Getting, keeping and giving up a Lease.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::record::{Seen, Term, held, released};
use super::{CallError, Leadership, Leases, View};

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// Others may take the Lease when it was not renewed for so long; whole seconds.
    pub lease: Duration,
    /// Whoever holds it stops leading when it could not renew it for so long; well below `lease`.
    pub renew: Duration,
    /// Pause between calls.
    pub retry: Duration,
    /// The longest that one call may take; below half of `renew`, so that there is a second try.
    pub call: Duration,
}

impl Default for Durations {
    /// 15, 10 and 2 s as in client-go, and 3 s for a call.
    fn default() -> Self {
        let [lease, renew, retry, call] = [15, 10, 2, 3].map(Duration::from_secs);
        Self { lease, renew, retry, call }
    }
}

/// An identity that no other process has, nor this one after a restart: `NODE_` and a random number.
pub fn identity(node: &str) -> String {
    let random = RandomState::new();
    format!("{node}_{:016x}", random.hash_one(std::process::id()))
}

/// Takes part in an election.
#[derive(Debug)]
pub struct Elector<L> {
    leases: L,
    identity: String,
    durations: Durations,
    tell: watch::Sender<View>,
    seen: Option<Seen>,
    /// The term last asked for, unless another's was seen since.
    term: Option<Term>,
    jitter: RandomState,
    turns: u64,
}

impl<L: Leases> Elector<L> {
    /// One that has done nothing yet. The identity must be unlike that of any other elector, past ones included.
    pub fn new(leases: L, identity: String, durations: Durations) -> (Self, Leadership) {
        let (tell, view) = watch::channel(View::default());
        let jitter = RandomState::new();
        let elector = Self { leases, identity, durations, tell, seen: None, term: None, jitter, turns: 0 };
        (elector, Leadership::new(view))
    }

    /// Takes part until `stop`, then gives up what it has. Whoever writes under its leadership is to have ended by then.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.turn() => {}
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep(self.pause()) => {}
            }
        }
        self.release().await;
    }

    async fn turn(&mut self) {
        self.turns = self.turns.wrapping_add(1);
        let outcome = self.try_hold().await;
        let before = self.tell.borrow().clone();
        let mut until = before.until.filter(|until| Instant::now() < *until);
        let mut error = None;
        match outcome {
            Ok(Some(asked)) => until = Some(asked + self.durations.renew),
            Ok(None) => until = None,
            // Whether it was carried out is not known, or somebody else was faster. A term that runs runs on.
            Err(failed) => error = Some(failed.to_string().into()),
        }
        match (before.until, until, &error) {
            (None, Some(_), _) => tracing::info!(identity = self.identity, "this gateway writes statuses"),
            (Some(_), None, Some(why)) => tracing::warn!(why, "this gateway writes statuses no more"),
            (Some(_), None, None) => tracing::info!("another gateway writes statuses"),
            (_, _, Some(why)) if before.error.is_none() => tracing::warn!(why, "the lease cannot be had"),
            _ => {}
        }
        let there = self.seen.as_ref().filter(|seen| seen.gone.is_none());
        let holder = there.and_then(Seen::holder).unwrap_or_default().into();
        self.tell.send_replace(View { until, holder, error });
    }

    /// Renews or takes the Lease: when the call was made that did it, or none where another holds it.
    async fn try_hold(&mut self) -> Result<Option<Instant>, CallError> {
        let leads = self.tell.borrow().until.is_some_and(|until| Instant::now() < until);
        if leads && self.is_own() {
            match self.hold().await {
                Err(CallError::Conflict) => {}
                done => return done.map(Some),
            }
        }
        match self.call(self.leases.read()).await? {
            Some(lease) => self.see(lease),
            // Whoever leads may not know yet that it is gone.
            None if !leads && self.is_newly_gone() => return Ok(None),
            None => return self.create().await.map(Some),
        }
        if self.is_another_in_term() {
            return Ok(None);
        }
        match self.hold().await {
            // Somebody was faster, so this was not it.
            Err(CallError::Conflict) if !leads => Ok(None),
            done => done.map(Some),
        }
    }

    async fn hold(&mut self) -> Result<Instant, CallError> {
        let term = self.next_term();
        let lease = held(self.seen.as_ref(), &self.identity, &term, self.durations.lease);
        let asked = Instant::now();
        let stored = self.call(self.leases.replace(&lease)).await?;
        self.see(stored);
        Ok(asked)
    }

    async fn create(&mut self) -> Result<Instant, CallError> {
        let term = self.next_term();
        let lease = held(None, &self.identity, &term, self.durations.lease);
        let asked = Instant::now();
        let stored = self.call(self.leases.create(&lease)).await?;
        self.see(stored);
        Ok(asked)
    }

    /// The term to ask for: that which was asked for before, if it cannot be told whether it was granted.
    fn next_term(&mut self) -> Term {
        let term = self.term.take().unwrap_or_else(|| Term::after(self.seen.as_ref()));
        self.term = Some(term.clone());
        term
    }

    fn see(&mut self, lease: Lease) {
        let same = self.seen.as_ref().is_some_and(|seen| seen.lease.spec == lease.spec);
        let since = self.seen.as_ref().filter(|_| same).map_or_else(Instant::now, |seen| seen.since);
        self.seen = Some(Seen { lease, since, gone: None });
        // Nor can what was asked for still be granted, for the version is another.
        if !same && !self.is_own() {
            self.term = None;
        }
    }

    /// Whether what was last seen is a term of this elector.
    fn is_own(&self) -> bool {
        let own = |seen: &Seen| {
            seen.holder() == Some(&self.identity) && self.term.as_ref().is_some_and(|t| *t == seen.term())
        };
        self.seen.as_ref().is_some_and(own)
    }

    fn is_another_in_term(&self) -> bool {
        let in_term =
            |seen: &Seen| seen.holder().is_some() && Instant::now() < seen.expires(self.durations.lease);
        !self.is_own() && self.seen.as_ref().is_some_and(in_term)
    }

    /// Whether there was a Lease, and that it is gone was found no longer than a term ago.
    fn is_newly_gone(&mut self) -> bool {
        let Some(seen) = &mut self.seen else { return false };
        let gone = *seen.gone.get_or_insert_with(Instant::now);
        Instant::now() < gone + self.durations.lease
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let limit = self.durations.call;
        timeout(limit, call).await.unwrap_or(Err(CallError::TimedOut(limit)))
    }

    /// Who does not lead looks a little later than it should, so that not all look at once, but is there when a term ends.
    fn pause(&self) -> Duration {
        let Durations { retry, lease, .. } = self.durations;
        if self.is_own() {
            return retry;
        }
        let thousandths = u32::try_from(self.jitter.hash_one(self.turns) % 200).unwrap_or_default();
        let jittered = retry + retry * thousandths / 1000;
        match &self.seen {
            Some(seen) if self.is_another_in_term() => {
                jittered.min(seen.expires(lease).saturating_duration_since(Instant::now()))
            }
            _ => jittered,
        }
    }

    async fn release(&mut self) {
        let led = self.tell.borrow().until.is_some();
        self.tell.send_modify(|view| view.until = None);
        if !led {
            return;
        }
        // The second time with what is there, should the version have changed.
        for _ in 0..2 {
            let Some(seen) = self.seen.clone().filter(|_| self.is_own()) else { return };
            match self.call(self.leases.replace(&released(&seen))).await {
                Ok(_) => return tracing::info!("this gateway writes statuses no more"),
                Err(CallError::Conflict) => match self.call(self.leases.read()).await {
                    Ok(Some(lease)) => self.see(lease),
                    _ => return,
                },
                Err(why) => return tracing::warn!(%why, "the lease is not given up; it runs out"),
            }
        }
    }
}

impl<L> Drop for Elector<L> {
    fn drop(&mut self) {
        self.tell.send_modify(|view| view.until = None);
    }
}
