//! What a connection's bytes and its requests know of each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::Refusal;
use crate::upstream::Millis;

/// Shared by a connection's two ends: the filter below hyper, and the service above it.
///
/// Requests of HTTP/1 are handed up in the order in which their heads came, so a head is known by its number.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Heads handed to hyper.
    heads: u64,
    /// Requests that came out of it.
    calls: u64,
    /// Responses whose heads are decided.
    answered: u64,
    /// Requests whose responses have not ended.
    open: u32,
    /// Responses of which a part was given to hyper, which has not come back for more: they wait for the client.
    unread: u32,
    /// When a response was last begun, read from, or ended.
    moved: Millis,
    /// The head with this number stands in for one that is refused.
    refused: Option<(u64, Refusal)>,
    /// The connection has another protocol now.
    raw: bool,
    waker: Option<Waker>,
}

/// A request that is in flight after its response has ended.
#[derive(Debug)]
pub(crate) struct Held(Arc<Pace>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.ended(false);
    }
}

/// What became of the last request on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has no answer yet.
    Open,
    /// It is answered, and more requests may come.
    Answered,
    /// It led to another protocol.
    Raw,
}

impl Pace {
    /// Of a connection that begins.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                heads: 0,
                calls: 0,
                answered: 0,
                open: 0,
                unread: 0,
                moved: Millis::now(),
                refused: None,
                raw: false,
                waker: None,
            }),
        }
    }

    /// The next head goes to hyper.
    pub(super) fn passed(&self) {
        self.state().heads += 1;
    }

    /// In place of the next head, one goes to hyper that is to be answered with a refusal.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let mut state = self.state();
        state.refused = Some((state.heads, refusal));
        state.heads += 1;
    }

    /// A request came out of hyper: why it is to be refused, if it is.
    pub(crate) fn called(&self) -> Option<Refusal> {
        let mut state = self.state();
        let number = state.calls;
        state.calls += 1;
        state.open += 1;
        state.moved = Millis::now();
        state.refused.filter(|(refused, _)| *refused == number).map(|(_, refusal)| refusal)
    }

    /// A request's answer is decided; `raw`: another protocol begins.
    pub(crate) fn answered(&self, raw: bool) {
        let mut state = self.state();
        state.answered += 1;
        state.raw |= raw;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// A response's next part is asked for; `unread` is whether one was given before.
    pub(crate) fn polled(&self, unread: bool) {
        let mut state = self.state();
        state.unread -= u32::from(unread);
        state.moved = Millis::now();
    }

    /// A part of a response was given out.
    pub(crate) fn given(&self) {
        self.state().unread += 1;
    }

    /// A response has ended, or its client does not want it; `unread` as with [`polled`](Self::polled).
    pub(crate) fn ended(&self, unread: bool) {
        let mut state = self.state();
        state.unread -= u32::from(unread);
        state.open = state.open.saturating_sub(1);
        state.moved = Millis::now();
    }

    /// Counts a request as in flight until what is given is dropped: its response has ended, and its stream is used on.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        self.state().open += 1;
        Held(Arc::clone(self))
    }

    /// Since when no request has been in flight; none while one is.
    pub(crate) fn idle_since(&self) -> Option<Millis> {
        let state = self.state();
        (state.open == 0).then_some(state.moved)
    }

    /// Since when every request in flight has waited for the client to take its response; none while one does not.
    pub(crate) fn stalled_since(&self) -> Option<Millis> {
        let state = self.state();
        (state.open > 0 && state.open == state.unread).then_some(state.moved)
    }

    /// Whether a request has come out of hyper at all.
    pub(crate) fn is_used(&self) -> bool {
        self.state().calls > 0
    }

    /// What became of all that was handed up; wakes `waker` when that changes.
    pub(super) fn fate(&self, waker: &Waker) -> Fate {
        let mut state = self.state();
        match () {
            () if state.raw => Fate::Raw,
            () if state.answered == state.heads => Fate::Answered,
            () => {
                state.waker = Some(waker.clone());
                Fate::Open
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
