//! Responses on their way to clients.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use crate::forward::{Outcome, ResponseBody};
use crate::head::Pace;
use crate::log::{Entry, Log};
use crate::metrics::Counts;

/// What went wrong within a body.
type BoxError = Box<dyn Error + Send + Sync>;

/// A response's body, which is accounted for when it ends.
#[derive(Debug)]
pub(super) struct Reply {
    body: Kind,
    account: Account,
}

#[derive(Debug)]
enum Kind {
    /// The gateway's own words.
    Own(Option<Bytes>),
    Forwarded(ResponseBody),
}

/// What is to be said of a request when it has ended, which is when this is dropped.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) pace: Arc<Pace>,
    pub(super) counts: Arc<Counts>,
    pub(super) log: Option<(Log, Box<Entry>)>,
    pub(super) begun: Instant,
    /// None: the client went before there was one.
    pub(super) status: Option<StatusCode>,
    pub(super) outcome: Outcome,
    /// Bytes of the body.
    pub(super) sent: u64,
    /// A part was given out, and nobody came back for more.
    pub(super) unread: bool,
}

impl Reply {
    /// The gateway's own words.
    pub(super) fn own(text: impl Into<Bytes>, account: Account) -> Self {
        Self::new(Kind::Own(Some(text.into())), account)
    }

    /// What the forwarder answers.
    pub(super) fn forwarded(body: ResponseBody, account: Account) -> Self {
        Self::new(Kind::Forwarded(body), account)
    }

    fn new(body: Kind, mut account: Account) -> Self {
        // The client has yet to take the head.
        account.given();
        Self { body, account }
    }
}

impl Account {
    fn given(&mut self) {
        if !self.unread {
            self.unread = true;
            self.pace.given();
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.pace.ended(self.unread);
        let time = self.begun.elapsed();
        self.counts.request(self.status, &self.outcome, self.sent, time);
        if let Some((log, mut entry)) = self.log.take() {
            entry.finish(self.status, std::mem::take(&mut self.outcome), self.sent, time);
            log.write(entry);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let unread = std::mem::take(&mut this.account.unread);
        this.account.pace.polled(unread);
        let frame = match &mut this.body {
            Kind::Own(text) => text.take().map(|text| Ok(Frame::data(text))),
            Kind::Forwarded(body) => ready!(Pin::new(body).poll_frame(context)),
        };
        if let Some(Ok(frame)) = &frame {
            this.account.sent += frame.data_ref().map_or(0, |data| data.remaining() as u64);
            this.account.given();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Kind::Own(text) => text.is_none(),
            Kind::Forwarded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Kind::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Kind::Forwarded(body) => body.size_hint(),
        }
    }
}
