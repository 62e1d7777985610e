//! Bodies of responses on their way to clients.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::fields;
use crate::upstream::{InFlight, Lease};

/// What clients are sent.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    Here(Option<Bytes>),
    Endpoint(Box<FromEndpoint>),
}

#[derive(Debug)]
struct FromEndpoint {
    body: Incoming,
    /// Given back when the body has ended.
    lease: Option<Lease>,
    _in_flight: InFlight,
    patience: Duration,
    /// When a wait that has begun is over.
    due: Option<Instant>,
    failed: Option<ResponseBodyError>,
}

/// Why a response ends early; the client sees its connection, or its stream, break off.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The endpoint's connection or framing.
    #[error("reading the response's body: {0}")]
    Endpoint(#[from] hyper::Error),
    /// Nothing came for so long.
    #[error("nothing of the response's body came for {0:?}")]
    Slow(Duration),
}

impl ResponseBody {
    /// None.
    pub fn empty() -> Self {
        Self(Kind::Here(None))
    }

    /// One that is here already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Here(Some(bytes.into()).filter(|bytes| !bytes.is_empty())))
    }

    /// What an endpoint sends, each next part within `patience`. The connection goes back to the pool when it has ended.
    pub(super) fn from_endpoint(
        body: Incoming,
        lease: Lease,
        in_flight: InFlight,
        patience: Duration,
    ) -> Self {
        if body.is_end_stream() {
            lease.release();
            return Self::empty();
        }
        let lease = Some(lease);
        let from = FromEndpoint { body, lease, _in_flight: in_flight, patience, due: None, failed: None };
        Self(Kind::Endpoint(Box::new(from)))
    }
}

impl FromEndpoint {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut look = |context: &mut Context<'_>| Pin::new(&mut self.body).poll_frame(context);
        let frame = match &mut self.lease {
            Some(lease) => lease.poll(context, look),
            // Without a connection the end is there already.
            None => look(context),
        };
        if let Poll::Ready(frame) = frame {
            self.due = None;
            return Poll::Ready(match frame {
                None => {
                    self.release();
                    None
                }
                Some(Ok(frame)) => Some(Ok(self.pass(frame))),
                Some(Err(error)) => {
                    self.lease = None;
                    self.failed = Some(error.into());
                    // What came before it goes to the client first: hyper sends nothing more once it has seen an error.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            });
        }
        let Some(lease) = &mut self.lease else { return Poll::Pending };
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.patience);
        ready!(lease.poll_due(context, due));
        self.lease = None;
        Poll::Ready(Some(Err(ResponseBodyError::Slow(self.patience))))
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                fields::clean_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => {
                // Whoever sends a body of known length may not ask for its end.
                if self.body.is_end_stream() {
                    self.release();
                }
                frame
            }
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl Drop for FromEndpoint {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.release();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Here(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Endpoint(from) => from.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Here(bytes) => bytes.is_none(),
            Kind::Endpoint(from) => from.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Here(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Endpoint(from) => from.body.size_hint(),
        }
    }
}
