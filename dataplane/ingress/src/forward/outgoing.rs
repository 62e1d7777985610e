//! Bodies of requests on their way to endpoints.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use sluice_model::http::Timeouts;

use super::fields;
use crate::upstream::Millis;
use crate::{RequestBody, RequestBodyError};

/// So much of a body is kept, so that it can be sent a second time, in bytes.
const KEPT: usize = 64 << 10;

/// A request's body as one attempt sends it.
#[derive(Debug)]
pub struct OutgoingBody {
    source: Option<Arc<Source>>,
    attempt: u32,
    /// How much of what is kept has been sent.
    at: usize,
    left: Option<u64>,
}

/// A request's body, of which each attempt takes what it sends.
#[derive(Debug)]
pub struct Source {
    /// Its length, where the client said it.
    exact: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    body: RequestBody,
    attempt: u32,
    kept: Vec<Kept>,
    kept_bytes: usize,
    /// All that was taken is kept.
    whole: bool,
    ended: bool,
    taken: u64,
    most: u64,
    failure: Option<BodyFailure>,
    doing: Doing,
}

#[derive(Clone, Debug)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// Whom the request waits for.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Client,
    /// The endpoint, to take the part that was given at this time.
    Writing(Millis),
    /// The endpoint, to answer what has been sent by this time.
    Sent(Millis),
}

/// Why a request's body did not get to the endpoint, by no fault of the endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFailure {
    /// Longer than the policy allows.
    TooLarge,
    /// The client's connection or framing.
    Client,
    /// The client was too slow.
    Slow,
}

/// Why an attempt's body ends early.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// As [`BodyFailure`] says.
    #[error("the request's body: {0:?}")]
    Failed(BodyFailure),
    /// Another attempt has taken over.
    #[error("the request is tried again elsewhere")]
    Superseded,
}

impl OutgoingBody {
    /// None.
    pub fn empty() -> Self {
        Self { source: None, attempt: 0, at: 0, left: Some(0) }
    }
}

impl Source {
    /// A body of at most `most` bytes.
    pub fn new(body: RequestBody, most: Option<u64>) -> Arc<Self> {
        let exact = body.size_hint().exact();
        let state = State {
            body,
            attempt: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            whole: true,
            ended: false,
            taken: 0,
            most: most.unwrap_or(u64::MAX),
            failure: None,
            doing: Doing::Client,
        };
        Arc::new(Self { exact, state: Mutex::new(state) })
    }

    /// The body from its beginning; those given before end. None where its beginning is no longer there.
    pub fn attempt(self: &Arc<Self>) -> Option<OutgoingBody> {
        let mut state = self.lock();
        if !state.whole || state.failure.is_some() {
            return None;
        }
        state.attempt = state.attempt.wrapping_add(1);
        state.doing = Doing::Client;
        let attempt = state.attempt;
        drop(state);
        Some(OutgoingBody { source: Some(Arc::clone(self)), attempt, at: 0, left: self.exact })
    }

    /// Whether it could be sent again from its beginning.
    pub fn is_replayable(&self) -> bool {
        let state = self.lock();
        state.whole && state.failure.is_none()
    }

    /// Why it did not get to the endpoint.
    pub fn failure(&self) -> Option<BodyFailure> {
        self.lock().failure
    }

    /// When the endpoint has been waited for too long; none while it is the client's turn.
    pub fn deadline(&self, timeouts: &Timeouts) -> Option<Millis> {
        match self.lock().doing {
            Doing::Client => None,
            Doing::Writing(since) => Some(since.after(timeouts.write_ms.into())),
            Doing::Sent(since) => Some(since.after(timeouts.read_ms.into())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OutgoingError>>> {
        if let Some(failure) = self.failure {
            return Poll::Ready(Some(Err(OutgoingError::Failed(failure))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        self.doing = Doing::Client;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.doing = Doing::Writing(Millis::now());
        match frame {
            None => {
                self.end();
                Poll::Ready(None)
            }
            Some(Ok(frame)) => Poll::Ready(self.frame(frame).transpose()),
            Some(Err(error)) => Poll::Ready(Some(Err(self.fail(match error {
                RequestBodyError::Slow(_) => BodyFailure::Slow,
                RequestBodyError::Client(_) | RequestBodyError::Trailer(_) => BodyFailure::Client,
            })))),
        }
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, OutgoingError> {
        match frame.into_data() {
            Ok(data) => {
                self.taken = self.taken.saturating_add(data.len() as u64);
                if self.taken > self.most {
                    return Err(self.fail(BodyFailure::TooLarge));
                }
                self.keep(Kept::Data(data.clone()), data.len());
                if self.body.is_end_stream() {
                    self.end();
                }
                Ok(Some(Frame::data(data)))
            }
            Err(frame) => {
                self.end();
                let Ok(mut trailers) = frame.into_trailers() else { return Ok(None) };
                fields::clean_trailers(&mut trailers);
                self.keep(Kept::Trailers(trailers.clone()), 0);
                Ok(Some(Frame::trailers(trailers)))
            }
        }
    }

    fn keep(&mut self, part: Kept, length: usize) {
        self.kept_bytes += length;
        self.whole &= self.kept_bytes <= KEPT;
        if self.whole {
            self.kept.push(part);
        } else {
            self.kept = Vec::new();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.doing = Doing::Sent(Millis::now());
    }

    fn fail(&mut self, failure: BodyFailure) -> OutgoingError {
        self.failure = Some(failure);
        OutgoingError::Failed(failure)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = OutgoingError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OutgoingError>>> {
        let this = &mut *self;
        let Some(source) = &this.source else { return Poll::Ready(None) };
        let mut state = source.lock();
        if state.attempt != this.attempt {
            return Poll::Ready(Some(Err(OutgoingError::Superseded)));
        }
        let frame = match state.kept.get(this.at) {
            Some(kept) => {
                let frame = match kept.clone() {
                    Kept::Data(data) => Frame::data(data),
                    Kept::Trailers(trailers) => Frame::trailers(trailers),
                };
                let last = state.ended && this.at + 1 == state.kept.len();
                let now = Millis::now();
                state.doing = if last { Doing::Sent(now) } else { Doing::Writing(now) };
                Some(Ok(frame))
            }
            None => ready!(state.poll(context)),
        };
        drop(state);
        this.at += 1;
        if let (Some(left), Some(data)) =
            (&mut this.left, frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()))
        {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let Some(source) = &self.source else { return true };
        let state = source.lock();
        state.attempt == self.attempt && state.ended && (!state.whole || self.at >= state.kept.len())
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_small_body_is_sent_again_from_its_beginning() {
        let source = Source::new(RequestBody::full("abc"), Some(3));
        let mut first = source.attempt().unwrap();
        assert_eq!(first.size_hint().exact(), Some(3));
        assert!(!first.is_end_stream());
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(first.is_end_stream() && source.is_replayable());
        let second = source.attempt().unwrap();
        assert_eq!(second.size_hint().exact(), Some(3));
        assert!(!second.is_end_stream());
        assert_eq!(second.collect().await.unwrap().to_bytes(), "abc");
        assert!(matches!(first.frame().await, Some(Err(OutgoingError::Superseded))));
        assert!(first.source.unwrap().failure().is_none());
    }

    #[tokio::test]
    async fn a_large_body_is_not_kept() {
        let source = Source::new(RequestBody::full(vec![0; KEPT + 1]), None);
        assert!(source.is_replayable());
        assert_eq!(source.attempt().unwrap().collect().await.unwrap().to_bytes().len(), KEPT + 1);
        assert!(!source.is_replayable() && source.attempt().is_none());
        assert!(source.lock().kept.is_empty());
    }

    #[tokio::test]
    async fn more_than_the_policy_allows_ends_it() {
        let source = Source::new(RequestBody::full("abcd"), Some(3));
        assert!(source.attempt().unwrap().collect().await.is_err());
        assert_eq!(source.failure(), Some(BodyFailure::TooLarge));
        assert!(source.attempt().is_none());
    }
}
