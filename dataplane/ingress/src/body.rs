//! Bodies of requests.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::head::is_forbidden_trailer;

/// A request's body as the client sends it, with a deadline between two of its parts.
///
/// The deadline runs only while somebody waits for the next part: time that the endpoint takes is not the client's.
#[derive(Debug)]
pub struct RequestBody {
    from: From,
    patience: Duration,
    alarm: Alarm,
    /// When a wait that has begun is over.
    due: Option<Instant>,
}

#[derive(Debug)]
enum From {
    Client(Incoming),
    Here(Option<Bytes>),
}

/// Why a body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client's connection, or its framing.
    #[error("reading the request's body: {0}")]
    Client(#[from] hyper::Error),
    /// Nothing came for so long.
    #[error("nothing of the request's body came for {0:?}")]
    Slow(Duration),
    /// A trailer that says what only a head may (RFC 9110 section 6.5.1).
    #[error("a forbidden trailer: {0}")]
    Trailer(http::HeaderName),
}

impl RequestBody {
    /// What a client sends, of which the next part must come within `patience`.
    pub fn new(body: Incoming, patience: Duration) -> Self {
        Self { from: From::Client(body), patience, alarm: Alarm::default(), due: None }
    }

    /// One that is here already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty());
        Self { from: From::Here(bytes), patience: Duration::MAX, alarm: Alarm::default(), due: None }
    }
}

/// The filter in front of HTTP/1 has looked at trailers before; HTTP/2's come here first.
fn checked(frame: Frame<Bytes>) -> Result<Frame<Bytes>, RequestBodyError> {
    let names = frame.trailers_ref().into_iter().flat_map(|trailers| trailers.keys());
    match names.into_iter().find(|name| is_forbidden_trailer(name.as_str().as_bytes())) {
        Some(name) => Err(RequestBodyError::Trailer(name.clone())),
        None => Ok(frame),
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        let body = match &mut this.from {
            From::Client(body) => body,
            From::Here(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            this.due = None;
            return Poll::Ready(frame.map(|frame| checked(frame?)));
        }
        let due = *this.due.get_or_insert_with(|| Instant::now() + this.patience);
        ready!(this.alarm.poll(context, due));
        this.due = None;
        Poll::Ready(Some(Err(RequestBodyError::Slow(this.patience))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            From::Client(body) => body.is_end_stream(),
            From::Here(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Client(body) => body.size_hint(),
            From::Here(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
