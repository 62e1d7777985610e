//! The filter in a connection's way.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::pace::Fate;
use super::search::{Found, Search};
use super::{ChunkError, Chunks, Framing, Head, Pace, Refusal, check};
use crate::alarm::Alarm;
use crate::upstream::Millis;

/// Bytes read at once.
const READ: usize = 8192;
/// What is kept of what a client says before it knows whether its upgrade is granted.
const EARLY: usize = 16 << 10;
/// How long, and for how many bytes, a connection is read from after it was closed: what is in flight would otherwise reset it
/// before the client has read why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 << 10;
/// What hyper is given in place of a request that is refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";

/// How long, and for how much, the filter waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The longest head, in bytes.
    pub(crate) max_head: usize,
    /// For a head.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) keep_alive: Duration,
}

/// A connection of which only well-formed HTTP/1 can be read.
#[derive(Debug)]
pub(crate) struct Filter<T> {
    io: T,
    pace: Arc<Pace>,
    patience: Patience,
    phase: Phase,
    /// What was read and is not handed on.
    buffer: BytesMut,
    /// How much of it may be.
    good: usize,
    /// For the head's end.
    search: Search,
    /// When the head began that is read.
    began: Millis,
    /// An empty line came before the request line.
    blank: bool,
    alarm: Alarm,
    /// What was read since it was closed, in bytes, and until when that goes on.
    linger: Option<(usize, Instant)>,
}

#[derive(Debug)]
enum Phase {
    Head,
    Length {
        left: u64,
        upgrade: bool,
    },
    Chunked {
        chunks: Chunks,
        upgrade: bool,
    },
    /// Behind a request for another protocol, until it has its answer.
    Asked,
    /// Another protocol.
    Raw,
    /// Nothing more is read.
    Refused,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Filter<T> {
    /// A filter in front of `io`, from which `read` has been read.
    pub(crate) fn new(io: T, read: BytesMut, pace: Arc<Pace>, patience: Patience) -> Self {
        Self {
            io,
            pace,
            patience,
            phase: Phase::Head,
            buffer: read,
            good: 0,
            search: Search::default(),
            began: Millis::now(),
            blank: false,
            alarm: Alarm::default(),
            linger: None,
        }
    }

    /// Reads into the buffer; false at the end.
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.buffer.reserve(READ);
        let read = pin!(self.io.read_buf(&mut self.buffer)).poll(context);
        if read.is_pending() && self.buffer.is_empty() {
            // Idle connections are many, and hold no memory for what may never come.
            self.buffer = BytesMut::new();
        }
        Poll::Ready(Ok(ready!(read)? > 0))
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.pace.refuse(refusal);
        self.phase = Phase::Refused;
        self.buffer.clear();
        self.buffer.extend_from_slice(STAND_IN);
        self.good = self.buffer.len();
    }

    fn take_head(&mut self) -> Result<bool, Refusal> {
        let end = loop {
            match self.search.find(&self.buffer)? {
                Found::End(end) => break Some(end),
                Found::Nothing => break None,
                // RFC 9112 section 2.2: an empty line before the request line, which old clients send behind a body.
                Found::Blank(length) => {
                    if std::mem::replace(&mut self.blank, true) {
                        return Err(Refusal::RequestLine);
                    }
                    self.buffer.advance(length);
                }
            }
        };
        if end.unwrap_or(self.buffer.len()) > self.patience.max_head {
            return Err(Refusal::HeadTooLong);
        }
        let Some(end) = end else { return Ok(false) };
        let head = check(self.buffer.get(..end).unwrap_or_default())?;
        self.good = end;
        self.search = Search::default();
        // What is here of the next one has had no time yet.
        self.began = Millis::now();
        self.passed(head);
        Ok(true)
    }

    /// A head goes to hyper.
    fn passed(&mut self, Head { framing, upgrade }: Head) {
        self.blank = false;
        self.pace.passed();
        match framing {
            Framing::Length(0) => self.message_end(upgrade),
            Framing::Length(left) => self.phase = Phase::Length { left, upgrade },
            Framing::Chunked => self.phase = Phase::Chunked { chunks: Chunks::default(), upgrade },
        }
    }

    fn message_end(&mut self, upgrade: bool) {
        self.phase = if upgrade { Phase::Asked } else { Phase::Head };
    }

    /// Reads on for a head of which a part is here; true where hyper is to learn that the connection is over.
    fn read_on(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match self.fill(context) {
            Poll::Ready(read) => Poll::Ready(read.map(|more| !more)),
            Poll::Pending => self.wait(context),
        }
    }

    /// Reads for a head straight into hyper's buffer, where it stays if it is whole and well-formed. What is anything else, and
    /// what comes behind it, is taken out again. True where hyper has got something, or the end.
    fn read_head(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let start = out.filled().len();
        if Pin::new(&mut self.io).poll_read(context, out)?.is_pending() {
            return self.wait(context);
        }
        let read = out.filled().get(start..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let end = match Search::default().find(read) {
            Ok(Found::End(end)) if end <= self.patience.max_head => end,
            _ => 0,
        };
        let head = read.get(..end).and_then(|head| check(head).ok());
        let good = if head.is_some() { end } else { 0 };
        if good < read.len() {
            self.began = Millis::now();
            self.buffer.extend_from_slice(read.get(good..).unwrap_or_default());
            out.set_filled(start + good);
        }
        if let Some(head) = head {
            self.passed(head);
        }
        Poll::Ready(Ok(good > 0))
    }

    /// Until the client has had its time; true where hyper is to learn that the connection is over.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let left = self.left();
            if left != Some(Duration::ZERO) {
                let due = Instant::now() + left.unwrap_or(self.patience.keep_alive);
                ready!(self.alarm.poll(context, due));
                continue;
            }
            if self.buffer.is_empty() {
                return Poll::Ready(Ok(true));
            }
            self.refuse(Refusal::Slow);
            return Poll::Ready(Ok(false));
        }
    }

    /// How long a head is still waited for; none while the client waits for an answer.
    fn left(&self) -> Option<Duration> {
        let (since, patience) = match self.buffer.is_empty() && self.pace.is_used() {
            true => (self.pace.idle_since()?, self.patience.keep_alive),
            false => (self.began, self.patience.head),
        };
        Some(patience.saturating_sub(Millis::now().since(since)))
    }

    /// Lets hyper have what is good; false where there is nothing.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) -> bool {
        if self.good == 0 {
            return false;
        }
        let length = self.good.min(out.remaining());
        out.put_slice(self.buffer.get(..length).unwrap_or_default());
        self.buffer.advance(length);
        self.good -= length;
        true
    }

    /// One step; true where hyper has got something, or the end.
    fn step(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if self.hand_on(out) {
            return Poll::Ready(Ok(true));
        }
        match &mut self.phase {
            Phase::Head if self.buffer.is_empty() => return self.read_head(context, out),
            Phase::Head => match self.take_head() {
                Err(refusal) => self.refuse(refusal),
                Ok(true) => {}
                Ok(false) => return self.read_on(context),
            },
            Phase::Length { left: 0, upgrade } => {
                let upgrade = *upgrade;
                self.message_end(upgrade);
            }
            Phase::Length { left, .. } if !self.buffer.is_empty() => {
                self.good = (*left).min(self.buffer.len() as u64) as usize;
                *left -= self.good as u64;
            }
            Phase::Length { left, .. } if *left >= out.remaining() as u64 => {
                let before = out.filled().len();
                ready!(Pin::new(&mut self.io).poll_read(context, out))?;
                *left -= (out.filled().len() - before) as u64;
                return Poll::Ready(Ok(true));
            }
            Phase::Chunked { chunks, upgrade } if !self.buffer.is_empty() => {
                let upgrade = *upgrade;
                match chunks.take(&self.buffer) {
                    Ok(length) => self.good = length,
                    Err(error) => return Poll::Ready(Err(malformed(error))),
                }
                if chunks.is_done() {
                    self.message_end(upgrade);
                }
            }
            Phase::Length { .. } | Phase::Chunked { .. } => {
                return Poll::Ready(Ok(!ready!(self.fill(context))?));
            }
            Phase::Asked => match self.pace.fate(context.waker()) {
                Fate::Raw => self.phase = Phase::Raw,
                Fate::Answered => self.phase = Phase::Head,
                Fate::Open if self.buffer.len() >= EARLY => return Poll::Pending,
                Fate::Open => return Poll::Ready(Ok(!ready!(self.fill(context))?)),
            },
            Phase::Raw if !self.buffer.is_empty() => self.good = self.buffer.len(),
            Phase::Raw => {
                ready!(Pin::new(&mut self.io).poll_read(context, out))?;
                return Poll::Ready(Ok(true));
            }
            Phase::Refused => return Poll::Pending,
        }
        Poll::Ready(Ok(false))
    }
}

fn malformed(error: ChunkError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Filter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !ready!(self.step(context, out))? {}
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Filter<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
            if matches!(this.phase, Phase::Head | Phase::Raw) && this.buffer.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.linger = Some((0, Instant::now() + LINGER));
        }
        while let Some((read, until)) = this.linger.filter(|(read, _)| *read < LINGER_BYTES) {
            this.buffer.clear();
            match this.fill(context) {
                Poll::Ready(Ok(true)) => this.linger = Some((read + this.buffer.len(), until)),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.alarm.poll(context, until));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
